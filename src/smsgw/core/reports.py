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
_WAITING = frozenset({Status.QUEUED, Status.PROCESSING, Status.UNKNOWN, Status.SENT})


def attempt_of(attempts: Sequence[Attempt], provider: str, report: DeliveryReport) -> Attempt | None:
    """Return the attempt a report belongs to at the provider whose secret verified it: by message id, else the newest
    undecided one, else the newest that the provider had accepted, else (a contradiction) the newest at all. None only
    when that provider was never asked: a report that is dropped in one order and counted in another would make the
    order matter."""
    here = sorted((each for each in attempts if each.provider == provider), key=lambda each: -each.number)
    theirs = report.provider_message_id
    if theirs and (exact := next((each for each in here if each.provider_message_id == theirs), None)):
        return exact
    # An attempt that carries another message id is probably another SMS: it comes last.
    fitting = [each for each in here if not (theirs and each.provider_message_id)]
    others = [each for each in here if each not in fitting]
    return next(iter([*_by_likelihood(fitting, theirs), *_by_likelihood(others, theirs)]), None)


def _by_likelihood(attempts: Sequence[Attempt], theirs: str | None) -> list[Attempt]:
    """Order attempts (newest first) by how likely a report without an exact match is about them."""
    # A report without an id goes where its predecessors went, although they may have settled that attempt.
    undecided = [each for each in attempts if each.is_undecided or (not theirs and _was_told_without_id(each))]
    accepted = [each for each in attempts if each.outcome is Outcome.ACCEPTED]
    return [*undecided, *accepted, *attempts]


def _was_told_without_id(attempt: Attempt) -> bool:
    return attempt.report is not None and attempt.provider_message_id is None


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
    fields = _next_state(message, all_known, now, timers)
    if all(getattr(message, name) == value for name, value in fields.items()):
        return Change(message=message, finished=known, events=(told,), previous=message.status)
    moved = step(message, now, **{"status": message.status, **fields})
    events = (told, *_turning_point(message, moved, known, now))
    return Change(message=moved, finished=known, events=events, previous=message.status)


def _next_state(message: Message, attempts: Sequence[Attempt], now: datetime, timers: Timers) -> dict[str, Any]:
    """Return the fields of the message as all attempts with all their reports want them; empty for nothing new.

    It looks at the attempts only, never at the report that came last, so that the order cannot matter.
    """
    delivered = [each for each in attempts if each.report is ReportStatus.DELIVERED]
    if delivered:
        return _ended(Status.DELIVERED, None, min(delivered, key=_number))
    may_arrive = [each for each in attempts if _may_still_arrive(each)]
    refused = [each for each in attempts if each.outcome in _MAY_ARRIVE and each.report in _NEGATIVE]
    if refused and not may_arrive:
        worst = max(refused, key=lambda each: (each.report or 0, -each.number))
        return _ended(Status.FAILED, _NEGATIVE[worst.report] if worst.report else None, worst)
    accepted = [each for each in attempts if each.outcome is Outcome.ACCEPTED]
    if not accepted or message.status not in _WAITING:
        return {}
    hopeful = [each for each in accepted if each in may_arrive]
    return _waiting(message, max(hopeful or accepted, key=_number), now + timers.report_deadline)


def _ended(status: Status, reason: Reason | None, attempt: Attempt) -> dict[str, Any]:
    return {"status": status, "reason": reason, "provider_final": attempt.provider, "due_at": None, "prefer": None}


def _waiting(message: Message, attempt: Attempt, deadline: datetime) -> dict[str, Any]:
    """A provider has taken it and it may still arrive: no resend. A message that is SENT keeps its deadline."""
    if message.status is Status.SENT:
        return {"provider_final": attempt.provider}
    return {
        "status": Status.SENT,
        "reason": None,
        "provider_final": attempt.provider,
        "due_at": deadline,
        "prefer": None,
    }


def _number(attempt: Attempt) -> int:
    return attempt.number


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
