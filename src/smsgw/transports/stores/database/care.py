"""What the store forgets: by age, walking the key from the oldest row on, and by number, along the index of numbers."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import takewhile
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.data_care import (
    ERASED,
    WAITING,
    Addressed,
    Age,
    Forgotten,
    Kept,
    Retired,
    forgotten,
    has_number,
    ripe_of,
    tail_of,
)
from smsgw.core.message import Status
from smsgw.transports.stores.database.care_tables import retention_progress
from smsgw.transports.stores.database.schema import (
    attempt_parts,
    attempts,
    message_events,
    messages,
    report_inbox,
)
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.database.transactions import Transactions
from smsgw.transports.stores.semantics import storable

_message, _report, _mark = messages.c, report_inbox.c, retention_progress.c
_AGE = (_message.id, _message.tracking_id, _message.created_at, _message.updated_at, _message.status, _message.due_at)
_NEEDED = [each.value for each in WAITING]
_decode_ids = msgspec.json.Decoder(tuple[str, ...]).decode


async def retire(
    connection: AsyncConnection, statements: Statements, what: Kept, *, before: datetime, now: datetime, limit: int
) -> Retired | None:
    """See the port."""
    mark = await _take_mark(connection, statements, what)
    if mark is None:
        return None
    if what is Kept.REPORTS:
        return await _retire_reports(connection, statements, mark, before=before, limit=limit)
    page = list(await connection.execute(_beyond(mark, _AGE, limit)))
    ripe = ripe_of((_age(row) for row in page[:limit]), what, before=before, now=now)
    if what is Kept.MESSAGES:
        ripe = min(ripe, _deletable(page))
    done = await _locked(connection, statements, page[:ripe], what)
    rows = len(done) if what is Kept.MESSAGES else await _erase_texts(connection, statements, done)
    if what is Kept.MESSAGES:
        await _delete(connection, statements, done)
    await _put_mark(connection, what, done)
    oldest = page[len(done)].created_at if len(done) < len(page) else None
    return Retired(rows=rows, is_behind=len(done) == limit, oldest=oldest)


async def addressed(connection: AsyncConnection, to: str, limit: int) -> Addressed:
    """See the port."""
    some = sa.select(_message.status).where(_message.to == storable(to)).limit(limit).subquery()
    counted = await connection.execute(sa.select(some.c.status, sa.func.count()).group_by(some.c.status))
    waiting = final = 0
    for status, count in counted:
        waiting, final = (waiting + count, final) if status in _NEEDED else (waiting, final + count)
    return Addressed(final=final, waiting=waiting)


async def forget(connection: AsyncConnection, statements: Statements, to: str, *, after: int, limit: int) -> Forgotten:
    """See the port. Locks are taken in order of id and waited for: no message may be missed."""
    theirs = sa.select(_message.id, _message.tracking_id, _message.status)
    theirs = theirs.where(_message.to == storable(to), _message.id > after).order_by(_message.id).limit(limit)
    rows = list(await connection.execute(theirs.with_for_update()))
    final = [row for row in rows if row.status not in _NEEDED]
    if final:
        await _forget(connection, statements, [row.id for row in final], [row.tracking_id for row in final], to)
    next_after = rows[-1].id if len(rows) == limit else None
    return Forgotten(erased=len(final), waiting=len(rows) - len(final), next_after=next_after)


# --- by age -----------------------------------------------------------------------------------------------------------


async def _take_mark(connection: AsyncConnection, statements: Statements, what: Kept) -> int | None:
    """Return the key up to which everything is done, locked until the commit; None when another worker holds it."""
    held = sa.select(_mark.done_to).where(_mark.what == what.value).with_for_update(skip_locked=True)
    mark: int | None = (await connection.execute(held)).scalar()
    if mark is None:
        first = statements.insert(retention_progress).values(what=what.value, done_to=0)
        await connection.execute(first.on_conflict_do_nothing(index_elements=["what"]))
        mark = (await connection.execute(held)).scalar()
    return mark


async def _put_mark(connection: AsyncConnection, what: Kept, done: Sequence[Any]) -> None:
    if done:
        move = sa.update(retention_progress).where(_mark.what == what.value)
        await connection.execute(move.values(done_to=done[-1].id))


def _beyond(mark: int, columns: Sequence[sa.Column[Any]], limit: int) -> sa.Select[Any]:
    """Return rows after the mark and one more, which tells whether the others are the newest."""
    key = columns[0]
    return sa.select(*columns).where(key > mark).order_by(key).limit(limit + 1)


def _age(row: Any) -> Age:
    return Age(
        created_at=row.created_at,
        updated_at=row.updated_at,
        status=Status(row.status),
        has_timer=row.due_at is not None,
    )


def _deletable(page: Sequence[Any]) -> int:
    """Return how many of a page may be deleted. The newest row of the table stays: SQLite gives the key after the
    greatest one out, and a new message with a key below the mark would be kept for ever."""
    return max(0, len(page) - 1)


async def _locked(
    connection: AsyncConnection, statements: Statements, rows: Sequence[Any], what: Kept
) -> Sequence[Any]:
    """Lock rows that nobody else holds and return them, up to the first that somebody does, or has changed since."""
    if not rows:
        return []
    still = _message.due_at.is_(None) if what is Kept.MESSAGES else _message.status.not_in(_NEEDED)
    free = sa.select(_message.id).where(statements.among(_message.id, [row.id for row in rows]), still)
    free = free.order_by(_message.id).with_for_update(skip_locked=True)
    mine = set((await connection.execute(free)).scalars())
    return list(takewhile(lambda row: row.id in mine, rows))


async def _erase_texts(connection: AsyncConnection, statements: Statements, done: Sequence[Any]) -> int:
    if not done:
        return 0
    theirs = statements.among(_message.id, [row.id for row in done])
    blank = sa.update(messages).where(theirs, _message.text != "").values(text="")
    return (await connection.execute(blank)).rowcount


async def _delete(connection: AsyncConnection, statements: Statements, done: Sequence[Any]) -> None:
    """Delete messages with everything that is known by their tracking_id."""
    owners = [row.tracking_id for row in done]
    if not owners:
        return
    for provider, ids in (await _part_ids(connection, statements, owners)).items():
        part = attempt_parts.c
        theirs = (statements.among(part.provider_message_id, ids), statements.among(part.tracking_id, owners))
        await connection.execute(sa.delete(attempt_parts).where(part.provider == provider, *theirs))
    for table in (attempts, message_events, messages):
        await connection.execute(sa.delete(table).where(statements.among(table.c.tracking_id, owners)))


async def _part_ids(
    connection: AsyncConnection, statements: Statements, owners: Sequence[UUID]
) -> dict[str, list[str]]:
    """Return the ids of parts, by provider: the key that `attempt_parts` is found by begins with them."""
    known = attempts.c
    long_ones = sa.select(known.provider, known.part_ids).where(
        statements.among(known.tracking_id, owners), known.part_ids.is_not(None)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for provider, part_ids in await connection.execute(long_ones):
        found[provider].extend(_decode_ids(part_ids))
    return found


async def _retire_reports(
    connection: AsyncConnection, statements: Statements, mark: int, *, before: datetime, limit: int
) -> Retired:
    page = list(await connection.execute(_beyond(mark, (_report.id, _report.received_at, _report.due_at), limit)))
    old = takewhile(lambda row: row.due_at is None and row.received_at < before, page[:limit])
    done = list(old)[: _deletable(page)]
    if done:
        theirs = statements.among(_report.id, [row.id for row in done])
        await connection.execute(sa.delete(report_inbox).where(theirs))
    await _put_mark(connection, Kept.REPORTS, done)
    oldest = page[len(done)].received_at if len(done) < len(page) else None
    return Retired(rows=len(done), is_behind=len(done) == limit, oldest=oldest)


# --- by number --------------------------------------------------------------------------------------------------------


async def _forget(
    connection: AsyncConnection, statements: Statements, keys: Sequence[int], owners: Sequence[UUID], to: str
) -> None:
    tail = tail_of(to)
    blank = sa.update(messages).where(statements.among(_message.id, keys))
    await connection.execute(blank.values(to=ERASED, text="", sender=None))
    known = attempts.c
    theirs = statements.among(known.tracking_id, owners)
    await connection.execute(sa.update(attempts).where(theirs, known.detail.is_not(None)).values(detail=None))
    await _forget_in_stories(connection, statements, owners, tail)
    rows = await connection.execute(sa.select(known.provider, known.provider_message_id, known.part_ids).where(theirs))
    await _forget_in_inbox(connection, statements, list(rows), tail)


async def _forget_in_stories(
    connection: AsyncConnection, statements: Statements, owners: Sequence[UUID], tail: str
) -> None:
    event = message_events.c
    told = sa.select(event.id, event.details).where(statements.among(event.tracking_id, owners))
    read = [(key, details, forgotten(details, tail)) for key, details in await connection.execute(told)]
    changed = [{"key": key, "less": less} for key, details, less in read if less != details]
    if changed:
        less = sa.bindparam("less", type_=event.details.type)
        await connection.execute(
            sa.update(message_events).where(event.id == sa.bindparam("key")).values(details=less), changed
        )


async def _forget_in_inbox(
    connection: AsyncConnection, statements: Statements, carrying: Iterable[Any], tail: str
) -> None:
    """Erase error texts that repeat the number, of the reports that came under the ids of these attempts."""
    ids: dict[str, set[str]] = defaultdict(set)
    for provider, message_id, part_ids in carrying:
        ids[provider].update(each for each in (message_id, *_decode_ids(part_ids or "[]")) if each)
    for provider, theirs in ids.items():
        mine = (_report.provider == provider, statements.among(_report.provider_message_id, sorted(theirs)))
        told = sa.select(_report.id, _report.error_code).where(*mine, _report.tracking_id.is_not(None))
        keys = [key for key, error in await connection.execute(told) if has_number(error, tail)]
        if keys:
            blank = sa.update(report_inbox).where(statements.among(_report.id, keys))
            await connection.execute(blank.values(error_code=None))


# --- the port ---------------------------------------------------------------------------------------------------------


class DatabaseCare:
    """The part of DatabaseStore that is the port DataCare."""

    _transactions: Transactions
    _statements: Statements

    async def retire(self, what: Kept, *, before: datetime, now: datetime, limit: int) -> Retired | None:
        """See the port."""

        async def run(connection: AsyncConnection) -> Retired | None:
            return await retire(connection, self._statements, what, before=before, now=now, limit=limit)

        return await self._transactions.write("retire", _rows, run)

    async def addressed(self, to: str, *, limit: int) -> Addressed:
        """See the port."""
        return await self._transactions.read("addressed", 0, lambda it: addressed(it, to, limit))

    async def forget(self, to: str, *, after: int, limit: int) -> Forgotten:
        """See the port."""

        async def run(connection: AsyncConnection) -> Forgotten:
            return await forget(connection, self._statements, to, after=after, limit=limit)

        return await self._transactions.write("forget", lambda done: done.erased, run)


def _rows(retired: Retired | None) -> int:
    return retired.rows if retired else 0
