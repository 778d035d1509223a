"""Nobody overtakes, nobody is called in vain, nothing leaks: what limits and circuits do together."""

from datetime import timedelta

import pytest

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.health import Rules, State
from smsgw.core.message import Reason, Status
from smsgw.worker.arrivals import message_of
from tests.unit.worker.rig import ACCEPTED, UNKNOWN, UNREACHABLE, Rig, ScriptedProvider, envelope

RULES = Rules(min_sample=4, open_seconds=3600)
GERMAN = "+4915112345678"


async def test_who_waits_for_a_country_is_not_overtaken_by_newcomers_to_it() -> None:
    ill = ScriptedProvider("A", *[ACCEPTED] * 8, *[UNKNOWN] * 4)
    narrow = ScriptedProvider("B")
    rig = Rig(ill, narrow, rules=RULES, capacity=50, configs={"B": {"rate_limit": 2}})
    rig.put(*[envelope("A", to=GERMAN) for _ in range(8)], *[envelope("A") for _ in range(4)])
    await rig.take_in()
    await rig.take_in() if rig.queue.ready(rig.queue.settings.outbound) else None
    await rig.choosing.health.run_once()
    assert State.OPEN is rig.choosing.health.of("A").countries["IR"].state
    early = [envelope() for _ in range(4)]
    rig.put(*early)
    await rig.take_in()

    late = []
    for _ in range(4):
        late.append(envelope())
        rig.put(late[-1])
        rig.now += timedelta(seconds=0.5)
        await rig.take_in()
        await rig.serve_lanes()

    assert {Status.SENT} == {rig.message(each.tracking_id).status for each in early}
    assert {Status.QUEUED} == {rig.message(each.tracking_id).status for each in late[1:]}


async def test_a_refusal_leads_into_the_lane_of_the_next_provider_and_to_no_second_call_of_the_first() -> None:
    broken = ScriptedProvider("A", *[UNREACHABLE] * 50)
    narrow = ScriptedProvider("B")
    rules = Rules(min_sample=1_000_000)
    rig = Rig(broken, narrow, rules=rules, capacity=20, configs={"B": {"rate_limit": 2}})
    sent = [envelope() for _ in range(6)]
    rig.put(*sent)

    await rig.take_in()
    waiting = [rig.message(each.tracking_id) for each in sent][1:]
    assert {("B", "B", Reason.PROVIDER_AT_LIMIT)} == {(each.lane, each.prefer, each.reason) for each in waiting}
    for _ in range(6):
        await rig.serve_lanes(seconds=0.5)

    assert {Status.SENT} == {rig.message(each.tracking_id).status for each in sent}
    assert {2} == {rig.message(each.tracking_id).attempts_made for each in sent}
    assert (6, 6) == (len(broken.submits), len(narrow.submits))


async def test_who_refused_a_message_is_not_asked_again_when_its_lane_is_served() -> None:
    unwilling = ScriptedProvider("A", *[SendResult(outcome=Outcome.REJECTED)] * 50)
    narrow = ScriptedProvider("B")
    rig = Rig(unwilling, narrow, configs={"B": {"rate_limit": 2}})
    sent = [envelope() for _ in range(3)]
    rig.put(*sent)

    await rig.take_in()
    for _ in range(3):
        await rig.serve_lanes(seconds=0.5)

    assert {Status.SENT} == {rig.message(each.tracking_id).status for each in sent}
    assert 3 == len(unwilling.submits)


async def test_newcomers_behind_a_probe_wait_for_the_circuit_and_not_for_tokens() -> None:
    provider = ScriptedProvider("A", *[UNREACHABLE] * 4)
    rig = Rig(provider, rules=Rules(min_sample=4, open_seconds=30))
    for _ in range(4):
        rig.put(envelope("A"))
        await rig.take_in()
    await rig.choosing.health.run_once()
    rig.now += timedelta(seconds=31)
    await rig.choosing.health.run_once()
    sent = [envelope() for _ in range(5)]
    rig.put(*sent)

    await rig.take_in()

    messages = [rig.message(each.tracking_id) for each in sent]
    assert 5 == len(provider.submits)
    assert [("*@IR", Reason.CIRCUIT_OPEN)] * 4 == [(each.lane, each.reason) for each in messages[1:]]


class BrokenDice:
    """Raises at the second throw."""

    def __init__(self) -> None:
        self.throws = 0

    def __call__(self) -> float:
        self.throws += 1
        if self.throws == 2:
            raise RuntimeError
        return 1.0


async def test_a_bug_while_planning_leaks_no_permit() -> None:
    rig = Rig(ScriptedProvider("A"), dice=BrokenDice())
    messages = [message_of(envelope("A"), rig.now) for _ in range(3)]

    with pytest.raises(RuntimeError):
        await rig.choosing.planner.plan_new(messages, rig.now)

    assert 0 == rig.choosing.pacer.calls_of("A")
