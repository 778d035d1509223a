"""The ground that a module's scenarios share: services, providers, a database to copy."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
import pytest
from sqlalchemy.engine import make_url

from smsgw.transports.stores.database.migrate import migrate
from tests.failpoints.playing import Play, Results, side_by_side
from tests.failpoints.scenarios import Played, Scenario
from tests.failpoints.simulators import Simulators, simulators
from tests.failpoints.stands import Embedded, Production, Stand
from tests.services import free_database


class Ground:
    """Plays scenarios, each on a product of its own; may be used by several threads."""

    def __init__(self, directory: Path, providers: Simulators, services: Mapping[str, str]) -> None:
        self._directory = directory
        self._providers = providers
        self._services = services
        self._copying = threading.Lock()

    def play(self, scenario: Scenario, play: Play) -> Played:
        """Return what `play` returns; an exception has the logs with it."""
        with self._stand(scenario) as stand:
            try:
                stand.open()
                return play(stand)
            except BaseException as error:
                error.add_note(stand.log_tails())
                raise
            finally:
                stand.close()

    @contextmanager
    def _stand(self, scenario: Scenario) -> Iterator[Stand]:
        directory = self._directory / str(scenario)
        directory.mkdir()
        if scenario.ground == "embedded":
            yield Embedded(directory, scenario, self._providers, {})
            return
        with self._database(str(scenario)) as url:
            yield Production(directory, scenario, self._providers, {**self._services, "DATABASE_URL": url})

    @contextmanager
    def _database(self, name: str) -> Iterator[str]:
        """Give a copy of the database that has its schema: faster than migrating each, and safe in a thread."""
        template = make_url(self._services["DATABASE_URL"])
        copy = template.set(database=f"{template.database}_{name.replace('-', '_').lower()}")
        admin = template.set(database="postgres").render_as_string(hide_password=False)
        with self._copying, psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {copy.database} TEMPLATE {template.database}".encode())
        try:
            yield copy.render_as_string(hide_password=False)
        finally:
            with psycopg.connect(admin, autocommit=True) as connection:
                connection.execute(f"DROP DATABASE {copy.database} WITH (FORCE)".encode())


@pytest.fixture(scope="module")
def ground(
    redis_url: str, rabbitmq_url: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ground]:
    """The shared services, a migrated database to copy, and providers."""
    # What a process wrote outlives it in memory as well, and dozens of products do not wait for one disk.
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else tmp_path_factory.mktemp("failpoints")
    with (
        TemporaryDirectory(prefix="smsgw-failpoints-", dir=place) as directory,
        free_database(postgres_url) as database_url,
        simulators() as providers,
    ):
        migrate(database_url, wait_seconds=10, say=lambda _line: None)
        services = {"REDIS_URL": redis_url, "RABBITMQ_URL": rabbitmq_url, "DATABASE_URL": database_url}
        yield Ground(Path(directory), providers, services)


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest, ground: Ground) -> Iterator[Results]:
    """What became of each scenario that the module's tests ask for, as its `play` plays them."""
    with side_by_side(request, lambda scenario: ground.play(scenario, request.module.play)) as results:
        yield results
