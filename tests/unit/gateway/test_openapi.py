"""The OpenAPI document: valid, and it knows every refusal of the specification with an example that is true."""

import re
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from smsgw.gateway.http.description import phone_responses, responses
from tests.unit.gateway.rig import PATH, PHONE, PHONE_PATH, SEND, Rig, error_of

CODES = {
    "UNAUTHORIZED": {401},
    "INVALID_PAYLOAD": {400, 422},
    "UNKNOWN_PROVIDER": {422},
    "PROVIDER_DISABLED": {409},
    "ALL_PROVIDERS_DISABLED": {409},
    "NO_PROVIDER_AVAILABLE": {503},
    "TOO_MANY_REQUESTS": {429},
    "RATE_LIMITED": {429},
    "IDEMPOTENCY_KEY_IN_USE": {409},
    "IDEMPOTENCY_KEY_REUSED": {422},
    "PAYLOAD_TOO_LARGE": {413},
    "UNSUPPORTED_MEDIA_TYPE": {415},
    "NOT_FOUND": {404},
    "METHOD_NOT_ALLOWED": {405},
    "BROKER_UNAVAILABLE": {503},
    "STORE_UNAVAILABLE": {503},
    "INTERNAL_ERROR": {500},
}
"""The error table of spec section 3."""


def _examples() -> dict[str, set[int]]:
    found: dict[str, set[int]] = {}
    for status, response in responses().items():
        for example in response["content"]["application/json"].get("examples", {}).values():
            found.setdefault(example["value"]["error_code"], set()).add(int(status))
    return found


def test_every_error_of_the_specification_has_an_example() -> None:
    described = _examples()

    assert {code: described[code] for code in CODES} == CODES


async def test_the_document_is_valid_and_describes_the_request() -> None:
    rig = Rig()

    document = (await rig.ask("GET", "/openapi.json")).json()

    validate(document)
    operation = document["paths"][PATH]["post"]
    assert [each["name"] for each in operation["parameters"]] == ["API-Key", "Idempotency-Key"]
    assert set(operation["responses"]) >= {"202", "400", "401", "409", "422", "429", "500", "503"}
    jsonschema.validate(SEND, operation["requestBody"]["content"]["application/json"]["schema"])


async def test_answers_keep_their_schemas() -> None:
    rig = Rig(INGRESS_RATE_LIMIT="2")
    described = responses()

    given = [
        await rig.send(api_key=None),
        await rig.send(b"x"),
        await rig.send({}),
        await rig.send({**SEND, "providers": ["nobody"]}),
        await rig.send({**SEND, "providers": ["Provider-B"]}, key="k-1"),
        await rig.send(key="k-2"),
        await rig.send(api_key="key-zero", key="k-3"),
        await rig.send(),
    ]

    assert [each.status_code for each in given] == [401, 400, 422, 422, 409, 202, 429, 429]
    for each in given:
        content = described[str(each.status_code)]["content"]["application/json"]
        jsonschema.validate(each.json(), content["schema"])
        assert error_of(each)[1] in _examples() if each.status_code != 202 else True


@pytest.mark.parametrize("path", ["/api/sms", "/api/sms/send"])
async def test_the_second_door_is_described_too(path: str) -> None:
    document = (await Rig().ask("GET", "/openapi.json")).json()

    operation = document["paths"][path]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    jsonschema.validate(PHONE, schema)
    assert not jsonschema.Draft202012Validator(schema).is_valid({"phone": "01921317475", "text": "x"})
    assert set(operation["responses"]) >= {"200", "400", "401", "409", "422", "429", "500", "503"}


async def test_a_region_is_described_as_what_it_takes() -> None:
    document = (await Rig(DEFAULT_REGION="BD").ask("GET", "/openapi.json")).json()

    for path, field in ((PATH, "to"), ("/api/sms", "phone")):
        body = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert "BD" in body["properties"][field]["description"]
        jsonschema.validate({field: "01921317475", "text": "x"}, body)


async def test_answers_of_the_second_door_keep_their_schemas() -> None:
    rig = Rig(TOTAL_RATE_LIMIT="1")

    given = [
        await rig.send(PHONE, path=PHONE_PATH, api_key=None),
        await rig.send({}, path=PHONE_PATH),
        await rig.send(PHONE, path=PHONE_PATH),
        await rig.send(PHONE, path=PHONE_PATH),
    ]

    assert [each.status_code for each in given] == [401, 422, 200, 429]
    for each in given:
        schema = phone_responses()[str(each.status_code)]["content"]["application/json"]["schema"]
        jsonschema.validate(each.json(), schema)


@pytest.mark.parametrize("example", list(responses()["422"]["content"]["application/json"]["examples"]))
def test_examples_are_named_after_their_code(example: str) -> None:
    value: dict[str, Any] = responses()["422"]["content"]["application/json"]["examples"][example]["value"]

    assert example.startswith(value["error_code"].lower())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]+Z", value["timestamp"])
