"""What the OpenAPI document says about `POST /api/v1/sms/send`: body, headers, every answer with an example."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar.openapi.spec import Operation

from smsgw.core.keys import MAX_KEY_LENGTH
from smsgw.core.request import MAX_NAME, MAX_PROVIDERS, MAX_TEXT, TtlBounds
from smsgw.gateway import answers
from smsgw.gateway.answers import ACCEPTED_MESSAGE, Refusal
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
    (answers.INVALID, "invalid_payload", {"to": "must be E.164: + and 7 to 15 digits, e.g. +989121234567"}, False),
    (answers.UNKNOWN_PROVIDER, "unknown_provider", {"unknown": "No-Such", "allowed": ["Provider-A"]}, True),
    (answers.IDEMPOTENCY_KEY_REUSED, "idempotency_key_reused", None, False),
    (answers.TOO_MANY_REQUESTS, "too_many_requests", None, True),
    (answers.RATE_LIMITED, "rate_limited", None, True),
    (answers.INTERNAL_ERROR, "internal_error", None, False),
    (answers.NO_PROVIDER_AVAILABLE, "no_provider_available", None, True),
    (answers.BROKER_UNAVAILABLE, "broker_unavailable", None, True),
    (answers.STORE_UNAVAILABLE, "store_unavailable", None, False),
)
"""Every refusal of this route: with the name of its example, its details and whether it may carry a tracking_id."""

_OF_THE_KIT = (404, 405, 408, 413, 414, 431)
"""What the HTTP kit answers with before this route is asked."""

_BODY: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["to", "text"],
    "properties": {
        "to": {"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$", "description": "E.164."},
        "text": {
            "type": "string",
            "minLength": 1,
            "maxLength": MAX_TEXT,
            "pattern": r"^[^\u0000]*[^\u0000\s][^\u0000]*$",
            "description": "Not only white space, no NUL.",
        },
        "providers": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": MAX_NAME},
            "minItems": 1,
            "maxItems": MAX_PROVIDERS,
            "description": "Names or aliases, in any case. One: only this provider. Several: in this order. "
            "Left out: smsgw chooses.",
        },
    },
}
_EXAMPLE = {"to": "+989121234567", "text": "Your code is 1234", "providers": ["Provider-A", "Local-SMS"]}
_ACCEPTED = {
    "type": "object",
    "required": ["success", "message", "tracking_id"],
    "properties": {
        "success": {"type": "boolean", "const": True},
        "message": {"type": "string"},
        "tracking_id": {"type": "string", "format": "uuid"},
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


def send_operation(ttl: TtlBounds) -> type[Operation]:
    """Return the operation as we describe it; Litestar sees only bytes and could say nothing about them."""
    content = {"schema": _body_schema(ttl), "example": {**_EXAMPLE, "ttl_seconds": ttl.default}}

    @dataclass
    class SendOperation(Operation):
        def to_schema(self) -> dict[str, Any]:
            body = {"required": True, "content": {"application/json": content}}
            return {**super().to_schema(), "parameters": _PARAMETERS, "requestBody": body, "responses": responses()}

    return SendOperation


def _body_schema(ttl: TtlBounds) -> dict[str, Any]:
    lifetime = {"type": "integer", "minimum": ttl.low, "maximum": ttl.high, "default": ttl.default}
    described = {**lifetime, "description": "How long the message is worth sending, in seconds."}
    return {**_BODY, "properties": {**_BODY["properties"], "ttl_seconds": described}}


def responses() -> dict[str, Any]:
    """Return every answer by status: success, our refusals, and those of the HTTP kit."""
    examples: dict[int, dict[str, Any]] = defaultdict(dict)
    for refusal, name, details, has_id in ERRORS:
        answer = answers.refused(refusal, _AT, details=details)
        value = msgspec.json.decode(answer.body)
        examples[refusal.status][name] = {"value": {**value, "tracking_id": _ID} if has_id else value}
    for status in _OF_THE_KIT:
        value = msgspec.json.decode(standard_body(status, _AT))
        examples[status][value["error_code"].lower()] = {"value": value}
    refusals = {str(status): _refusal(status, examples[status]) for status in sorted(examples)}
    return {"202": _success(), **refusals}


def _success() -> dict[str, Any]:
    example = {"success": True, "message": ACCEPTED_MESSAGE, "tracking_id": _ID}
    return {
        "description": "Safely queued.",
        "headers": _REPLAY_HEADER,
        "content": {"application/json": {"schema": _ACCEPTED, "example": example}},
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
