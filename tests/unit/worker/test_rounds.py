"""One message from the broker to its end: the policy engine as the worker runs it."""

from datetime import timedelta

import pytest

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.lifecycle import Timers
from smsgw.core.message import Reason, Status
from tests.unit.worker.rig import ACCEPTED, START, UNREACHABLE, Rig, ScriptedProvider, envelope

REJECTED = SendResult(outcome=Outcome.REJECTED, detail="no route")


async def test_an_accepted_message_is_sent_with_its_reference_and_remaining_life() -> None:
    provider = ScriptedProvider("A", ACCEPTED)
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    rig.now = START + timedelta(seconds=100)

    await rig.take_in()

    assert Status.SENT == rig.message(sent.tracking_id).status
    assert ["PROCESSING", "SENT"] == rig.event_types(sent.tracking_id)
    assert [(sent.tracking_id, 500)] == [(each.reference, each.validity_seconds) for each in provider.submits]
    assert not rig.queue.ready(rig.queue.settings.outbound)
    assert 0 == rig.slots.in_use


@pytest.mark.fault("F34", "I1 I3")
async def test_a_refused_connection_goes_to_the_next_provider_at_once() -> None:
    first, second = ScriptedProvider("A", UNREACHABLE), ScriptedProvider("B")
    rig = Rig(first, second)
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()

    message = rig.message(sent.tracking_id)
    assert (Status.SENT, "B") == (message.status, message.provider_final)
    assert ["PROCESSING", "PROVIDER_SWITCHED", "PROCESSING", "SENT"] == rig.event_types(sent.tracking_id)
    assert [1, 1] == [len(first.submits), len(second.submits)]


async def test_a_round_with_something_temporary_is_tried_again_later() -> None:
    provider = ScriptedProvider("A", UNREACHABLE)
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)

    await rig.take_in()
    waiting = rig.message(sent.tracking_id)
    await rig.sweep(seconds=1)
    still_waiting = rig.message(sent.tracking_id)
    await rig.sweep(seconds=1)

    assert (Status.QUEUED, START + timedelta(seconds=2)) == (waiting.status, waiting.due_at)
    assert Status.QUEUED == still_waiting.status
    assert Status.SENT == rig.message(sent.tracking_id).status
    assert 2 == len(provider.submits)


async def test_everybody_refusing_fails_the_message() -> None:
    rig = Rig(ScriptedProvider("A", REJECTED), ScriptedProvider("B", REJECTED))
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()

    message = rig.message(sent.tracking_id)
    assert (Status.FAILED, Reason.REJECTED) == (message.status, message.reason)


async def test_an_invalid_number_asks_nobody_else() -> None:
    second = ScriptedProvider("B")
    rig = Rig(ScriptedProvider("A", SendResult(outcome=Outcome.INVALID_NUMBER)), second)
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()

    assert Reason.INVALID_NUMBER == rig.message(sent.tracking_id).reason
    assert [] == second.submits


async def test_an_exclusive_provider_that_is_disabled_here_is_never_overridden() -> None:
    other = ScriptedProvider("B")
    rig = Rig(other)
    sent = envelope("A")
    rig.put(sent)

    await rig.take_in()

    message = rig.message(sent.tracking_id)
    assert (Status.FAILED, Reason.PROVIDER_DISABLED) == (message.status, message.reason)
    assert [] == other.submits


@pytest.mark.fault("F40", "I10")
async def test_an_expired_message_is_not_sent() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    sent = envelope("A", ttl_seconds=10)
    rig.put(sent)
    rig.now = START + timedelta(seconds=10)

    await rig.take_in()

    message = rig.message(sent.tracking_id)
    assert (Status.FAILED, Reason.EXPIRED) == (message.status, message.reason)
    assert [] == provider.submits


@pytest.mark.fault("F40", "I1 I10")
async def test_retries_never_outlive_the_message() -> None:
    provider = ScriptedProvider("A", *[UNREACHABLE] * 50)
    rig = Rig(provider, timers=Timers(max_attempts=50))
    sent = envelope("A", ttl_seconds=30)
    rig.put(sent)

    await rig.take_in()
    for _ in range(40):
        await rig.sweep(seconds=1)

    message = rig.message(sent.tracking_id)
    assert (Status.FAILED, Reason.EXPIRED) == (message.status, message.reason)
    assert 4 == len(provider.submits)  # at 0, 2, 6 and 14 s; the next would be at 30


async def test_attempts_are_bounded_over_the_whole_life() -> None:
    provider = ScriptedProvider("A", *[UNREACHABLE] * 9)
    rig = Rig(provider, timers=Timers(max_attempts=3))
    sent = envelope("A")
    rig.put(sent)

    await rig.take_in()
    for _ in range(10):
        await rig.sweep(seconds=10)

    message = rig.message(sent.tracking_id)
    assert (Status.FAILED, Reason.MAX_ATTEMPTS) == (message.status, message.reason)
    assert 3 == len(provider.submits)


async def test_retry_after_is_waited_for() -> None:
    throttled = SendResult(outcome=Outcome.THROTTLED, retry_after=timedelta(seconds=45))
    rig = Rig(ScriptedProvider("A", throttled))
    sent = envelope("A")
    rig.put(sent)

    await rig.take_in()

    assert START + timedelta(seconds=45) == rig.message(sent.tracking_id).due_at


async def test_smart_selection_waits_while_nobody_is_usable() -> None:
    rig = Rig()
    sent = envelope()
    rig.put(sent)

    await rig.take_in()

    message = rig.message(sent.tracking_id)
    assert (Status.QUEUED, Reason.RETRY_SCHEDULED) == (message.status, message.reason)


@pytest.mark.fault("F32", "I3")
async def test_a_call_does_not_start_on_a_lease_that_has_run_short() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    rig.stall = timedelta(seconds=30)  # a stalled process: the lease of 45 s now has 15 s left

    await rig.take_in()

    assert [] == provider.submits
    assert Status.QUEUED == rig.message(sent.tracking_id).status


async def test_a_call_does_not_start_for_a_message_whose_life_ended_after_it_was_planned() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    sent = envelope("A", ttl_seconds=10)
    rig.put(sent)
    rig.stall = timedelta(seconds=10)  # a stalled process: the lease of 45 s still has room for a call

    await rig.take_in()

    message = rig.message(sent.tracking_id)
    assert [] == provider.submits
    assert (Status.FAILED, Reason.EXPIRED) == (message.status, message.reason)


async def test_a_provider_that_will_not_take_it_is_not_asked_in_a_later_round() -> None:
    unwilling, away = ScriptedProvider("A", REJECTED), ScriptedProvider("B", UNREACHABLE, UNREACHABLE)
    rig = Rig(unwilling, away)
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()
    await rig.sweep(seconds=2)
    await rig.sweep(seconds=4)

    assert (Status.SENT, "B") == (rig.message(sent.tracking_id).status, rig.message(sent.tracking_id).provider_final)
    assert [1, 3] == [len(unwilling.submits), len(away.submits)]


async def test_when_everybody_has_refused_over_several_rounds_the_message_fails() -> None:
    rig = Rig(ScriptedProvider("A", REJECTED), ScriptedProvider("B", UNREACHABLE, REJECTED))
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()
    await rig.sweep(seconds=2)

    message = rig.message(sent.tracking_id)
    assert (Status.FAILED, Reason.REJECTED) == (message.status, message.reason)
