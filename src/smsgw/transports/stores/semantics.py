"""What every store decides alike, whatever it keeps its rows in: pure steps beside the ones of the core."""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, fail
from smsgw.core.message import (
    Attempt,
    DeliveryReport,
    Message,
    NotApplied,
    Reason,
    ReceivedReport,
    ReportStatus,
    Status,
)
from smsgw.core.ports import AppliedReport

IDEMPOTENCY_WINDOW = timedelta(hours=48)
STUCK_AFTER = timedelta(seconds=60)
REPORT_LIFE = timedelta(hours=24)
WAITING = (Status.QUEUED, Status.PROCESSING, Status.UNKNOWN)
CALL_WAIT = timedelta(seconds=1)
Plan = Callable[[Message, Attempt | None], Any]
_RETRIES = tuple(timedelta(seconds=seconds) for seconds in (1, 5, 30, 300))
_LONGEST_KEY = 255


class CommittedState(NamedTuple):
    """By what a Change is known again that was committed while its caller did not hear of it."""

    fence: int
    status: str
    reason: str | None
    due_at: datetime | None
    updated_at: datetime
    lane: str | None


def committed_state(message: Message) -> CommittedState:
    """Return what a committed Change with this message leaves in the store, in the words of the schema."""
    reason = None if message.reason is None else str(message.reason)
    return CommittedState(message.fence, message.status.value, reason, message.due_at, message.updated_at, message.lane)


def as_duplicate(change: Change, other: object) -> Change:
    """Return what is stored for an arrival whose idempotency hash belongs to `other`: FAILED, never sent."""
    unsent = msgspec.structs.replace(change.message, attempts_made=0)
    failed = fail(unsent, Reason.DUPLICATE_OF, unsent.updated_at, details={"duplicate_of": str(other)})
    return msgspec.structs.replace(failed, previous=change.previous)


def is_still_held(committed: Change, now: datetime) -> bool:
    """Whether a Change that an interrupted call had committed may still be acted upon: its lease is not over."""
    message = committed.message
    return message.status is not Status.PROCESSING or message.due_at is None or now < message.due_at


def is_in_lane(message: Message) -> bool:
    """Whether a message waits in its lane; a worker of the release before leaves one behind on what it moves on."""
    return message.lane is not None and message.status is Status.QUEUED


def merged(known: Attempt, told: Attempt) -> Attempt:
    """Return an attempt with what a Change tells about it; what is known already is never forgotten."""
    reports = [each for each in (known.report, told.report) if each is not None]
    return msgspec.structs.replace(
        known,
        finished_at=told.finished_at or known.finished_at,
        outcome=told.outcome or known.outcome,
        provider_message_id=told.provider_message_id or known.provider_message_id,
        detail=told.detail or known.detail,
        report=max(reports) if reports else None,
        part_ids=told.part_ids or known.part_ids,
        segments=told.segments or known.segments,
        price=told.price or known.price,
        currency=told.currency or known.currency,
    )


def with_evidence(known: Attempt, late: Attempt) -> Attempt:
    """Return an attempt with an outcome that came after its lease was gone. An acceptance is left to `late_report`,
    which has to find the attempt undecided."""
    if known.outcome is Outcome.ACCEPTED and late.outcome is Outcome.ACCEPTED:
        return _with_facts(known, late)
    if known.outcome not in (None, Outcome.UNKNOWN):
        return known
    if late.outcome is Outcome.ACCEPTED:
        late = msgspec.structs.replace(late, outcome=None, finished_at=None)
    return merged(known, late)


def has_facts(attempt: Attempt) -> bool:
    """Whether an answer told more than its outcome."""
    return bool(attempt.part_ids or attempt.segments or attempt.price or attempt.currency)


def _with_facts(known: Attempt, late: Attempt) -> Attempt:
    """Return an attempt that a report had settled with what its late answer told beside the outcome: what the report
    told counts more. The ids of parts come with the first one's, for a report may have left another's."""
    return msgspec.structs.replace(
        known,
        provider_message_id=late.provider_message_id if late.part_ids else known.provider_message_id,
        part_ids=known.part_ids or late.part_ids,
        segments=known.segments or late.segments,
        price=known.price or late.price,
        currency=known.currency or late.currency,
    )


def late_report(change: Change) -> ReceivedReport | None:
    """Return the report with status SENT that a late acceptance is applied as; None for any other late outcome."""
    late, message = change.finished, change.message
    if late is None or late.outcome is not Outcome.ACCEPTED:
        return None
    report = DeliveryReport(
        status=ReportStatus.SENT,
        provider_message_id=late.provider_message_id,
        reference=str(message.tracking_id),
        dedupe_key=f"late:{message.tracking_id}:{late.number}",
    )
    return ReceivedReport(provider=late.provider, report=report, received_at=message.updated_at)


def put_off(
    received: ReceivedReport, why: NotApplied, tries: int, now: datetime
) -> tuple[AppliedReport, datetime | None]:
    """Return what became of a report that was not applied at its `tries`-th try, and when it is looked at again."""
    if why is NotApplied.TOO_EARLY:
        return AppliedReport(received=received, change=None, is_waiting=True), now + CALL_WAIT
    due_at = next_try(received.received_at, tries, now)
    return AppliedReport(received=received, change=None, is_given_up=due_at is None), due_at


def next_try(received_at: datetime, tries: int, now: datetime) -> datetime | None:
    """Return when an unmatched report is looked at again after its `tries`-th try; None when it is given up."""
    end = received_at + REPORT_LIFE
    if now >= end:
        return None
    return min(now + _RETRIES[min(tries, len(_RETRIES)) - 1], end)


def storable(text: str | None) -> str | None:
    """Return a stranger's text as every database takes it: without NUL and lone surrogates."""
    if text is None or (text.isascii() and "\x00" not in text):
        return text
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def key_text(text: str | None) -> str | None:
    """Return a stranger's id as an index takes it; a longer one keeps its beginning and is told apart by its hash."""
    clean = storable(text)
    if clean is None or len(clean) <= _LONGEST_KEY:
        return clean
    digest = hashlib.sha256(clean.encode()).hexdigest()
    return f"{clean[: _LONGEST_KEY - 65]}~{digest}"


def owner_of(reference: str | None, carrying: Sequence[UUID]) -> UUID | None:
    """Return whose message a report is about: the newest that carries its message id (oldest first; the reference
    settles a doubt), else the one that it refers to."""
    ours = as_uuid(reference)
    return carrying[-1] if carrying and ours not in carrying else ours


def as_uuid(text: str | None) -> UUID | None:
    """Return a stranger's reference as a tracking_id, or None when it is none of ours."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
