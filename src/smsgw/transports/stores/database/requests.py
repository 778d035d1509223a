"""Lists messages for an operator, newest first: each search by the index that leads to what it wants in the order of
the key, and where none does, by a bounded walk that says where to go on (docs/decisions/0011-search-indexes.md)."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.message import Status
from smsgw.core.records import RequestFilter, RequestPage
from smsgw.transports.stores.database.key_times import keys_between
from smsgw.transports.stores.database.rows import MESSAGE_COLUMNS, message_of
from smsgw.transports.stores.database.schema import IS_FAILED, Identity, messages
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.semantics import WAITING, storable

WALKED = 10_000
"""The rows that one call looks at, at most, down the key: they lie side by side."""
LED = 2_000
"""The same along another index, whose rows lie anywhere in the table."""
MOST_PENDING = 20_000
"""As many are sorted; among more, the newest are found by walking."""
GREATEST = 2**63 - 1
"""No database takes a key beyond it, and no row has one."""
_FAILED = frozenset({Status.FAILED})
Columns = Any
_known = messages.c


class _Lead(NamedTuple):
    """What leads to messages in the order of the key: an index that begins with a column, or the key itself."""

    column: str = ""
    value: str = ""
    answers: RequestFilter = RequestFilter()
    """What it answers alone."""
    terms: tuple[Any, ...] = ()

    @property
    def most(self) -> int:
        """How many rows one call looks at."""
        return LED if self.column else WALKED

    def order(self, known: Columns) -> list[Any]:
        """The column stands in the order although it has one value: no other index has that order."""
        return [known[each].desc() for each in (self.column, "id") if each]

    def walk(self, above: int, below: int) -> sa.Select[Any]:
        """Return messages with keys between two, both left out. Pairs are compared, not each column with an equality
        before it: to that, the primary key would be in order too, and the planner might walk down all of it."""
        query = sa.select(_known.id, *MESSAGE_COLUMNS).where(*self.terms).order_by(*self.order(_known))
        if not self.column:
            return query.where(_known.id > above, _known.id < below)
        pair = sa.tuple_(_known[self.column], _known.id)
        return query.where(pair > self._pair(above), pair < self._pair(below))

    def _pair(self, key: int) -> Any:
        return sa.tuple_(sa.literal(self.value), sa.literal(key, Identity))


async def page(
    connection: AsyncConnection, statements: Statements, wanted: RequestFilter, *, before: int | None, limit: int
) -> RequestPage:
    """See the port."""
    below = GREATEST if before is None else min(before, GREATEST)
    if _is_pending(wanted) and wanted.to is None and await _is_few(connection, statements, wanted):
        terms = [_known.due_at.is_not(None), _known.id < below, *_terms(statements, wanted)]
        return await _of_few(connection, terms, limit)
    lead = _lead(wanted)
    above = 0
    if lead.column != "to" and (wanted.since or wanted.until):
        above, end = await keys_between(connection, wanted.since, wanted.until)
        below = min(below, end)
    await _hold_to_order(connection)
    if wanted == lead.answers:
        return await _straight(connection, lead.walk(above, below), limit)
    window = lead.walk(above, below).limit(lead.most).subquery()
    fitting = sa.select(window).where(*_terms(statements, wanted, window.c)).order_by(*lead.order(window.c))
    found = await _straight(connection, fitting, limit)
    return found if found.next_before is not None else await _with_rest(connection, lead, window, found)


async def _straight(connection: AsyncConnection, query: sa.Select[Any], limit: int) -> RequestPage:
    rows = list(await connection.execute(query.limit(limit + 1)))
    found = tuple(message_of(row[1:]) for row in rows[:limit])
    return RequestPage(messages=found, next_before=rows[limit - 1][0] if len(rows) > limit else None)


async def _with_rest(connection: AsyncConnection, lead: _Lead, window: sa.Subquery, found: RequestPage) -> RequestPage:
    """Return the page that was not filled with where to go on, if the window does not reach to the end."""
    keys = sa.select(sa.func.count(window.c.id), sa.func.min(window.c.id))
    seen, last = (await connection.execute(keys)).one()
    if seen < lead.most:
        return found
    return RequestPage(messages=found.messages, next_before=last, looked_at=seen)


def _lead(wanted: RequestFilter) -> _Lead:
    """Return the shortest way: a number has fewer messages than fail, and fewer fail than a client sends."""
    if wanted.to is not None:
        return _Lead("to", storable(wanted.to) or "", RequestFilter(to=wanted.to))
    if wanted.statuses == _FAILED:
        return _Lead("status", Status.FAILED.value, RequestFilter(statuses=_FAILED), (IS_FAILED,))
    if wanted.client_key is not None:
        return _Lead("client_key", storable(wanted.client_key) or "", RequestFilter(client_key=wanted.client_key))
    return _Lead()


def _terms(statements: Statements, wanted: RequestFilter, known: Columns = _known) -> Iterator[Any]:
    """Return what a row must fit."""
    if wanted.statuses is not None:
        yield statements.among(known.status, sorted(each.value for each in wanted.statuses))
    same = (
        (known.client_key, wanted.client_key),
        (known.provider_final, wanted.provider),
        (known.reason, wanted.reason),
        (known.to, wanted.to),
    )
    yield from (column == storable(text) for column, text in same if text is not None)
    if wanted.since is not None:
        yield known.created_at >= wanted.since
    if wanted.until is not None:
        yield known.created_at < wanted.until


# --- what is pending: few, as a rule, and known to the index of timers ------------------------------------------------


def _is_pending(wanted: RequestFilter) -> bool:
    return wanted.statuses is not None and wanted.statuses.issubset(WAITING)


async def _is_few(connection: AsyncConnection, statements: Statements, wanted: RequestFilter) -> bool:
    """Whether the index of timers has few enough of these. Nothing waits for us without a timer."""
    words = sorted(each.value for each in wanted.statuses or ())
    waiting = sa.select(_known.status).where(statements.among(_known.status, words), _known.due_at.is_not(None))
    count = sa.select(sa.func.count()).select_from(waiting.limit(MOST_PENDING + 1).subquery())
    return int((await connection.execute(count)).scalar_one()) <= MOST_PENDING


async def _of_few(connection: AsyncConnection, terms: Sequence[Any], limit: int) -> RequestPage:
    # Without its limit the inner query would become part of the outer one, whose order might open the primary key.
    found = sa.select(_known.id, *MESSAGE_COLUMNS).where(*terms).limit(MOST_PENDING).subquery()
    return await _straight(connection, sa.select(found).order_by(found.c.id.desc()), limit)


async def _hold_to_order(connection: AsyncConnection) -> None:
    """Tell PostgreSQL for this transaction to plan for these very values, and to read in the order of an index: its
    statistics may be older than a client, and a sort of what it takes for a few rows may be one of millions."""
    if connection.dialect.name != "postgresql":
        return
    off = [sa.func.set_config(name, "off", True) for name in ("enable_sort", "enable_bitmapscan")]
    await connection.execute(sa.select(*off, sa.func.set_config("plan_cache_mode", "force_custom_plan", True)))
