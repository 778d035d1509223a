"""Outcomes that nobody knows: look-ups, ON_UNKNOWN, dead leases, late evidence."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from smsgw.core.envelope import Envelope
from smsgw.core.events import LateOutcome
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lifecycle import Timers
from smsgw.core.message import Reason, ReportStatus, Status
from smsgw.worker.sweep import BATCH, SLOW
from tests.unit.worker.rig import START, UNKNOWN, UNREACHABLE, Rig, ScriptedProvider, envelope

FOUND = LookUpResult(answer=LookUp.FOUND, provider_message_id="m-9")
ABSENT = LookUpResult(answer=LookUp.ABSENT)


@pytest.mark.fault("F33", "I3")
async def test_nobody_else_is_asked_while_an_outcome_is_unknown() -> None:
    second = ScriptedProvider("B")
    rig = Rig(ScriptedProvider("A", UNKNOWN), second)
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()
    await rig.sweep(seconds=59)

    assert Status.UNKNOWN == rig.message(sent.tracking_id).status
    assert [] == second.submits


@pytest.mark.fault("F33", "I1 I3")
async def test_resend_asks_the_same_provider_first_and_is_marked() -> None:
    first, second = ScriptedProvider("A", UNKNOWN), ScriptedProvider("B")
    rig = Rig(second, first)
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()
    await rig.sweep(seconds=60)
    await rig.sweep()

    message = rig.message(sent.tracking_id)
    assert (Status.SENT, "A", True) == (message.status, message.provider_final, message.duplicate_risk)
    assert [2, 0] == [len(first.submits), len(second.submits)]


@pytest.mark.fault("F33", "I1 I3")
async def test_hold_never_sends_again() -> None:
    provider = ScriptedProvider("A", UNKNOWN)
    rig = Rig(provider, timers=Timers(resend_unknown=False))
    sent = envelope("A")
    rig.put(sent)

    await rig.take_in()
    for _ in range(12):
        await rig.sweep(seconds=60)

    message = rig.message(sent.tracking_id)
    assert (Status.FAILED, Reason.OUTCOME_UNKNOWN) == (message.status, message.reason)
    assert 1 == len(provider.submits)


async def test_a_look_up_that_finds_it_means_sent() -> None:
    provider = ScriptedProvider("A", UNKNOWN, look_ups=[FOUND])
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)

    await rig.take_in()
    await rig.sweep()

    assert Status.SENT == rig.message(sent.tracking_id).status
    assert "m-9" == rig.store.attempts[sent.tracking_id][1].provider_message_id


async def test_absent_twice_a_settle_time_apart_sends_again_without_the_mark() -> None:
    provider = ScriptedProvider("A", UNKNOWN, look_ups=[ABSENT, ABSENT])
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)

    await rig.take_in()
    await rig.sweep()
    await rig.sweep(seconds=59)
    asked_once = len(provider.submits)
    await rig.sweep(seconds=1)
    await rig.sweep()

    message = rig.message(sent.tracking_id)
    assert (1, 2) == (asked_once, len(provider.submits))
    assert (Status.SENT, False) == (message.status, message.duplicate_risk)
    assert Outcome.ABSENT == rig.store.attempts[sent.tracking_id][1].outcome


async def test_a_report_settles_an_unknown_outcome_and_cancels_the_resend() -> None:
    provider = ScriptedProvider("A", UNKNOWN)
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    await rig.take_in()

    await rig.report(ReportStatus.SENT, provider="A", reference=sent.tracking_id, message_id="m-1")
    await rig.sweep(seconds=120)

    assert Status.SENT == rig.message(sent.tracking_id).status
    assert 1 == len(provider.submits)


async def test_a_dead_workers_call_is_unknown_not_sent_again_blindly() -> None:
    provider = ScriptedProvider("A")
    provider.hold = asyncio.Event()
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    await rig.intake.run_once(rig.stopping)
    await asyncio.sleep(0)

    await rig.dispatcher.drain(0)
    rig.now += timedelta(seconds=45)
    await rig.sweeper.run_once()

    message = rig.message(sent.tracking_id)
    assert (Status.UNKNOWN, Reason.OUTCOME_UNKNOWN) == (message.status, message.reason)
    assert Outcome.UNKNOWN == rig.store.attempts[sent.tracking_id][1].outcome


@pytest.mark.fault("F32", "I1 I3")
async def test_a_worker_that_slept_past_its_lease_leaves_evidence_and_nothing_is_sent_twice() -> None:
    provider = ScriptedProvider("A")
    provider.hold = asyncio.Event()
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    await rig.intake.run_once(rig.stopping)
    await asyncio.sleep(0)
    rig.now += timedelta(seconds=45)
    await rig.sweeper.run_once()

    provider.hold.set()
    await rig.rest()
    await rig.store.apply_reports(now=rig.now, limit=10, decide=rig.reports.decide)
    await rig.sweep(seconds=120)

    assert Status.SENT == rig.message(sent.tracking_id).status
    assert 1 == len(provider.submits)
    assert any(isinstance(fact, LateOutcome) for fact in rig.facts)


async def test_sent_without_a_report_becomes_final_at_the_deadline() -> None:
    rig = Rig(ScriptedProvider("A"))
    sent = envelope("A")
    rig.put(sent)
    await rig.take_in()

    await rig.sweep(seconds=259_200)

    message = rig.message(sent.tracking_id)
    assert (Status.SENT, Reason.NO_REPORT, None) == (message.status, message.reason, message.due_at)
    assert START < message.updated_at


async def test_a_refusal_before_an_unknown_outcome_is_remembered_when_it_is_resent() -> None:
    unwilling = ScriptedProvider("A", SendResult(outcome=Outcome.REJECTED))
    silent = ScriptedProvider("B", UNKNOWN, UNREACHABLE)
    rig = Rig(unwilling, silent)
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()
    await rig.sweep(seconds=60)
    await rig.sweep(seconds=2)

    assert [1, 3] == [len(unwilling.submits), len(silent.submits)]
    assert Status.SENT == rig.message(sent.tracking_id).status


class Unhelpful(ScriptedProvider):
    """Sends end unknown, and look-ups hang."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(name, *[UNKNOWN] * count, look_ups=[])
        self.asked = 0

    async def look_up(self, reference: UUID) -> LookUpResult:
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.fault("F33", "I3 I11")
async def test_a_provider_that_hangs_on_look_ups_holds_up_no_other_messages() -> None:
    count = 4 * BATCH
    unhelpful, helpful = Unhelpful("A", count), ScriptedProvider("B", UNKNOWN, look_ups=[FOUND])
    rig = Rig(unhelpful, helpful, capacity=count + 1)
    many, one = await _unknown(rig, unhelpful, count), envelope("B")
    rig.put(one)
    await rig.take_in()

    for _ in range(20):
        rig.now += SLOW
        await rig.sweeper.run_once()
        await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert rig.message(one.tracking_id).status is Status.SENT
    assert {rig.message(each.tracking_id).status for each in many} == {Status.UNKNOWN}
    assert unhelpful.asked <= 2 * BATCH
    assert len(unhelpful.submits) == count
    await rig.sweeper.close()


@pytest.mark.fault("F33", "I3 I11")
async def test_who_hangs_on_look_ups_cannot_be_asked_so_on_unknown_decides_after_the_settle_time() -> None:
    count = 4 * BATCH
    unhelpful = Unhelpful("A", count)
    rig = Rig(unhelpful, capacity=count)
    many = await _unknown(rig, unhelpful, count)
    fence = max(rig.message(each.tracking_id).fence for each in many)

    for _ in range(35):
        rig.now += SLOW
        await rig.sweeper.run_once()
        await asyncio.sleep(0)

    told = [rig.message(each.tracking_id) for each in many]
    assert {(each.status, each.duplicate_risk) for each in told} == {(Status.QUEUED, True)}
    assert max(each.fence for each in told) <= fence + 3
    await rig.sweeper.close()


async def _unknown(rig: Rig, provider: ScriptedProvider, count: int) -> list[Envelope]:
    """Let so many messages end UNKNOWN at a provider."""
    sent = [envelope(provider.name) for _ in range(count)]
    rig.put(*sent)
    while len(provider.submits) < count:
        await rig.take_in()
    return sent
