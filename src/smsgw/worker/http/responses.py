"""What the worker's routes ask for and may refuse with."""

from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import Operation

from smsgw.web.errors import ApiError


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


def proof_unavailable() -> ApiError:
    """Return the refusal of a report whose proof cannot be had: after a 401 a provider would give up."""
    return ApiError(
        503,
        "STORE_UNAVAILABLE",
        "What proves the report cannot be had. Try again.",
        details={"proof": "not reachable"},
        headers={"retry-after": "1"},
    )


def limits_unavailable() -> ApiError:
    """Return the refusal of an outage of what the workers share."""
    return ApiError(
        503,
        "STORE_UNAVAILABLE",
        "The limits store does not answer. Try again.",
        details={"limits": "not reachable"},
        headers={"retry-after": "1"},
    )
