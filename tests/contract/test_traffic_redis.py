"""What workers share, in Redis alone: the server's clock, what expires, outages, and one link for two ports."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from smsgw.core.buckets import Limit
from smsgw.core.events import DependencyBack, DependencyLost
from smsgw.core.ports import LimitsUnavailableError
from smsgw.core.traffic import TOTAL, Document, Lease, LeaseAsk, bucket_of
from smsgw.settings import SettingsError
from smsgw.transports.limits.redis_link import RedisLink
from smsgw.transports.limits.redis_traffic import RedisTraffic
from smsgw.wiring.transports import Transports
from tests.contract.limits_harness import RULES, until
from tests.contract.traffic_harness import names
from tests.servers import OwnRedis

A = bucket_of("A")
DAY = 86_400


class World(NamedTuple):
    """A worker on the server's own clock, and a window into the server."""

    traffic: RedisTraffic
    client: Any
    prefix: str
    facts: list[Any]

    async def keys(self) -> dict[str, bytes]:
        """Return the keys by what comes after the prefix."""
        return {key.decode().removeprefix(self.prefix): key for key in await names(self.client, self.prefix)}


@pytest.fixture
async def world(own_redis: OwnRedis) -> AsyncIterator[World]:
    facts: list[Any] = []
    prefix = f"{uuid4().hex[:8]}:"
    link = RedisLink(own_redis.url, observer=facts.append)
    traffic = RedisTraffic(link, quota_prefix="quota", key_prefix=prefix)
    async with Redis.from_url(own_redis.url) as client:
        yield World(traffic, client, prefix, facts)
        own_redis.thaw()
        await asyncio.to_thread(own_redis.start)
    await traffic.close()
    await link.close()


def ask(units: int = 1, *, bucket: str = A, limit: Limit | None = None, total: Limit | None = None) -> LeaseAsk:
    return LeaseAsk(bucket=bucket, limit=limit or Limit(20.0), units=units, messages=units, total=total)


async def _timed(world: World) -> tuple[float, BaseException | None]:
    began = time.monotonic()
    try:
        await world.traffic.lease(ask())
    except LimitsUnavailableError as error:
        return time.monotonic() - began, error
    return time.monotonic() - began, None


async def test_time_is_the_servers(world: World) -> None:
    before = await _server_time(world)
    now, _ = await world.traffic.read([])
    after = await _server_time(world)

    assert before <= now <= after


async def _server_time(world: World) -> datetime:
    seconds, microseconds = await world.client.time()
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)


async def test_tokens_come_back_with_the_servers_time(world: World) -> None:
    await world.traffic.lease(ask(10))
    empty = await world.traffic.lease(ask(10))

    async def is_back() -> bool:
        return (await world.traffic.lease(ask(1))).units == 1

    await until(is_back, seconds=2)
    assert empty.units < 10
    assert 0 <= empty.wait_seconds <= 0.05


async def test_what_expires_and_when(world: World) -> None:
    slow = bucket_of("slow")
    await world.traffic.lease(ask(10, total=Limit(200.0)))
    await world.traffic.lease(ask(1, bucket=slow, limit=Limit(0.001)))
    await world.traffic.narrow(bucket_of("B"), Limit(20.0), timedelta(seconds=30))
    await world.traffic.turns("A=1", 10)
    await world.traffic.write("health:A", b"{}", version=0)

    lives = {name: await world.client.pttl(key) / 1000 for name, key in (await world.keys()).items()}

    root = "traffic:quota:"
    expected = {
        f"{root}bucket:{A}": 1.5,
        f"{root}bucket:{TOTAL}": 1.05,
        f"{root}bucket:{slow}": 1001.0,
        f"{root}bucket:provider:B": 31.0,
        f"{root}turn:A=1": DAY,
        f"{root}document:health:A": DAY,
    }
    assert lives == pytest.approx(expected, abs=1.0)
    assert all(life > 0 for life in lives.values())


@pytest.mark.fault("F06", "I12")
async def test_a_frozen_redis_fails_every_call_in_time_and_is_back_after_the_thaw(
    own_redis: OwnRedis, world: World
) -> None:
    await world.traffic.lease(ask())
    own_redis.freeze()

    first = await asyncio.gather(*(_timed(world) for _ in range(50)))
    later = await asyncio.gather(*(_timed(world) for _ in range(50)))
    own_redis.thaw()
    await until(lambda: _answers(world), seconds=2)

    assert all(isinstance(error, LimitsUnavailableError) for _, error in [*first, *later])
    assert max(seconds for seconds, _ in first) < 0.35
    assert max(seconds for seconds, _ in later) < 0.05
    assert [type(fact) for fact in world.facts] == [DependencyLost, DependencyBack]


async def _answers(world: World) -> bool:
    return (await _timed(world))[1] is None


