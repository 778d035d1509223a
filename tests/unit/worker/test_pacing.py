"""Rate limits at the worker: tokens first, lanes for who has none, and nothing sent while the store is away."""

import asyncio
from datetime import timedelta

import pytest

from smsgw.core.buckets import Rates
from smsgw.core.events import ProviderThrottled
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.lifecycle import Timers
from smsgw.core.message import Reason, Status
from smsgw.core.providers import RateUnit
from tests.unit.worker.rig import Rig, ScriptedProvider, envelope, until

THROTTLED = SendResult(outcome=Outcome.THROTTLED, retry_after=timedelta(seconds=2))
LONG = "x" * 400
"""Three segments."""


async def test_what_is_over_the_limit_waits_in_a_lane_and_holds_no_slot() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, rates=Rates(provider=4))
    sent = [envelope("A") for _ in range(5)]
    rig.put(*sent)

    await rig.take_in()

    depth = 2  # half a second of the rate; the other half of the burst is what may be on its way
    messages = [rig.message(each.tracking_id) for each in sent]
    assert depth == len(provider.submits)
    assert ["A"] * 3 == [message.lane for message in messages[depth:]]
    assert {(Status.QUEUED, Reason.PROVIDER_AT_LIMIT)} == {(each.status, each.reason) for each in messages[depth:]}
    assert 0 == rig.slots.in_use


async def test_a_lane_is_served_as_tokens_come_oldest_first() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, rates=Rates(provider=4))
    sent = [envelope("A", created_at=rig.now - timedelta(seconds=age)) for age in range(5)]
    rig.put(*sent)
    await rig.take_in()

    for _ in range(3):
        await rig.serve_lanes(seconds=0.25)

    oldest = [each.tracking_id for each in reversed(sent[2:])]
    assert oldest == [submit.reference for submit in provider.submits[2:]]
    assert {Status.SENT} == {rig.message(each.tracking_id).status for each in sent}


async def test_a_provider_at_its_limit_is_passed_over_when_another_may_serve() -> None:
    narrow, wide = ScriptedProvider("A"), ScriptedProvider("B")
    rig = Rig(narrow, wide, configs={"A": {"rate_limit": 2}, "B": {"rate_limit": 0}})
    sent = [envelope() for _ in range(4)]
    rig.put(*sent)

    await rig.take_in()

    assert (1, 3) == (len(narrow.submits), len(wide.submits))


async def test_who_chose_one_provider_waits_for_it() -> None:
    narrow, wide = ScriptedProvider("A"), ScriptedProvider("B")
    rig = Rig(narrow, wide, configs={"A": {"rate_limit": 2}, "B": {"rate_limit": 0}})
    rig.put(*[envelope("A") for _ in range(4)])

    await rig.take_in()

    assert (1, 0) == (len(narrow.submits), len(wide.submits))


async def test_newcomers_do_not_overtake_those_who_wait() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, rates=Rates(provider=4))
    early = [envelope("A") for _ in range(4)]
    rig.put(*early)
    await rig.take_in()
    rig.now += timedelta(seconds=0.25)
    late = envelope("A")
    rig.put(late)

    await rig.take_in()
    await rig.serve_lanes()

    assert late.tracking_id not in [submit.reference for submit in provider.submits]
    assert 3 == len(provider.submits)


async def test_total_rate_limit_holds_over_all_providers() -> None:
    first, second = ScriptedProvider("A"), ScriptedProvider("B")
    rig = Rig(first, second, rates=Rates(total=4))
    rig.put(*[envelope("A") for _ in range(3)], *[envelope("B") for _ in range(3)])

    await rig.take_in()
    await rig.serve_lanes(seconds=0.25)

    assert 3 == len(first.submits) + len(second.submits)


async def test_segments_are_counted_where_the_provider_counts_them() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, capacity=20, configs={"A": {"rate_limit": 12, "rate_unit": RateUnit.SEGMENT}})
    rig.put(*[envelope("A", text=LONG) for _ in range(10)])

    await rig.take_in()
    for _ in range(10):
        await rig.serve_lanes(seconds=0.1)

    # Six segments at once, then twelve in a second: two messages and four.
    assert 6 == len(provider.submits)


async def test_a_message_that_costs_more_than_the_bucket_holds_is_sent_and_the_next_one_waits_the_longer() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, configs={"A": {"rate_limit": 1, "rate_unit": RateUnit.SEGMENT}})
    rig.put(envelope("A", text=LONG), envelope("A"))
    await rig.take_in()
    assert [LONG] == [submit.text for submit in provider.submits]

    for _ in range(29):
        await rig.serve_lanes(seconds=0.1)
    assert 1 == len(provider.submits)

    for _ in range(5):
        await rig.serve_lanes(seconds=0.1)
    assert 2 == len(provider.submits)


