"""The ledgers in numbers. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from tests.invariants import Books, Violation


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run's messages. `duplicated` counts messages that a provider took more than once;
    `unexplained` those of them without an outcome that nobody could know before."""

    requests: int
    accepted: int
    refused: int
    """Answered with a refusal that is no outage: quota, a key used with another body."""
    sent: int
    unknown: int
    duplicated: int
    unexplained: int
    lost: int
    recovered: int
    """In the database although no answer ever told its id."""
    delivered: int
    failed: int


COLUMNS = tuple(field.name for field in msgspec.structs.fields(Tally))


def tally(books: Books, violations: Sequence[Violation]) -> Tally:
    """Count."""
    calls, rows, accepts = books.calls or (), books.rows or (), books.accepts or ()
    told = {call.tracking_id for call in calls if call.is_accepted}
    taken = Counter(accept.reference for accept in accepts)
    statuses = Counter(row.status for row in rows)
    return Tally(
        requests=len(calls),
        accepted=len(told),
        refused=sum(call.status in (422, 429) for call in calls),
        sent=len(taken),
        unknown=len({event.tracking_id for event in books.events if event.event_type == "UNKNOWN"}),
        duplicated=sum(count > 1 for count in taken.values()),
        unexplained=len({each.tracking_id for each in violations if each.invariant == "I3"}),
        lost=len({each.tracking_id for each in violations if each.invariant == "I1"}),
        recovered=len({row.tracking_id for row in rows} - told),
        delivered=statuses["DELIVERED"],
        failed=statuses["FAILED"],
    )


def per_second(moments: Iterable[datetime], *, since: datetime, seconds: int) -> list[int]:
    """Return how many of the moments fell into each second."""
    counts = Counter(int((moment - since).total_seconds()) for moment in moments)
    return [counts[second] for second in range(seconds)]
