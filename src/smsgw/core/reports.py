"""What delivery reports do to a message: their set decides, never their order (docs/decisions/0006)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from smsgw.core.costs import currency_of, price_of, segments_of
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, Timers, finish, step
from smsgw.core.message import (
    Attempt,
    DeliveryReport,
    Event,
    EventType,
    Message,
    NotApplied,
    Reason,
    ReceivedReport,
    ReportStatus,
    Status,
    Told,
)
from smsgw.core.parts import brings_bad_news, joined, may_be_long, rank, usable

MOST_TOLD = 100
"""So many different reports of one message are remembered; a longer story would only make each further one slower."""
_NEGATIVE = {
    ReportStatus.REJECTED: Reason.REPORTED_REJECTED,
    ReportStatus.FAILED: Reason.REPORTED_FAILED,
    ReportStatus.EXPIRED: Reason.REPORTED_EXPIRED,
    ReportStatus.UNDELIVERED: Reason.UNDELIVERED,
}
_MAY_ARRIVE = (None, Outcome.UNKNOWN, Outcome.ACCEPTED)
_WAITING = frozenset({Status.QUEUED, Status.PROCESSING, Status.UNKNOWN, Status.SENT})


def apply_report(
    message: Message,
    attempts: Sequence[Attempt],
    told: frozenset[Told],
    received: ReceivedReport,
    now: datetime,
    timers: Timers,
) -> Change | NotApplied:
    """Return the Change that a report makes, where `told` is what was told of this message before, in any order.

    Where the message itself does not change, its fence stays, so that a call in flight still settles. A repeat that
    changes nothing has no event.
    """
    new, report = Told.by(received), received.report
    all_told = told | {new}
    side = next((each for each in _sides(attempts, all_told) if each.provider == new.provider), None)
    if side is None:
        return NotApplied.UNMATCHED
    attempt = side.attempt_of(new)
    in_flight = [each for each in attempts if each.outcome is None and now < each.started_at + timers.lease]
    if _may_be_a_part(message, side, in_flight, new):
        return NotApplied.TOO_EARLY
    if brings_bad_news(attempts, told, new) and _is_too_early(attempts, attempt, new, in_flight):
        return NotApplied.TOO_EARLY
    known = _with_report(attempts, attempt, report, rank(attempts, all_told, new), now)
    all_known = [known if each.number == known.number else each for each in attempts]
    fields = _next_state(message, _sides(all_known, all_told), now, timers)
    event = Event(EventType.REPORT, now, attempt.provider, _details(attempt, report))
    if all(getattr(message, name) == value for name, value in fields.items()):
        is_news = len(told) < MOST_TOLD and (new not in told or known != attempt)
        return Change(message=message, finished=known, events=(event,) if is_news else (), previous=message.status)
    moved = step(message, now, **{"status": message.status, **fields})
    events = (event, *_turning_point(message, moved, known, now))
    return Change(message=moved, finished=known, events=events, previous=message.status)


class _Side:
    """One provider's share in a message: its attempts, newest first, and what it has told about them, the reports of
    parts joined."""

    def __init__(self, provider: str, attempts: Sequence[Attempt], told: frozenset[Told]) -> None:
        self.provider = provider
        self.asked = sorted((each for each in attempts if each.provider == provider), key=lambda each: -each.number)
        self.told = [each for each in told if each.provider == provider]
        self.calls = [each for each in self.asked if each.outcome in _MAY_ARRIVE]
        self.denied = [each for each in self.asked if each.outcome is Outcome.ABSENT]
        self.without_id = [each for each in self.calls if not each.provider_message_id]
        self.message_ids = {each.provider_message_id for each in self.asked if each.provider_message_id}
        taken = [each for each in self.calls if each.outcome is Outcome.ACCEPTED]
        proven = self.denied if any(each.status.proves_acceptance for each in self.told) else []
        self.taken = next(iter([*taken, *proven]), None)
        """The newest attempt that the provider has taken."""

    def attempt_of(self, new: Told) -> Attempt:
        """Return the attempt that a report is written down at: the one with its message id, else the newest undecided
        one that it may be about. It is never dropped: what counts in one order has to count in every other."""
        theirs = [each for each in self.asked if _carries(each, new.message_id)]
        reached = self.proven if new.status.proves_acceptance else self.without_id
        undecided = [each for each in reached if each.is_undecided]
        return [*theirs, *undecided, *self.without_id, *self.denied, *self.calls, *self.asked][0]

    @property
    def proven(self) -> list[Attempt]:
        """The attempts without an id that the provider has taken: as many, newest first, as its reports speak of."""
        return self.without_id[: self._voices({each.message_id for each in self.told if each.status.proves_acceptance})]

    @property
    def is_delivered(self) -> bool:
        return any(each.status is ReportStatus.DELIVERED for each in self.told)

    @property
    def worst(self) -> ReportStatus | None:
        """The weightiest negative report about an attempt that had not been refused in the first place."""
        told = [each.status for each in self.told if each.status.is_negative]
        return max(told, default=None) if self.calls or self.denied else None

    @property
    def may_arrive(self) -> bool:
        """Whether an attempt is left that no negative report is about.

        Counted, not assigned: which report came first must not decide which attempt is left.
        """
        negative = {each.message_id for each in self.told if each.status.is_negative}
        silent = [each for each in self.calls if each.provider_message_id and each.provider_message_id not in negative]
        places = [*self.without_id, *self.denied, *silent]
        return any(each.outcome is not Outcome.ABSENT for each in places[self._voices(negative) :])

    def _voices(self, message_ids: set[str | None]) -> int:
        """Return how many attempts these ids speak of beside those that carry one of them. What comes without an id may
        be about any of the others."""
        strange = message_ids - self.message_ids
        return len(strange - {None}) or len(strange)


def _sides(attempts: Sequence[Attempt], told: frozenset[Told]) -> list[_Side]:
    """Return every provider's side, in the order in which they were asked first."""
    names = dict.fromkeys(each.provider for each in sorted(attempts, key=lambda each: each.number))
    whole = joined(attempts, told)
    return [_Side(name, attempts, whole) for name in names]


