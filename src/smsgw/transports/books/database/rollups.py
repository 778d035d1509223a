"""Sums of traffic as rows that all workers add to, each with one statement for all of its cells."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.rollup import Cell, Sums
from smsgw.transports.books.database.shelf import Shelf, clean
from smsgw.transports.stores.database.console_tables import COUNTERS, WAIT_COLUMNS, traffic_sums
from smsgw.transports.stores.database.schema import Json

_KEY = ("grain", "starts_at", "provider", "country")
_SUMMED = (*COUNTERS, *WAIT_COLUMNS)
_COLUMNS = tuple(traffic_sums.c[name] for name in (*_KEY, *_SUMMED))
# A sum of bigint is a numeric in PostgreSQL, which would come as a Decimal.
_TOTALS = tuple(sa.cast(sa.func.sum(traffic_sums.c[name]), sa.BigInteger) for name in _SUMMED)
_SPAN = (
    traffic_sums.c.grain == sa.bindparam("grain"),
    traffic_sums.c.starts_at >= sa.bindparam("since"),
    traffic_sums.c.starts_at < sa.bindparam("until"),
)


def _by(key: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return sa.select(key, *_TOTALS).where(*_SPAN).group_by(key)


# Built once: to put so many columns together takes longer than to read their sums.
_BY_PROVIDER = _by(traffic_sums.c.provider)
_BY_COUNTRY = _by(traffic_sums.c.country).where(traffic_sums.c.provider != "")
_PRUNED_AT_ONCE = timedelta(days=1)

_encode = msgspec.json.Encoder().encode


class DatabaseRollups:
    """See the port."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._add = _add(shelf)

    async def add(self, cells: Sequence[Cell]) -> None:
        """See the port. The cells go in the order of their key: workers that add at once never wait in a circle."""
        rows = _rows(cells)
        if not rows:
            return
        told: Any = rows if self._shelf.is_sqlite else {"rows": _encode(rows).decode()}

        async def run(connection: AsyncConnection) -> None:
            await connection.execute(self._add, told)

        await self._shelf.transactions.write("rollups.add", len(rows), run)

    async def cells(self, grain: int, *, since: datetime, until: datetime) -> Sequence[Cell]:
        """See the port. Sorted here: a database may sort names by the rules of a language."""
        known = traffic_sums.c
        query = sa.select(*_COLUMNS).where(known.grain == grain, known.starts_at >= since, known.starts_at < until)
        found = [_cell(row) for row in await self._shelf.rows("rollups.cells", query)]
        return sorted(found, key=lambda each: (each.starts_at, each.provider, each.country))

    async def by_time(
        self, grain: int, *, since: datetime, until: datetime, step: timedelta, provider: str | None = None
    ) -> Mapping[datetime, Sums]:
        """See the port."""
        seconds = int(step.total_seconds())
        told: dict[str, Any] = {"grain": grain, "since": since, "until": until}
        if provider is not None:
            told["provider"] = clean(provider)
        query = _by_time(seconds, is_sqlite=self._shelf.is_sqlite, is_of_one=provider is not None)
        rows = await self._shelf.rows("rollups.by_time", query, told)
        return {datetime.fromtimestamp(row[0] * seconds, UTC): _sums(row) for row in rows}

    async def by_provider(self, grain: int, *, since: datetime, until: datetime) -> Mapping[str, Sums]:
        """See the port."""
        told = {"grain": grain, "since": since, "until": until}
        return {row[0]: _sums(row) for row in await self._shelf.rows("rollups.by_provider", _BY_PROVIDER, told)}

    async def by_country(self, grain: int, *, since: datetime, until: datetime) -> Mapping[str, Sums]:
        """See the port."""
        told = {"grain": grain, "since": since, "until": until}
        return {row[0]: _sums(row) for row in await self._shelf.rows("rollups.by_country", _BY_COUNTRY, told)}

    async def prune(self, grain: int, *, before: datetime) -> int:
        """See the port. Delete day by day, oldest first: after a long pause no transaction takes long."""
        known, total = traffic_sums.c, 0
        oldest = sa.select(sa.func.min(known.starts_at, type_=known.starts_at.type)).where(known.grain == grain)
        while True:
            first = (await self._shelf.rows("rollups.oldest", oldest))[0][0]
            if first is None or first >= before:
                return total
            until = min(first + _PRUNED_AT_ONCE, before)
            statement = sa.delete(traffic_sums).where(known.grain == grain, known.starts_at < until)
            total += await self._shelf.change("rollups.prune", statement)


@cache
def _by_time(seconds: int, *, is_sqlite: bool, is_of_one: bool) -> sa.Select[Any]:
    number = _unix(is_sqlite=is_sqlite).op("/")(sa.literal_column(str(seconds))).label("number")
    query = _by(number)
    return query.where(traffic_sums.c.provider == sa.bindparam("provider")) if is_of_one else query


def _unix(*, is_sqlite: bool) -> sa.ColumnElement[int]:
    """Return when a sum begins, as a whole number of seconds since 1970."""
    at = traffic_sums.c.starts_at
    seconds = sa.func.strftime("%s", at) if is_sqlite else sa.func.date_part("epoch", at)
    return sa.cast(seconds, sa.BigInteger)


def _add(shelf: Shelf) -> Any:
    """Return the INSERT that adds to what is there: `executemany` on SQLite, one JSON document on PostgreSQL."""
    insert = shelf.insert(traffic_sums)
    if not shelf.is_sqlite:
        document = sa.cast(sa.bindparam("rows", type_=sa.Text), Json)
        told = [sa.column(column.name, column.type) for column in _COLUMNS]
        rows = sa.func.json_to_recordset(document).table_valued(*told).render_derived(with_types=True)
        insert = insert.from_select([column.name for column in _COLUMNS], sa.select(*rows.c))
    set_ = {name: traffic_sums.c[name] + insert.excluded[name] for name in _SUMMED}
    return insert.on_conflict_do_update(index_elements=_KEY, set_=set_)


def _rows(cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """Return one row for each key: a statement may not add to one row twice."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for cell in cells:
        key = (cell.grain, cell.starts_at, clean(cell.provider), clean(cell.country))
        told = [*(getattr(cell, name) for name in COUNTERS), *cell.waits]
        sums[key] = [a + b for a, b in zip(sums.get(key, [0] * len(_SUMMED)), told, strict=True)]
    return [dict(zip((*_KEY, *_SUMMED), (*key, *sums[key]), strict=True)) for key in sorted(sums)]


def _sums(row: Sequence[Any]) -> Sums:
    """Return the sums behind a key."""
    waits = 1 + len(COUNTERS)
    values: dict[str, Any] = dict(zip(COUNTERS, row[1:waits], strict=True))
    return Sums(**values, waits=tuple(row[waits:]))


def _cell(row: Sequence[Any]) -> Cell:
    values: dict[str, Any] = dict(zip((*_KEY, *COUNTERS), row, strict=False))
    return Cell(**values, waits=tuple(row[len(_KEY) + len(COUNTERS) :]))
