"""What an operator may do to a message: cancel it, say what nobody knows, send it again. Pure; refusals are values."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

import msgspec

from smsgw.core.decision import ended
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, Timers, fail, finish, requeue, sent, step
from smsgw.core.message import Attempt, Event, EventType, Message, Reason, Status
from smsgw.core.phone import is_e164
from smsgw.core.ttl import expiry

_BY = {"by": "operator"}
"""Clients read stories: who it was stands in the audit log only."""


class Verdict(StrEnum):
    """What an operator says of a message that is UNKNOWN."""

    SENT = "sent"
    """The provider has it."""
    NOT_SENT = "not_sent"
    """The provider does not have it, and will not send it."""
    GIVE_UP = "give_up"
    """Nobody will find out, and it must not be sent again."""


class NotPossible(msgspec.Struct, frozen=True):
    """Why an action is refused, in words for the operator. Nothing was changed."""

    why: str


ERASED = NotPossible("Its text or number was erased: there is nothing left to send.")


class Resend(msgspec.Struct, frozen=True, kw_only=True):
    """A message sent again. First `mark` is applied, whose fence lets one of two operators through; then `copy` is
    taken in."""

    mark: Change
    copy: Change


def cancel(message: Message, now: datetime) -> Change | NotPossible:
    """End a message that waits. One that was sent before with an unknown outcome may still arrive."""
    if message.status is not Status.QUEUED:
        return NotPossible(_NO_CANCEL[message.status])
    risk = {"duplicate_risk": True} if message.duplicate_risk else {}
    return fail(message, Reason.CANCELLED, now, details={**_BY, **risk})


def resolve(
    message: Message, attempt: Attempt | None, verdict: Verdict, now: datetime, *, timers: Timers
) -> Change | NotPossible:
    """Settle a message that is UNKNOWN by the operator's word about its newest attempt."""
    if message.status is not Status.UNKNOWN or attempt is None:
        return NotPossible("The outcome of this message is not unknown (any more).")
    if attempt.number != message.attempts_made:
        return NotPossible("Another attempt was made since. Look at it again.")
    if attempt.outcome is Outcome.ACCEPTED and verdict is not Verdict.SENT:
        return NotPossible("Meanwhile there is evidence that the provider has taken it.")
    return _RESOLVE[verdict](message, attempt, now, timers)


def copy_id(tracking_id: UUID, fence: int) -> UUID:
    """Return the id that a resend of the message gets as it stood with this fence: the same however often one form is
    sent."""
    return uuid5(tracking_id, f"resend {fence}")


def resend(message: Message, tracking_id: UUID, now: datetime) -> Resend | NotPossible:
    """Send a message again as another one with this id: same client, number, text, sender and providers, and a whole
    new time to live."""
    if not (message.status is Status.FAILED or (message.status is Status.SENT and message.due_at is None)):
        return NotPossible(_NO_RESEND[message.status])
    if is_erased(message):
        return ERASED
    marked = step(message, now, message.status)
    told = Event(EventType.RESENT, now, details={"resent_as": str(tracking_id), **_BY})
    mark = Change(message=marked, events=(told,), previous=message.status)
    return Resend(mark=mark, copy=copy_of(message, tracking_id, now))


def copy_of(message: Message, tracking_id: UUID, now: datetime) -> Change:
    """Return the first Change of a message that is this one sent again."""
    fresh = Message(
        tracking_id=tracking_id,
        client_key=message.client_key,
        to=message.to,
        text=message.text,
        ttl_seconds=message.ttl_seconds,
        providers=message.providers,
        created_at=now,
        expires_at=expiry(now, message.ttl_seconds, now),
        updated_at=now,
        status=Status.QUEUED,
        fence=0,
        sender=message.sender,
    )
    told = Event(EventType.QUEUED, now, details={"resend_of": str(message.tracking_id), **_BY})
    return Change(message=step(fresh, now, Status.QUEUED, due_at=now), events=(told,))


def is_erased(message: Message) -> bool:
    """Whether text or number are gone (data care): nobody can send it any more."""
    return not message.text or not is_e164(message.to)


def resend_warning(message: Message) -> str | None:
    """Return why the recipient may get it twice, or may not want it; None where nothing speaks against a resend."""
    if message.status is Status.SENT:
        return "A provider has taken this message and nobody reported on it: it may well have arrived."
    if message.duplicate_risk or message.reason == Reason.OUTCOME_UNKNOWN:
        return "Nobody knows whether a provider took this message: it may have arrived."
    return _WARNINGS.get(message.reason or "")


def _as_sent(message: Message, attempt: Attempt, now: datetime, timers: Timers) -> Change:
    known = finish(attempt, Outcome.ACCEPTED, attempt.finished_at or now)
    return _by_operator(sent(message, known, now, timers))


def _as_not_sent(message: Message, attempt: Attempt, now: datetime, timers: Timers) -> Change:
    """As after a look-up that found nothing twice: another round, without a mark of its own."""
    absent = finish(attempt, Outcome.ABSENT, attempt.finished_at or now) if attempt.is_undecided else attempt
    if (over := ended(message, now, timers=timers)) is not None:
        return _by_operator(msgspec.structs.replace(over, finished=absent))
    details = {"because": "an operator says that the provider does not have it", **_BY}
    return requeue(
        message,
        now,
        due_at=now,
        rounds=message.rounds,
        details=details,
        finished=absent,
        prefer=attempt.provider,
    )


def _given_up(message: Message, attempt: Attempt, now: datetime, _timers: Timers) -> Change:
    details: dict[str, Any] = {"attempt": attempt.number, **_BY}
    return fail(message, Reason.OUTCOME_UNKNOWN, now, details=details)


def _by_operator(change: Change) -> Change:
    told = tuple(msgspec.structs.replace(event, details={**event.details, **_BY}) for event in change.events)
    return msgspec.structs.replace(change, events=told)


_RESOLVE = {Verdict.SENT: _as_sent, Verdict.NOT_SENT: _as_not_sent, Verdict.GIVE_UP: _given_up}
_OVER = "It has ended already."
_NO_CANCEL = {
    Status.PROCESSING: "A provider is being asked just now, and what has left cannot be called back. Look again soon.",
    Status.UNKNOWN: "A provider may have it already. Say what became of it instead (resolve).",
    Status.SENT: "Too late: a provider has it.",
    Status.FAILED: _OVER,
    Status.DELIVERED: _OVER,
}
_UNDER_WAY = "It is still under way: a second one now would reach the recipient twice."
_NO_RESEND = {
    Status.QUEUED: _UNDER_WAY,
    Status.PROCESSING: _UNDER_WAY,
    Status.UNKNOWN: "Its outcome is unknown: say what became of it first (resolve).",
    Status.SENT: "A provider has it, and its delivery report may still come.",
    Status.DELIVERED: "It was delivered.",
}
_WARNINGS: dict[str, str] = {
    Reason.OPTED_OUT: "A provider says that the recipient does not want messages.",
    Reason.DUPLICATE_OF: "Another message of the same Idempotency-Key was there first, and may have arrived.",
    Reason.INVALID_NUMBER: "A provider says that this number does not exist.",
}
