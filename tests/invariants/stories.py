"""What the audit trail must look like: legal steps, growing numbers, an end that the reports explain."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from smsgw.core.lifecycle import TRANSITIONS
from smsgw.core.message import EventType, ReportStatus, Status
from tests.invariants.ledgers import Attempt, Books, Event, Row
from tests.invariants.messages import ENDS

Found = Iterator[tuple[str | None, str]]

LEADS_TO = {
    EventType.QUEUED: Status.QUEUED,
    EventType.PROCESSING: Status.PROCESSING,
    EventType.SENT: Status.SENT,
    EventType.FAILED: Status.FAILED,
    EventType.DELIVERED: Status.DELIVERED,
    EventType.RETRY_SCHEDULED: Status.QUEUED,
    EventType.UNKNOWN: Status.UNKNOWN,
    EventType.LOOKED_UP: Status.UNKNOWN,
    EventType.REPORT_DEADLINE: Status.SENT,
}
"""The state that an event leaves; what is not here (a report, a switch) comes beside one that is."""
_MAY_ARRIVE = (None, "unknown", "accepted")
_NEGATIVE = frozenset({ReportStatus.REJECTED, ReportStatus.FAILED, ReportStatus.EXPIRED, ReportStatus.UNDELIVERED})


def legal_transitions(books: Books) -> Found:
    """I7: the trail has only edges of the lifecycle and ends where the row stands; attempts are numbered 1, 2, 3 in the
    order in which they began; every step has raised the fence."""
    events, attempts = _events_by_message(books), _attempts_by_message(books)
    for row in books.rows or ():
        tracking_id, trail = row.tracking_id, events[row.tracking_id]
        for seen in (*_bad_edges(row, trail), *_bad_numbers(row, trail, attempts[tracking_id])):
            yield tracking_id, seen


def confluence(books: Books) -> Found:
    """I8: each attempt's report is the weightiest of all it got, and the end of a message is what the reports of all
    its attempts together say, whichever came last."""
    events, attempts = _events_by_message(books), _attempts_by_message(books)
    for row in books.rows or ():
        for attempt in attempts[row.tracking_id]:
            told = _reports(events[row.tracking_id], attempt.number)
            if attempt.report != max(told, default=None):
                yield row.tracking_id, f"attempt {attempt.number} has report {attempt.report}, was told {told}"
        due = _reported_end(attempts[row.tracking_id])
        if due and row.status in ENDS and row.status != due:
            yield row.tracking_id, f"{row.status}, but its reports say {due}"
        if row.status == Status.DELIVERED and due != Status.DELIVERED:
            yield row.tracking_id, "DELIVERED, and no report says so"


def _bad_edges(row: Row, trail: Sequence[Event]) -> Iterator[str]:
    at: Status | None = None
    for event in trail:
        to = LEADS_TO.get(EventType(event.event_type))
        if to is None:
            continue
        if to not in TRANSITIONS[at]:
            yield f"{at} -> {to} is no transition"
        if at is Status.FAILED and to is Status.DELIVERED and not event.details.get("corrected"):
            yield "FAILED -> DELIVERED without the mark `corrected`"
        at = to
    if at != row.status:
        yield f"its row says {row.status}, its trail ends in {at}"


def _bad_numbers(row: Row, trail: Sequence[Event], attempts: Sequence[Attempt]) -> Iterator[str]:
    numbers = [attempt.number for attempt in sorted(attempts, key=lambda each: (each.started_at, each.number))]
    if numbers != list(range(1, row.attempts_made + 1)):
        yield f"attempts in order of time are {numbers}, the row counts {row.attempts_made}"
    begun = [event.details.get("attempt") for event in trail if event.event_type == EventType.PROCESSING]
    if begun != numbers:
        yield f"the trail begins attempts {begun}, the table has {numbers}"
    steps = sum(event.event_type in LEADS_TO for event in trail)
    if row.fence < steps:
        yield f"{steps} steps with a fence of {row.fence}"


def _reports(trail: Sequence[Event], number: int) -> list[int]:
    told = [each for each in trail if each.event_type == EventType.REPORT and each.details["attempt"] == number]
    return [ReportStatus[each.details["status"].upper()] for each in told]


def _reported_end(attempts: Sequence[Attempt]) -> Status | None:
    """Return the state that the reports demand; None where they leave it open, as they do (docs/decisions/0006) where
    one provider was asked twice: which of its attempts a report is about can be a guess."""
    if any(each.report == ReportStatus.DELIVERED for each in attempts):
        return Status.DELIVERED
    possible = [each for each in attempts if each.outcome in _MAY_ARRIVE]
    refused = [each for each in possible if each.report in _NEGATIVE]
    if len({each.provider for each in attempts}) < len(attempts):
        return None
    return Status.FAILED if refused and len(refused) == len(possible) else None


def _events_by_message(books: Books) -> dict[str, list[Event]]:
    grouped: dict[str, list[Event]] = defaultdict(list)
    for event in sorted(books.events, key=lambda each: each.number):
        grouped[event.tracking_id].append(event)
    return grouped


def _attempts_by_message(books: Books) -> dict[str, list[Attempt]]:
    grouped: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in sorted(books.attempts, key=lambda each: each.number):
        grouped[attempt.tracking_id].append(attempt)
    return grouped
