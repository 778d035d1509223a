"""Midnight of the limits in Redis, whose clock nobody can move: the script is told that it is later than it is."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from smsgw.core.admission import Admission, PublishOutcome, Verdict, quota_day, seconds_to_midnight
from smsgw.core.ports import LimitsUnavailableError
from smsgw.transports.limits.redis import script
from smsgw.transports.limits.redis_script import RedisScript
from tests.contract.limits_harness import CLIENT, RedisWorld, admitted, ask, claim, open_redis

CLOCK = b"local clock = redis.call('TIME')\n"
MOVED = CLOCK + b"clock[1] = tostring(clock[1] + tonumber(redis.call('GET', key_prefix .. 'later') or 0))\n"
QUOTA = 50
SECONDS = 2
DAY_SECONDS = 86_400
CALLERS = 8


@pytest.fixture
async def world(redis_url: str, run_id: str) -> AsyncIterator[RedisWorld]:
    async with open_redis(redis_url, run_id) as world:
        text = script()
        assert text.count(CLOCK) == 1
        world.limits._script = RedisScript(text.replace(CLOCK, MOVED))
        yield world


async def _move(world: RedisWorld, *, to_midnight: float) -> tuple[str, str]:
    """Make it so many seconds before midnight; return the names of that day and the next."""
    later = seconds_to_midnight(await world.now()) - to_midnight
    await world.client.set(f"{world.prefix}later", f"{later:.0f}")
    moment = await world.now() + timedelta(seconds=round(later))
    return quota_day(moment), quota_day(moment + timedelta(days=1))


@pytest.mark.fault("F16", "I6")
async def test_at_midnight_under_load_every_day_has_its_quota_and_no_more(world: RedisWorld) -> None:
    days = await _move(world, to_midnight=SECONDS)
    admissions: list[Admission] = []
    unanswered: list[LimitsUnavailableError] = []

    async def admit() -> None:
        try:
            admissions.append(await world.limits.admit(ask(daily_quota=QUOTA)))
        except LimitsUnavailableError as error:
            # On a busy machine an answer may come too late; the unit may have been taken.
            unanswered.append(error)

    async def call() -> None:
        while await _used(world, days[1]) < QUOTA:
            await admit()
        await admit()

    async with asyncio.timeout(30):
        await asyncio.gather(*(call() for _ in range(CALLERS)))

    refused = [each for each in admissions if each.verdict is Verdict.OVER_QUOTA]
    waits = {each.retry_after_seconds for each in refused}
    taken = Counter(each.quota_day for each in admissions if each.is_admitted)
    assert [await _used(world, day) for day in days] == [QUOTA, QUOTA]
    assert set(taken) == set(days)
    assert max(taken.values()) <= QUOTA
    assert taken.total() >= 2 * QUOTA - len(unanswered)
    assert min(waits) in range(1, SECONDS + 2)
    assert max(waits) in range(DAY_SECONDS - 25, DAY_SECONDS + 1)


async def _used(world: RedisWorld, day: str) -> int:
    return int(await world.client.get(f"{world.prefix}quota:{CLIENT}:{day}") or 0)


@pytest.mark.fault("F16", "I6")
async def test_a_unit_that_is_given_back_after_midnight_goes_to_its_own_day(world: RedisWorld) -> None:
    today, tomorrow = await _move(world, to_midnight=60)
    first = ask(claim(), daily_quota=1)
    admission = await admitted(world, first)
    await _move(world, to_midnight=-60)
    second = await admitted(world, ask(daily_quota=1))

    await world.limits.release(first, admission, PublishOutcome.REFUSED)

    assert (admission.quota_day, second.quota_day) == (today, tomorrow)
    assert [await _used(world, day) for day in (today, tomorrow)] == [0, 1]
