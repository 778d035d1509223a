"""`GET /api/status/{tracking_id}`: the exact shape, and who may see what."""

import msgspec
import pytest
from openapi_spec_validator import validate

from tests.unit.worker_http.rig import OF_A, OF_B, Rig, error_of


async def test_the_story_of_a_message_has_the_shape_of_the_specification() -> None:
    rig = Rig()
    await rig.put(OF_A, "a")

    response = await rig.ask("GET", f"/api/status/{OF_A}", headers={"API-Key": "key-a"})

    assert response.status_code == 200
    assert response.json() == {
        "tracking_id": str(OF_A),
        "client_key": "a",
        "to": "+989121234567",
        "country": "IR",
        "sender": None,
        "status": "PROCESSING",
        "reason": None,
        "provider_final": None,
        "created_at": "2026-11-21T12:00:00.123456Z",
        "updated_at": "2026-11-21T12:00:00.123456Z",
        "expires_at": "2026-11-21T12:10:00.123456Z",
        "attempts": [
            {
                "number": 1,
                "provider": "Provider-A",
                "outcome": None,
                "provider_message_id": None,
                "started_at": "2026-11-21T12:00:00.123456Z",
                "finished_at": None,
                "segments": None,
                "price": None,
                "currency": None,
            }
        ],
        "events": [
            {"event_type": "QUEUED", "provider": None, "details": {}, "created_at": "2026-11-21T12:00:00.123456Z"},
            {
                "event_type": "PROCESSING",
                "provider": "Provider-A",
                "details": {"attempt": 1},
                "created_at": "2026-11-21T12:00:01.123456Z",
            },
        ],
    }


async def test_who_it_came_from_and_what_it_cost_is_told() -> None:
    rig = Rig()
    await rig.put(OF_A, "a")
    rig.store.messages[OF_A] = msgspec.structs.replace(rig.store.messages[OF_A], sender="Shop")
    known = rig.store.attempts[OF_A]
    known[1] = msgspec.structs.replace(known[1], segments=3, price="0.0999", currency="EUR")

    told = (await rig.ask("GET", f"/api/status/{OF_A}", headers={"API-Key": "key-a"})).json()

    assert told["sender"] == "Shop"
    assert {name: told["attempts"][0][name] for name in ("segments", "price", "currency")} == {
        "segments": 3,
        "price": "0.0999",
        "currency": "EUR",
    }


async def test_an_id_may_be_written_in_capitals() -> None:
    rig = Rig()
    await rig.put(OF_A, "a")

    response = await rig.ask("GET", f"/api/status/{str(OF_A).upper()}", headers={"API-Key": "key-a"})

    assert response.json()["tracking_id"] == str(OF_A)


@pytest.mark.parametrize(
    "name",
    [
        str(OF_B),
        "00000000-0000-4000-8000-000000000000",
        "nonsense",
        "%00",
        OF_A.hex,
        f"%7B{OF_A}%7D",
        f"urn:uuid:{OF_A}",
        f"{OF_A}%20",
        "x" * 2000,
    ],
)
async def test_what_is_not_the_callers_does_not_exist(name: str) -> None:
    rig = Rig()
    await rig.put(OF_A, "a")
    await rig.put(OF_B, "b")

    response = await rig.ask("GET", f"/api/status/{name}", headers={"API-Key": "key-a"})

    assert error_of(response) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("api-key", "nobody")],
        [("api-key", "key-off")],
        [("api-key", "key-a"), ("api-key", "key-a")],
        [(b"api-key", b"\xff\xe9")],
    ],
)
@pytest.mark.parametrize("name", [str(OF_A), "nonsense"])
async def test_strangers_learn_nothing(headers: list[tuple[str, str]], name: str) -> None:
    rig = Rig()
    await rig.put(OF_A, "a")

    response = await rig.ask("GET", f"/api/status/{name}", headers=headers)

    assert error_of(response) == (401, "UNAUTHORIZED")


async def test_a_store_that_is_away_is_a_503() -> None:
    rig = Rig()
    rig.store.fail = True

    response = await rig.ask("GET", f"/api/status/{OF_A}", headers={"API-Key": "key-a"})

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"


async def test_the_document_is_valid_and_knows_the_errors() -> None:
    rig = Rig()

    document = (await rig.ask("GET", "/openapi.json")).json()

    validate(document)
    operation = document["paths"]["/api/status/{tracking_id}"]["get"]
    assert {"200", "401", "404", "503"} <= set(operation["responses"])
    assert [(each["in"], each["name"]) for each in operation["parameters"]] == [
        ("path", "tracking_id"),
        ("header", "API-Key"),
    ]
