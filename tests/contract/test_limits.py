"""The port Limits over Redis, SQLite and the double: idempotency, the ledger, names."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from smsgw.core.admission import Admission, Ask, PublishOutcome, Rate, Verdict
from tests.contract.limits_harness import (
    BODY,
    CLIENT,
    LEASE,
    TTL,
    MemoryWorld,
    RedisWorld,
    World,
    admitted,
    ask,
    claim,
    pass_time,
)


async def test_a_first_claim_is_fresh_and_keeps_its_tracking_id(world: World) -> None:
    first = ask(claim())

    admission = await world.limits.admit(first)

    assert admission == Admission(verdict=Verdict.FRESH, tracking_id=first.tracking_id)


async def test_a_running_claim_is_in_use_and_tells_the_first_tracking_id(world: World) -> None:
    first = ask(claim())
    await admitted(world, first)

    second = await world.limits.admit(ask(claim()))
    seen = await world.limits.look_up(claim())

    assert second == seen == Admission(verdict=Verdict.IN_USE, tracking_id=first.tracking_id)


@pytest.mark.fault("F03", "I5")
async def test_another_body_under_the_key_is_refused_while_it_runs_and_after(world: World) -> None:
    held = claim()
    other = claim(fingerprint="0" * 64)
    await admitted(world, ask(held))

    while_running = await world.limits.admit(ask(other))
    await world.limits.answer(held, status=202, body=BODY, ttl_seconds=TTL, confirmed=None)
    after = await world.limits.look_up(other)

    assert [while_running.verdict, after.verdict] == [Verdict.REUSED] * 2


async def test_an_answer_is_replayed_byte_for_byte_with_its_status(world: World) -> None:
    first = ask(claim())
    await admitted(world, first)
    assert first.claim
    await world.limits.answer(first.claim, status=202, body=BODY, ttl_seconds=TTL, confirmed=first.tracking_id)

    replays = await asyncio.gather(world.limits.admit(ask(claim())), world.limits.look_up(claim()))

    replay = Admission(verdict=Verdict.REPLAY, tracking_id=first.tracking_id, status=202, body=BODY)
    assert [replay, replay] == list(replays)


async def test_replays_of_one_batch_do_not_mix_their_bodies(world: World) -> None:
    held = [claim(f"order-{number}") for number in range(5)]
    for number, each in enumerate(held):
        await admitted(world, ask(each))
        await world.limits.answer(each, status=200 + number, body=b"body %d" % number, ttl_seconds=TTL, confirmed=None)

    replays = await asyncio.gather(*(world.limits.look_up(each) for each in held))

    assert [(200 + number, b"body %d" % number) for number in range(5)] == [
        (each.status, each.body) for each in replays
    ]


async def test_only_the_holder_answers(world: World) -> None:
    await admitted(world, ask(claim()))

    await world.limits.answer(claim(), status=202, body=BODY, ttl_seconds=TTL, confirmed=None)

    assert (await world.limits.look_up(claim())).verdict is Verdict.IN_USE


async def test_the_old_holder_changes_nothing_after_a_takeover(world: World) -> None:
    first, retry = ask(claim(), daily_quota=5), ask(claim(), daily_quota=5)
    old = await admitted(world, first)
    await pass_time(world, LEASE, until_fresh=claim())
    await admitted(world, retry)
    assert first.claim

    await world.limits.answer(first.claim, status=202, body=BODY, ttl_seconds=TTL, confirmed=None)
    await world.limits.release(first, old, PublishOutcome.REFUSED)

    assert (await world.limits.look_up(claim())).verdict is Verdict.IN_USE
    assert await world.used(CLIENT) == 1


async def test_a_released_claim_runs_again_at_once_as_the_same_message(world: World) -> None:
    first = ask(claim())
    await world.limits.release(first, await admitted(world, first), None)

    retry = await world.limits.admit(ask(claim()))

    assert (Verdict.TAKEOVER, first.tracking_id) == (retry.verdict, retry.tracking_id)


async def test_a_released_claim_still_knows_its_body(world: World) -> None:
    first = ask(claim())
    await world.limits.release(first, await admitted(world, first), None)

    other = await world.limits.admit(ask(claim(fingerprint="0" * 64)))

    assert other.verdict is Verdict.REUSED


async def test_an_answered_error_is_forgotten_after_its_time_and_runs_as_the_same_message(world: World) -> None:
    first = ask(claim(), daily_quota=0)
    await world.limits.admit(first)
    assert first.claim
    await world.limits.answer(first.claim, status=429, body=b"over", ttl_seconds=1, confirmed=None)
    replayed = await world.limits.look_up(claim())
    await pass_time(world, 1, until_fresh=claim())

    again = await world.limits.admit(ask(claim(), daily_quota=3))

    assert (replayed.verdict, again.verdict) == (Verdict.REPLAY, Verdict.TAKEOVER)
    assert first.tracking_id == again.tracking_id


async def test_the_ledger_holds_every_confirmed_publish_by_minute(world: World) -> None:
    first, stranger = ask(claim()), claim()
    await admitted(world, first)
    lost, keyless = uuid4(), uuid4()
    assert first.claim

    await world.limits.answer(first.claim, status=202, body=BODY, ttl_seconds=TTL, confirmed=first.tracking_id)
    await world.limits.answer(stranger, status=202, body=BODY, ttl_seconds=TTL, confirmed=lost)
    await world.limits.note_confirmed(keyless)

    now = world.clock() if world.clock else datetime.now(UTC)
    ledger = await world.limits.confirmed(now - timedelta(minutes=2), now + timedelta(minutes=2))
    assert {first.tracking_id, lost, keyless} == {each for _, ids in ledger for each in ids}
    assert all(minute.second == 0 and abs(now - minute) < timedelta(minutes=2) for minute, _ in ledger)
    assert list(await world.limits.confirmed(now - timedelta(hours=1), now - timedelta(minutes=30))) == []


async def test_a_look_up_writes_nothing(world: World) -> None:
    await admitted(world, ask(claim(), rates=(Rate("ingress", 5),), daily_quota=5))
    before = await world.snapshot()

    known = await world.limits.look_up(claim())
    unknown = await world.limits.look_up(claim("never seen"))

    assert (Verdict.IN_USE, Admission(verdict=Verdict.FRESH)) == (known.verdict, unknown)
    assert before == await world.snapshot()


@pytest.mark.fault("F02", "I4")
async def test_of_many_claims_at_the_same_instant_exactly_one_runs(world: World) -> None:
    asks = [ask(claim(), daily_quota=100) for _ in range(50)]

    admissions = await asyncio.gather(*map(world.limits.admit, asks))

    verdicts = [each.verdict for each in admissions]
    assert (verdicts.count(Verdict.FRESH), verdicts.count(Verdict.IN_USE)) == (1, 49)
    assert len({each.tracking_id for each in admissions}) == 1
    assert await world.used(CLIENT) == 1


@pytest.mark.fault("F04", "I4")
async def test_everything_is_named_after_the_public_id_and_the_digest_of_the_key(world: World) -> None:
    first = ask(claim("0" * 64), daily_quota=5, rates=(Rate("ingress", 5),))
    await admitted(world, first)
    await world.limits.note_confirmed(first.tracking_id)

    names = set(await world.snapshot())

    if isinstance(world, RedisWorld):
        now = await world.now()
        minute = int(now.timestamp()) // 60 * 60
        expected = {
            f"idem:{CLIENT}:{'0' * 64}",
            f"quota:{CLIENT}:{now:%Y-%m-%d}",
            "rate:ingress",
            f"confirmed:quota:{minute}",
        }
        assert {world.prefix + name for name in expected} == names
    assert any(f"{CLIENT}:{'0' * 64}" in name for name in names)


async def test_it_is_ready(world: World) -> None:
    assert await world.limits.is_ready()


@pytest.mark.parametrize("world", ["memory", "sqlite"], indirect=True)
async def test_a_key_is_forgotten_after_its_time_to_live(world: World) -> None:
    assert world.clock
    first, later = ask(claim()), ask(claim())
    await admitted(world, first)
    world.clock.now += timedelta(seconds=TTL)

    again = await world.limits.admit(later)

    assert Admission(verdict=Verdict.FRESH, tracking_id=later.tracking_id) == again


async def test_the_double_fails_on_demand() -> None:
    world = MemoryWorld()
    world.limits.fail = True

    answers = await asyncio.gather(
        world.limits.admit(Ask(tracking_id=uuid4(), client_key=CLIENT)),
        world.limits.look_up(claim()),
        world.limits.note_confirmed(uuid4()),
        return_exceptions=True,
    )

    assert [type(each).__name__ for each in answers] == ["LimitsUnavailableError"] * 3
    assert not await world.limits.is_ready()
