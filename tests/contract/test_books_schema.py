"""The tables of the console come and go without touching the messages."""

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from smsgw.transports.sql import sync_url
from smsgw.transports.stores.database import DatabaseStore, console_tables
from smsgw.transports.stores.database.migrate import migrate
from tests import services
from tests.contract import stores
from tests.contract.books import BooksPlace, entry, user
from tests.contract.stores import Place, quiet

TABLES = {
    "console_users",
    "console_sessions",
    "console_links",
    "sign_in_failures",
    "audit_log",
    "config_overlay",
    "config_overlay_version",
    "traffic_sums",
}


@pytest.fixture(params=["sqlite", "postgres"])
def fresh_url(request: Any, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'store.db'}"
        return
    with services.free_database(request.getfixturevalue("postgres_url")) as found:
        yield found


async def test_going_back_drops_the_console_and_keeps_the_messages(fresh_url: str) -> None:
    migrate(fresh_url, wait_seconds=5, say=quiet)
    place, books_place = Place(fresh_url, []), BooksPlace(fresh_url)
    store = place.open()
    assert isinstance(store, DatabaseStore)
    (change,) = await stores.take_in(store, stores.queued())
    await books_place.open().people.put_user(user(), entry())

    _downgrade(fresh_url, "0004")
    between = _tables(fresh_url)
    migrate(fresh_url, wait_seconds=5, say=quiet)

    assert between.isdisjoint(TABLES)
    assert _tables(fresh_url) >= TABLES
    assert await stores.state(store, change.message.tracking_id) == change.message
    assert await books_place.open().people.users() == []
    await books_place.close()
    await place.close()


def test_tables_of_an_interrupted_run_are_left_as_they_are(fresh_url: str) -> None:
    migrate(fresh_url, wait_seconds=5, say=quiet)
    _downgrade(fresh_url, "0004")
    engine = sa.create_engine(sync_url(fresh_url), poolclass=sa.NullPool)
    with engine.begin() as connection:
        for table in (console_tables.users, console_tables.sessions):
            table.create(connection)

    migrate(fresh_url, wait_seconds=5, say=quiet)

    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), console_tables.users.metadata)
    assert [each for each in differences if "modify_type" not in str(each)] == []


def _tables(url: str) -> set[str]:
    return set(sa.inspect(sa.create_engine(sync_url(url), poolclass=sa.NullPool)).get_table_names())


def _downgrade(url: str, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(files("smsgw.transports.stores.database") / "migrations"))
    with sa.create_engine(sync_url(url), poolclass=sa.NullPool).connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        connection.commit()
