"""The story of a message that a worker has sent says why each provider was asked."""

from typing import Any
from uuid import UUID

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.health import Rules
from smsgw.core.message import EventType, Reason, Status
from smsgw.core.operator_actions import NotPossible
from smsgw.core.routing import Strategy
from smsgw.worker.operator import Acted, MessageActions
from tests.unit.worker.rig import ACCEPTED, UNREACHABLE, Rig, ScriptedProvider, envelope


def choices(rig: Rig, tracking_id: UUID) -> list[dict[str, Any]]:
    begun = [each for each in rig.store.events[tracking_id] if each.event_type is EventType.PROCESSING]
    return [{name: value for name, value in each.details.items() if name != "attempt"} for each in begun]


async def test_the_rule_is_told_of_every_attempt_of_a_round() -> None:
    rig = Rig(ScriptedProvider("A", UNREACHABLE), ScriptedProvider("B"))
    ordered, alone, smart = envelope("B", "A"), envelope("B"), envelope()
    rig.put(ordered, alone, smart)

    await rig.take_in()

    assert choices(rig, ordered.tracking_id) == [{"choice": "order"}]
    assert choices(rig, alone.tracking_id) == [{"choice": "exclusive"}]
    assert choices(rig, smart.tracking_id) == [{"choice": "priority"}, {"choice": "priority"}]


async def test_who_was_at_its_limit_is_told() -> None:
    rig = Rig(ScriptedProvider("A"), ScriptedProvider("B"), configs={"A": {"rate_limit": 1}})
    sent = [envelope() for _ in range(2)]
    rig.put(*sent)

    await rig.take_in()

    told = [choices(rig, each.tracking_id) for each in sent]
    assert told == [[{"choice": "priority"}], [{"choice": "priority", "over": {"A": "at_limit"}}]]


async def test_who_is_at_its_limit_when_the_next_one_is_asked_is_told() -> None:
    refuses = SendResult(outcome=Outcome.UNREACHABLE, detail="refused")
    rig = Rig(
        ScriptedProvider("A", ACCEPTED, refuses),
        ScriptedProvider("B"),
        ScriptedProvider("C"),
        configs={"B": {"rate_limit": 1}},
    )
    rig.put(envelope("B"))
    await rig.take_in()
    rig.put(envelope("A"))
    await rig.take_in()
    sent = envelope("A", "B", "C")
    rig.put(sent)

    await rig.take_in()

    assert choices(rig, sent.tracking_id) == [{"choice": "order"}, {"choice": "order", "over": {"B": "at_limit"}}]


async def test_who_is_behind_an_open_circuit_is_told() -> None:
    rules = Rules(min_sample=2)
    rig = Rig(ScriptedProvider("A", *[UNREACHABLE] * 2), ScriptedProvider("B"), rules=rules)
    rig.put(*[envelope("A") for _ in range(2)])
    await rig.take_in()
    await rig.choosing.health.run_once()
    sent = envelope()
    rig.put(sent)

    await rig.take_in()

    assert choices(rig, sent.tracking_id) == [{"choice": "priority", "over": {"A": "circuit_open"}}]


async def test_the_turn_is_told() -> None:
    rig = Rig(ScriptedProvider("A"), ScriptedProvider("B"), strategy=Strategy.ROUND_ROBIN)
    sent = [envelope() for _ in range(2)]
    rig.put(*sent)

    await rig.take_in()

    assert [choices(rig, each.tracking_id) for each in sent] == [[{"choice": "round_robin"}]] * 2


async def test_a_resend_is_sent_by_the_next_worker_that_looks_and_a_cancelled_message_by_none() -> None:
    provider = ScriptedProvider("A", UNREACHABLE)
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    await rig.take_in()
    actions = MessageActions(store=rig.store, timers=rig.timers, observer=rig.facts.append, clock=lambda: rig.now)

    cancelled = await actions.cancel(sent.tracking_id, user="ada")
    await rig.sweep(seconds=60)
    calls_then = len(provider.submits)
    fence = rig.message(sent.tracking_id).fence
    resent = await actions.resend(sent.tracking_id, fence=fence, user="ada")
    await rig.sweep()

    assert isinstance(cancelled, Acted)
    assert (cancelled.after.status, cancelled.after.reason) == (Status.FAILED, Reason.CANCELLED)
    assert calls_then == 1
    assert isinstance(resent, Acted)
    assert resent.copy is not None
    assert rig.message(resent.copy).status is Status.SENT
    assert rig.message(resent.copy).text == rig.message(sent.tracking_id).text
    assert len(provider.submits) == 2
    assert isinstance(await actions.cancel(resent.copy, user="ada"), NotPossible)
