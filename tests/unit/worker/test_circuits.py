"""Circuits at the worker: who fails too often is left alone, probed, and trusted again; all workers see the same."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest

from smsgw.core.events import CircuitMoved
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.health import Rules, State
from smsgw.core.message import Reason, Status
from smsgw.core.traffic import Document
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.worker.health import HealthBoard
from tests.unit.worker.rig import ACCEPTED, START, UNKNOWN, UNREACHABLE, Rig, ScriptedProvider, envelope

RULES = Rules(min_sample=4, open_seconds=30)
REFUSED = SendResult(outcome=Outcome.CREDENTIALS, detail="HTTP 401")


class CrossingTraffic(MemoryTraffic):
    """Everybody who reads at the same time has read before anybody writes."""

    refused = 0

    async def read(self, names: Sequence[str]) -> tuple[datetime, Sequence[Document]]:
        result = await super().read(names)
        await asyncio.sleep(0)
        return result

    async def write(self, name: str, body: bytes, *, version: int) -> bool:
        is_written = await super().write(name, body, version=version)
        self.refused += not is_written
        return is_written


async def send(rig: Rig, count: int, *providers: str) -> list[Status]:
    """Send messages one after the other, and let their outcomes be exchanged; return where they stand."""
    sent = [envelope(*providers) for _ in range(count)]
    for each in sent:
        rig.put(each)
        await rig.take_in()
    await rig.choosing.health.run_once()
    return [rig.message(each.tracking_id).status for each in sent]


@pytest.mark.fault("F34", "I1")
async def test_a_provider_that_cannot_be_reached_is_left_out_after_enough_failures() -> None:
    broken, good = ScriptedProvider("A", *[UNREACHABLE] * 9), ScriptedProvider("B")
    rig = Rig(broken, good, rules=RULES)

    assert [Status.SENT] * 4 == await send(rig, 4)
    assert [Status.SENT] * 4 == await send(rig, 4)

    assert 4 == len(broken.submits)
    assert 8 == len(good.submits)
    moves = [fact for fact in rig.facts if isinstance(fact, CircuitMoved)]
    assert [("A", "", State.OPEN, "4 of 4 calls failed within 60 s")] == [
        (move.provider, move.country, move.state, move.reason) for move in moves
    ]


@pytest.mark.fault("F41", "I1")
async def test_a_provider_that_refuses_our_account_is_opened_at_once_and_the_message_goes_on() -> None:
    refusing, good = ScriptedProvider("A", *[REFUSED] * 9), ScriptedProvider("B")
    rig = Rig(refusing, good, rules=RULES)

    assert [Status.SENT] == await send(rig, 1)
    assert [Status.SENT] * 3 == await send(rig, 3)

    assert 1 == len(refusing.submits)
    assert "refuses our account" in rig.choosing.health.of("A").whole.reason


async def test_who_chose_the_provider_waits_behind_its_circuit_and_a_probe_goes_first() -> None:
    provider = ScriptedProvider("A", *[UNREACHABLE] * 4)
    rig = Rig(provider, rules=RULES)
    await send(rig, 4, "A")
    waiting = [envelope("A") for _ in range(5)]
    rig.put(*waiting)
    await rig.take_in()
    messages = [rig.message(each.tracking_id) for each in waiting]
    assert {(Status.QUEUED, Reason.CIRCUIT_OPEN, "A@IR")} == {(m.status, m.reason, m.lane) for m in messages}
    assert 4 == len(provider.submits)

    rig.now += timedelta(seconds=30)
    await rig.choosing.health.run_once()
    calls = []
    for _ in range(4):
        await rig.serve_lanes(seconds=0.1)
        await rig.choosing.health.run_once()
        calls.append(len(provider.submits) - 4)

    # One probe after the other; after three the circuit is closed and the rest goes at once.
    assert [1, 2, 3, 5] == calls
    assert {Status.SENT} == {rig.message(each.tracking_id).status for each in waiting}


async def test_a_probe_that_fails_opens_the_circuit_for_twice_as_long() -> None:
    provider = ScriptedProvider("A", *[UNREACHABLE] * 5)
    rig = Rig(provider, rules=RULES)
    await send(rig, 4, "A")
    rig.put(envelope("A"))
    await rig.take_in()

    rig.now += timedelta(seconds=30)
    await rig.choosing.health.run_once()
    await rig.serve_lanes(seconds=0.1)
    await rig.choosing.health.run_once()

    whole = rig.choosing.health.of("A").whole
    assert (State.OPEN, "a probe failed: unreachable") == (whole.state, whole.reason)
    assert 60 == pytest.approx(whole.until - rig.now.timestamp())


async def test_one_country_that_fails_does_not_take_the_provider_from_the_others() -> None:
    provider = ScriptedProvider("A", *[ACCEPTED] * 8, *[UNKNOWN] * 4)
    rig = Rig(provider, rules=RULES, capacity=50)
    rig.put(*[envelope("A", to="+4915112345678") for _ in range(8)])
    await rig.take_in()
    rig.put(*[envelope("A") for _ in range(4)])
    await rig.take_in()
    await rig.choosing.health.run_once()
    german, iranian = envelope("A", to="+4915112345678"), envelope("A")
    rig.put(german, iranian)

    await rig.take_in()

    health = rig.choosing.health.of("A")
    assert (State.CLOSED, State.OPEN) == (health.whole.state, health.countries["IR"].state)
    assert Status.SENT == rig.message(german.tracking_id).status
    assert (Status.QUEUED, "A@IR") == (
        rig.message(iranian.tracking_id).status,
        rig.message(iranian.tracking_id).lane,
    )


async def test_what_one_worker_sees_every_worker_knows() -> None:
    rig = Rig(ScriptedProvider("A", *[UNKNOWN] * 4), ScriptedProvider("B"), rules=RULES)
    other = HealthBoard(rig.traffic, rules=RULES, observer=rig.facts.append)
    other.use(["A", "B"])

    await send(rig, 4)
    await other.run_once()

    assert not other.allows("A", "IR")
    assert other.allows("B", "IR")


async def test_outcomes_that_could_not_be_told_are_told_later() -> None:
    rig = Rig(ScriptedProvider("A", *[UNREACHABLE] * 4), rules=RULES)
    rig.traffic.fail = True
    await send(rig, 4, "A")
    assert rig.choosing.health.allows("A", "IR")

    rig.traffic.fail = False
    await rig.choosing.health.run_once()

    assert not rig.choosing.health.allows("A", "IR")


async def test_two_workers_that_write_at_once_lose_nothing() -> None:
    traffic = CrossingTraffic(clock=lambda: START)
    boards = [HealthBoard(traffic, rules=RULES, observer=lambda _fact: None) for _ in range(4)]
    for board in boards:
        board.use(["A"])
        board.note("A", "IR", Outcome.ACCEPTED, is_probe=False)

    await asyncio.gather(*(board.run_once() for board in boards))
    await boards[0].run_once()

    assert traffic.refused
    assert 4 == boards[0].of("A").whole.good


async def test_reset_forgets_everywhere() -> None:
    rig = Rig(ScriptedProvider("A", REFUSED), rules=RULES)
    await send(rig, 1, "A")
    assert not rig.choosing.health.allows("A", "IR")

    await rig.choosing.health.reset("A")

    assert rig.choosing.health.allows("A", "IR")
