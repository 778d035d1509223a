"""What delivery reports do to a message: their set decides, never their order (docs/decisions/0006)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, Timers, finish, step
from smsgw.core.message import Attempt, DeliveryReport, Event, EventType, Message, Reason, ReportStatus, Status
from smsgw.core.ports import ReceivedReport

_NEGATIVE = {
    ReportStatus.REJECTED: Reason.REPORTED_REJECTED,
    ReportStatus.FAILED: Reason.REPORTED_FAILED,
    ReportStatus.EXPIRED: Reason.REPORTED_EXPIRED,
    ReportStatus.UNDELIVERED: Reason.UNDELIVERED,
}
_NOT_TAKEN = frozenset({ReportStatus.REJECTED, ReportStatus.FAILED})
"""Reports that do not prove that the provider had taken the message."""
_MAY_ARRIVE = (None, Outcome.UNKNOWN, Outcome.ACCEPTED)
_WAITING = frozenset({Status.QUEUED, Status.PROCESSING, Status.UNKNOWN, Status.SENT})


def apply_report(
    message: Message,
    attempts: Sequence[Attempt],
    reports: Sequence[ReceivedReport],
    now: datetime,
    timers: Timers,
) -> Change | None:
    """Return the Change that the last of these reports makes, where the ones before it are all that were applied to
    this message, in any order. None when it fits no attempt, or when it has to wait for the answer of a call in flight.
    Where the message itself does not change, its fence stays, so that a call in flight still settles.
    """
    new = reports[-1]
    attempt = attempt_of(attempts, reports)
    if attempt is None or _is_too_early(attempts, attempt, new.report):
        return None
    known = _with_report(attempts, attempt, new.report, now)
    all_known = [known if each.number == known.number else each for each in attempts]
    told = Event(EventType.REPORT, now, attempt.provider, _details(attempt, new.report))
    fields = _next_state(message, _sides(all_known, reports), now, timers)
    if all(getattr(message, name) == value for name, value in fields.items()):
        return Change(message=message, finished=known, events=(told,), previous=message.status)
    moved = step(message, now, **{"status": message.status, **fields})
    events = (told, *_turning_point(message, moved, known, now))
    return Change(message=moved, finished=known, events=events, previous=message.status)


def attempt_of(attempts: Sequence[Attempt], reports: Sequence[ReceivedReport]) -> Attempt | None:
    """Return the attempt that the last report is written down at: the one with its message id, else the newest at its
    provider that its reports have not settled yet. None only when that provider was never asked: a report that is
    dropped in one order and counted in another would make the order matter."""
    new = reports[-1]
    theirs, side = new.report.provider_message_id, _Side(new.provider, attempts, reports)
    carrying = [each for each in side.asked if theirs and each.provider_message_id == theirs]
    settling = {each.provider_message_id for each in side.told if _proves_acceptance(each)}
    heard = settling if _proves_acceptance(new.report) else {each.provider_message_id for each in side.told}
    reached = side.without_id[: _voices(heard - side.message_ids)]
    open_ones = [each for each in reached if each.is_undecided]
    return next(iter([*carrying, *open_ones, *side.without_id, *side.denied, *side.calls, *side.asked]), None)


class _Side:
    """One provider's part in a message: its attempts, newest first, and everything it has told about them."""

    def __init__(self, provider: str, attempts: Sequence[Attempt], reports: Sequence[ReceivedReport]) -> None:
        self.provider = provider
        self.asked = sorted((each for each in attempts if each.provider == provider), key=lambda each: -each.number)
        self.told = [each.report for each in reports if each.provider == provider]
        self.calls = [each for each in self.asked if each.outcome in _MAY_ARRIVE]
        self.denied = [each for each in self.asked if each.outcome is Outcome.ABSENT]
        self.without_id = [each for each in self.calls if not each.provider_message_id]
        self.message_ids = {each.provider_message_id for each in self.asked if each.provider_message_id}
        taken = [each for each in self.calls if each.outcome is Outcome.ACCEPTED]
        proven = self.denied if any(map(_proves_acceptance, self.told)) else []
        self.taken = next(iter([*taken, *proven]), None)
        """The newest attempt that the provider has taken."""

    @property
    def is_delivered(self) -> bool:
        return any(each.status is ReportStatus.DELIVERED for each in self.told)

    @property
    def worst(self) -> ReportStatus | None:
        """The weightiest negative report about an attempt that had not been refused in the first place."""
        told = [each.status for each in self.told if each.status in _NEGATIVE]
        return max(told, default=None) if self.calls or self.denied else None

    @property
    def may_arrive(self) -> bool:
        """Whether an attempt is left that no negative report is about.

        Counted, not assigned: which report came first must not decide which attempt is left.
        """
        negative = {each.provider_message_id for each in self.told if each.status in _NEGATIVE}
        silent = [each for each in self.calls if each.provider_message_id and each.provider_message_id not in negative]
        places = [*self.without_id, *self.denied, *silent]
        left = places[_voices(negative - self.message_ids) :]
        return any(each.outcome is not Outcome.ABSENT for each in left)


