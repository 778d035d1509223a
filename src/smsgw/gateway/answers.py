"""What the gateway can answer to a send request: one table of refusals, and the ways to say yes."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core.admission import Admission, Limited, Verdict, seconds_to_midnight
from smsgw.web.errors import error_body

Header = tuple[bytes, bytes]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A finished response. `error_code` is None for a success and for a replay, whose code is in its stored body."""

    status: int
    body: bytes
    headers: tuple[Header, ...] = ()
    error_code: str | None = None
    tracking_id: UUID | None = None
    to: str = ""
    """Whom an accepted message goes to: for the log, no part of the response."""
    is_replay: bool = False
    is_takeover: bool = False


class Refusal(msgspec.Struct, frozen=True):
    """One row of the error table: code, status and what a caller reads."""

    error_code: str
    status: int
    message: str


UNAUTHORIZED = Refusal("UNAUTHORIZED", 401, "The API key is missing, unknown or inactive.")
MALFORMED = Refusal("INVALID_PAYLOAD", 400, "The request is not a JSON object of the right shape.")
INVALID = Refusal("INVALID_PAYLOAD", 422, "The payload breaks a rule.")
UNSUPPORTED_MEDIA_TYPE = Refusal("UNSUPPORTED_MEDIA_TYPE", 415, "The content type must be application/json.")
UNKNOWN_PROVIDER = Refusal("UNKNOWN_PROVIDER", 422, "The request names a provider that does not exist.")
PROVIDER_DISABLED = Refusal("PROVIDER_DISABLED", 409, "The provider is disabled.")
ALL_PROVIDERS_DISABLED = Refusal("ALL_PROVIDERS_DISABLED", 409, "All of the providers are disabled.")
NO_PROVIDER_AVAILABLE = Refusal("NO_PROVIDER_AVAILABLE", 503, "No provider is available.")
TOO_MANY_REQUESTS = Refusal("TOO_MANY_REQUESTS", 429, "The daily quota of this API key is used up.")
RATE_LIMITED = Refusal("RATE_LIMITED", 429, "Too many requests at once. Try again.")
IDEMPOTENCY_KEY_IN_USE = Refusal(
    "IDEMPOTENCY_KEY_IN_USE", 409, "A request with this Idempotency-Key is being processed."
)
IDEMPOTENCY_KEY_REUSED = Refusal(
    "IDEMPOTENCY_KEY_REUSED", 422, "This Idempotency-Key was used for a different request."
)
BROKER_UNAVAILABLE = Refusal(
    "BROKER_UNAVAILABLE", 503, "The message could not be queued for certain. Try again with the same Idempotency-Key."
)
QUEUE_FULL = Refusal("BROKER_UNAVAILABLE", 503, "Too many messages wait to be sent. Try again.")
STORE_UNAVAILABLE = Refusal("STORE_UNAVAILABLE", 503, "The limits store does not answer. Try again.")
INTERNAL_ERROR = Refusal("INTERNAL_ERROR", 500, "Something went wrong on our side.")

GATE = {each.error_code: each for each in (PROVIDER_DISABLED, ALL_PROVIDERS_DISABLED, NO_PROVIDER_AVAILABLE)}

RETRY_SECONDS = 1
"""Retry-After of an outage, a rate limit, a key in use and a provider that is away: all may be over in a moment."""

_HEADERS: tuple[Header, ...] = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
)
_REPLAYED: tuple[Header, ...] = (*_HEADERS, (b"idempotent-replayed", b"true"))


def accepted(status: int, body: bytes, *, tracking_id: UUID, to: str, is_takeover: bool) -> Answer:
    """Return a success in the words of its door."""
    return Answer(status=status, body=body, headers=_HEADERS, tracking_id=tracking_id, to=to, is_takeover=is_takeover)


def refused(
    refusal: Refusal,
    now: datetime,
    *,
    details: dict[str, Any] | None = None,
    tracking_id: UUID | None = None,
    retry_after_seconds: int | None = None,
) -> Answer:
    """Return a refusal with the common error body; a 503 always says when to try again."""
    wait = RETRY_SECONDS if retry_after_seconds is None and refusal.status == 503 else retry_after_seconds
    return Answer(
        status=refusal.status,
        body=error_body(refusal.error_code, refusal.message, details=details, tracking_id=tracking_id, timestamp=now),
        headers=_HEADERS if wait is None else (*_HEADERS, _retry_after(wait)),
        error_code=refusal.error_code,
        tracking_id=tracking_id,
    )


def turned_away(admission: Admission, now: datetime) -> Answer:
    """Return what a verdict other than FRESH and TAKEOVER means to the caller."""
    if admission.verdict is Verdict.REPLAY:
        return _replayed(admission, now)
    refusal, has_id = _VERDICTS[admission.verdict]
    return refused(
        refusal,
        now,
        details=_counted(admission.limited),
        tracking_id=admission.tracking_id if has_id else None,
        retry_after_seconds=None if refusal.status == 422 else admission.retry_after_seconds,
    )


_VERDICTS = {
    Verdict.IN_USE: (IDEMPOTENCY_KEY_IN_USE, True),
    # The id belongs to the other request: this caller has shown no knowledge of it.
    Verdict.REUSED: (IDEMPOTENCY_KEY_REUSED, False),
    Verdict.RATE_LIMITED: (RATE_LIMITED, True),
    Verdict.OVER_QUOTA: (TOO_MANY_REQUESTS, True),
}


def _counted(limited: Limited | None) -> dict[str, Any] | None:
    """Return how many requests the rate counted and how many it allows, a whole number where it is one."""
    if limited is None:
        return None
    limit = limited.rate.per_second
    return {"current_count": limited.current_count, "limit": int(limit) if limit == int(limit) else limit}


def _replayed(admission: Admission, now: datetime) -> Answer:
    """Return the stored bytes once more; only Retry-After, which is no part of them, is reckoned anew."""
    headers = _REPLAYED
    if admission.status == 429:
        headers = (*_REPLAYED, _retry_after(seconds_to_midnight(now)))
    elif admission.status == 503:
        headers = (*_REPLAYED, _retry_after(RETRY_SECONDS))
    return Answer(
        status=admission.status,
        body=admission.body,
        headers=headers,
        tracking_id=admission.tracking_id,
        is_replay=True,
    )


def _retry_after(seconds: int) -> Header:
    return b"retry-after", b"%d" % seconds
