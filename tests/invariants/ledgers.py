"""The evidence: what callers saw, what providers took, what the database, the quotas and the queues say."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec


class Call(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One request and what came back (L). A retry is a Call of its own."""

    client_key: str
    """The client's public id."""
    idempotency_key: str | None = None
    asked: Mapping[str, Any] = {}
    """The JSON body as it was sent."""
    began_at: datetime
    seconds: float = 0
    status: int | None = None
    """None: no answer came."""
    body: bytes = b""
    retry_after: str | None = None

    @cached_property
    def fingerprint(self) -> str:
        """Equal for equal bodies, however they are written."""
        return hashlib.sha256(json.dumps(dict(self.asked), sort_keys=True).encode()).hexdigest()

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The decoded body; empty when it is no JSON object."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def ended_at(self) -> datetime:
        """When the answer was there, or the caller gave up."""
        return self.began_at + timedelta(seconds=self.seconds)

    @property
    def is_accepted(self) -> bool:
        """Whether it was answered with success."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def tracking_id(self) -> str | None:
        """The id that the answer names; the second front door calls it message_id."""
        return self.answer.get("tracking_id") or self.answer.get("message_id")


class Accept(msgspec.Struct, frozen=True, kw_only=True):
    """One SMS that a provider took (P)."""

    reference: str
    provider: str
    accepted_at: datetime


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the database (M)."""

    tracking_id: str
    client_key: str
    to: str
    text: str
    status: str
    reason: str | None = None
    provider_final: str | None = None
    created_at: datetime
    expires_at: datetime
    due_at: datetime | None = None
    fence: int = 1
    attempts_made: int = 0


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One provider call as the database has it (M). `report` is the rank of the weightiest report."""

    tracking_id: str
    number: int
    provider: str
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str | None = None
    report: int | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a message's audit trail (M)."""

    number: int
    tracking_id: str
    event_type: str
    provider: str | None = None
    details: Mapping[str, Any] = {}
    created_at: datetime


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """One counter (Q): what a client has used on a day, and what it may."""

    client_key: str
    day: str
    used: int
    limit: int


class Books(msgspec.Struct, kw_only=True):
    """All ledgers at one moment. None is "not looked at"; an empty one is evidence."""

    read_at: datetime
    is_quiet: bool = True
    """Whether everything healed and had its time: only then is unfinished work a violation."""
    is_resending: bool = True
    """ON_UNKNOWN=resend; False for hold."""
    calls: Sequence[Call] | None = None
    are_calls_complete: bool = True
    """False when others than these calls used the product: then a message that no call asked for is no stranger."""
    accepts: Sequence[Accept] | None = None
    ledgered: frozenset[str] = frozenset()
    """The providers whose every acceptance is in `accepts`."""
    rows: Sequence[Row] | None = None
    attempts: Sequence[Attempt] = ()
    events: Sequence[Event] = ()
    quotas: Sequence[Quota] | None = None
    queues: Mapping[str, int] | None = None
    """Messages that are ready, by queue; without the dead letters and the heartbeats."""
    dead: int | None = None
    dead_expected: int = 0
    unready: Mapping[str, str] | None = None
    """What does not answer /readyz with 200, and what it says instead."""
    stalls: Sequence[tuple[datetime, datetime]] = ()
    """When a gateway was frozen or its caller cut off on purpose: time in which nobody could have answered."""
    slack: float = 1.0
    """SMSGW_TEST_SLACK: how much slower than promised this machine may be."""
    texts: Mapping[str, str] | None = None
    """Logs, metrics pages and whatever else people read, by name."""
    secrets: Sequence[str] = ()
    """What must not be in any of them: full numbers, texts, keys."""


class Violation(msgspec.Struct, frozen=True):
    """A promise that the evidence breaks."""

    invariant: str
    tracking_id: str | None
    seen: str

    def __str__(self) -> str:
        return f"{self.invariant} {self.tracking_id or '-'}: {self.seen}"
