"""Workers that start without their database: nothing leaves before they know what the console has changed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from smsgw.transports.stores.database.migrate import migrate
from tests.journey.calling import accepted, reaches
from tests.journey.product import running
from tests.services import free_database

pytestmark = pytest.mark.timeout(300)


class Late:
    """A database that is not there yet: `create` makes it a copy of another one that nobody uses just now."""

    def __init__(self, server: str, model: str) -> None:
        self.url = f"{model}_late"
        self._server, self._model = server, model

    def create(self) -> None:
        """Bring it into being, whole."""
        self._run(f'CREATE DATABASE "{_name(self.url)}" TEMPLATE "{_name(self._model)}"')

    def drop(self) -> None:
        """Take it away."""
        self._run(f'DROP DATABASE IF EXISTS "{_name(self.url)}" WITH (FORCE)')

    def _run(self, statement: str) -> None:
        with psycopg.connect(self._server, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def late(postgres_url: str) -> Iterator[Late]:
    """A database that is not there; in it the console has switched Local-SMS off."""
    with free_database(postgres_url) as model:
        migrate(model, wait_seconds=10, say=lambda _line: None)
        _switch_off(model, "Local-SMS")
        with _dropped(Late(postgres_url, model)) as late:
            yield late


def test_a_worker_that_starts_before_its_database_asks_nobody_who_is_switched_off(
    redis_url: str, rabbitmq_url: str, late: Late, tmp_path: Path
) -> None:
    services = {"REDIS_URL": redis_url, "RABBITMQ_URL": rabbitmq_url, "DATABASE_URL": late.url}
    with running(tmp_path, services) as product:
        product.configure("Local-SMS", priority=1)
        product.configure("Other", kind="local_sms", priority=2)
        gateway = product.gateway().wait_ready(90)
        ids = [accepted(gateway) for _ in range(20)]
        worker = product.worker().wait_alive(90).wait_unready(naming="database")

        late.create()
        told = [reaches(worker, each, "SENT", seconds=60) for each in ids]

        assert {"Other"} == {each["provider_final"] for each in told}


@contextmanager
def _dropped(late: Late) -> Iterator[Late]:
    try:
        yield late
    finally:
        late.drop()


def _name(url: str) -> str:
    return urlsplit(url).path[1:]


def _switch_off(url: str, name: str) -> None:
    with psycopg.connect(url) as connection:
        body = json.dumps({"is_active": False})
        connection.execute("INSERT INTO config_overlay VALUES ('provider', %s, %s, now(), 'journey')", (name, body))
        connection.execute("INSERT INTO config_overlay_version VALUES (1, 1)")
