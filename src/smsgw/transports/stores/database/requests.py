"""Lists messages for an operator, newest first: by their key, without an index that every message would pay for."""

from collections.abc import Iterator

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.records import RequestFilter, RequestPage
from smsgw.transports.stores.database.rows import MESSAGE_COLUMNS, message_of
from smsgw.transports.stores.database.schema import messages
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.semantics import WAITING, storable

LOOKED_AT = 200_000
"""The rows that one call looks at, at most, where no index knows the answer: some tenths of a second."""
GREATEST = 2**63 - 1
"""No database takes a key beyond it, and no row has one."""
_known = messages.c


async def page(
    connection: AsyncConnection, statements: Statements, wanted: RequestFilter, *, before: int | None, limit: int
) -> RequestPage:
    """See the port."""
    top = await _newest(connection, _known.id < (GREATEST if before is None else min(before, GREATEST)))
    if top is None:
        return RequestPage(messages=())
    end = _end(wanted, top)
    query = sa.select(_known.id, *MESSAGE_COLUMNS).where(_known.id <= top, *_terms(statements, wanted))
    if end is not None:
        query = query.where(_known.id > end)
    rows = list(await connection.execute(query.order_by(_known.id.desc()).limit(limit + 1)))
    found = tuple(message_of(row[1:]) for row in rows[:limit])
    if len(rows) > limit:
        return RequestPage(messages=found, next_before=rows[limit - 1][0])
    beyond = None if end is None else await _newest(connection, _known.id <= end)
    return RequestPage(messages=found, next_before=None if beyond is None else beyond + 1)


def _end(wanted: RequestFilter, top: int) -> int | None:
    """Return the id that this page does not look beyond; None where an index leads to what is wanted, or all is."""
    return None if wanted == RequestFilter() or _is_pending(wanted) else top - LOOKED_AT


def _is_pending(wanted: RequestFilter) -> bool:
    return wanted.statuses is not None and wanted.statuses.issubset(WAITING)


def _terms(statements: Statements, wanted: RequestFilter) -> Iterator[sa.ColumnElement[bool]]:
    if wanted.statuses is not None:
        yield statements.among(_known.status, sorted(each.value for each in wanted.statuses))
    if _is_pending(wanted):
        # Opens the index of timers. Nothing waits for us without one.
        yield _known.due_at.is_not(None)
    same = (
        (_known.client_key, wanted.client_key),
        (_known.provider_final, wanted.provider),
        (_known.reason, wanted.reason),
        (_known.to, wanted.to),
    )
    yield from (column == storable(text) for column, text in same if text is not None)
    if wanted.since is not None:
        yield _known.created_at >= wanted.since
    if wanted.until is not None:
        yield _known.created_at < wanted.until


async def _newest(connection: AsyncConnection, *among: sa.ColumnElement[bool]) -> int | None:
    found: int | None = (await connection.execute(sa.select(sa.func.max(_known.id)).where(*among))).scalar()
    return found
