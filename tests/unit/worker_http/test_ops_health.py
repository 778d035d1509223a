"""`/api/sms/health` and its reset."""

import pytest

from smsgw.core.events import OperatorActed
from smsgw.core.failure import Outcome
from smsgw.core.health import Rules
from smsgw.worker.health import HealthBoard
from tests.unit.worker_http.operating import OpsRig
from tests.unit.worker_http.rig import error_of


async def _note(rig: OpsRig, country: str, outcome: Outcome, *, times: int) -> None:
    for _ in range(times):
        rig.operations.choosing.health.note("Provider-A", country, outcome, is_probe=False)
    await rig.operations.choosing.health.run_once()


async def test_health_is_told_as_a_whole_and_by_country() -> None:
    rig = OpsRig()
    await _note(rig, "DE", Outcome.ACCEPTED, times=20)
    await _note(rig, "IR", Outcome.UNKNOWN, times=11)

    told = await rig.get("/health")

    assert told["rules"] == {"window_seconds": 60.0, "min_sample": 10, "failure_ratio": 0.5, "open_seconds": 30.0}
    first, second, _ = told["providers"]
    assert (first["whole"]["state"], first["whole"]["good"], first["whole"]["bad"]) == ("closed", 20, 0)
    assert [(each["country"], each["state"]) for each in first["countries"]] == [("DE", "closed"), ("IR", "open")]
    iran = first["countries"][1]
    assert (iran["since"], iran["until"]) == ("2026-11-21T12:00:00.123456Z", "2026-11-21T12:00:30.123456Z")
    assert iran["reason"] == "11 of 11 calls failed within 60 s"
    assert second == {
        "provider": "Provider-B",
        "whole": {
            "state": "closed",
            "since": None,
            "until": None,
            "reason": None,
            "good": 0,
            "bad": 0,
            "sample": 0,
        },
        "countries": [],
    }


@pytest.mark.parametrize("name", ["Provider-A", "fast", "PROVIDER-a"])
async def test_one_provider_is_told_under_every_name(name: str) -> None:
    rig = OpsRig()
    await _note(rig, "DE", Outcome.CREDENTIALS, times=1)

    told = await rig.get(f"/health/{name}")

    assert (told["provider"], told["whole"]["state"]) == ("Provider-A", "open")
    assert told["whole"]["reason"] == "credentials: the provider refuses our account"


async def test_a_reset_closes_the_circuit_at_every_worker_and_is_stated() -> None:
    rig = OpsRig()
    other = HealthBoard(rig.traffic, rules=Rules(), observer=rig.facts.append)
    other.use(["Provider-A"])
    await _note(rig, "DE", Outcome.CREDENTIALS, times=1)
    await other.run_once()
    was_allowed = other.allows("Provider-A", "DE")

    response = await rig.ask("POST", "/health/fast/reset")
    await other.run_once()

    assert (response.status_code, response.json()["whole"]["state"]) == (200, "closed")
    assert (was_allowed, other.allows("Provider-A", "DE")) == (False, True)
    assert rig.told(OperatorActed) == [
        OperatorActed(action="health.reset", provider="Provider-A", client_key="operator")
    ]


async def test_while_the_limits_store_is_away_health_is_told_and_not_reset() -> None:
    rig = OpsRig()
    await _note(rig, "DE", Outcome.CREDENTIALS, times=1)
    rig.traffic.fail = True

    told = await rig.get("/health/Provider-A")
    response = await rig.ask("POST", "/health/Provider-A/reset")

    assert told["whole"]["state"] == "open"
    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.json()["details"] == {"limits": "not reachable"}
    assert rig.told(OperatorActed) == []
