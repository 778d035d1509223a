"""Permits that are not used are given back: a probe may begin anew, and no call counts that was never made."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from smsgw.core.failure import Outcome
from smsgw.core.health import Rules, State
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import Message, Reason, Status
from smsgw.core.ports import Arrival, StoreUnavailableError
from tests.unit.worker.rig import UNREACHABLE, Rig, ScriptedProvider, envelope

RULES = Rules(min_sample=4, open_seconds=30)


async def test_a_probe_that_never_left_leaves_its_place_to_the_next_one() -> None:
    provider = ScriptedProvider("A", *[UNREACHABLE] * 4)
    rig = Rig(provider, rules=RULES)
    sent = [envelope("A") for _ in range(4)]
    rig.put(*sent)
    await rig.take_in()
    await rig.choosing.health.run_once()
    rig.now += timedelta(seconds=30)
    await rig.choosing.health.run_once()
    planner, health = rig.choosing.planner, rig.choosing.health
    assert State.HALF_OPEN is health.of("A").whole.state

    planned = planner.plan_due(rig.message(sent[0].tracking_id), rig.now)
    is_probing = not health.allows("A", "IR")
    planner.drop(planned.permit)

    assert planned.permit is not None
    assert planned.permit.is_probe
    assert is_probing
    assert health.allows("A", "IR")


async def test_the_next_providers_permit_is_not_held_while_the_end_of_its_message_is_written() -> None:
    broken, good = ScriptedProvider("A", UNREACHABLE), ScriptedProvider("B")
    rig = Rig(broken, good, timers=Timers(max_attempts=1))
    under_way: list[int] = []
    apply = rig.store.apply

    async def applied(change: Change) -> bool:
        under_way.append(rig.choosing.pacer.calls_of("B"))
        return await apply(change)

    rig.store.apply = applied  # type: ignore[method-assign]
    sent = envelope("A", "B")
    rig.put(sent)

    await rig.take_in()

    assert Reason.MAX_ATTEMPTS == rig.message(sent.tracking_id).reason
    assert [0] == under_way


async def test_a_message_that_waits_in_a_lane_ends_with_its_life_and_takes_no_token() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, configs={"A": {"rate_limit": 0.001}})
    sent = [envelope("A", ttl_seconds=30) for _ in range(3)]
    rig.put(*sent)
    await rig.take_in()
    assert ["A", "A"] == [rig.message(each.tracking_id).lane for each in sent[1:]]

    await rig.sweep(seconds=30)
    for _ in range(2):
        await rig.serve_lanes(seconds=1)

    ended = [rig.message(each.tracking_id) for each in sent[1:]]
    assert [(Status.FAILED, Reason.EXPIRED, None)] * 2 == [(each.status, each.reason, each.lane) for each in ended]
    assert 1 == len(provider.submits)
    assert () == rig.choosing.lanes.names


async def test_a_circuit_that_opens_during_a_slow_commit_keeps_the_call_from_leaving() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, rules=RULES, configs={"A": {"rate_limit": 10}})
    health, take_in = rig.choosing.health, rig.store.take_in

    async def slowly(arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        made = await take_in(arrivals)
        for _ in range(RULES.min_sample):
            health.note("A", "IR", Outcome.UNREACHABLE, is_probe=False)
        await health.run_once()
        rig.now += timedelta(seconds=2)
        return made

    rig.store.take_in = slowly  # type: ignore[method-assign]
    sent = envelope("A")
    rig.put(sent)

    await rig.take_in()

    assert State.OPEN is health.of("A").whole.state
    assert [] == provider.submits
    assert Status.QUEUED is rig.message(sent.tracking_id).status
    assert 0 == rig.choosing.pacer.calls_of("A")


@pytest.mark.parametrize("is_in_lane", [False, True])
async def test_permits_and_slots_are_given_back_when_the_commit_of_a_claim_fails(is_in_lane: bool) -> None:
    provider = ScriptedProvider("A", *[] if is_in_lane else [UNREACHABLE] * 3)
    rig = Rig(provider, configs={"A": {"rate_limit": 0.1 if is_in_lane else 50}})
    sent = [envelope("A") for _ in range(3)]
    rig.put(*sent)
    await rig.take_in()
    planned: list[int] = []

    async def failing(*_: Any, plan: Callable[[Message, None], object], **__: Any) -> Any:
        for each in sent:
            if rig.message(each.tracking_id).status is Status.QUEUED:
                plan(rig.message(each.tracking_id), None)
        planned.append(rig.choosing.pacer.calls_of("A"))
        raise StoreUnavailableError("the commit failed")

    rig.store.claim = rig.store.claim_lane = failing  # type: ignore[method-assign]
    rig.now += timedelta(seconds=60)
    sweeper = rig.lanes if is_in_lane else rig.rounds
    if not is_in_lane:
        assert await rig.choosing.pacer.stock("A", 3, is_backlog=True) == 3

    with pytest.raises(StoreUnavailableError):
        await sweeper.run_once()

    assert planned[0] > 0
    assert 0 == rig.choosing.pacer.calls_of("A")
    assert 0 == rig.slots.in_use
