"""The port Limits over Redis, SQLite and the double: daily quota and ingress rate."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from smsgw.core.admission import Limited, PublishOutcome, Rate, Verdict
from tests.contract.limits_harness import (
    CLIENT,
    LEASE,
    TTL,
    World,
    admitted,
    ask,
    claim,
    pass_time,
    until,
)


async def test_a_dead_request_is_taken_over_after_its_lease_and_never_refunded(world: World) -> None:
    first = ask(claim(), daily_quota=5)
    await admitted(world, first)
    await pass_time(world, LEASE, until_fresh=claim())
    retry = ask(claim(), daily_quota=5)

    taken = await world.limits.admit(retry)
    await world.limits.release(retry, taken, PublishOutcome.REFUSED)

    assert (Verdict.TAKEOVER, first.tracking_id) == (taken.verdict, taken.tracking_id)
    assert await world.used(CLIENT) == 1


@pytest.mark.parametrize(("publish", "left"), [(PublishOutcome.REFUSED, 0), (None, 0), (PublishOutcome.UNKNOWN, 1)])
async def test_quota_comes_back_once_and_only_when_nothing_was_published(
    world: World, publish: PublishOutcome | None, left: int
) -> None:
    await admitted(world, ask(daily_quota=5))  # of somebody else
    first = ask(claim(), daily_quota=5)
    admission = await admitted(world, first)

    await world.limits.release(first, admission, publish)
    await world.limits.release(first, admission, publish)

    assert await world.used(CLIENT) == 1 + left


async def test_an_unknown_publish_is_remembered_by_the_next_holder(world: World) -> None:
    first, retry = ask(claim(), daily_quota=5), ask(claim(), daily_quota=5)
    await world.limits.release(first, await admitted(world, first), PublishOutcome.UNKNOWN)

    await world.limits.release(retry, await admitted(world, retry), PublishOutcome.REFUSED)

    assert await world.used(CLIENT) == 1


async def test_a_refunded_request_counts_again_when_it_is_retried(world: World) -> None:
    first, retry = ask(claim(), daily_quota=1), ask(claim(), daily_quota=1)
    await world.limits.release(first, await admitted(world, first), PublishOutcome.REFUSED)

    again = await world.limits.admit(retry)

    assert (again.verdict, await world.used(CLIENT)) == (Verdict.TAKEOVER, 1)


async def test_a_request_without_a_key_gets_its_unit_back(world: World) -> None:
    one, other = ask(daily_quota=5), ask(daily_quota=5)
    admission, lost = await admitted(world, one), await admitted(world, other)

    await world.limits.release(one, admission, PublishOutcome.REFUSED)
    await world.limits.release(other, lost, PublishOutcome.UNKNOWN)

    assert admission.quota_day is not None
    assert await world.used(CLIENT) == 1


async def test_the_quota_is_exact_under_200_concurrent_requests(world: World) -> None:
    asks = [ask(claim(f"order-{number}") if number % 2 else None, daily_quota=50) for number in range(200)]

    admissions = await asyncio.gather(*map(world.limits.admit, asks))

    verdicts = [each.verdict for each in admissions]
    assert (verdicts.count(Verdict.FRESH), verdicts.count(Verdict.OVER_QUOTA)) == (50, 150)
    assert await world.used(CLIENT) == 50
    refused = next(each for each in admissions if each.verdict is Verdict.OVER_QUOTA)
    assert 1 <= refused.retry_after_seconds <= 86_400


async def test_a_retry_counts_once(world: World) -> None:
    first, retry = ask(claim(), daily_quota=5), ask(claim(), daily_quota=5)
    admission = await admitted(world, first)
    await world.limits.release(first, admission, PublishOutcome.UNKNOWN)

    again = await admitted(world, retry)

    assert (admission.quota_day, 1) == (again.quota_day, await world.used(CLIENT))


async def test_a_retry_that_holds_a_unit_runs_although_the_quota_is_used_up(world: World) -> None:
    first = ask(claim(), daily_quota=1)
    await world.limits.release(first, await admitted(world, first), PublishOutcome.UNKNOWN)

    again = await world.limits.admit(ask(claim(), daily_quota=1))

    assert again.verdict is Verdict.TAKEOVER


async def test_a_quota_of_zero_admits_nothing_and_none_counts_nothing(world: World) -> None:
    none = await world.limits.admit(ask(daily_quota=0))
    unlimited = await world.limits.admit(ask(daily_quota=None))

    assert (none.verdict, unlimited.verdict) == (Verdict.OVER_QUOTA, Verdict.FRESH)
    assert await world.used(CLIENT) == 0


async def test_an_over_quota_claim_is_held_until_it_is_answered(world: World) -> None:
    first = ask(claim(), daily_quota=0)
    refused = await world.limits.admit(first)
    assert first.claim

    before = await world.limits.look_up(claim())
    await world.limits.answer(first.claim, status=429, body=b"over", ttl_seconds=TTL, confirmed=None)
    after = await world.limits.look_up(claim())

    assert refused.tracking_id == first.tracking_id
    assert (before.verdict, after.verdict, after.status) == (Verdict.IN_USE, Verdict.REPLAY, 429)


async def test_the_bucket_is_as_deep_as_one_second_of_rate_and_fills_again(world: World) -> None:
    ingress = Rate("ingress", 10)
    rated = [ask(rates=(ingress,)) for _ in range(12)]

    admissions = await asyncio.gather(*map(world.limits.admit, rated))
    other = await world.limits.admit(ask(rates=(Rate("second", 10),)))
    if world.clock:
        world.clock.now += timedelta(milliseconds=150)

    async def is_refilled() -> bool:
        return (await world.limits.admit(ask(rates=(ingress,)))).is_admitted

    assert [each.verdict for each in admissions] == [Verdict.FRESH] * 10 + [Verdict.RATE_LIMITED] * 2
    assert [each.limited for each in admissions] == [None] * 10 + [Limited(ingress, 10)] * 2
    assert other.is_admitted
    await until(is_refilled)


async def test_a_rate_limited_claim_is_released_and_uses_no_quota(world: World) -> None:
    slow = Rate("slow", 0.001)
    await admitted(world, ask(rates=(slow,)))
    first = ask(claim(), rates=(slow,), daily_quota=5)

    limited = await world.limits.admit(first)
    again = await world.limits.admit(ask(claim(), daily_quota=5))

    assert (Verdict.RATE_LIMITED, first.tracking_id) == (limited.verdict, limited.tracking_id)
    assert (Verdict.TAKEOVER, first.tracking_id) == (again.verdict, again.tracking_id)
    assert await world.used(CLIENT) == 1


@pytest.mark.parametrize("is_empty_first", [True, False])
async def test_a_request_that_one_rate_refuses_takes_no_token_of_another(world: World, is_empty_first: bool) -> None:
    empty, full = Rate("empty", 0.001), Rate("full", 2.001)
    await admitted(world, ask(rates=(empty,)))
    both = (empty, full) if is_empty_first else (full, empty)

    refused = [await world.limits.admit(ask(rates=both)) for _ in range(5)]
    left = [await world.limits.admit(ask(rates=(full,))) for _ in range(2)]

    assert [each.verdict for each in refused] == [Verdict.RATE_LIMITED] * 5
    assert {each.limited for each in refused} == {Limited(empty, 1)}
    assert all(each.is_admitted for each in left)


async def test_a_request_takes_one_token_of_every_rate(world: World) -> None:
    first, second = Rate("first", 0.001), Rate("second", 0.001)
    await admitted(world, ask(rates=(first, second)))

    again = [await world.limits.admit(ask(rates=(rate,))) for rate in (first, second)]

    assert [each.limited for each in again] == [Limited(first, 1), Limited(second, 1)]


async def test_clients_do_not_share_quotas(world: World) -> None:
    await admitted(world, ask(daily_quota=1))

    other = await world.limits.admit(ask(client_key="bank", daily_quota=1))

    assert other.is_admitted


@pytest.mark.fault("F16", "I6")
@pytest.mark.parametrize("world", ["memory", "sqlite"], indirect=True)
async def test_a_new_day_has_a_new_quota_and_a_refund_goes_to_its_own_day(world: World) -> None:
    assert world.clock
    world.clock.now = datetime(2026, 2, 28, 23, 59, 59, 900_000, tzinfo=UTC)
    first = ask(claim(), daily_quota=1)
    admission = await admitted(world, first)
    full = await world.limits.admit(ask(daily_quota=1))
    world.clock.now += timedelta(seconds=0.2)

    today = await world.limits.admit(ask(daily_quota=1))
    await world.limits.release(first, admission, PublishOutcome.REFUSED)

    assert (full.verdict, full.retry_after_seconds) == (Verdict.OVER_QUOTA, 1)
    assert (admission.quota_day, today.quota_day) == ("2026-02-28", "2026-03-01")
    assert await world.used(CLIENT) == 1
    world.clock.now -= timedelta(seconds=1)
    assert await world.used(CLIENT) == 0


async def test_the_use_of_today_can_be_read_for_several_clients_at_once(world: World) -> None:
    for client_key in (CLIENT, CLIENT, "bank"):
        await admitted(world, ask(client_key=client_key, daily_quota=5))
    await admitted(world, ask(client_key="unlimited"))

    used = await world.limits.used([CLIENT, "bank", "unlimited", "nobody"])

    assert {CLIENT: 2, "bank": 1, "unlimited": 0, "nobody": 0} == used
    assert {} == await world.limits.used([])


async def test_reading_the_use_of_today_takes_nothing(world: World) -> None:
    await admitted(world, ask(daily_quota=2))

    for _ in range(3):
        await world.limits.used([CLIENT])

    assert await world.used(CLIENT) == 1
