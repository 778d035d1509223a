"""What a route may refuse with, said in the OpenAPI document as it is done in the code."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example

from smsgw.web.errors import STANDARD, ApiError, error_body

_AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)
_OF_THE_KIT = (400, 404, 405, 408, 413, 414, 415, 431, 500)


class ErrorBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The common error body."""

    error_code: str
    message: str
    details: dict[str, Any] | None = None
    tracking_id: str | None = None
    timestamp: datetime


def documented(*errors: ApiError) -> dict[int, ResponseSpec]:
    """Return the OpenAPI entries of a route's own errors and those of the HTTP kit, each with its body as example."""
    kit = [ApiError(status, *STANDARD[status]) for status in _OF_THE_KIT]
    return {error.status: _spec(error) for error in (*kit, *errors)}


def _spec(error: ApiError) -> ResponseSpec:
    body = msgspec.json.decode(error_body(error.error_code, error.message, details=error.details, timestamp=_AT))
    return ResponseSpec(
        data_container=ErrorBody,
        description=error.error_code,
        generate_examples=False,
        examples=[Example(summary=error.message, value=body)],
    )
