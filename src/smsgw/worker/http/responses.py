"""What the worker's routes ask for and may refuse with, said in the OpenAPI document as it is done in the code."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Example, Operation

from smsgw.web.errors import ApiError, error_body

_AT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


class ErrorBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The common error body."""

    error_code: str
    message: str
    details: dict[str, Any] | None = None
    tracking_id: str | None = None
    timestamp: datetime


@dataclass
class KeyedOperation(Operation):
    """An operation that needs an API key; the handlers read the header raw, because a repeated one is none."""

    def to_schema(self) -> dict[str, Any]:
        """Return Litestar's description with the header among the parameters."""
        described = super().to_schema()
        key = {"name": "API-Key", "in": "header", "required": True, "schema": {"type": "string"}}
        return {**described, "parameters": [*described.get("parameters", []), key]}


def unauthorized(message: str = "The API key is missing, unknown or inactive.") -> ApiError:
    """Return the refusal of a stranger; missing, unknown and inactive are not told apart."""
    return ApiError(401, "UNAUTHORIZED", message)


def not_found(what: str) -> ApiError:
    """Return the refusal of what does not exist, or not for this caller."""
    return ApiError(404, "NOT_FOUND", f"There is no such {what}.")


def store_unavailable() -> ApiError:
    """Return the refusal of an outage; the caller should come again soon."""
    return ApiError(503, "STORE_UNAVAILABLE", "The database does not answer. Try again.", headers={"retry-after": "1"})


def documented(*errors: ApiError) -> dict[int, ResponseSpec]:
    """Return the OpenAPI entries of these errors, each with its body as the example."""
    return {error.status: _spec(error) for error in errors}


def _spec(error: ApiError) -> ResponseSpec:
    body = msgspec.json.decode(error_body(error.error_code, error.message, timestamp=_AT))
    return ResponseSpec(
        data_container=ErrorBody,
        description=error.error_code,
        generate_examples=False,
        examples=[Example(summary=error.message, value=body)],
    )
