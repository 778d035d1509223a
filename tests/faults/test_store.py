"""The store against a PostgreSQL that dies, freezes, blocks and comes back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import psycopg
import pytest

from smsgw.core.events import StoreCalled
from smsgw.core.message import Status
from smsgw.core.ports import StoreUnavailableError
from smsgw.transports.sql import open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate
from tests.contract.stores import NOW, accepted, queued, quiet, report, restart, started, state, take_in, told
from tests.servers import OwnPostgres

DEADLINE = 20.0
QUEUED = frozenset({Status.QUEUED})


@pytest.fixture
def facts() -> list[Any]:
    return []


@pytest.fixture
async def store(own_postgres: OwnPostgres, facts: list[Any]) -> AsyncIterator[DatabaseStore]:
    migrate(own_postgres.url, wait_seconds=10, say=quiet)
    store = DatabaseStore(open_database(own_postgres.url), observer=facts.append)
    yield store
    own_postgres.thaw()
    own_postgres.start()
    await store.close()


async def test_a_restart_between_calls_is_not_noticed(store: DatabaseStore, own_postgres: OwnPostgres) -> None:
    changes = await take_in(store, *(started() for _ in range(8)))
    await asyncio.gather(*(store.story(each.message.tracking_id, "x") for each in changes))
    await _off_loop(own_postgres.kill)
    await _off_loop(own_postgres.start)

    results = await asyncio.gather(*(store.apply(accepted(change)) for change in changes))

    assert results == [True] * 8


@pytest.mark.fault("F43", "I3 I7")
async def test_killed_while_applying_then_works_again(
    store: DatabaseStore, own_postgres: OwnPostgres, facts: list[Any]
) -> None:
    changes = await take_in(store, *(started() for _ in range(300)))
    pending = [asyncio.ensure_future(store.apply(accepted(change))) for change in changes]
    await asyncio.wait(pending[:1])

    await _off_loop(own_postgres.kill)
    first = await asyncio.gather(*pending, return_exceptions=True)
    with pytest.raises(StoreUnavailableError):
        await store.take_in([started()])
    assert await store.problem() is not None
    await _off_loop(own_postgres.start)
    await _until(lambda: _is_fit(store))

    # Whatever was not confirmed is asked again: whether or not it was committed, it is ours.
    for change, result in zip(changes, first, strict=True):
        assert result is True or isinstance(result, StoreUnavailableError)
        if result is not True:
            assert await store.apply(accepted(change)) is True
        assert (await state(store, change.message.tracking_id)).status is Status.SENT
        assert await told(store, change.message.tracking_id) == ["PROCESSING", "SENT"]
    assert any(isinstance(fact, StoreCalled) and fact.is_failed for fact in facts)


@pytest.mark.fault("F43", "I1 I3")
async def test_a_retry_after_a_kill_during_intake_takes_every_message_in_once(
    store: DatabaseStore, own_postgres: OwnPostgres
) -> None:
    batches = [[started() for _ in range(100)] for _ in range(6)]
    calls = [asyncio.ensure_future(store.take_in(batch)) for batch in batches]
    await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)

    await _off_loop(own_postgres.kill)
    first = await asyncio.gather(*calls, return_exceptions=True)
    await _off_loop(own_postgres.start)
    await _until(lambda: _is_fit(store))

    for batch, result in zip(batches, first, strict=True):
        made = await store.take_in(batch) if isinstance(result, BaseException) else result
        assert made == [arrival.change for arrival in batch]
        assert await store.take_in(batch) == [None] * 100


@pytest.mark.fault("F44", "I12")
async def test_a_frozen_server_bounds_every_call(store: DatabaseStore, own_postgres: OwnPostgres) -> None:
    (change,) = await take_in(store, started())
    await _off_loop(own_postgres.freeze)

    assert await _seconds(store.problem()) < 1.5
    for call in (store.apply(accepted(change)), store.take_in([started()]), store.counts()):
        assert await _seconds(_fails(call)) < 10

    await _off_loop(own_postgres.thaw)
    await _until(lambda: _is_fit(store))
    assert await store.apply(accepted(change)) in (True, False)
    assert (await state(store, change.message.tracking_id)).status is Status.SENT


@pytest.mark.fault("F45", "I12")
async def test_a_deadlock_is_tried_again(store: DatabaseStore, own_postgres: OwnPostgres) -> None:
    changes = await take_in(store, *(started() for _ in range(2)))
    first, second = (change.message.tracking_id for change in changes)
    lock = "SELECT 1 FROM messages WHERE tracking_id = %s FOR UPDATE"
    async with await psycopg.AsyncConnection.connect(own_postgres.url) as other:
        await other.execute("SET deadlock_timeout = '10s'")
        await other.execute(lock, [second])
        applying = asyncio.gather(*(store.apply(accepted(change)) for change in changes))
        await _until(lambda: _is_somebody_waiting(own_postgres.url))
        crossing = asyncio.ensure_future(other.execute(lock, [first]))
        await asyncio.wait({crossing}, timeout=DEADLINE)
        await other.rollback()

    assert await applying == [True, True]


@pytest.mark.fault("F45", "I12")
async def test_a_lock_that_is_held_too_long_is_an_outage_in_bounded_time(
    store: DatabaseStore, own_postgres: OwnPostgres
) -> None:
    (change,) = await take_in(store, started())
    async with await psycopg.AsyncConnection.connect(own_postgres.url) as other:
        await other.execute("LOCK TABLE messages")

        seconds = await _seconds(_fails(store.apply(accepted(change))))
        await other.rollback()

    assert seconds < 10
    assert await store.apply(accepted(change)) is True


@pytest.mark.fault("F45", "I12")
async def test_a_serialization_failure_is_tried_again_as_a_whole(
    store: DatabaseStore, own_postgres: OwnPostgres
) -> None:
    await _admin(own_postgres.url, "ALTER ROLE postgres SET default_transaction_isolation = 'repeatable read'")
    try:
        (change,) = await take_in(store, started())
        async with await psycopg.AsyncConnection.connect(own_postgres.url) as other:
            await other.execute("UPDATE messages SET text = text WHERE tracking_id = %s", [change.message.tracking_id])
            applying = asyncio.ensure_future(store.apply(accepted(change)))
            await _until(lambda: _is_somebody_waiting(own_postgres.url))
            await other.commit()
        assert await applying is True
    finally:
        await _admin(own_postgres.url, "ALTER ROLE postgres RESET default_transaction_isolation")

    assert await told(store, change.message.tracking_id) == ["PROCESSING", "SENT"]


@pytest.mark.fault("F45", "I12")
async def test_a_pool_whose_connections_are_all_taken_bounds_the_wait(own_postgres: OwnPostgres) -> None:
    migrate(own_postgres.url, wait_seconds=10, say=quiet)
    database = open_database(own_postgres.url, pool_size=1)
    store, arrival = DatabaseStore(database, observer=_deaf), started()

    async with database.read():
        seconds = await _seconds(_fails(store.take_in([arrival])))

    assert 1.5 < seconds < 4
    assert await store.take_in([arrival]) == [arrival.change]
    await store.close()


@pytest.mark.fault("F50", "I11")
async def test_a_flood_of_reports_leaves_connections_to_those_who_send(
    store: DatabaseStore, own_postgres: OwnPostgres
) -> None:
    """Four connections are all there is; whoever finds none for 2 s takes the database for away."""
    flood = [asyncio.ensure_future(store.store_reports([report(reference="x")])) for _ in range(3000)]
    await asyncio.wait(flood[:1])

    arrivals = [started() for _ in range(5)]
    taken = await asyncio.gather(*(store.take_in([each]) for each in arrivals))

    assert taken == [[each.change] for each in arrivals]
    assert await asyncio.gather(*flood) == [1] * 3000


@pytest.mark.fault("F46", "I11")
async def test_a_read_only_database_is_named(store: DatabaseStore, own_postgres: OwnPostgres) -> None:
    await _admin(own_postgres.url, "ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
    try:
        await _until(lambda: _says(store, "the database is read-only"))
        with pytest.raises(StoreUnavailableError):
            await store.take_in([queued()])
    finally:
        reset = "SET default_transaction_read_only = off"
        await _admin(
            own_postgres.url, reset, "ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()"
        )

    await _until(lambda: _is_fit(store))
    assert await store.take_in([queued()]) != [None]


async def test_a_terminated_backend_is_replaced_at_once(store: DatabaseStore, own_postgres: OwnPostgres) -> None:
    await take_in(store, queued())
    await _admin(
        own_postgres.url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    )

    taken = await store.claim(QUEUED, now=NOW, limit=1000, plan=restart)

    assert len(taken) >= 1


def _deaf(_fact: object) -> None:
    """Hear nothing."""


async def _off_loop(action: Callable[[], None]) -> None:
    await asyncio.to_thread(action)


async def _fails(call: Awaitable[object]) -> None:
    with pytest.raises(StoreUnavailableError):
        await call


async def _seconds(call: Awaitable[object]) -> float:
    started_at = time.monotonic()
    await call
    return time.monotonic() - started_at


async def _is_fit(store: DatabaseStore) -> bool:
    return await store.problem() is None


async def _says(store: DatabaseStore, problem: str) -> bool:
    return await store.problem() == problem


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    end = time.monotonic() + DEADLINE
    while not await condition():
        assert time.monotonic() < end, "it did not come true in time"
        await asyncio.sleep(0.05)


async def _admin(url: str, *statements: str) -> None:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        for statement in statements:
            await connection.execute(statement.encode())


async def _is_somebody_waiting(url: str) -> bool:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        found = await connection.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        row = await found.fetchone()
    return row is not None and row[0] > 0
