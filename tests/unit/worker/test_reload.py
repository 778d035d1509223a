"""SIGHUP while messages wait in lanes: a new limit counts at once, and nobody waits for a provider that is gone."""

from typing import Any

import pytest

from smsgw.core.message import Reason, Status
from smsgw.core.providers import ProviderConfig, Providers
from tests.unit.worker.rig import Rig, ScriptedProvider, envelope

NARROW = 2.0


def configured(**configs: dict[str, Any]) -> Providers:
    """Return these providers as a file has them that was read again."""
    return Providers(
        {
            name: ProviderConfig(**{"is_active": True, "is_operational": True, **config})
            for name, config in configs.items()
        }
    )


async def waiting(*providers: str) -> tuple[Rig, list[Any]]:
    """Return a worker with four messages in one lane behind a provider at its limit."""
    rig = Rig(ScriptedProvider("A"), ScriptedProvider("B"), configs={name: {"rate_limit": NARROW} for name in "AB"})
    sent = [envelope(*providers) for _ in range(4 + len(providers or "AB"))]
    rig.put(*sent)
    await rig.take_in()
    left = [each for each in sent if rig.message(each.tracking_id).status is Status.QUEUED]
    assert 4 == len(left)
    return rig, left


@pytest.mark.parametrize("rate", [100, 0])
async def test_a_limit_that_was_raised_or_lifted_lets_them_go(rate: float) -> None:
    rig, left = await waiting("A")

    rig.choosing.use(configured(A={"rate_limit": rate}, B={}))
    await rig.serve_lanes(seconds=0.1)
    await rig.serve_lanes(seconds=0.1)

    assert {Status.SENT} == {rig.message(each.tracking_id).status for each in left}


async def test_a_limit_that_was_lowered_counts_at_once() -> None:
    rig, left = await waiting("A")

    rig.choosing.use(configured(A={"rate_limit": 0.5}, B={}))
    for _ in range(10):
        await rig.serve_lanes(seconds=0.1)

    assert 4 == sum(rig.message(each.tracking_id).status is Status.QUEUED for each in left)


@pytest.mark.parametrize("left_over", [{"A": {"is_operational": False}, "B": {}}, {"B": {}}])
async def test_who_chose_a_provider_that_is_switched_off_or_gone_is_told_so(left_over: dict[str, Any]) -> None:
    rig, left = await waiting("A")

    rig.choosing.use(configured(**left_over))
    await rig.serve_lanes(seconds=0.1)

    ends = {(rig.message(each.tracking_id).status, rig.message(each.tracking_id).reason) for each in left}
    assert {(Status.FAILED, Reason.PROVIDER_DISABLED)} == ends


async def test_newcomers_are_not_held_back_for_a_provider_that_is_gone_from_the_lane() -> None:
    rig, _ = await waiting("A", "B")
    assert {"A", "B"} == rig.choosing.lanes.held_for("IR")

    rig.choosing.use(configured(A={"is_operational": False}, B={"rate_limit": NARROW}))

    assert {"B"} == rig.choosing.lanes.held_for("IR")
