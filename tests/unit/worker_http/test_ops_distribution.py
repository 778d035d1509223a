"""`/api/sms/distribution-stats` and its reset."""

from datetime import timedelta
from uuid import uuid4

import pytest

from smsgw.core.events import AttemptFinished, OperatorActed
from smsgw.core.failure import Outcome
from smsgw.core.routing import Strategy
from smsgw.worker.http.operations import Rule
from tests.unit.worker_http.operating import OpsRig
from tests.unit.worker_http.rig import error_of

BOTH = {
    name: {"is_active": True, "is_operational": True, "weight": weight, "kind": "provider_a"}
    for name, weight in {"Provider-A": 3, "Provider-B": 1}.items()
}


def _called(rig: OpsRig, provider: str, outcome: Outcome, *, times: int) -> None:
    for _ in range(times):
        rig.operations.shares.observe(
            AttemptFinished(
                tracking_id=uuid4(), client_key="shop", provider=provider, number=1, outcome=outcome, seconds=0.1
            )
        )


async def test_calls_are_told_beside_what_they_should_be() -> None:
    rig = OpsRig(configs=BOTH, rule=Rule(strategy=Strategy.WEIGHTED))
    _called(rig, "Provider-A", Outcome.ACCEPTED, times=7)
    _called(rig, "Provider-A", Outcome.REJECTED, times=1)
    _called(rig, "Provider-B", Outcome.ACCEPTED, times=2)

    told = await rig.get("/distribution-stats")

    assert (told["strategy"], told["since"], told["calls"]) == ("weighted", "2026-11-21T12:00:00.123456Z", 10)
    assert told["providers"] == [
        {"provider": "Provider-A", "calls": 8, "accepted": 7, "share": 0.8, "weight": 3, "expected_share": 0.75},
        {"provider": "Provider-B", "calls": 2, "accepted": 2, "share": 0.2, "weight": 1, "expected_share": 0.25},
    ]


async def test_before_any_call_there_is_no_share() -> None:
    told = await OpsRig(configs=BOTH).get("/distribution-stats")

    assert (told["since"], told["calls"], told["providers"][0]["share"]) == (None, 0, None)


async def test_a_reset_begins_anew_and_is_stated() -> None:
    rig = OpsRig(configs=BOTH)
    _called(rig, "Provider-A", Outcome.ACCEPTED, times=7)
    await rig.get("/distribution-stats")
    _called(rig, "Provider-A", Outcome.ACCEPTED, times=1)
    rig.now += timedelta(seconds=10)

    response = await rig.ask("POST", "/distribution-stats/reset")
    _called(rig, "Provider-B", Outcome.ACCEPTED, times=1)
    after = await rig.get("/distribution-stats")

    assert (response.status_code, response.json()["calls"]) == (200, 0)
    assert (after["since"], after["calls"]) == ("2026-11-21T12:00:10.123456Z", 1)
    assert rig.told(OperatorActed) == [OperatorActed(action="distribution.reset", client_key="operator")]


@pytest.mark.parametrize(("method", "path"), [("GET", "/distribution-stats"), ("POST", "/distribution-stats/reset")])
async def test_an_outage_of_the_limits_store_is_named(method: str, path: str) -> None:
    rig = OpsRig(configs=BOTH)
    rig.traffic.fail = True

    response = await rig.ask(method, path)

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.json()["details"] == {"limits": "not reachable"}
    assert rig.told(OperatorActed) == []
