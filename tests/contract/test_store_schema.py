"""Migrations and what the store says about a schema that is not the one it needs."""

import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from smsgw.core.ports import StoreUnavailableError
from smsgw.transports.sql import open_database, sync_url
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import MigrationError, head, migrate
from smsgw.transports.stores.database.schema import REVISIONS, metadata
from tests import services
from tests.contract.stores import quiet, started


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'deep' / 'store.db'}"
        return
    with services.free_database(request.getfixturevalue("postgres_url")) as found:
        yield found


@pytest.fixture
async def store(url: str) -> AsyncIterator[DatabaseStore]:
    store = DatabaseStore(open_database(url), observer=lambda _fact: None)
    yield store
    await store.close()


def test_the_store_knows_the_newest_revision() -> None:
    assert head() == REVISIONS[-1]


def test_the_migrations_build_the_tables_of_the_schema(url: str) -> None:
    migrate(url, wait_seconds=1, say=quiet)

    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)

    # SQLite keeps JSON as a word of its own; Alembic cannot compare it.
    assert [each for each in differences if "modify_type" not in str(each)] == []


def test_migrate_says_what_it_did(url: str) -> None:
    said: list[str] = []

    migrate(url, wait_seconds=1, say=said.append)
    migrate(url, wait_seconds=1, say=said.append)

    assert said == ["schema: (none) -> 0001", "schema is up to date at 0001"]


def test_two_migrations_at_once_are_safe(url: str) -> None:
    said: list[str] = []
    runs = [
        threading.Thread(target=migrate, args=(url,), kwargs={"wait_seconds": 20, "say": said.append}) for _ in range(3)
    ]

    for run in runs:
        run.start()
    for run in runs:
        run.join(timeout=60)

    outcomes = sorted(line for line in said if line.startswith("schema"))
    assert outcomes == ["schema is up to date at 0001"] * 2 + ["schema: (none) -> 0001"]


def test_a_server_that_is_not_there_is_waited_for_and_then_named() -> None:
    said: list[str] = []

    with pytest.raises(MigrationError) as failure:
        migrate("postgresql://u:secret@127.0.0.1:1/x", wait_seconds=0.2, say=said.append)

    assert str(failure.value).startswith("gave up: waiting for the database at 127.0.0.1:1/x")
    assert len(str(failure.value).splitlines()) == 1
    assert said[0].startswith("waiting for the database at 127.0.0.1:1/x")
    assert "secret" not in f"{failure.value} {said}"


def test_a_place_that_cannot_hold_a_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")

    with pytest.raises(MigrationError) as failure:
        migrate(f"sqlite:///{tmp_path / 'file' / 'x.db'}", wait_seconds=0, say=quiet)

    assert len(str(failure.value).splitlines()) == 1


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file.db").write_text("This is a diary, not a database. " * 99)

    with pytest.raises(MigrationError, match="not a database"):
        migrate(f"sqlite:///{tmp_path / 'file.db'}", wait_seconds=0, say=quiet)


async def test_a_missing_schema_is_named_and_nothing_is_taken_in(store: DatabaseStore) -> None:
    assert await store.problem() == "schema is missing: run `smsgw migrate`"
    with pytest.raises(StoreUnavailableError):
        await store.take_in([started()])


@pytest.mark.parametrize(
    ("revision", "expected"),
    [("0000", "schema is at 0000, this release needs 0001: run `smsgw migrate`"), ("9999", None)],
)
async def test_an_older_schema_is_named_and_a_newer_one_is_fine(
    url: str, store: DatabaseStore, revision: str, expected: str | None
) -> None:
    migrate(url, wait_seconds=1, say=quiet)
    _pretend(url, revision)

    assert await store.problem() == expected


def test_a_newer_schema_is_left_alone(url: str) -> None:
    said: list[str] = []
    migrate(url, wait_seconds=1, say=quiet)
    _pretend(url, "9999")

    migrate(url, wait_seconds=1, say=said.append)

    assert said == ["schema is at 9999, which is newer than this release: nothing to do"]


async def test_a_database_that_is_away_is_named_within_a_second_without_its_host_and_user() -> None:
    store = DatabaseStore(open_database("postgresql://secret-user@127.0.0.1:1/x"), observer=lambda _fact: None)

    problem = await store.problem()

    await store.close()
    assert problem == "the database is away"


def _pretend(url: str, revision: str) -> None:
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})
