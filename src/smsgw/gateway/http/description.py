"""What the OpenAPI document says about the front doors: body, headers, every answer with an example."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar.openapi.spec import Operation

from smsgw.core.keys import MAX_KEY_LENGTH
from smsgw.core.phone import Numbers
from smsgw.core.request import MAX_NAME, MAX_PROVIDERS, Rules, TtlBounds
from smsgw.core.sender import PATTERN
from smsgw.core.text import MAX_FORCING, Encoding
from smsgw.core.wishes import MAX_TEXT, TextRules
from smsgw.gateway import answers
from smsgw.gateway.answers import Refusal
from smsgw.gateway.doors import ACCEPTED_MESSAGE, QUEUED_MESSAGE
from smsgw.web.errors import standard_body

_ID = "3f0c5b1e-6f0a-4c59-9d0f-4c4f0f6a2f11"
_AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)

Row = tuple[Refusal, str, dict[str, Any] | None, bool]

ERRORS: Sequence[Row] = (
    (answers.MALFORMED, "malformed", {"body": "the body is not UTF-8"}, False),
    (answers.UNAUTHORIZED, "unauthorized", None, False),
    (answers.PROVIDER_DISABLED, "provider_disabled", {"providers": ["Provider-B"]}, True),
    (answers.ALL_PROVIDERS_DISABLED, "all_providers_disabled", {"providers": ["Provider-B", "Provider-C"]}, True),
    (answers.IDEMPOTENCY_KEY_IN_USE, "idempotency_key_in_use", None, True),
    (answers.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", None, False),
    (answers.INVALID, "invalid_payload", {"text": "must have 1 to 1000 characters"}, False),
    (answers.INVALID, "invalid_payload_too_dear", {"text": "takes 3 segments; at most 2 are allowed"}, False),
    (answers.UNKNOWN_PROVIDER, "unknown_provider", {"unknown": "No-Such", "allowed": ["Provider-A"]}, True),
    (answers.IDEMPOTENCY_KEY_REUSED, "idempotency_key_reused", None, False),
    (answers.TOO_MANY_REQUESTS, "too_many_requests", None, True),
    (answers.RATE_LIMITED, "rate_limited", {"current_count": 200, "limit": 200}, True),
    (answers.INTERNAL_ERROR, "internal_error", None, False),
    (answers.NO_PROVIDER_AVAILABLE, "no_provider_available", None, True),
    (answers.BROKER_UNAVAILABLE, "broker_unavailable", None, True),
    (answers.QUEUE_FULL, "queue_full", {"queue_depth": 50_012, "limit": 50_000}, False),
    (answers.STORE_UNAVAILABLE, "store_unavailable", None, False),
)
"""Every refusal of the first door: with the name of its example, its details and whether it may carry a tracking_id."""

_OF_NAMED_PROVIDERS = (answers.PROVIDER_DISABLED, answers.ALL_PROVIDERS_DISABLED, answers.UNKNOWN_PROVIDER)
"""What only a request can get that says who is to send it."""

_OF_THE_KIT = (404, 405, 408, 413, 414, 431)
"""What the HTTP kit answers with before a door is asked."""

_TEXT: dict[str, Any] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_TEXT,
    "pattern": r"^[^\u0000]*[^\u0000\s][^\u0000]*$",
    "description": "Not only white space, no NUL.",
}
_PROVIDERS: dict[str, Any] = {
    "type": "array",
    "items": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
    "minItems": 1,
    "maxItems": MAX_PROVIDERS,
    "description": "Names or aliases, in any case. One: only this provider. Several: in this order. "
    "Left out: smsgw chooses.",
}
_EXAMPLE = {"to": "+989121234567", "text": "Your code is 1234", "providers": ["Provider-A", "Local-SMS"]}
_PHONE_EXAMPLE = {"phone": "+8801921317475", "text": "Your code is 1234"}
_TRUE = {"type": "boolean", "const": True}
_UUID = {"type": "string", "format": "uuid"}
_ACCEPTED = {
    "type": "object",
    "required": ["success", "message", "tracking_id", "segments", "encoding"],
    "properties": {
        "success": _TRUE,
        "message": {"type": "string"},
        "tracking_id": _UUID,
        "segments": {
            "type": "integer",
            "minimum": 1,
            "description": "By the default alphabet. What is billed is what the provider counts.",
        },
        "encoding": {"type": "string", "enum": [each.value for each in Encoding]},
        "forced_by": {
            "type": "array",
            "items": {"type": "string"},
            "minItems": 1,
            "maxItems": MAX_FORCING,
            "description": "Only with ucs2: the characters that GSM 7-bit does not have, in the order of the text.",
        },
    },
}
_QUEUED = {
    "type": "object",
    "required": ["success", "message_id", "message", "provider", "queued"],
    "properties": {
        "success": _TRUE,
        "message_id": _UUID,
        "message": {"type": "string"},
        "provider": {"type": "null", "description": "Not chosen yet."},
        "queued": _TRUE,
    },
}
_ERROR = {
    "type": "object",
    "required": ["error_code", "message", "timestamp"],
    "properties": {
        "error_code": {"type": "string"},
        "message": {"type": "string"},
        "details": {"type": "object"},
        "tracking_id": {"type": "string", "format": "uuid"},
        "timestamp": {"type": "string", "format": "date-time"},
    },
}
_KEY_SCHEMA = {"type": "string", "minLength": 1, "maxLength": MAX_KEY_LENGTH, "pattern": "^[!-~]+$"}
_PARAMETERS = [
    {
        "name": "API-Key",
        "in": "header",
        "required": True,
        "description": "Exactly once.",
        "schema": _KEY_SCHEMA,
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Makes every retry of this request the same message. At most once.",
        "schema": _KEY_SCHEMA,
    },
]
_REPLAY_HEADER = {
    "Idempotent-Replayed": {
        "description": "`true` when this is the stored answer to an earlier request with the same Idempotency-Key.",
        "schema": {"type": "string", "const": "true"},
    }
}
_RETRY_HEADER = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}


def send_operation(rules: Rules) -> type[Operation]:
    """Return the first door's operation as we describe it; Litestar sees only bytes, and nothing in them."""
    members = {
        "to": _number(rules.numbers),
        "text": _TEXT,
        "providers": _PROVIDERS,
        "ttl_seconds": _lifetime(rules.ttl),
        **wish_members(rules.texts),
    }
    return _operation(members, {**_EXAMPLE, "ttl_seconds": rules.ttl.default}, responses())