@pytest.mark.fault("F05", "I12")
async def test_every_call_says_that_a_killed_redis_is_away(own_redis: OwnRedis, world: World) -> None:
    await asyncio.to_thread(own_redis.kill)

    outcomes = await asyncio.gather(
        world.traffic.lease(ask()),
        world.traffic.narrow(A, Limit(1.0), timedelta(0)),
        world.traffic.buckets({A: Limit(1.0)}),
        world.traffic.turns("A=1", 1),
        world.traffic.read(["a"]),
        world.traffic.write("a", b"", version=0),
        return_exceptions=True,
    )

    assert [type(each) for each in outcomes] == [type(outcomes[0])] * 6
    assert isinstance(outcomes[0], LimitsUnavailableError)
    assert str(own_redis.port) not in str(outcomes[0])


async def test_a_server_that_forgot_the_script_gets_it_again(world: World) -> None:
    await world.traffic.turns("A=1", 3)
    await world.client.script_flush()

    assert await world.traffic.turns("A=1", 1) == 3


async def test_a_foreign_key_fails_its_own_call_only(world: World) -> None:
    await world.client.hset(f"{world.prefix}traffic:quota:bucket:{A}", "x", "y")
    await world.client.set(f"{world.prefix}traffic:quota:document:a", "x")

    foreign, unread, first, read = await asyncio.gather(
        world.traffic.lease(ask(total=Limit(20.0))),
        world.traffic.read(["b", "a"]),
        world.traffic.turns("A=1", 1),
        world.traffic.read(["b"]),
        return_exceptions=True,
    )

    assert isinstance(foreign, LimitsUnavailableError)
    assert isinstance(unread, LimitsUnavailableError)
    assert first == 0
    assert not isinstance(read, BaseException)
    assert list(read[1]) == [Document()]
    assert (await world.traffic.buckets({TOTAL: Limit(20.0)}))[TOTAL].tokens == 10, "both tokens or none"


@pytest.mark.fault("F08", "I12")
async def test_a_full_redis_gives_no_tokens_and_takes_none(world: World) -> None:
    await world.client.config_set("maxmemory", "1mb")

    outcomes = await asyncio.gather(
        world.traffic.lease(ask(total=Limit(20.0))), world.traffic.turns("A=1", 1), return_exceptions=True
    )
    await world.client.config_set("maxmemory", "0")

    assert [str(each) for each in outcomes] == ["redis: OOM", "redis: OOM"]
    assert await world.keys() == {}


async def test_what_is_asked_in_one_tick_is_one_call(world: World) -> None:
    await world.traffic.lease(ask())
    before = await _scripts_run(world)

    await asyncio.gather(*(world.traffic.lease(ask(bucket=bucket_of(str(number)))) for number in range(50)))

    assert await _scripts_run(world) - before == 1


async def _scripts_run(world: World) -> int:
    stats = await world.client.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


async def test_two_ports_on_one_redis_state_an_outage_once(own_redis: OwnRedis) -> None:
    facts: list[Any] = []
    async with AsyncExitStack() as stack:
        transports = Transports(stack, observer=facts.append, clock=lambda: datetime.now(UTC))
        limits = await transports.limits(own_redis.url, rules=RULES, quota_prefix="quota")
        traffic = await transports.traffic(own_redis.url, quota_prefix=uuid4().hex)
        assert await limits.is_ready()
        assert (await traffic.lease(ask(3))).units == 3
        await asyncio.to_thread(own_redis.kill)

        outcomes = await asyncio.gather(limits.is_ready(), traffic.lease(ask()), return_exceptions=True)
        await asyncio.to_thread(own_redis.start)
        await until(limits.is_ready, seconds=2)

    assert outcomes[0] is False
    assert isinstance(outcomes[1], LimitsUnavailableError)
    assert facts[0].dependency == "limits"
    assert [type(fact) for fact in facts] == [DependencyLost, DependencyBack]


async def test_a_worker_without_limits_has_a_link_of_its_own_that_is_watched(own_redis: OwnRedis) -> None:
    stop = asyncio.Event()
    async with AsyncExitStack() as stack:
        transports = Transports(stack, observer=lambda _fact: None, clock=lambda: datetime.now(UTC))
        traffic = await transports.traffic(own_redis.url, quota_prefix=uuid4().hex)
        watching = asyncio.create_task(transports.watch(stop))

        lease = await traffic.lease(ask(2))
        stop.set()
        await asyncio.wait_for(watching, 5)

    assert lease == Lease(units=2, messages=2)


async def test_a_wrong_parameter_of_the_url_is_one_line_without_the_password() -> None:
    async with AsyncExitStack() as stack:
        transports = Transports(stack, observer=lambda _fact: None, clock=lambda: datetime.now(UTC))

        with pytest.raises(SettingsError) as refused:
            await transports.traffic("redis://:secret@127.0.0.1/0?db=x", quota_prefix="quota")

    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)
