"""The nouns: a message on its way, one attempt to send it, one delivery report about it."""

from datetime import datetime
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core.failure import Outcome


class Status(StrEnum):
    """Where a message stands. FAILED and DELIVERED are final; SENT is final when its `due_at` is None."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    UNKNOWN = "UNKNOWN"
    SENT = "SENT"
    FAILED = "FAILED"
    DELIVERED = "DELIVERED"


class Reason(StrEnum):
    """Why a message stands where it stands; stable words for callers, dashboards and runbooks."""

    EXPIRED = "expired"
    MAX_ATTEMPTS = "max_attempts"
    PROVIDER_DISABLED = "provider_disabled"
    ALL_PROVIDERS_DISABLED = "all_providers_disabled"
    NO_PROVIDER_AVAILABLE = "no_provider_available"
    INVALID_NUMBER = "invalid_number"
    OPTED_OUT = "opted_out"
    REJECTED = "rejected"
    DUPLICATE_OF = "duplicate_of"
    OUTCOME_UNKNOWN = "outcome_unknown"
    NO_REPORT = "no_report"
    RETRY_SCHEDULED = "retry_scheduled"
    PROVIDER_AT_LIMIT = "provider_at_limit"
    CIRCUIT_OPEN = "circuit_open"
    UNDELIVERED = "undelivered"
    REPORTED_FAILED = "reported_failed"
    REPORTED_REJECTED = "reported_rejected"
    REPORTED_EXPIRED = "reported_expired"
    CANCELLED = "cancelled"


class EventType(StrEnum):
    """What the story of a message is told in (`message_events.event_type`)."""

    QUEUED = "QUEUED"
    PROCESSING = "PROCESSING"
    SENT = "SENT"
    FAILED = "FAILED"
    DELIVERED = "DELIVERED"
    PROVIDER_SWITCHED = "PROVIDER_SWITCHED"
    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    UNKNOWN = "UNKNOWN"
    LOOKED_UP = "LOOKED_UP"
    REPORT = "REPORT"
    REPORT_DEADLINE = "REPORT_DEADLINE"
    RESENT = "RESENT"


class ReportStatus(IntEnum):
    """A delivery report's meaning, ordered by rank: of all reports of one attempt the highest rank counts."""

    QUEUED = 0
    SENT = 1
    REJECTED = 2
    FAILED = 3
    EXPIRED = 4
    UNDELIVERED = 5
    DELIVERED = 6

    @property
    def word(self) -> str:
        """The lower-case word used on the wire and in tables."""
        return self.name.lower()

    @property
    def is_final(self) -> bool:
        """Whether no other is to be expected, though a positive one may still correct a negative one."""
        return self >= ReportStatus.REJECTED

    @property
    def is_negative(self) -> bool:
        """Whether it says that the SMS will not arrive."""
        return ReportStatus.REJECTED <= self <= ReportStatus.UNDELIVERED

    @property
    def proves_acceptance(self) -> bool:
        """Whether it says that the provider had taken the SMS."""
        return self not in (ReportStatus.REJECTED, ReportStatus.FAILED)


class Event(msgspec.Struct, frozen=True):
    """One line of a message's story."""

    event_type: EventType
    created_at: datetime
    provider: str | None = None
    details: dict[str, Any] = {}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one provider. `outcome` is None from the durable intent until somebody knows."""

    number: int
    provider: str
    started_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    provider_message_id: str | None = None
    detail: str | None = None
    report: ReportStatus | None = None
    part_ids: tuple[str, ...] = ()
    """See SendResult."""
    segments: int | None = None
    price: str | None = None
    currency: str | None = None

    @property
    def is_undecided(self) -> bool:
        """Whether a report may still settle it."""
        return self.outcome in (None, Outcome.UNKNOWN)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as the store has it. `due_at` is the one timer: when somebody must look at this row next."""

    tracking_id: UUID
    client_key: str
    to: str
    text: str
    ttl_seconds: int
    providers: tuple[str, ...]
    """Canonical names, in the caller's order; empty means smart selection."""
    created_at: datetime
    expires_at: datetime
    updated_at: datetime
    status: Status
    reason: str | None = None
    provider_final: str | None = None
    due_at: datetime | None = None
    fence: int = 1
    attempts_made: int = 0
    rounds: int = 0
    """Rounds that ended with nothing sent: the exponent of the backoff."""
    prefer: str | None = None
    """The provider that a resend asks first."""
    refused: tuple[str, ...] = ()
    """Providers that will not take this message; no later round asks them again."""
    duplicate_risk: bool = False
    lane: str | None = None
    """What a QUEUED message waits for beside its timer: a provider with room for it (core/lanes.py)."""
    absences: int = 0
    """How often in a row the provider of the UNKNOWN attempt said that it does not know our reference."""
    sender: str | None = None
    """Whom the text shall come from, as the caller asked; None: the provider's default."""


class Part(msgspec.Struct, frozen=True):
    """Which part of a long message a report is about, from 1, and of how many."""

    number: int
    total: int


class DeliveryReport(msgspec.Struct, frozen=True, kw_only=True):
    """One authentic report of a provider, normalised. At least one of message id and reference is present."""

    status: ReportStatus
    provider_message_id: str | None = None
    reference: str | None = None
    reported_at: datetime | None = None
    error_code: str | None = None
    dedupe_key: str
    """Equal for equal reports of one provider, however often it sends them."""
    part: Part | None = None
    """Where each part is reported alone under the message's own id; final only when the reports of all parts are."""
    segments: int | None = None
    price: str | None = None
    """Of the whole message, see SendResult: some vendors tell it only here."""
    currency: str | None = None


class ReceivedReport(msgspec.Struct, frozen=True, kw_only=True):
    """A verified report on its way into the inbox."""

    provider: str
    report: DeliveryReport
    received_at: datetime


class Told(msgspec.Struct, frozen=True):
    """What of a report counts, however often and whenever it comes."""

    provider: str
    status: ReportStatus
    message_id: str | None
    part: Part | None = None

    @classmethod
    def by(cls, received: ReceivedReport) -> "Told":
        """Return what this report tells."""
        report = received.report
        return cls(received.provider, report.status, report.provider_message_id, report.part)


class NotApplied(Enum):
    """Why a report does nothing to a message now."""

    TOO_EARLY = "too early"
    """A call is in flight whose answer may change what the report means: it waits."""
    UNMATCHED = "unmatched"
    """Its provider was never asked."""