@pytest.mark.fault("F05", "I1")
async def test_with_the_limits_store_away_nothing_limited_is_sent_and_nothing_is_lost() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, rates=Rates(provider=100))
    sent = [envelope("A") for _ in range(3)]
    rig.traffic.fail = True
    rig.put(*sent)
    await rig.take_in()
    await rig.serve_lanes(seconds=1)
    assert [] == provider.submits

    rig.traffic.fail = False
    await rig.serve_lanes(seconds=1)

    assert 3 == len(provider.submits)


async def test_unused_tokens_are_void_after_a_tenth_of_a_second() -> None:
    rig = Rig(ScriptedProvider("A"), rates=Rates(provider=100))
    pacer = rig.choosing.pacer
    assert 5 == await pacer.stock("A", 50, is_backlog=False)

    rig.now += timedelta(seconds=0.11)
    rig.traffic.fail = True

    assert 0 == await pacer.stock("A", 50, is_backlog=False)


async def test_of_several_who_ask_at_once_those_who_get_nothing_void_nobody_elses_token() -> None:
    rig = Rig(ScriptedProvider("A"), rates=Rates(provider=4))
    pacer = rig.choosing.pacer

    tokens = await asyncio.gather(*(pacer.acquire("A", "hi", within_seconds=0) for _ in range(5)))

    depth = 2
    assert depth == sum(token is not None for token in tokens)


async def test_a_call_that_was_held_up_takes_a_token_that_is_fresh() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, rates=Rates(provider=2), timers=Timers(lease=timedelta(seconds=60)))
    rig.put(envelope("A"))
    rig.stall = timedelta(seconds=30)

    await rig.take_in()

    # One token was void, one was taken for the call itself: half a second of the rate was all there was.
    (bucket,) = (await rig.traffic.buckets(rig.limits)).values()
    assert 1 == len(provider.submits)
    assert 0 == bucket.tokens


async def test_a_provider_that_says_too_much_is_left_alone_for_so_long_and_gets_less_afterwards() -> None:
    provider = ScriptedProvider("A", THROTTLED)
    rig = Rig(provider, rates=Rates(provider=100))
    rig.put(envelope("A"))
    await rig.take_in()
    await rig.choosing.pacer.close()

    rig.put(envelope("A"))
    rig.now += timedelta(seconds=1.9)
    await rig.take_in()
    assert 1 == len(provider.submits)

    await rig.serve_lanes(seconds=0.2)
    (bucket,) = (await rig.traffic.buckets(rig.limits)).values()
    assert 2 == len(provider.submits)
    assert bucket.factor < 1
    assert [ProviderThrottled(provider="A", wait_seconds=2.0)] == [
        fact for fact in rig.facts if isinstance(fact, ProviderThrottled)
    ]


async def test_a_provider_that_hangs_does_not_hold_every_slot() -> None:
    silent, quick = ScriptedProvider("A"), ScriptedProvider("B")
    silent.hold = asyncio.Event()
    rig = Rig(silent, quick, capacity=8)
    rig.put(*[envelope("A") for _ in range(20)], *[envelope("B") for _ in range(2)])

    for _ in range(8):
        await rig.intake.run_once(rig.stopping)
        await asyncio.sleep(0)
    await until(lambda: len(quick.submits) == 2)

    assert 6 == len(silent.submits)
    silent.hold.set()
    await rig.rest()


async def test_the_first_burst_for_a_provider_does_not_spill_over_to_the_next_one() -> None:
    first, second = ScriptedProvider("A"), ScriptedProvider("B")
    first.hold = asyncio.Event()
    rig = Rig(first, second, capacity=8)
    rig.put(*[envelope() for _ in range(8)])
    await rig.intake.run_once(rig.stopping)
    await until(lambda: len(first.submits) == 6)

    first.hold.set()
    await rig.rest()
    await rig.serve_lanes()

    assert (8, 0) == (len(first.submits), len(second.submits))


async def test_messages_for_a_provider_that_hangs_go_to_the_next_one() -> None:
    silent, quick = ScriptedProvider("A"), ScriptedProvider("B")
    silent.hold = asyncio.Event()
    rig = Rig(silent, quick, capacity=8)
    rig.put(*[envelope() for _ in range(8)])
    await rig.intake.run_once(rig.stopping)
    rig.now += timedelta(seconds=3)

    await rig.lanes.run_once()
    await until(lambda: len(quick.submits) == 2)

    assert 6 == len(silent.submits)
    silent.hold.set()
    await rig.rest()


async def test_a_provider_without_a_limit_that_says_too_much_is_left_alone_for_a_moment() -> None:
    provider = ScriptedProvider("A", SendResult(outcome=Outcome.THROTTLED))
    rig = Rig(provider)
    rig.put(envelope("A"))
    await rig.take_in()

    rig.put(envelope("A"))
    await rig.take_in()
    assert 1 == len(provider.submits)

    await rig.serve_lanes(seconds=1)
    assert 2 == len(provider.submits)
