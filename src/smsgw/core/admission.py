"""Idempotency, ingress rate and quota as pure rules: what the Redis scripts, the database and the double all do."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

import msgspec


class PublishOutcome(StrEnum):
    """What is known about one publish."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    """Definitely not on the queue: nacked, returned, or never written."""
    UNKNOWN = "unknown"
    """Time-out or connection lost after writing: it may be delivered later."""


class Verdict(StrEnum):
    """The limits store's answer to one request."""

    FRESH = "fresh"
    TAKEOVER = "takeover"
    REPLAY = "replay"
    IN_USE = "in_use"
    REUSED = "reused"
    RATE_LIMITED = "rate_limited"
    OVER_QUOTA = "over_quota"


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """A client's idempotency key, as this request wants to hold it."""

    name: str
    """`client_key:sha256(Idempotency-Key)`; the store adds its prefix."""
    fingerprint: str
    token: str
    """Random per request: only its holder may answer, release or refund."""


class Rate(msgspec.Struct, frozen=True):
    """A bucket of requests over all gateways."""

    name: str
    per_second: float
    """Above 0."""


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one request asks of the limits store before its publish."""

    tracking_id: UUID
    client_key: str
    claim: Claim | None = None
    daily_quota: int | None = None
    """None: unlimited, nothing is counted. Also None for a request that the gate refuses: it uses no quota."""
    rates: tuple[Rate, ...] = ()
    """One token of each, or of none: a request that one of them refuses costs the others nothing."""


class Limited(msgspec.Struct, frozen=True):
    """The rate that refused a request, and how many requests its bucket counted against it."""

    rate: Rate
    current_count: int


class Admission(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict. `tracking_id` is the one that this key has had from its first request on."""

    verdict: Verdict
    tracking_id: UUID | None = None
    status: int = 0
    body: bytes = b""
    quota_day: str | None = None
    """The UTC day (YYYY-MM-DD) whose counter holds this request's unit."""
    retry_after_seconds: int = 1
    limited: Limited | None = None
    """The first rate of the ask that had no token left; only with RATE_LIMITED."""

    @property
    def is_admitted(self) -> bool:
        """Whether the request may go on to its publish."""
        return self.verdict in (Verdict.FRESH, Verdict.TAKEOVER)


class ClaimRules(msgspec.Struct, frozen=True, kw_only=True):
    """How long claims live (spec sections 2 and 10)."""

    lease: timedelta = timedelta(seconds=10)
    ttl: timedelta = timedelta(seconds=86_400)


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the store keeps under one idempotency key."""

    fingerprint: str
    tracking_id: UUID
    token: str
    leased_until: datetime
    expires_at: datetime
    """When the key, and with it the tracking_id, is forgotten."""
    status: int = 0
    """0 while there is no answer."""
    body: bytes = b""
    answer_until: datetime | None = None
    quota_day: str | None = None
    is_publish_unknown: bool = False


def judge(record: Record | None, claim: Claim, now: datetime) -> Verdict:
    """Say what an existing record means for a claim (spec section 3, step 2 and the paragraph on concurrency)."""
    if record is None or now >= record.expires_at:
        return Verdict.FRESH
    if record.fingerprint != claim.fingerprint:
        return Verdict.REUSED
    if record.status and record.answer_until is not None and now < record.answer_until:
        return Verdict.REPLAY
    if not record.status and now < record.leased_until:
        return Verdict.IN_USE
    return Verdict.TAKEOVER


def claimed(record: Record | None, ask: Ask, claim: Claim, now: datetime, rules: ClaimRules) -> Record:
    """Return the record after a FRESH or TAKEOVER verdict.

    A takeover keeps the tracking_id; one from a holder that went silent may follow a publish that nobody knows of.
    """
    if record is None or now >= record.expires_at:
        return Record(
            fingerprint=claim.fingerprint,
            tracking_id=ask.tracking_id,
            token=claim.token,
            leased_until=now + rules.lease,
            expires_at=now + rules.ttl,
        )
    went_silent = not record.status and record.token != ""
    return msgspec.structs.replace(
        record,
        token=claim.token,
        leased_until=now + rules.lease,
        status=0,
        body=b"",
        answer_until=None,
        is_publish_unknown=record.is_publish_unknown or went_silent,
    )


def answered(record: Record, status: int, body: bytes, now: datetime, ttl_seconds: int) -> Record:
    """Return the record with the stored response; the key itself is kept at least as long as the response."""
    until = now + timedelta(seconds=ttl_seconds)
    return msgspec.structs.replace(
        record, status=status, body=body, answer_until=until, token="", expires_at=max(record.expires_at, until)
    )


def released(record: Record, publish: PublishOutcome | None) -> tuple[Record, str | None]:
    """Return the record with its claim ended, and the quota day to give a unit back to, or None."""
    # A confirmed copy is as bad as an unknown one for the books: it is, or may be, on the queue.
    is_unknown = record.is_publish_unknown or publish in (PublishOutcome.UNKNOWN, PublishOutcome.CONFIRMED)
    refund = None if is_unknown else record.quota_day
    changes: dict[str, Any] = {"token": "", "is_publish_unknown": is_unknown}
    if refund:
        changes["quota_day"] = None
    return msgspec.structs.replace(
        record, leased_until=datetime.min.replace(tzinfo=record.expires_at.tzinfo), **changes
    ), refund


def quota_day(now: datetime) -> str:
    """Return the UTC day that a reservation made now counts for."""
    return now.strftime("%Y-%m-%d")


def seconds_to_midnight(now: datetime) -> int:
    """Return the whole seconds until the daily quota begins anew, at least 1."""
    midnight = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return max(1, int((midnight - now).total_seconds()))
