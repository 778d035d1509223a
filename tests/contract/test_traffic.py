"""What workers share, in every store: one suite for all of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from smsgw.core.buckets import MOST_CLOSED, Limit
from smsgw.core.traffic import TOTAL, Document, Lease, LeaseAsk, Traffic, bucket_of
from tests.contract.traffic_harness import Stage, open_memory, open_redis, open_sqlite

A, B = bucket_of("A"), bucket_of("B")
TEN = Limit(20.0)
"""Twenty a second: ten at once, a token every 50 ms."""


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    redis = (
        (request.getfixturevalue("redis_url"), request.getfixturevalue("run_id")) if request.param == "redis" else None
    )
    async with AsyncExitStack() as stack:
        if redis:
            yield await stack.enter_async_context(open_redis(*redis))
        elif request.param == "sqlite":
            yield await stack.enter_async_context(open_sqlite(tmp_path / "limits.db"))
        else:
            yield await stack.enter_async_context(open_memory())


def ask(units: int = 1, *, bucket: str = A, limit: Limit | None = TEN, least: int = 1, messages: int = 0) -> LeaseAsk:
    return LeaseAsk(bucket=bucket, limit=limit, units=units, least=least, messages=messages or units)


def of_total(units: int, total: Limit, *, limit: Limit | None = None) -> LeaseAsk:
    return LeaseAsk(bucket=A, limit=limit, units=units, messages=units, total=total)


async def test_a_bucket_that_nobody_knows_is_full_and_refills_with_time(stage: Stage) -> None:
    traffic = stage.worker()

    first = await traffic.lease(ask(4))
    rest = await traffic.lease(ask(40))
    none = await traffic.lease(ask())
    stage.clock.now += timedelta(seconds=none.wait_seconds)
    one = await traffic.lease(ask(40))

    assert [first.units, rest.units, none.units, one.units] == [4, 6, 0, 1]
    assert none == Lease(wait_seconds=0.05)


async def test_workers_share_a_bucket_however_they_ask(stage: Stage) -> None:
    workers = [stage.worker() for _ in range(4)]

    leases = await asyncio.gather(*(worker.lease(ask(3)) for worker in workers * 10))

    assert sum(lease.units for lease in leases) == 10


async def test_installations_keep_apart(stage: Stage) -> None:
    ours, theirs = stage.worker(), stage.worker(quota_prefix="other")
    await ours.lease(ask(10))
    await ours.turns("A=1", 5)
    await ours.write("health:A", b"ours", version=0)

    lease = await theirs.lease(ask(10))

    assert lease.units == 10
    assert await theirs.turns("A=1", 1) == 0
    assert (await theirs.read(["health:A"]))[1] == [Document()]


async def test_the_total_and_the_provider_give_both_or_nothing(stage: Stage) -> None:
    traffic = stage.worker()
    await traffic.lease(of_total(4, TEN))
    await traffic.lease(of_total(6, TEN))

    refused = await traffic.lease(of_total(1, TEN, limit=TEN))
    left = await traffic.buckets({A: TEN, TOTAL: TEN})

    assert refused == Lease(wait_seconds=0.05)
    assert [left[A].tokens, left[TOTAL].tokens] == [10, 0]


async def test_what_the_total_cannot_cover_is_left_to_others(stage: Stage) -> None:
    traffic = stage.worker()
    await traffic.lease(of_total(7, TEN))

    lease = await traffic.lease(of_total(8, TEN, limit=TEN))

    assert lease == Lease(units=3, messages=3)
    assert (await traffic.buckets({A: TEN}))[A].tokens == 7


async def test_a_message_dearer_than_the_bucket_leaves_and_the_next_waits_longer(stage: Stage) -> None:
    traffic = stage.worker()
    small = Limit(4.0)

    dear = await traffic.lease(ask(7, limit=small, least=7))
    after = await traffic.lease(ask(1, limit=small))

    assert dear.units == 7
    assert after == Lease(wait_seconds=1.5), "five of debt and one to send, at four a second"


async def test_too_much_closes_a_bucket_and_slows_it(stage: Stage) -> None:
    traffic = stage.worker()

    for retry_after in (2.0, 1.0):
        await traffic.narrow(A, TEN, timedelta(seconds=retry_after))
    closed = await traffic.lease(ask())
    (bucket,) = (await traffic.buckets({A: TEN})).values()
    stage.clock.now += timedelta(seconds=closed.wait_seconds)
    opened = await traffic.lease(ask())

    assert closed == Lease(wait_seconds=2.0), "the longer of both"
    assert bucket.factor == 0.7, "the answers of one burst narrow once"
    assert bucket.tokens == 0
    assert opened.units == 1


@pytest.mark.parametrize(("retry_after", "expected"), [(3600.0, MOST_CLOSED.total_seconds()), (-5.0, 0.0)])
async def test_no_provider_closes_itself_for_good(stage: Stage, retry_after: float, expected: float) -> None:
    traffic = stage.worker()

    await traffic.narrow(A, TEN, timedelta(seconds=retry_after))
    (bucket,) = (await traffic.buckets({A: TEN})).values()

    assert bucket.closed_until == stage.clock.now + timedelta(seconds=expected)


async def test_looking_at_buckets_takes_nothing_and_makes_nothing(stage: Stage) -> None:
    traffic = stage.worker()
    await traffic.lease(ask(4))
    stage.clock.now += timedelta(seconds=0.1)

    looks = [await traffic.buckets({A: TEN, B: Limit(2.0)}) for _ in range(2)]

    assert [bucket.tokens for bucket in looks[1].values()] == [8, 1]
    assert {bucket.at for bucket in looks[1].values()} == {stage.clock.now}
    assert await traffic.buckets({}) == {}


async def test_a_clock_that_is_set_back_does_not_stop_a_provider(stage: Stage) -> None:
    traffic = stage.worker()
    await traffic.lease(ask(10))
    stage.clock.now -= timedelta(hours=1)

    none = await traffic.lease(ask())
    stage.clock.now += timedelta(seconds=none.wait_seconds)
    one = await traffic.lease(ask())

    assert none == Lease(wait_seconds=0.05)
    assert one.units == 1


async def test_positions_are_taken_once(stage: Stage) -> None:
    workers = [stage.worker() for _ in range(4)]

    firsts = await asyncio.gather(*(worker.turns("A=2,B=1", 7) for worker in workers * 5))
    other = await workers[0].turns("A=1,B=1", 3)

    assert sorted(firsts) == [7 * number for number in range(20)]
    assert other == 0


async def test_a_document_is_replaced_by_whoever_has_read_it(stage: Stage) -> None:
    traffic = stage.worker()

    unread = await traffic.write("health:A", b"too late", version=1)
    first = await traffic.write("health:A", b"\x00\xff one", version=0)
    stale = await traffic.write("health:A", b"two", version=0)
    now, documents = await traffic.read(["health:B", "health:A", "health:A"])

    assert [unread, first, stale] == [False, True, False]
    assert list(documents) == [Document(), Document(1, b"\x00\xff one"), Document(1, b"\x00\xff one")]
    assert now == stage.clock.now


async def test_of_many_writers_one_wins(stage: Stage) -> None:
    workers = [stage.worker() for _ in range(4)]
    await workers[0].write("health:A", b"", version=0)

    won = await asyncio.gather(
        *(each.write("health:A", b"%d" % index, version=1) for index, each in enumerate(workers))
    )
    (document,) = (await workers[0].read(["health:A"]))[1]

    assert won.count(True) == 1
    assert document == Document(2, b"%d" % won.index(True))


async def test_reading_nothing_tells_the_time(stage: Stage) -> None:
    now, documents = await stage.worker().read([])

    assert now == stage.clock.now
    assert list(documents) == []


@pytest.mark.parametrize("name", ["a b", "مزود:1", "A=1,B=2", "%s {}'\"\n", "x" * 5000], ids=range(5))
async def test_any_name_will_do(stage: Stage, name: str) -> None:
    traffic = stage.worker()

    lease = await traffic.lease(ask(2, bucket=bucket_of(name)))
    await traffic.turns(name, 1)
    await traffic.write(name, name.encode(), version=0)

    assert lease.units == 2
    assert await traffic.turns(name, 1) == 1
    assert (await traffic.read([name]))[1] == [Document(1, name.encode())]


async def test_calls_of_every_kind_share_a_batch(stage: Stage) -> None:
    traffic: Traffic = stage.worker()
    await traffic.write("b", b"old", version=0)

    async with asyncio.TaskGroup() as group:
        written = group.create_task(traffic.write("a", b"body", version=0))
        lease = group.create_task(traffic.lease(ask(3)))
        read = group.create_task(traffic.read(["a", "b", "c"]))
        stale = group.create_task(traffic.write("b", b"new", version=7))
        first = group.create_task(traffic.turns("s", 2))
        looked = group.create_task(traffic.buckets({A: TEN}))
        group.create_task(traffic.narrow(B, TEN, timedelta(0)))

    assert (written.result(), stale.result(), first.result()) == (True, False, 0)
    assert (lease.result().units, looked.result()[A].tokens) == (3, 7)
    assert list(read.result()[1]) == [Document(1, b"body"), Document(1, b"old"), Document()]
