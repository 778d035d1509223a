"""The states of a message and the pure steps between them; every step is a Change that the store applies at once."""

from datetime import datetime, timedelta
from typing import Any

import msgspec

from smsgw.core.choice import Choice
from smsgw.core.costs import currency_of, price_of, segments_of
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import Attempt, Event, EventType, Message, Reason, Status
from smsgw.core.parts import distinct

TRANSITIONS: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.QUEUED, Status.PROCESSING, Status.FAILED}),
    Status.QUEUED: frozenset({Status.QUEUED, Status.PROCESSING, Status.FAILED, Status.SENT, Status.DELIVERED}),
    Status.PROCESSING: frozenset(
        {Status.PROCESSING, Status.SENT, Status.FAILED, Status.QUEUED, Status.UNKNOWN, Status.DELIVERED}
    ),
    Status.UNKNOWN: frozenset({Status.UNKNOWN, Status.SENT, Status.DELIVERED, Status.FAILED, Status.QUEUED}),
    Status.SENT: frozenset({Status.SENT, Status.DELIVERED, Status.FAILED}),
    # Only a positive report takes a message out of FAILED, with an event marked `corrected`.
    Status.FAILED: frozenset({Status.FAILED, Status.DELIVERED}),
    Status.DELIVERED: frozenset({Status.DELIVERED}),
}
"""What may follow what; None is "not in the store yet". DELIVERED is never taken back."""