def _sides(attempts: Sequence[Attempt], reports: Sequence[ReceivedReport]) -> list[_Side]:
    """Return every provider's side, in the order in which they were asked first."""
    names = dict.fromkeys(each.provider for each in sorted(attempts, key=lambda each: each.number))
    return [_Side(name, attempts, reports) for name in names]


def _voices(message_ids: set[str | None]) -> int:
    """Return how many messages are spoken of. What comes without an id may be about any of those with one."""
    return len(message_ids - {None}) or len(message_ids)


def _proves_acceptance(report: DeliveryReport) -> bool:
    return report.status not in _NOT_TAKEN


def _is_too_early(attempts: Sequence[Attempt], attempt: Attempt, report: DeliveryReport) -> bool:
    """Whether the answer of a call in flight may change what a negative report means. One that proves that this very
    call was taken is never too early: the message must not be sent again."""
    if report.status not in _NEGATIVE or all(each.outcome is not None for each in attempts):
        return False
    return not (_proves_acceptance(report) and attempt.outcome is None and _is_only_one(attempts, attempt))


def _is_only_one(attempts: Sequence[Attempt], attempt: Attempt) -> bool:
    return [each.provider for each in attempts].count(attempt.provider) == 1


def _with_report(attempts: Sequence[Attempt], attempt: Attempt, report: DeliveryReport, now: datetime) -> Attempt:
    rank = report.status if attempt.report is None else max(attempt.report, report.status)
    known = msgspec.structs.replace(attempt, report=rank)
    if _is_only_one(attempts, attempt) and not attempt.provider_message_id:
        # Of several attempts nobody can say which one an unknown id means; a guess would be taken for knowledge.
        known = msgspec.structs.replace(known, provider_message_id=report.provider_message_id)
    if not (attempt.is_undecided and _proves_acceptance(report)):
        return known
    return finish(known, Outcome.ACCEPTED, attempt.finished_at or now)


def _next_state(message: Message, sides: Sequence[_Side], now: datetime, timers: Timers) -> dict[str, Any]:
    """Return the fields of the message as all attempts with all their reports want them; empty for nothing new.

    Whatever more reports come, FAILED here stays FAILED or becomes DELIVERED: so the order cannot matter.
    """
    delivered = next((side for side in sides if side.is_delivered), None)
    if delivered:
        return _ended(Status.DELIVERED, None, delivered.provider)
    is_hopeful = any(side.may_arrive for side in sides)
    taken = [(side.may_arrive, side.taken.number, side.provider) for side in sides if side.taken]
    reasons = [(side.worst, side.provider) for side in sides if side.worst is not None]
    if reasons and not is_hopeful and (taken or any(side.calls for side in sides)):
        worst, provider = max(reasons, key=lambda each: each[0])
        return _ended(Status.FAILED, _NEGATIVE[worst], provider)
    if not taken or message.status not in _WAITING:
        return {}
    return _waiting(message, max(taken)[-1], now + timers.report_deadline)


def _ended(status: Status, reason: Reason | None, provider: str) -> dict[str, Any]:
    return {"status": status, "reason": reason, "provider_final": provider, "due_at": None, "prefer": None}


def _waiting(message: Message, provider: str, deadline: datetime) -> dict[str, Any]:
    """A provider has taken it and it may still arrive: no resend. A message that is SENT keeps its deadline."""
    if message.status is Status.SENT:
        return {"provider_final": provider}
    return {"status": Status.SENT, "reason": None, "provider_final": provider, "due_at": deadline, "prefer": None}


def _turning_point(message: Message, moved: Message, attempt: Attempt, now: datetime) -> tuple[Event, ...]:
    if moved.status is message.status:
        return ()
    details: dict[str, Any] = {"attempt": attempt.number}
    if moved.reason:
        details["reason"] = moved.reason
    if message.status is Status.FAILED:
        details["corrected"] = True
    return (Event(EventType(moved.status.value), now, attempt.provider, details),)


def _details(attempt: Attempt, report: DeliveryReport) -> dict[str, Any]:
    optional = {
        "provider_message_id": report.provider_message_id,
        "error_code": report.error_code,
        "reported_at": report.reported_at.isoformat() if report.reported_at else None,
    }
    given = {name: value for name, value in optional.items() if value is not None}
    return {"status": report.status.word, "attempt": attempt.number, **given}
