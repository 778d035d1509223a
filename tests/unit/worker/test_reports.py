"""Delivery reports in a worker: applied as soon as they can be, and told as what they are."""

import asyncio
from uuid import uuid4

import pytest

from smsgw.core.events import CostTold, MessageMoved, ReportUnmatched
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport, Reason, ReceivedReport, ReportStatus, Status
from smsgw.core.ports import Submit
from tests.unit.worker.rig import Rig, ScriptedProvider, envelope


@pytest.mark.fault("F48", "I3 I8")
async def test_a_failure_told_during_a_call_that_dies_ends_the_message_before_it_is_sent_again() -> None:
    rig, provider, submit = await _in_a_call()
    await _store(rig, ReportStatus.FAILED, str(submit.reference))

    await rig.dispatcher.drain(0)
    for _ in range(200):
        await rig.store.apply_reports(now=rig.now, limit=100, decide=rig.reports.decide)
        await rig.sweep(seconds=1)

    message = rig.message(submit.reference)
    assert (Status.FAILED, Reason.REPORTED_FAILED) == (message.status, message.reason)
    assert len(provider.submits) == 1


async def test_a_report_that_waits_for_a_call_is_not_called_unmatched() -> None:
    rig, _, submit = await _in_a_call()
    await _store(rig, ReportStatus.FAILED, str(submit.reference))
    await rig.reports.run_once()
    waiting = [fact for fact in rig.facts if isinstance(fact, ReportUnmatched)]

    await _store(rig, ReportStatus.FAILED, str(uuid4()))
    await rig.reports.run_once()

    assert waiting == []
    assert [fact for fact in rig.facts if isinstance(fact, ReportUnmatched)] == [
        ReportUnmatched(provider="A", is_given_up=False)
    ]


async def test_a_repeat_that_changes_nothing_is_not_stated() -> None:
    rig = Rig(ScriptedProvider("A"))
    sent = envelope("A")
    rig.put(sent)
    await rig.take_in()
    rig.facts.clear()

    for _ in range(3):
        await _store(rig, ReportStatus.QUEUED, str(sent.tracking_id))
    await rig.reports.run_once()

    assert [type(fact) for fact in rig.facts] == [MessageMoved]


async def test_the_first_report_with_a_price_tells_what_the_message_cost() -> None:
    rig = Rig(ScriptedProvider("A"))
    sent = envelope("A")
    rig.put(sent)
    await rig.take_in()

    for price in (None, "0.05", "0.06"):
        await _store(rig, ReportStatus.SENT, str(sent.tracking_id), price=price, currency="EUR")
        await rig.reports.run_once()

    told = [fact for fact in rig.facts if isinstance(fact, CostTold)]
    assert told == [
        CostTold(provider="A", segments=1),
        CostTold(provider="A", segments=0, price="0.05", currency="EUR"),
    ]


async def test_what_the_answer_tells_of_the_cost_is_stated_once() -> None:
    provider = ScriptedProvider("A", SendResult(outcome=Outcome.ACCEPTED, segments=3, price="9e-2", currency="eur"))
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    await rig.take_in()
    await _store(rig, ReportStatus.DELIVERED, str(sent.tracking_id), price="0.10")
    await rig.reports.run_once()

    told = [fact for fact in rig.facts if isinstance(fact, CostTold)]
    assert told == [CostTold(provider="A", segments=3, price="0.09", currency="EUR")]


async def _in_a_call() -> tuple[Rig, ScriptedProvider, Submit]:
    """Return a worker whose provider does not answer."""
    provider = ScriptedProvider("A")
    provider.hold = asyncio.Event()
    rig = Rig(provider)
    rig.put(envelope("A"))
    await rig.intake.run_once(rig.stopping)
    while not provider.submits:
        await asyncio.sleep(0)
    return rig, provider, provider.submits[0]


async def _store(rig: Rig, status: ReportStatus, reference: str, **costs: str | None) -> None:
    told = DeliveryReport(
        status=status,
        provider_message_id="x",
        reference=reference,
        dedupe_key=uuid4().hex,
        price=costs.get("price"),
        currency=costs.get("currency"),
    )
    await rig.store.store_reports([ReceivedReport(provider="A", report=told, received_at=rig.now)])
    rig.reports.wake()
