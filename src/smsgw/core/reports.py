"""What a delivery report does to a message. The result depends on the set of reports, never on their order."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, Timers, finish, step
from smsgw.core.message import Attempt, DeliveryReport, Event, EventType, Message, Reason, ReportStatus, Status

_NEGATIVE = {
    ReportStatus.REJECTED: Reason.REPORTED_REJECTED,
    ReportStatus.FAILED: Reason.REPORTED_FAILED,
    ReportStatus.EXPIRED: Reason.REPORTED_EXPIRED,
    ReportStatus.UNDELIVERED: Reason.UNDELIVERED,
}
_NOT_TAKEN = frozenset({ReportStatus.REJECTED, ReportStatus.FAILED})
"""Reports that do not prove that the provider had taken the message."""
_MAY_ARRIVE = (None, Outcome.UNKNOWN, Outcome.ACCEPTED)


def attempt_of(attempts: Sequence[Attempt], provider: str, report: DeliveryReport) -> Attempt | None:
    """Return the attempt a report belongs to at the provider whose secret verified it: by message id, else the newest
    undecided one, else the newest that the provider had accepted, else (a contradiction) the newest at all."""
    here = sorted((each for each in attempts if each.provider == provider), key=lambda each: -each.number)
    theirs = report.provider_message_id
    if theirs and (exact := next((each for each in here if each.provider_message_id == theirs), None)):
        return exact
    # An attempt that carries another message id is another SMS.
    fitting = [each for each in here if not (theirs and each.provider_message_id)]
    undecided = [each for each in fitting if each.is_undecided]
    accepted = [each for each in fitting if each.outcome is Outcome.ACCEPTED]
    return next(iter([*undecided, *accepted, *fitting]), None)


def apply_report(
    message: Message,
    attempts: Sequence[Attempt],
    attempt: Attempt,
    report: DeliveryReport,
    now: datetime,
    timers: Timers,
) -> Change:
    """Return the Change that one report of one attempt makes. Where the message itself does not change, its fence
    stays, so that a call in flight still settles."""
    known = _with_report(attempt, report, now)
    all_known = [known if each.number == known.number else each for each in attempts]
    told = Event(EventType.REPORT, now, attempt.provider, _details(attempt, report))
    fields = _next_state(message, attempt, known, all_known, now, timers)
    if all(getattr(message, name) == value for name, value in fields.items()):
        return Change(message=message, finished=known, events=(told,), previous=message.status)
    moved = step(message, now, **fields)
    events = (told, *_turning_point(message, moved, known, now))
    return Change(message=moved, finished=known, events=events, previous=message.status)


def _next_state(
    message: Message, before: Attempt, known: Attempt, attempts: Sequence[Attempt], now: datetime, timers: Timers
) -> dict[str, Any]:
    """Return the fields of the message as all reports together want them; empty when they want nothing new."""
    delivered = [each for each in attempts if each.report is ReportStatus.DELIVERED]
    if delivered:
        first = min(delivered, key=lambda each: each.number)
        return {
            "status": Status.DELIVERED,
            "reason": None,
            "provider_final": first.provider,
            "due_at": None,
            "prefer": None,
        }
    if known.report in _NEGATIVE:
        return _when_negative(known, attempts)
    is_news = before.outcome is not Outcome.ACCEPTED and known.outcome is Outcome.ACCEPTED
    if is_news and message.status in (Status.UNKNOWN, Status.QUEUED, Status.PROCESSING):
        due_at = now + timers.report_deadline
        return {
            "status": Status.SENT,
            "reason": None,
            "provider_final": known.provider,
            "due_at": due_at,
            "prefer": None,
        }
    return {}


def _when_negative(known: Attempt, attempts: Sequence[Attempt]) -> dict[str, Any]:
    """A negative report fails the message only when no other attempt is SENT or UNKNOWN, and only for an attempt that
    the provider may have had."""
    if known.outcome not in _MAY_ARRIVE or any(_may_still_arrive(each) for each in attempts):
        return {}
    refused = [each for each in attempts if each.report in _NEGATIVE]
    worst = max(refused, key=lambda each: (each.report or 0, -each.number))
    reason = _NEGATIVE[worst.report] if worst.report is not None else None
    return {"status": Status.FAILED, "reason": reason, "provider_final": worst.provider, "due_at": None, "prefer": None}


def _may_still_arrive(attempt: Attempt) -> bool:
    return attempt.outcome in _MAY_ARRIVE and attempt.report not in _NEGATIVE


def _with_report(attempt: Attempt, report: DeliveryReport, now: datetime) -> Attempt:
    rank = report.status if attempt.report is None else max(attempt.report, report.status)
    known = msgspec.structs.replace(
        attempt, report=rank, provider_message_id=attempt.provider_message_id or report.provider_message_id
    )
    proves_acceptance = attempt.is_undecided and report.status not in _NOT_TAKEN
    return finish(known, Outcome.ACCEPTED, attempt.finished_at or now) if proves_acceptance else known


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
