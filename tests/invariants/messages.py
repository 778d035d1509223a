"""What each message was promised: not lost, asked for by somebody, sent once, in time, to its end."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta

from tests.invariants.ledgers import Accept, Books

Found = Iterator[tuple[str | None, str]]

ENDS = ("SENT", "DELIVERED", "FAILED")
"""SENT is an end where the provider reports nothing: only the report deadline, days later, moves it."""
_SENT = ("SENT", "DELIVERED")
LATE = timedelta(seconds=2)
OVERDUE = timedelta(seconds=5)


def no_loss(books: Books) -> Found:
    """I1: everything a caller was told is accepted is exactly one row, at its end, and where the row says that a
    provider took it the provider says so, too."""
    if books.rows is None:
        return
    copies = Counter(row.tracking_id for row in books.rows)
    status = {row.tracking_id: row.status for row in books.rows}
    for tracking_id in _told(books):
        if copies[tracking_id] != 1:
            yield tracking_id, f"accepted, and {copies[tracking_id]} rows"
        elif books.is_quiet and status[tracking_id] not in ENDS:
            yield tracking_id, f"accepted, and still {status[tracking_id]}"
    taken = {accept.reference for accept in books.accepts or ()}
    for row in books.rows:
        if row.status in _SENT and row.provider_final in books.ledgered and row.tracking_id not in taken:
            yield row.tracking_id, f"{row.status}, and {row.provider_final} never took it"


def no_phantom(books: Books) -> Found:
    """I2: whatever a provider took is a message of the database that a caller asked for, answered or not."""
    if books.rows is None:
        return
    known = {row.tracking_id: row for row in books.rows}
    wanted = {(call.client_key, call.asked.get("to"), call.asked.get("text")) for call in books.calls or ()}
    is_judged = books.are_calls_complete and books.calls is not None
    for reference in dict.fromkeys(accept.reference for accept in books.accepts or ()):
        row = known.get(reference)
        if row is None:
            yield reference, "a provider took it, and no row knows it"
        elif is_judged and (row.client_key, row.to, row.text) not in wanted:
            yield reference, "a provider took it, and nobody asked for it"


def bounded_duplicates(books: Books) -> Found:
    """I3: every acceptance but the first was preceded by one more outcome that nobody could know; with hold there is
    none but the first."""
    doubts = _doubts(books)
    for reference, accepts in _accepts_by_reference(books).items():
        moments = sorted(each.accepted_at for each in accepts)
        if len(moments) > 1 and not books.is_resending:
            yield reference, f"taken {len(moments)} times under ON_UNKNOWN=hold"
            continue
        if any(_before(doubts[reference], moment) < extra for extra, moment in enumerate(moments)):
            yield reference, f"taken {len(moments)} times, unknown {len(doubts[reference])} times before"


def within_ttl(books: Books) -> Found:
    """I10: nothing is sent after its time."""
    expires_at = {row.tracking_id: row.expires_at for row in books.rows or ()}
    for accept in books.accepts or ():
        limit = expires_at.get(accept.reference)
        if limit is not None and accept.accepted_at > limit + LATE:
            yield accept.reference, f"taken {(accept.accepted_at - limit).total_seconds():.1f} s after its expiry"


def liveness(books: Books) -> Found:
    """I11: after the heal everybody is ready, the queues are empty, and no timer has rung in vain."""
    if not books.is_quiet:
        return
    for name, complaint in (books.unready or {}).items():
        yield None, f"{name} is not ready: {complaint}"
    for queue, depth in (books.queues or {}).items():
        if depth:
            yield None, f"{depth} messages wait in {queue}"
    if books.dead is not None and books.dead != books.dead_expected:
        yield None, f"{books.dead} dead letters, {books.dead_expected} expected"
    for row in books.rows or ():
        if row.due_at is not None and row.due_at < books.read_at - OVERDUE * books.slack:
            late = (books.read_at - row.due_at).total_seconds()
            yield row.tracking_id, f"{row.status}, and its timer rang {late:.0f} s ago"


def _told(books: Books) -> list[str]:
    accepted = (call.tracking_id for call in books.calls or () if call.is_accepted)
    return list(dict.fromkeys(each for each in accepted if each is not None))


def _accepts_by_reference(books: Books) -> dict[str, list[Accept]]:
    grouped: dict[str, list[Accept]] = defaultdict(list)
    for accept in books.accepts or ():
        grouped[accept.reference].append(accept)
    return grouped


def _doubts(books: Books) -> dict[str, list[datetime]]:
    found: dict[str, list[datetime]] = defaultdict(list)
    for event in books.events:
        if event.event_type == "UNKNOWN":
            found[event.tracking_id].append(event.created_at)
    return found


def _before(moments: list[datetime], limit: datetime) -> int:
    return sum(moment <= limit for moment in moments)