def _carries(attempt: Attempt, message_id: str | None) -> bool:
    """Whether an attempt has this id, for itself or for a part."""
    return bool(message_id) and (attempt.provider_message_id == message_id or message_id in attempt.part_ids)


def _may_be_a_part(message: Message, side: _Side, in_flight: Sequence[Attempt], new: Told) -> bool:
    """Whether the answer of a call in flight may name the id as one of several parts: until then nobody can say what a
    report under it means. When its lease is over, no call is in flight."""
    if new.message_id is None or usable(new.part) or all(each.provider != new.provider for each in in_flight):
        return False
    return may_be_long(message.text) and not any(_carries(each, new.message_id) for each in side.asked)


def _is_too_early(attempts: Sequence[Attempt], attempt: Attempt, new: Told, in_flight: Sequence[Attempt]) -> bool:
    """Whether the answer of a call in flight may change what bad news means. What proves that this very call was taken
    is never too early: the message must not be sent again."""
    proves = new.status.proves_acceptance and attempt in in_flight and _is_only_one(attempts, attempt)
    return bool(in_flight) and not proves


def _is_only_one(attempts: Sequence[Attempt], attempt: Attempt) -> bool:
    return [each.provider for each in attempts].count(attempt.provider) == 1


def _with_report(
    attempts: Sequence[Attempt], attempt: Attempt, report: DeliveryReport, said: ReportStatus | None, now: datetime
) -> Attempt:
    """Return the attempt with a report written down at it; `said` is what it and those before say together."""
    known = _with_costs(attempt, report)
    ranks = [each for each in (attempt.report, said) if each is not None]
    known = msgspec.structs.replace(known, report=max(ranks, default=None))
    if _is_only_one(attempts, attempt) and not attempt.provider_message_id:
        # Of several attempts nobody can say which one an unknown id means; a guess would be taken for knowledge.
        known = msgspec.structs.replace(known, provider_message_id=report.provider_message_id)
    if not attempt.is_undecided or not report.status.proves_acceptance:
        return known
    return finish(known, Outcome.ACCEPTED, attempt.finished_at or now)


def _with_costs(attempt: Attempt, report: DeliveryReport) -> Attempt:
    """Return the attempt with what a report tells of its price. It fills what nobody told, and corrects what was known
    unless a weightier report had come. A part with an id of its own costs a part: the answer told of the whole."""
    if report.provider_message_id in attempt.part_ids:
        return attempt
    told = (segments_of(report.segments), price_of(report.price), currency_of(report.currency))
    if told == (None, None, None):
        return attempt
    known = (attempt.segments, attempt.price, attempt.currency)
    is_lighter = attempt.report is not None and report.status < attempt.report
    first, second = (known, told) if is_lighter else (told, known)
    segments, price, currency = (one if one is not None else other for one, other in zip(first, second, strict=True))
    return msgspec.structs.replace(attempt, segments=segments, price=price, currency=currency)


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
    optional: dict[str, Any] = {
        "provider_message_id": report.provider_message_id,
        "error_code": report.error_code,
        "reported_at": report.reported_at.isoformat() if report.reported_at else None,
    }
    given = {name: value for name, value in optional.items() if value is not None}
    if (part := usable(report.part)) is not None:
        given |= {"part": part.number, "parts": part.total}
    return {"status": report.status.word, "attempt": attempt.number, **given}
