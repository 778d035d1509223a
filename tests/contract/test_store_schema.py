"""Migrations and what the store says about a schema that is not the one it needs."""

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from smsgw.core.message import Message
from smsgw.core.ports import StoreUnavailableError
from smsgw.transports.sql import open_database, sync_url
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import MigrationError, head, migrate
from smsgw.transports.stores.database.rows import attempt_row, message_row
from smsgw.transports.stores.database.schema import REVISIONS, attempts, messages, metadata
from tests import services
from tests.contract import stores
from tests.contract.stores import quiet, started

NEWEST = REVISIONS[-1]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'deep' / 'store.db'}"
        return
    with services.free_database(request.getfixturevalue("postgres_url")) as found:
        yield found


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    with services.free_database(postgres_url) as found:
        yield found


@pytest.fixture
async def store(url: str) -> AsyncIterator[DatabaseStore]:
    store = DatabaseStore(open_database(url), observer=lambda _fact: None)
    yield store
    await store.close()


def test_the_store_knows_the_newest_revision() -> None:
    assert head() == NEWEST


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

    assert said == [f"schema: (none) -> {NEWEST}", f"schema is up to date at {NEWEST}"]


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
    assert outcomes == [f"schema is up to date at {NEWEST}"] * 2 + [f"schema: (none) -> {NEWEST}"]


async def test_a_database_of_the_first_release_keeps_its_messages(url: str, store: DatabaseStore) -> None:
    said: list[str] = []
    _upgrade(url, "0001")
    written = stores.started().change.message
    _insert(url, written)
    before = await store.problem()

    migrate(url, wait_seconds=1, say=said.append)

    story = await store.story(written.tracking_id, written.client_key)
    assert before == f"schema is at 0001, this release needs {NEWEST}: run `smsgw migrate`"
    assert said == [f"schema: 0001 -> {NEWEST}"]
    assert await store.problem() is None
    assert story is not None
    assert story.message == written
    assert await store.lanes() == []


async def test_going_back_and_forth_keeps_messages_and_forgets_parts(url: str, store: DatabaseStore) -> None:
    migrate(url, wait_seconds=1, say=quiet)
    (change,) = await stores.take_in(store, started(sender="Shop"))
    taken = stores.accepted(change, message_id="pm-1")
    assert taken.finished is not None
    told = msgspec.structs.replace(taken.finished, part_ids=("pm-1", "pm-2"), segments=2, price="0.1", currency="EUR")
    await store.apply(msgspec.structs.replace(taken, finished=told))

    _move(url, command.downgrade, "0003")
    before = await store.problem()
    migrate(url, wait_seconds=1, say=quiet)

    story = await store.story(change.message.tracking_id, None)
    assert before == f"schema is at 0003, this release needs {NEWEST}: run `smsgw migrate`"
    assert story is not None
    assert story.message == msgspec.structs.replace(taken.message, sender=None)
    assert story.attempts == (taken.finished,)


async def test_what_a_worker_of_the_release_before_writes_beside_us_is_read(url: str, store: DatabaseStore) -> None:
    migrate(url, wait_seconds=1, say=quiet)
    change = stores.started().change
    assert change.started is not None
    _insert(url, change.message)
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.insert(attempts), attempt_row(change.message.tracking_id, change.started))

    story = await store.story(change.message.tracking_id, None)

    assert story is not None
    assert (story.message, story.attempts) == (change.message, (change.started,))


