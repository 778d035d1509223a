"""No vendor refuses a message because it has too little, or too much, time left: the nearest it takes is asked for."""

import importlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest

from tests.providers.tables import SUBMIT

DAYS_30 = 30 * 86_400
"""The most that MAX_TTL_SECONDS can be."""
FIELDS = {
    "twilio": ("ValidityPeriod", "1", "36000"),
    "plivo": ("message_expiry", 5, 10_800),
    "aws": ("TimeToLive", 5, 259_200),
    "messagebird": ("validity", 1, 172_800),
    "vonage": ("ttl", 20, 604_800),
    "vonage.sms": ("ttl", "20000", "604800000"),
    # Five minutes less than three days: a moment, by the vendor's own clock.
    "sinch": ("expire_at", "2026-03-01T12:00:30.000Z", "2026-03-04T11:55:00.000Z"),
    "infobip": ("validityPeriod", {"amount": 1, "timeUnit": "SECONDS"}, {"amount": 172_800, "timeUnit": "SECONDS"}),
    "infobip.v2": ("validityPeriod", 1, 2880),
}
"""The field of a request, with a second left, and with 30 days left."""


@pytest.mark.parametrize("name", FIELDS)
def test_what_is_left_becomes_what_the_vendor_takes(name: str) -> None:
    field, shortest, longest = FIELDS[name]

    assert shortest == _asked(name, 1)[field]
    assert longest == _asked(name, DAYS_30)[field]


def _asked(name: str, seconds: int) -> Mapping[str, Any]:
    kind, _, variant = name.partition(".")
    cases = importlib.import_module(f"tests.providers.cases.{kind}")
    options = (cases.VARIANTS[variant] if variant else cases.TABLE).options
    adapter = importlib.import_module(f"smsgw.providers.{kind}").PROVIDER
    request = adapter(msgspec.convert(options, adapter.config_type)).build_request(
        msgspec.structs.replace(SUBMIT, validity_seconds=seconds)
    )
    return _fields(request)


def _fields(request: httpx.Request) -> dict[str, Any]:
    """Return the fields of a form or of JSON; those of an only message as if they were its own."""
    if "json" not in request.headers["content-type"]:
        return dict(parse_qsl(request.content.decode()))
    body = msgspec.json.decode(request.content, type=dict[str, Any])
    message = body["messages"][0] if "messages" in body else body
    return {**message, **message.get("options", {})}
