"""Distribution by turns that all workers share."""

import asyncio
from collections import Counter

import pytest

from smsgw.core.routing import Strategy
from tests.unit.worker.rig import Rig, ScriptedProvider, envelope

MESSAGES = 1000


def workers(count: int, strategy: Strategy, weights: dict[str, int]) -> list[Rig]:
    """Return workers that share one limits store and send through the same providers."""
    providers = [ScriptedProvider(name) for name in weights]
    configs = {name: {"weight": weight} for name, weight in weights.items()}
    rigs = [Rig(*providers, capacity=50, strategy=strategy, configs=configs) for _ in range(count)]
    for rig in rigs[1:]:
        rig.traffic.books = rigs[0].traffic.books
    return rigs


async def distributed(rigs: list[Rig]) -> Counter[str]:
    """Send through all workers at once, in batches of odd sizes; return who was asked how often."""
    left = MESSAGES
    turn = 0
    while left:
        batch = min(left, 1 + turn * 7 % 23)
        rig = rigs[turn % len(rigs)]
        for _ in range(batch):
            rig.put(envelope())
        while rig.queue.ready(rig.queue.settings.outbound):
            await rig.take_in()
        left -= batch
        turn += 1
    await asyncio.gather(*(rig.rest() for rig in rigs))
    return Counter({name: len(provider.submits) for name, provider in rigs[0].providers.items()})


@pytest.mark.parametrize("count", [1, 2, 4])
async def test_weighted_is_exact_within_one_percent_over_a_thousand_messages(count: int) -> None:
    asked = await distributed(workers(count, Strategy.WEIGHTED, {"A": 5, "B": 3, "C": 2, "D": 0}))

    assert {"A": 500, "B": 300, "C": 200, "D": 0} == pytest.approx(dict(asked), abs=MESSAGES // 100)


@pytest.mark.parametrize("count", [1, 4])
async def test_round_robin_is_even(count: int) -> None:
    asked = await distributed(workers(count, Strategy.ROUND_ROBIN, {"A": 5, "B": 0, "C": 2}))

    assert dict.fromkeys("ABC", MESSAGES / 3) == pytest.approx(dict(asked), abs=MESSAGES // 100)


async def test_with_the_limits_store_away_each_worker_goes_on_by_itself() -> None:
    rigs = workers(1, Strategy.WEIGHTED, {"A": 3, "B": 1})
    rigs[0].traffic.fail = True

    asked = await distributed(rigs)

    assert {"A": 750, "B": 250} == pytest.approx(dict(asked), abs=MESSAGES // 100)
