"""Lanes that wait for the same tokens take turns, and tasks that ask for tokens in one moment lose none."""

import asyncio

from smsgw.core.buckets import Rates
from smsgw.core.message import Status
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.traffic import Lease, LeaseAsk
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.worker.pacing import Pacer
from tests.unit.worker.rig import START, Rig, ScriptedProvider, envelope


class SlowTraffic(MemoryTraffic):
    """An answer takes a tick; what was asked is remembered."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: START)
        self.asked: list[LeaseAsk] = []

    async def lease(self, ask: LeaseAsk) -> Lease:
        self.asked.append(ask)
        await asyncio.sleep(0)
        return await super().lease(ask)


async def test_a_backlog_without_a_choice_does_not_starve_those_who_chose_the_provider() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, rates=Rates(provider=4), capacity=100)
    rig.put(*[envelope() for _ in range(50)])
    await rig.take_in()
    chosen = [envelope("A") for _ in range(3)]
    rig.put(*chosen)
    await rig.take_in()
    assert {"A"} == {rig.message(each.tracking_id).lane for each in chosen}

    for _ in range(7):
        await rig.serve_lanes(seconds=0.25)

    assert {Status.SENT} == {rig.message(each.tracking_id).status for each in chosen}
    assert 2 + 7 == len(provider.submits)


async def test_tasks_that_ask_in_one_moment_ask_for_a_message_each() -> None:
    traffic = SlowTraffic()
    pacer = Pacer(traffic, rates=Rates(provider=100), capacity=10, observer=lambda _fact: None, monotonic=lambda: 0.0)
    pacer.use(Providers({"A": ProviderConfig(is_active=True, is_operational=True)}))

    tokens = await asyncio.gather(*(pacer.acquire("A", "hi", within_seconds=0) for _ in range(10)))

    assert None not in tokens
    assert 10 == len(tokens)
    assert all(ask.messages > 0 for ask in traffic.asked)