def phone_operation(rules: Rules) -> type[Operation]:
    """Return the second door's operation."""
    members = {"phone": _number(rules.numbers), "text": _TEXT, **wish_members(rules.texts)}
    return _operation(members, _PHONE_EXAMPLE, phone_responses())


def wish_members(texts: TextRules) -> dict[str, Any]:
    """Return what a caller may say of a text besides the text, as every way in has it."""
    most = {"type": "integer", "minimum": 1, "description": "Refuse a text that takes more segments."}
    if texts.max_segments:
        most["description"] = f"{most['description']} Never more than {texts.max_segments}."
    return {
        "sender": {
            "type": "string",
            "pattern": PATTERN,
            "description": "Whom the text comes from: E.164, a short code, or up to 11 letters and digits. Only what "
            "`senders` of the API key's client allows; left out: the provider's default.",
        },
        "max_segments": most,
        "smart_encoding": {
            "type": "boolean",
            "default": texts.smart_encoding,
            "description": "Replace typographic characters by plain ones where that makes the text GSM 7-bit.",
        },
    }


def _operation(members: dict[str, Any], example: dict[str, Any], answers_by_status: dict[str, Any]) -> type[Operation]:
    schema = {"type": "object", "additionalProperties": False, "required": list(members)[:2], "properties": members}
    body = {"required": True, "content": {"application/json": {"schema": schema, "example": example}}}

    @dataclass
    class DoorOperation(Operation):
        def to_schema(self) -> dict[str, Any]:
            said = {"parameters": _PARAMETERS, "requestBody": body, "responses": answers_by_status}
            return {**super().to_schema(), **said}

    return DoorOperation


def _number(numbers: Numbers) -> dict[str, Any]:
    if numbers.region:
        return {"type": "string", "description": f"E.164, or as it is dialled in {numbers.region}."}
    return {"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$", "description": "E.164."}


def _lifetime(ttl: TtlBounds) -> dict[str, Any]:
    bounds = {"type": "integer", "minimum": ttl.low, "maximum": ttl.high, "default": ttl.default}
    return {**bounds, "description": "How long the message is worth sending, in seconds."}


def responses() -> dict[str, Any]:
    """Return every answer of the first door by status: success, our refusals, and those of the HTTP kit."""
    example = {
        "success": True,
        "message": ACCEPTED_MESSAGE,
        "tracking_id": _ID,
        "segments": 1,
        "encoding": Encoding.GSM7.value,
    }
    return {"202": _success(_ACCEPTED, example), **_refusals(ERRORS)}


def phone_responses() -> dict[str, Any]:
    """Return every answer of the second door by status."""
    example = {"success": True, "message_id": _ID, "message": QUEUED_MESSAGE, "provider": None, "queued": True}
    rows = [row for row in ERRORS if row[0] not in _OF_NAMED_PROVIDERS]
    return {"200": _success(_QUEUED, example), **_refusals(rows)}


def _refusals(rows: Sequence[Row]) -> dict[str, Any]:
    examples: dict[int, dict[str, Any]] = defaultdict(dict)
    for refusal, name, details, has_id in rows:
        answer = answers.refused(refusal, _AT, details=details)
        value = msgspec.json.decode(answer.body)
        examples[refusal.status][name] = {"value": {**value, "tracking_id": _ID} if has_id else value}
    for status in _OF_THE_KIT:
        value = msgspec.json.decode(standard_body(status, _AT))
        examples[status][value["error_code"].lower()] = {"value": value}
    return {str(status): _refusal(status, examples[status]) for status in sorted(examples)}


def _success(schema: dict[str, Any], example: dict[str, Any]) -> dict[str, Any]:
    return {
        "description": "Safely queued.",
        "headers": _REPLAY_HEADER,
        "content": {"application/json": {"schema": schema, "example": example}},
    }


def _refusal(status: int, examples: dict[str, Any]) -> dict[str, Any]:
    codes = sorted({each["value"]["error_code"] for each in examples.values()})
    described: dict[str, Any] = {
        "description": ", ".join(codes),
        "content": {"application/json": {"schema": _ERROR, "examples": examples}},
    }
    headers = (_REPLAY_HEADER if status in (409, 422, 429, 503) else {}) | (
        _RETRY_HEADER if status in (409, 429, 503) else {}
    )
    return {**described, "headers": headers} if headers else described
