"""Who may operate: a key with the scope `ops`, and nobody else; and what the API says of itself."""

import pytest
from openapi_spec_validator import validate

from smsgw.core.events import OperatorActed
from tests.unit.worker.rig import ScriptedProvider
from tests.unit.worker_http.operating import OpsRig
from tests.unit.worker_http.rig import error_of

ROUTES = [
    ("GET", "/providers"),
    ("GET", "/Provider-A/status"),
    ("GET", "/rate-limits"),
    ("GET", "/health"),
    ("GET", "/health/Provider-A"),
    ("POST", "/health/Provider-A/reset"),
    ("GET", "/distribution-stats"),
    ("POST", "/distribution-stats/reset"),
    ("GET", "/requests"),
    ("GET", "/requests/00000000-0000-4000-8000-00000000000a"),
    ("POST", "/Provider-A"),
]
"""Section 5 of the specification, path by path."""


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize("key", [None, "nobody", "key-off", "key-shop"])
async def test_who_lacks_the_scope_is_a_stranger(method: str, path: str, key: str | None) -> None:
    adapter = ScriptedProvider("Provider-A")
    rig = OpsRig(adapter)

    response = await rig.ask(method, path, key=key)

    assert error_of(response) == (401, "UNAUTHORIZED")
    assert response.json()["message"] == "The API key is missing, unknown or inactive, or lacks the scope `ops`."
    assert (adapter.submits, rig.told(OperatorActed)) == ([], [])


@pytest.mark.parametrize("method_and_path", [each for each in ROUTES if "Provider-A" in each[1]])
async def test_a_provider_that_is_not_configured_does_not_exist(method_and_path: tuple[str, str]) -> None:
    method, path = method_and_path
    rig = OpsRig(ScriptedProvider("Provider-A"))

    response = await rig.ask(
        method, path.replace("Provider-A", "Provider-Z"), json={"phone": "+989121234567", "text": "A test"}
    )

    assert error_of(response) == (404, "NOT_FOUND")


async def test_the_document_is_valid_and_has_an_example_of_every_answer() -> None:
    document = (await OpsRig().ask("GET", "http://worker/openapi.json")).json()

    validate(document)
    operations = [
        operation
        for path, item in document["paths"].items()
        if path.startswith("/api/sms/")
        for operation in item.values()
    ]
    assert len(operations) == len(ROUTES)
    for operation in operations:
        assert operation["responses"]["200"]["content"]["application/json"]["example"]
        assert "401" in operation["responses"]
        assert "API-Key" in [each["name"] for each in operation["parameters"]]
