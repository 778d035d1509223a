"""Every error a caller can see, in one shape: the common error body and who turns which exception into it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.types import ExceptionHandlersMap

from smsgw.core.events import Crashed
from smsgw.core.ports import Clock, Observer

STANDARD: dict[int, tuple[str, str]] = {
    400: ("BAD_REQUEST", "The request is malformed."),
    401: ("UNAUTHORIZED", "The API key is missing, unknown or inactive."),
    403: ("FORBIDDEN", "This API key may not do that."),
    404: ("NOT_FOUND", "There is nothing at this address."),
    405: ("METHOD_NOT_ALLOWED", "This address does not take this method."),
    408: ("REQUEST_TIMEOUT", "The request did not arrive in time."),
    413: ("PAYLOAD_TOO_LARGE", "The body is larger than 64 KiB."),
    414: ("URI_TOO_LONG", "The URL is longer than 8 KiB."),
    415: ("UNSUPPORTED_MEDIA_TYPE", "This content type or encoding is not supported."),
    422: ("INVALID_PAYLOAD", "The payload breaks a rule."),
    429: ("RATE_LIMITED", "Too many requests."),
    431: ("HEADERS_TOO_LARGE", "The headers are larger than 32 KiB or more than 100."),
    500: ("INTERNAL_ERROR", "Something went wrong on our side."),
    503: ("OVERLOADED", "Too many connections. Try again."),
}
"""Error code and message of every status that the HTTP kit itself answers with."""

_SAFE_HEADERS = {"x-content-type-options": "nosniff", "cache-control": "no-store"}


class ApiError(Exception):
    """A refusal that a handler raises; the caller gets exactly this and nothing else about it."""

    def __init__(
        self,
        status: int,
        error_code: str,
        message: str,
        *,
        details: dict[str, Any] | None = None,
        tracking_id: UUID | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message
        self.details = details
        self.tracking_id = tracking_id
        self.headers = headers


def error_body(
    error_code: str,
    message: str,
    *,
    details: dict[str, Any] | None = None,
    tracking_id: UUID | str | None = None,
    timestamp: datetime,
) -> bytes:
    """Return the common error body as JSON; what is not known is left out, not null."""
    body: dict[str, Any] = {"error_code": error_code, "message": message}
    if details is not None:
        body["details"] = details
    if tracking_id is not None:
        body["tracking_id"] = tracking_id
    body["timestamp"] = timestamp
    return msgspec.json.encode(body, enc_hook=str)


def standard_body(status: int, timestamp: datetime, details: dict[str, Any] | None = None) -> bytes:
    """Return the error body of a status of `STANDARD`; an unlisted 4xx is a BAD_REQUEST."""
    error_code, message = STANDARD.get(status, STANDARD[400])
    return error_body(error_code, message, details=details, timestamp=timestamp)


def exception_handlers(*, observer: Observer, clock: Clock) -> ExceptionHandlersMap:
    """Return the handlers of a whole application: ours, Litestar's, and everything that nobody expected."""

    def refused(_: Request[Any, Any, Any], error: ApiError) -> Response[bytes]:
        body = error_body(
            error.error_code, error.message, details=error.details, tracking_id=error.tracking_id, timestamp=clock()
        )
        return _response(error.status, body, error.headers)

    def crashed(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        observer(Crashed(where=_where(request), error=error))
        return _response(500, standard_body(500, clock()))

    def of_litestar(request: Request[Any, Any, Any], error: HTTPException) -> Response[bytes]:
        status = error.status_code
        if status >= 500:
            return crashed(request, error)
        if isinstance(error, ValidationException):
            body = error_body(
                "INVALID_PAYLOAD", "A parameter breaks a rule.", details=_named(error.extra), timestamp=clock()
            )
            return _response(status, body)
        if status == 405:
            allowed = _allowed(error.headers)
            return _response(405, standard_body(405, clock(), {"allowed": allowed}), {"allow": ", ".join(allowed)})
        return _response(status, standard_body(status, clock()))

    handlers: dict[type[Exception], Callable[..., Response[bytes]]] = {
        ApiError: refused,
        HTTPException: of_litestar,
        Exception: crashed,
    }
    return handlers  # type: ignore[return-value]  # a dict is invariant in its keys


def _response(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> Response[bytes]:
    merged = {**_SAFE_HEADERS, **(headers or {})}
    return Response(body, status_code=status, media_type="application/json", headers=merged)


def _where(request: Request[Any, Any, Any]) -> str:
    """Name the route, never the path that a stranger chose."""
    return f"{request.scope['method']} {request.scope.get('path_template', 'no route')}"


def _named(extra: Any) -> dict[str, Any] | None:
    if not isinstance(extra, list):
        return None
    return {str(each.get("key", "request")): each.get("message", "invalid") for each in extra if isinstance(each, dict)}


def _allowed(headers: Mapping[str, str] | None) -> list[str]:
    """Return the methods of an Allow header, with HEAD beside GET, without the OPTIONS that Litestar adds by itself."""
    listed = {method for method in (headers or {}).get("allow", "").split(", ") if method} - {"OPTIONS"}
    return sorted(listed | {"HEAD"} if "GET" in listed else listed)
