"""The store behind a network that breaks at the worst moment: around a COMMIT, or without telling anybody."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from smsgw.core.lifecycle import Change
from smsgw.core.message import ReportStatus, Status
from smsgw.core.ports import StoreUnavailableError
from smsgw.transports.sql import open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate
from tests import services
from tests.contract.stores import (
    NOW,
    accepted,
    attempts,
    decide,
    queued,
    quiet,
    report,
    restart,
    started,
    state,
    take_in,
    told,
)
from tests.faults.proxy import Direction, Proxy, proxied

CALL = 10.0
"""A call's own deadline is 8 s."""
RECOVERY = 25.0
QUEUED = frozenset({Status.QUEUED})


class Site(NamedTuple):
    """A store, and the network between it and PostgreSQL."""

    store: DatabaseStore
    network: Proxy


@pytest.fixture
async def site(postgres_url: str) -> AsyncIterator[Site]:
    with services.free_database(postgres_url) as url:
        migrate(url, wait_seconds=5, say=quiet)
        async with proxied(url) as (network, through):
            store = DatabaseStore(open_database(through), observer=lambda _fact: None)
            yield Site(store, network)
            network.heal()
            network.cut()
            await store.close()


@pytest.fixture(params=["up", "down"])
def lost(request: pytest.FixtureRequest) -> Direction:
    """What is lost: the COMMIT on its way up, which never happens, or its answer on the way down."""
    way: Direction = request.param
    return way


@pytest.mark.fault("F43", "I3 I7")
async def test_an_intake_whose_commit_is_lost_is_known_again(site: Site, lost: Direction) -> None:
    arrivals = [started() for _ in range(3)]

    await _loses_its_commit(site.network, lost, lambda: site.store.take_in(arrivals))

    assert await site.store.take_in(arrivals) == [each.change for each in arrivals]
    assert await site.store.take_in(arrivals) == [None] * 3
    for each in arrivals:
        assert await told(site.store, each.change.message.tracking_id) == ["PROCESSING"]


@pytest.mark.fault("F43", "I3 I7")
async def test_an_outcome_whose_commit_is_lost_is_known_again(site: Site, lost: Direction) -> None:
    (change,) = await take_in(site.store, started())
    outcome = accepted(change, message_id="pm-1")

    await _loses_its_commit(site.network, lost, lambda: site.store.apply(outcome))

    assert await site.store.apply(outcome) is True
    assert await state(site.store, change.message.tracking_id) == outcome.message
    assert await told(site.store, change.message.tracking_id) == ["PROCESSING", "SENT"]


@pytest.mark.fault("F43", "I3 I7")
async def test_a_claim_whose_commit_is_lost_starts_nothing_twice(site: Site, lost: Direction) -> None:
    """Nobody hears of the claim, so nobody sends: what it leased is asked about when its lease is over."""
    (change,) = await take_in(site.store, queued())

    await _loses_its_commit(site.network, lost, lambda: _claim(site.store))

    again = await _claim(site.store)
    assert len(again) == (1 if lost == "up" else 0)
    found = await state(site.store, change.message.tracking_id)
    assert (found.status, found.fence) == (Status.PROCESSING, change.message.fence + 1)
    assert len(await attempts(site.store, change.message.tracking_id)) == 1


@pytest.mark.fault("F43", "I8")
async def test_reports_whose_commits_are_lost_are_stored_and_applied_once(site: Site, lost: Direction) -> None:
    (change,) = await take_in(site.store, started())
    received = [report(ReportStatus.DELIVERED, reference=change.message.tracking_id, key="k1")]

    await _loses_its_commit(site.network, lost, lambda: site.store.store_reports(received))
    new = await site.store.store_reports(received)
    await _loses_its_commit(site.network, lost, lambda: _apply_reports(site.store))
    applied = await _apply_reports(site.store)

    assert (new, len(applied)) == ((1, 1) if lost == "up" else (0, 0))
    assert (await state(site.store, change.message.tracking_id)).status is Status.DELIVERED
    assert await told(site.store, change.message.tracking_id) == ["PROCESSING", "REPORT", "DELIVERED"]


@pytest.mark.fault("F44", "I1 I12")
async def test_half_open_connections_bound_every_call_and_are_replaced(site: Site) -> None:
    changes = await _with_a_full_pool(site.store)

    site.network.half_open("server")
    results = await asyncio.gather(*(_timed(site.store.apply(accepted(change))) for change in changes))

    assert max(seconds for seconds, _ in results) < CALL
    assert {type(result) for _, result in results} <= {bool, StoreUnavailableError}
    await _until_fit(site.store)
    for change in changes:
        assert await site.store.apply(accepted(change)) is True
        assert await told(site.store, change.message.tracking_id) == ["PROCESSING", "SENT"]


@pytest.mark.fault("F44", "I1 I12")
async def test_a_black_hole_bounds_every_call_and_what_was_asked_is_known_again_after_it(site: Site) -> None:
    changes = await _with_a_full_pool(site.store)
    fresh = [started() for _ in range(3)]

    site.network.swallow()
    problem = await _timed(site.store.problem())
    applied = asyncio.gather(*(_timed(site.store.apply(accepted(change))) for change in changes))
    taken = await _timed(site.store.take_in(fresh))
    results = [taken, *await applied]
    site.network.heal()

    assert problem[0] < 1.5
    assert problem[1] == "the database is away"
    assert max(seconds for seconds, _ in results) < CALL
    assert {type(result) for _, result in results} == {StoreUnavailableError}
    await _until_fit(site.store)
    assert [await site.store.apply(accepted(change)) for change in changes] == [True] * len(changes)
    assert await site.store.take_in(fresh) == [each.change for each in fresh]


async def _loses_its_commit(network: Proxy, lost: Direction, call: Callable[[], Awaitable[Any]]) -> None:
    """The connection breaks with the COMMIT, or its answer, on the way: nobody can tell which, so nobody may claim."""
    network.cut_on(b"COMMIT", lost)
    with pytest.raises(StoreUnavailableError):
        await call()


async def _claim(store: DatabaseStore) -> Any:
    return await store.claim(QUEUED, now=NOW, limit=10, plan=restart)


async def _apply_reports(store: DatabaseStore) -> Any:
    return await store.apply_reports(now=NOW, limit=10, decide=decide)


async def _with_a_full_pool(store: DatabaseStore) -> list[Change]:
    """Take messages in, and open every connection that the pool may have."""
    changes = await take_in(store, *(started() for _ in range(8)))
    await asyncio.gather(*(store.counts() for _ in range(8)))
    return changes


async def _timed(call: Awaitable[Any]) -> tuple[float, Any]:
    """Return how long a call took, and what it returned or raised."""
    began = time.monotonic()
    results = await asyncio.gather(call, return_exceptions=True)
    return time.monotonic() - began, results[0]


async def _until_fit(store: DatabaseStore) -> None:
    end = time.monotonic() + RECOVERY
    while await store.problem() is not None:
        assert time.monotonic() < end, "the pool was not replaced in time"
        await asyncio.sleep(0.05)
