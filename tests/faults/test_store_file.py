"""What shares one SQLite file, when another process keeps that locked: bounded waits, and nothing is forgotten."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from smsgw.core.ports import StoreUnavailableError
from smsgw.settings import QueueSettings
from smsgw.transports.queues.database import DatabaseConsumer, DatabasePublisher, DatabaseQueue
from smsgw.transports.sql import Database, DatabaseAwayError, open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate
from tests.contract.stores import quiet, started

LOCK_SECONDS = 2.0


@pytest.fixture
async def ours(tmp_path: Path) -> AsyncIterator[Database]:
    url = f"sqlite:///{tmp_path / 'store.db'}"
    migrate(url, wait_seconds=1, say=quiet)
    database = open_database(url)
    yield database
    await database.close()


@pytest.fixture
async def theirs(tmp_path: Path, ours: Database) -> AsyncIterator[Database]:
    """Another process's way to the same file."""
    database = open_database(f"sqlite:///{tmp_path / 'store.db'}")
    yield database
    await database.close()


@pytest.mark.fault("F47", "I12")
async def test_a_locked_file_is_an_outage_in_bounded_time(ours: Database, theirs: Database) -> None:
    store, arrival = DatabaseStore(ours, observer=lambda _fact: None), started()

    async with theirs.write():
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError):
            await store.take_in([arrival])
        seconds = time.monotonic() - began

    assert seconds < 10
    assert await store.take_in([arrival]) == [arrival.change]


@pytest.mark.fault("F47", "I12")
async def test_who_stands_behind_a_writer_that_is_locked_out_waits_no_longer_than_that_one(
    ours: Database, theirs: Database
) -> None:
    async with theirs.write():
        began = time.monotonic()
        results = await asyncio.gather(*(_write(ours) for _ in range(5)), return_exceptions=True)
        seconds = time.monotonic() - began
    await _write(ours)

    assert {type(result) for result in results} == {DatabaseAwayError}
    assert seconds < 2 * LOCK_SECONDS


@pytest.mark.fault("F47", "I11 I12")
async def test_who_came_shortly_before_a_writer_was_locked_out_has_a_try_of_its_own(
    ours: Database, theirs: Database
) -> None:
    async with theirs.write():
        locked_out = asyncio.create_task(_write(ours))
        await asyncio.wait({locked_out}, timeout=LOCK_SECONDS * 3 / 4)
        late = asyncio.create_task(_write(ours))
        with pytest.raises(DatabaseAwayError, match="database is locked"):
            await locked_out
    async with asyncio.timeout(10):
        await late

    assert late.exception() is None


@pytest.mark.fault("F47", "I1 I11")
async def test_what_a_pause_could_not_give_back_is_received_again_after_it(ours: Database, theirs: Database) -> None:
    queue = DatabaseQueue(QueueSettings(url="sqlite:///"), ours, clock=lambda: datetime.now(UTC))
    publisher, consumer = DatabasePublisher(queue), DatabaseConsumer(queue)
    await publisher.open()
    await publisher.publish(b'{"number":1}')
    first = await consumer.receive(10)

    async with theirs.write():
        await consumer.pause()
    await consumer.resume()
    async with asyncio.timeout(5):
        again = await consumer.receive(10)

    assert [each.body for each in again] == [each.body for each in first]
    await consumer.close()
    await publisher.close()


async def test_a_commit_is_on_the_disk_when_it_returns(ours: Database) -> None:
    async with ours.write() as connection:
        journal = (await connection.exec_driver_sql("PRAGMA journal_mode")).scalar_one()
        synchronous = (await connection.exec_driver_sql("PRAGMA synchronous")).scalar_one()

    assert (journal, synchronous) == ("wal", 2)  # 2 is FULL: the log is synced before COMMIT returns


async def _write(database: Database) -> None:
    async with database.write() as connection:
        await connection.exec_driver_sql("UPDATE messages SET text = text")