def test_columns_of_an_interrupted_run_are_left_as_they_are(postgres_database: str) -> None:
    _upgrade(postgres_database, "0003")
    engine = sa.create_engine(sync_url(postgres_database), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages ADD COLUMN sender text")
        connection.exec_driver_sql("ALTER TABLE attempts ADD COLUMN part_ids text")
    said: list[str] = []

    migrate(postgres_database, wait_seconds=1, say=said.append)

    assert said == [f"schema: 0003 -> {NEWEST}"]
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_a_worker_that_holds_one_table_and_wants_another_does_not_stop_the_columns(postgres_database: str) -> None:
    """Reports lock the inbox, then messages; a migration in one transaction would lock them the other way round."""
    _upgrade(postgres_database, "0003")
    engine = sa.create_engine(sync_url(postgres_database), poolclass=sa.NullPool)
    said: list[str] = []
    run = threading.Thread(target=migrate, args=(postgres_database,), kwargs={"wait_seconds": 5, "say": said.append})

    with engine.connect() as worker:
        worker.execute(sa.text("SELECT id FROM report_inbox FOR UPDATE"))
        run.start()
        _until_it_waits(engine, "relation")
        worker.execute(sa.insert(messages), _row(stores.message()))
        worker.commit()
    run.join(timeout=30)

    assert said == [f"schema: 0003 -> {NEWEST}"]


def test_workers_write_while_the_index_of_lanes_is_built(postgres_database: str) -> None:
    _upgrade(postgres_database, "0002")
    engine = sa.create_engine(sync_url(postgres_database), poolclass=sa.NullPool)
    said: list[str] = []
    build = threading.Thread(target=migrate, args=(postgres_database,), kwargs={"wait_seconds": 5, "say": said.append})

    with engine.connect() as slow, engine.connect() as other:
        # The build waits for who was writing before it began, and lets nobody wait behind itself.
        slow.execute(sa.insert(messages), _row(stores.message()))
        build.start()
        _until_it_waits(engine)
        other.exec_driver_sql("SET lock_timeout = 1000")
        other.execute(sa.insert(messages), _row(stores.message()))
        other.commit()
        was_building = build.is_alive()
        slow.commit()
    build.join(timeout=30)

    assert was_building
    assert said == [f"schema: 0002 -> {NEWEST}"]


def test_an_index_whose_build_was_interrupted_is_built_anew(postgres_database: str) -> None:
    _upgrade(postgres_database, "0002")
    engine = sa.create_engine(sync_url(postgres_database), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX messages_lane ON messages (lane)")

    migrate(postgres_database, wait_seconds=1, say=quiet)

    (found,) = [each for each in sa.inspect(engine).get_indexes("messages") if each["name"] == "messages_lane"]
    assert found["column_names"] == ["lane", "created_at", "id"]


def test_an_index_of_the_searches_whose_build_was_interrupted_is_built_anew(postgres_database: str) -> None:
    _upgrade(postgres_database, "0005")
    engine = sa.create_engine(sync_url(postgres_database), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE INDEX messages_client ON messages (client_key)")

    migrate(postgres_database, wait_seconds=1, say=quiet)

    found = {each["name"]: each["column_names"] for each in sa.inspect(engine).get_indexes("messages")}
    assert found["messages_to"] == ["to", "id"]
    assert found["messages_client"] == ["client_key", "id"]
    assert found["messages_failed"] == ["status", "id"]


def test_a_step_that_fails_is_rolled_back_and_the_steps_before_it_stay(postgres_database: str) -> None:
    _upgrade(postgres_database, "0001")
    engine = sa.create_engine(sync_url(postgres_database), poolclass=sa.NullPool)
    with engine.begin() as connection:
        # A table of that name is in the way of the index.
        connection.exec_driver_sql("CREATE TABLE messages_lane ()")

    with pytest.raises(MigrationError, match=r"step was rolled back: .*messages_lane"):
        migrate(postgres_database, wait_seconds=1, say=quiet)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE messages_lane")
    said: list[str] = []
    migrate(postgres_database, wait_seconds=1, say=said.append)

    assert said == [f"schema: 0002 -> {NEWEST}"]


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
    [("0000", f"schema is at 0000, this release needs {NEWEST}: run `smsgw migrate`"), ("9999", None)],
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


def _upgrade(url: str, revision: str) -> None:
    """Bring a database to where an older release had it."""
    _move(url, command.upgrade, revision)


def _move(url: str, move: Callable[[Config, str], None], revision: str) -> None:
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    config = Config()
    config.set_main_option("script_location", str(files("smsgw.transports.stores.database") / "migrations"))
    _make_room(url)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        move(config, revision)
        connection.commit()


def _make_room(url: str) -> None:
    if url.startswith("sqlite"):
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)


def _row(message: Message) -> dict[str, Any]:
    """Return a row as the first release wrote it."""
    row = message_row(message, uuid4())
    del row["lane"], row["sender"]
    return row


def _insert(url: str, message: Message) -> None:
    engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.insert(messages), _row(message))


def _until_it_waits(engine: sa.Engine, for_what: str = "virtualxid") -> None:
    """Wait until a migration waits: the build of an index for somebody else's transaction, a column for its table."""
    waiting = f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = '{for_what}'"
    deadline = time.monotonic() + 10
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.exec_driver_sql(waiting).scalar():
            assert time.monotonic() < deadline