class Timers(msgspec.Struct, frozen=True, kw_only=True):
    """The settings that the life of a message depends on (spec section 10)."""

    max_attempts: int = 10
    retry_base: timedelta = timedelta(seconds=2)
    retry_max: timedelta = timedelta(seconds=300)
    lease: timedelta = timedelta(seconds=45)
    unknown_settle: timedelta = timedelta(seconds=60)
    resend_unknown: bool = True
    """ON_UNKNOWN: True for `resend`, False for `hold`."""
    report_deadline: timedelta = timedelta(seconds=259_200)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One step of one message: the state it ends in, what becomes of its attempts, and what its story says.

    The store applies it in one transaction and only if the message's fence is still `message.fence - 1`.
    """

    message: Message
    finished: Attempt | None = None
    """An attempt whose outcome this step knows."""
    started: Attempt | None = None
    """An attempt whose intent this step makes durable before its request leaves."""
    events: tuple[Event, ...] = ()
    previous: Status | None = None


def step(message: Message, now: datetime, status: Status, **fields: Any) -> Message:
    """Return the message in its next state with the next fence; raises ValueError for an edge that does not exist.
    Every step takes it out of its lane."""
    if status not in TRANSITIONS[message.status]:
        raise ValueError(f"{message.status} -> {status} is not a transition")
    fields.setdefault("lane", None)
    return msgspec.structs.replace(message, status=status, updated_at=now, fence=message.fence + 1, **fields)


def begin(message: Message, provider: str, now: datetime, timers: Timers, *, choice: Choice | None = None) -> Change:
    """Start a round: lease the message and write down whom we are about to ask, and why."""
    attempt = Attempt(number=message.attempts_made + 1, provider=provider, started_at=now)
    leased = step(
        message,
        now,
        Status.PROCESSING,
        reason=None,
        due_at=now + timers.lease,
        attempts_made=attempt.number,
        prefer=None,
        absences=0,
    )
    details: dict[str, Any] = {"attempt": attempt.number}
    if message.duplicate_risk:
        details["duplicate_risk"] = True
    if choice is not None:
        details.update(choice.details())
    event = Event(EventType.PROCESSING, now, provider, details)
    return Change(message=leased, started=attempt, events=(event,), previous=message.status)


def fail(
    message: Message,
    reason: Reason,
    now: datetime,
    *,
    finished: Attempt | None = None,
    details: dict[str, Any] | None = None,
) -> Change:
    """End a message as FAILED, with the reason its caller will read."""
    provider = finished.provider if finished else None
    failed = step(message, now, Status.FAILED, reason=reason, due_at=None, prefer=None)
    event = Event(EventType.FAILED, now, provider, {"reason": reason, **(details or {})})
    return Change(message=failed, finished=finished, events=(event,), previous=message.status)


def sent(message: Message, attempt: Attempt, now: datetime, timers: Timers) -> Change:
    """A provider has the message; from here on only reports and the report deadline move it."""
    waiting = step(
        message,
        now,
        Status.SENT,
        reason=None,
        provider_final=attempt.provider,
        due_at=now + timers.report_deadline,
        prefer=None,
    )
    details = {"attempt": attempt.number} | (
        {"provider_message_id": attempt.provider_message_id} if attempt.provider_message_id else {}
    )
    event = Event(EventType.SENT, now, attempt.provider, details)
    return Change(message=waiting, finished=attempt, events=(event,), previous=message.status)


def unknown(message: Message, attempt: Attempt, now: datetime, *, look_up: bool, timers: Timers) -> Change:
    """Nobody can know whether the provider took it; asked at once where it can be asked, else after the settle time."""
    due_at = now if look_up else min(now + timers.unknown_settle, message.expires_at)
    waiting = step(message, now, Status.UNKNOWN, reason=Reason.OUTCOME_UNKNOWN, due_at=due_at, absences=0)
    event = Event(EventType.UNKNOWN, now, attempt.provider, _unknown_details(attempt))
    return Change(message=waiting, finished=attempt, events=(event,), previous=message.status)


def requeue(
    message: Message,
    now: datetime,
    *,
    due_at: datetime,
    rounds: int,
    details: dict[str, Any],
    finished: Attempt | None = None,
    prefer: str | None = None,
    duplicate_risk: bool | None = None,
    refused: tuple[str, ...] = (),
) -> Change:
    """Schedule another round."""
    risk = message.duplicate_risk if duplicate_risk is None else duplicate_risk
    waiting = step(
        message,
        now,
        Status.QUEUED,
        reason=Reason.RETRY_SCHEDULED,
        due_at=due_at,
        rounds=rounds,
        prefer=prefer,
        duplicate_risk=risk,
        refused=tuple(dict.fromkeys((*message.refused, *refused))),
        absences=0,
    )
    provider = finished.provider if finished else prefer
    event = Event(
        EventType.RETRY_SCHEDULED, now, provider, {"next_attempt_at": due_at.isoformat(), "round": rounds, **details}
    )
    return Change(message=waiting, finished=finished, events=(event,), previous=message.status)


def park(
    message: Message,
    lane: str,
    reason: Reason,
    now: datetime,
    *,
    finished: Attempt | None = None,
    prefer: str | None = None,
) -> Change:
    """Let a message wait in a lane until one of its providers has room for it; its timer is its expiry."""
    is_new = message.reason != reason or message.lane is None
    waiting = step(
        message,
        now,
        Status.QUEUED,
        reason=reason,
        due_at=message.expires_at,
        lane=lane,
        prefer=prefer or message.prefer,
        absences=0,
    )
    event = Event(EventType.QUEUED, now, details={"because": reason.value, "waits_for": lane})
    events = (event,) if is_new else ()
    return Change(message=waiting, finished=finished, events=events, previous=message.status)


def finish(attempt: Attempt, outcome: Outcome, now: datetime, **fields: Any) -> Attempt:
    """Return the attempt with its outcome."""
    return msgspec.structs.replace(attempt, outcome=outcome, finished_at=now, **fields)


def answered(attempt: Attempt, result: SendResult, now: datetime) -> Attempt:
    """Return the attempt with everything that a provider's answer told."""
    part_ids = distinct(result.part_ids)
    return finish(
        attempt,
        result.outcome,
        now,
        provider_message_id=result.provider_message_id or (part_ids[0] if part_ids else None),
        detail=result.detail,
        part_ids=part_ids,
        segments=segments_of(result.segments),
        price=price_of(result.price),
        currency=currency_of(result.currency),
    )


def _unknown_details(attempt: Attempt) -> dict[str, Any]:
    return {"attempt": attempt.number} | ({"detail": attempt.detail} if attempt.detail else {})
