"""`/api/sms/providers`, `/api/sms/{provider}/status`, `/api/sms/rate-limits`."""

from datetime import timedelta

import pytest

from smsgw.core.buckets import Limit, Rates
from smsgw.core.failure import Outcome
from smsgw.core.traffic import LeaseAsk, bucket_of
from smsgw.worker.http.operations import Rule
from smsgw.worker.pacing import Token
from tests.unit.worker_http.operating import OpsRig
from tests.unit.worker_http.rig import error_of

RULE = Rule(rates=Rates(provider=0, total=200))


async def test_every_provider_is_told_with_its_defaults_and_without_its_options() -> None:
    rig = OpsRig(rule=RULE)

    response = await rig.ask("GET", "/providers")

    first, second, third = response.json()["providers"]
    assert first == {
        "name": "Provider-A",
        "aliases": ["fast"],
        "kind": "provider_a",
        "is_active": True,
        "is_operational": True,
        "note": "contract 4711",
        "priority": 10,
        "weight": 3,
        "rate_limit": 10.0,
        "rate_unit": "segment",
        "rate_burst_seconds": 2.0,
        "circuit": "closed",
    }
    assert (second["is_operational"], second["priority"], second["rate_limit"]) == (False, 100, None)
    assert third["is_active"] is False
    assert "a-secret" not in response.text


@pytest.mark.parametrize("name", ["Provider-A", "provider-a", "FAST"])
async def test_one_provider_is_told_under_every_name(name: str) -> None:
    rig = OpsRig(rule=RULE)
    rig.operations.choosing.health.note("Provider-A", "IR", Outcome.ACCEPTED, is_probe=False)
    rig.operations.choosing.health.note("Provider-A", "IR", Outcome.UNREACHABLE, is_probe=False)
    await rig.operations.choosing.health.run_once()
    await rig.operations.choosing.pacer.acquire("Provider-A", "hello", within_seconds=0)

    told = await rig.get(f"/{name}/status")

    assert told["provider"]["name"] == "Provider-A"
    assert (told["health"]["good"], told["health"]["bad"], told["health"]["sample"]) == (1, 1, 2)
    assert told["calls_under_way"] == 1
    assert told["limit"] == {
        "rate": 10.0,
        "unit": "segment",
        "burst_seconds": 2.0,
        "tokens": 14.0,
        "factor": 1.0,
        "closed_until": None,
    }


async def test_a_provider_is_told_of_while_the_limits_store_is_away() -> None:
    rig = OpsRig(rule=RULE)
    rig.traffic.fail = True

    told = await rig.get("/Provider-A/status")

    assert (told["limit"]["rate"], told["limit"]["tokens"]) == (10.0, None)


async def test_rate_limits_are_told_with_what_is_left_of_them() -> None:
    rig = OpsRig(rule=RULE)
    limit = Limit(10, 2)
    await rig.traffic.lease(
        LeaseAsk(bucket=bucket_of("Provider-A"), limit=limit, units=5, total=Limit(200), messages=5)
    )

    told = await rig.get("/rate-limits")

    assert told["total"] == {
        "rate": 200.0,
        "unit": "message",
        "burst_seconds": 1.0,
        "tokens": 95.0,
        "factor": 1.0,
        "closed_until": None,
    }
    first, second, _ = told["providers"]
    assert (first["provider"], first["tokens"]) == ("Provider-A", 10.0)
    assert (second["provider"], second["rate"], second["tokens"], second["factor"]) == ("Provider-B", None, None, None)


async def test_a_provider_that_said_too_much_is_told_as_narrowed_and_closed() -> None:
    rig = OpsRig(rule=RULE)
    await rig.traffic.narrow(bucket_of("Provider-A"), Limit(10, 2), timedelta(seconds=5))

    closed = (await rig.get("/rate-limits"))["providers"][0]
    rig.now += timedelta(seconds=6)
    after = (await rig.get("/rate-limits"))["providers"][0]

    assert (closed["factor"], closed["closed_until"]) == (0.7, "2026-11-21T12:00:05.123456Z")
    assert after["closed_until"] is None
    assert 0.7 < after["factor"] <= 1.0


async def test_without_any_limit_nothing_is_asked_of_the_store() -> None:
    rig = OpsRig(configs={"Local-SMS": {"is_active": True, "is_operational": True}})

    told = await rig.get("/rate-limits")

    assert [each["rate"] for each in (told["total"], *told["providers"])] == [None, None]


async def test_an_outage_of_the_limits_store_is_named() -> None:
    rig = OpsRig(rule=RULE)
    rig.traffic.fail = True

    response = await rig.ask("GET", "/rate-limits")

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.json()["details"] == {"limits": "not reachable"}
    assert response.headers["retry-after"] == "1"


async def test_asking_takes_no_token() -> None:
    rig = OpsRig(rule=RULE)

    answers = [await rig.get("/rate-limits") for _ in range(30)]

    assert answers[0] == answers[-1]
    assert isinstance(await rig.operations.choosing.pacer.acquire("Provider-A", "hi", within_seconds=0), Token)
