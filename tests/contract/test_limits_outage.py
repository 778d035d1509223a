"""Limits on Redis when Redis is frozen, dead, restarted, full, read-only, or the wrong kind."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from smsgw.core.admission import Admission, ClaimRules, Rate, Verdict
from smsgw.core.events import DependencyBack, DependencyLost, DependencyWarned
from smsgw.core.ports import LimitsUnavailableError
from smsgw.settings import SettingsError
from smsgw.transports.limits.kept import KeptReleases
from smsgw.transports.limits.redis import RedisLimits, script
from smsgw.transports.limits.redis_link import RedisClusterError
from smsgw.wiring.transports import Transports
from tests import services
from tests.contract.limits_harness import BODY, RULES, RedisWorld, admitted, ask, claim, open_redis, until
from tests.servers import OwnRedis, find_binary, free_port


@pytest.fixture
async def world(own_redis: OwnRedis) -> AsyncIterator[RedisWorld]:
    async with _fresh(own_redis) as world:
        yield world


@asynccontextmanager
async def _fresh(server: OwnRedis) -> AsyncIterator[RedisWorld]:
    async with open_redis(server.url, "outage") as world:
        try:
            yield world
        finally:
            server.thaw()
            await asyncio.to_thread(server.start)


async def _timed(world: RedisWorld) -> tuple[float, BaseException | None]:
    began = time.monotonic()
    try:
        await world.limits.admit(ask(claim()))
    except LimitsUnavailableError as error:
        return time.monotonic() - began, error
    return time.monotonic() - began, None


async def _is_refused(world: RedisWorld) -> bool:
    return not await _is_back(world)


async def _is_back(world: RedisWorld) -> bool:
    return (await _timed(world))[1] is None


@pytest.mark.fault("F06", "I12")
async def test_a_frozen_redis_fails_50_callers_fast_and_is_back_soon_after_the_thaw(
    own_redis: OwnRedis, world: RedisWorld
) -> None:
    await admitted(world, ask())
    own_redis.freeze()

    first = await asyncio.gather(*(_timed(world) for _ in range(50)))
    later = await asyncio.gather(*(_timed(world) for _ in range(50)))
    own_redis.thaw()
    await until(lambda: _is_back(world), seconds=2)

    assert all(isinstance(error, LimitsUnavailableError) for _, error in [*first, *later])
    assert max(seconds for seconds, _ in first) < 0.35
    assert max(seconds for seconds, _ in later) < 0.05


@pytest.mark.fault("F06", "I12")
async def test_callers_that_come_while_batches_are_frozen_wait_no_longer(
    own_redis: OwnRedis, world: RedisWorld
) -> None:
    await admitted(world, ask())
    own_redis.freeze()
    asked = []

    for _ in range(20):
        asked.append(asyncio.create_task(_timed(world)))
        await asyncio.sleep(0.01)  # arrivals are what is tested: one every 10 ms
    outcomes = await asyncio.gather(*asked)

    assert all(error is not None for _, error in outcomes)
    assert max(seconds for seconds, _ in outcomes) < 0.35


@pytest.mark.fault("F06", "I1")
async def test_an_audit_waits_for_a_redis_that_hesitates(own_redis: OwnRedis, world: RedisWorld) -> None:
    """Nobody's request hangs on it, and an exit code 2 for a second's stall would be a false alarm."""
    now = datetime.now(UTC)
    await world.limits.note_confirmed(noted := uuid4())
    own_redis.freeze()

    asked = asyncio.create_task(world.limits.confirmed(now - timedelta(minutes=1), now + timedelta(minutes=1)))
    await until(lambda: _is_refused(world), seconds=2)
    own_redis.thaw()
    ledger = await asked

    assert [each for _, minute in ledger for each in minute] == [noted]


async def test_it_is_not_ready_while_redis_is_frozen(own_redis: OwnRedis, world: RedisWorld) -> None:
    own_redis.freeze()
    began = time.monotonic()

    is_ready = await world.limits.is_ready()

    assert not is_ready
    assert time.monotonic() - began < 1


@pytest.mark.fault("F05", "I12 I13")
async def test_a_killed_redis_is_an_outage_without_its_address_and_a_restart_ends_it(
    own_redis: OwnRedis, world: RedisWorld
) -> None:
    await admitted(world, ask())
    await asyncio.to_thread(own_redis.kill)

    seconds, error = await _timed(world)
    await asyncio.to_thread(own_redis.start)
    await until(lambda: _is_back(world), seconds=2)

    assert seconds < 0.35
    assert str(own_redis.port) not in str(error)
    assert "127.0.0.1" not in str(error)


async def test_a_stop_and_start_between_two_calls_keeps_the_answers(own_redis: OwnRedis, world: RedisWorld) -> None:
    held = claim()
    await admitted(world, ask(held))
    await world.limits.answer(held, status=202, body=BODY, ttl_seconds=60, confirmed=None)

    await asyncio.to_thread(own_redis.stop)
    await asyncio.to_thread(own_redis.start)
    await until(lambda: _is_back(world), seconds=2)

    assert (await world.limits.look_up(claim())).body == BODY


async def test_a_server_that_forgot_the_script_gets_it_again(own_redis: OwnRedis, world: RedisWorld) -> None:
    await admitted(world, ask())
    await world.client.script_flush()

    admission = await world.limits.admit(ask())

    assert admission.verdict is Verdict.FRESH


async def test_cancelled_callers_leave_no_answer_for_others(world: RedisWorld) -> None:
    for number in range(20):
        await admitted(world, ask(claim(f"order-{number}")))
    lookups = [asyncio.ensure_future(world.limits.look_up(claim(f"order-{number}"))) for number in range(20)]
    await asyncio.sleep(0)

    for each in lookups[::2]:
        each.cancel()
    left = await asyncio.gather(*lookups[1::2])
    again = await asyncio.gather(*(world.limits.look_up(claim(f"order-{number}")) for number in range(1, 20, 2)))

    assert left == again
    assert all(one.tracking_id != other.tracking_id for one, other in pairwise(left))


@pytest.mark.fault("F08", "I4 I6")
async def test_a_full_redis_refuses_new_claims_and_still_replays(world: RedisWorld) -> None:
    held = claim()
    await admitted(world, ask(held))
    await world.limits.answer(held, status=202, body=BODY, ttl_seconds=60, confirmed=None)
    await world.client.config_set("maxmemory", "1mb")

    outcome = await asyncio.gather(world.limits.admit(ask(claim("new"), daily_quota=5)), return_exceptions=True)
    replay = await world.limits.admit(ask(claim()))
    await world.client.config_set("maxmemory", "0")

    assert [str(each) for each in outcome] == ["redis: OOM"]
    assert replay.verdict is Verdict.REPLAY
    assert await world.used("shop") == 0


@pytest.mark.fault("F08", "I4")
async def test_a_read_only_replica_refuses_new_claims_and_still_looks_up(world: RedisWorld) -> None:
    await admitted(world, ask(claim()))
    await world.client.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]

    outcome = await asyncio.gather(world.limits.admit(ask(claim("new"))), return_exceptions=True)
    known = await world.limits.look_up(claim())
    await world.client.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]

    assert [str(each) for each in outcome] == ["redis: READONLY"]
    assert known.verdict is Verdict.IN_USE


async def test_a_foreign_key_fails_its_own_request_only(world: RedisWorld) -> None:
    await world.client.set(f"{world.prefix}idem:shop:foreign", "x")

    foreign, neighbour = await asyncio.gather(
        world.limits.admit(ask(claim("foreign"))), world.limits.admit(ask(claim("mine"))), return_exceptions=True
    )

    assert isinstance(foreign, LimitsUnavailableError)
    assert not isinstance(neighbour, BaseException)
    assert neighbour.verdict is Verdict.FRESH


async def test_everything_in_redis_expires_by_itself(world: RedisWorld) -> None:
    held = claim()
    await admitted(world, ask(held, daily_quota=5, rates=(Rate("ingress", 5),)))
    await world.limits.answer(held, status=202, body=BODY, ttl_seconds=90, confirmed=ask().tracking_id)

    lives = {name.decode().removeprefix(world.prefix): await world.client.ttl(name) for name in await world.names()}

    assert {name.split(":")[0] for name in lives} == {"idem", "quota", "rate", "confirmed"}
    assert all(0 < seconds <= 172_800 for seconds in lives.values())
    assert lives["idem:shop:order-1"] > 60, "the key lives at least as long as its answer"


async def test_a_store_that_may_evict_is_warned_about(own_redis: OwnRedis, world: RedisWorld) -> None:
    fine = await _warnings(own_redis, 0)
    await world.client.config_set("maxmemory-policy", "allkeys-lru")
    evicting = await _warnings(own_redis, 1)
    await world.client.config_set("maxmemory-policy", "noeviction")

    assert fine == []
    assert len(evicting) == 1
    assert "allkeys-lru" in evicting[0]


async def _warnings(server: OwnRedis, expected: int) -> list[str]:
    """Return what one start warns of; waits for as many as are expected, and a while longer for those that are not."""
    facts: list[Any] = []
    limits = RedisLimits(server.url, rules=RULES, quota_prefix="quota", observer=facts.append)
    watching = asyncio.create_task(limits.watch())
    try:
        async with asyncio.timeout(2):
            while len(facts) < expected:
                await limits.is_ready()
        for _ in range(20):
            assert await limits.is_ready()
    finally:
        await limits.close()
    await watching
    return [fact.why for fact in facts if isinstance(fact, DependencyWarned)]


async def test_an_outage_and_its_end_are_stated_once_each(own_redis: OwnRedis) -> None:
    facts: list[Any] = []
    limits = RedisLimits(own_redis.url, rules=RULES, quota_prefix="quota", observer=facts.append)
    try:
        assert await limits.is_ready()
        await asyncio.to_thread(own_redis.kill)
        for _ in range(3):
            assert not await limits.is_ready()
        lost = list(facts)
        await asyncio.to_thread(own_redis.start)
        await until(limits.is_ready, seconds=2)
    finally:
        await limits.close()
        await asyncio.to_thread(own_redis.start)

    assert [(type(fact), fact.dependency) for fact in lost] == [(DependencyLost, "limits")]
    assert facts[1:] == [DependencyBack(dependency="limits")]
    assert str(own_redis.port) not in lost[0].detail


@pytest.mark.fault("F06", "I4")
async def test_after_a_stall_the_retry_of_a_timed_out_request_runs_at_once_under_its_first_id(
    own_redis: OwnRedis,
) -> None:
    rules = ClaimRules(lease=timedelta(seconds=10), ttl=timedelta(seconds=60))
    facts: list[Any] = []
    limits = RedisLimits(
        own_redis.url, rules=rules, quota_prefix="quota", key_prefix=f"{uuid4()}:", observer=facts.append
    )
    try:
        assert await limits.is_ready()
        await limits.admit(ask(claim("warm")))
        first = ask(claim(), daily_quota=5)
        own_redis.freeze()
        thaw = asyncio.get_running_loop().call_later(0.5, own_redis.thaw)
        with pytest.raises(LimitsUnavailableError):
            await limits.admit(first)
        with pytest.raises(LimitsUnavailableError):
            await limits.release(first, Admission(verdict=Verdict.FRESH), None)
        began = time.monotonic()
        retried = await _first_answer(limits)
    finally:
        thaw.cancel()
        own_redis.thaw()
        await limits.close()

    assert retried.is_admitted, retried
    assert retried.tracking_id == first.tracking_id
    assert time.monotonic() - began < 2
    assert [type(fact) for fact in facts] == [DependencyLost, DependencyBack]


async def _first_answer(limits: RedisLimits) -> Admission:
    """Retry like a caller that gets a 503, until the store answers whatever it answers."""
    async with asyncio.timeout(2):
        while True:
            try:
                return await limits.admit(ask(claim(), daily_quota=5))
            except LimitsUnavailableError:
                await asyncio.sleep(0.01)  # the pace of the caller


def test_releases_are_kept_in_order_for_a_lease_and_no_more_than_there_is_room_for() -> None:
    kept: KeptReleases[str] = KeptReleases(lease_seconds=10, limit=3)
    for number, now in enumerate([0.0, 1.0, 2.0, 3.0]):
        kept.keep(f"release-{number}", now)

    taken = kept.take(2, 5.0)
    kept.put_back(taken)

    assert [each for _, each in taken] == ["release-0", "release-1"]
    assert [each for _, each in kept.take(10, 10.5)] == ["release-1", "release-2"]
    assert len(kept) == 0


class ClusterNode(OwnRedis):
    """A Redis in cluster mode."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._bus_port = free_port()

    def _launch(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--save", ""]
        self._spawn([str(find_binary("redis-server")), *options, "--cluster-port", str(self._bus_port)])


@pytest.mark.usefixtures("own_redis")
async def test_a_cluster_is_refused_in_one_line() -> None:
    directory = services.own_server(OwnRedis).directory
    node = ClusterNode(directory)
    await asyncio.to_thread(node.start)
    limits = RedisLimits(node.url, rules=RULES, quota_prefix="quota")
    try:
        watched, asked = await asyncio.gather(limits.watch(), limits.admit(ask()), return_exceptions=True)
    finally:
        await limits.close()
        await asyncio.to_thread(node.remove)

    assert isinstance(watched, RedisClusterError)
    assert str(watched).startswith("Redis Cluster is not supported")
    assert "\n" not in str(watched)
    assert str(asked) == str(watched)


@pytest.mark.usefixtures("own_redis")
async def test_a_cluster_that_comes_after_the_start_stops_the_role_with_one_line() -> None:
    directory = services.own_server(OwnRedis).directory
    node = ClusterNode(directory)
    facts: list[Any] = []
    async with AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, node.remove)
        transports = Transports(stack, observer=facts.append, clock=lambda: datetime.now(UTC))
        limits = await transports.limits(node.url, rules=RULES, quota_prefix="quota")
        watching = asyncio.create_task(transports.watch(asyncio.Event()))
        assert not await limits.is_ready()

        await asyncio.to_thread(node.start)
        (outcome,) = await asyncio.wait_for(asyncio.gather(watching, return_exceptions=True), 10)

    assert isinstance(outcome, SettingsError)
    assert str(outcome).startswith("Redis Cluster is not supported")
    assert [type(fact) for fact in facts] == [DependencyLost, DependencyBack]


async def test_a_redis_that_is_away_is_no_reason_not_to_start(tmp_path: Path) -> None:
    limits = RedisLimits("redis://127.0.0.1:1/0", rules=RULES, quota_prefix="quota")

    watching = asyncio.create_task(limits.watch())
    is_ready = await limits.is_ready()
    is_waiting = not watching.done()
    await limits.close()

    assert (is_waiting, is_ready) == (True, False)
    await asyncio.wait_for(watching, 2)


async def test_the_script_knows_the_calendar(world: RedisWorld) -> None:
    loop = b"""
    local days = {}
    for day = 0, 30000 do days[#days + 1] = day_of(day * 86400 + 86399) end
    do return days end
    """
    prelude = script().split(b"function operations.look_up")[0]

    reply: Any = await world.client.execute_command("EVAL", prelude + loop, 0, b"", "", "", 1, 1)  # type: ignore[no-untyped-call]

    calendar = [time.strftime("%Y-%m-%d", time.gmtime(day * 86400)) for day in range(30001)]
    assert [day.decode() for day in reply] == calendar
