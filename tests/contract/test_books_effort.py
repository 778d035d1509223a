"""What the pages ask of the books costs the same with two thousand rows in the way: indexes find, nothing is sorted."""

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from smsgw.core.audit_log import AuditFilter
from smsgw.core.books import Books
from smsgw.core.rollup import HOUR, MINUTE, Cell
from smsgw.transports.books.database import DatabaseBooks
from smsgw.transports.sql import Database, open_database
from smsgw.transports.stores.database import console_tables
from tests.contract.books import NOW

MANY = 2000
Call = Callable[[Books], Awaitable[object]]
CALLS: dict[str, Call] = {
    "newest": lambda books: books.audit_log.entries(AuditFilter(), before=None, limit=50),
    "older": lambda books: books.audit_log.entries(AuditFilter(), before=MANY // 2, limit=50),
    "who": lambda books: books.audit_log.entries(AuditFilter(who="user-7"), before=None, limit=50),
    "subject": lambda books: books.audit_log.entries(AuditFilter(subject="7"), before=None, limit=50),
    "session": lambda books: books.people.session("7"),
    "failures": lambda books: books.people.failures("peer:7", since=NOW - timedelta(minutes=15)),
    "version": lambda books: books.overlays.version(),
    "minutes": lambda books: books.rollups.cells(MINUTE, since=NOW, until=NOW + timedelta(minutes=30)),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_page_is_found_not_searched(url: str | None, name: str) -> None:
    if url is None:
        pytest.skip("memory has no indexes")
    await _fill(url)

    plans = await _plans(url, CALLS[name])

    assert plans
    for plan in plans:
        assert not [
            each for each in ("Sort", "TEMP B-TREE", "Seq Scan", "SCAN console", "SCAN sign_in") if each in plan
        ]


async def _fill(url: str) -> None:
    """Insert rows as they are, once for all calls."""
    database = open_database(url)
    async with database.write() as connection:
        known = await connection.scalar(sa.select(sa.func.count()).select_from(console_tables.audit_log))
        if not known:
            for table, rows in _rows().items():
                await connection.execute(sa.insert(table), rows)
    if not database.is_sqlite and not known:
        # As autovacuum does; a SQLite file is never analyzed in production.
        async with database.write() as connection:
            await connection.exec_driver_sql("ANALYZE")
    if not known:
        books = DatabaseBooks(database, observer=lambda _fact: None)
        times = [NOW.replace(second=0, microsecond=0) + timedelta(minutes=number) for number in range(MANY)]
        cells = [Cell(grain=grain, starts_at=at, provider="p", country="") for at in times for grain in (MINUTE, HOUR)]
        await books.rollups.add(cells)
    await database.close()


def _rows() -> dict[sa.Table, list[dict[str, Any]]]:
    numbers = [str(number) for number in range(MANY)]
    plain: dict[str, Any] = {"at": NOW, "action": "x", "before": {}, "after": {}, "peer": ""}
    user = {"role": "viewer", "is_active": True, "totp_step": 0, "version": 1, "created_at": NOW, "updated_at": NOW}
    session = {"user_version": 1, "created_at": NOW, "seen_at": NOW}
    return {
        console_tables.audit_log: [{**plain, "who": f"user-{each[-1]}", "subject": each} for each in numbers],
        console_tables.users: [{**user, "name": each} for each in numbers],
        console_tables.sessions: [{**session, "token_hash": each, "user_name": each} for each in numbers],
        console_tables.sign_in_failures: [{"what": f"peer:{each}", "at": NOW} for each in numbers],
    }


async def _plans(url: str, call: Call) -> list[str]:
    """Make a call, then ask the database how it would run every query that the call sent."""
    database = open_database(url)
    queries: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.startswith("SELECT"):
            queries.append((statement, parameters))

    sa.event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    await call(DatabaseBooks(database, observer=lambda _fact: None))
    sa.event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    found = [json.dumps(await _explained(database, *each), default=str) for each in queries]
    await database.close()
    return found


async def _explained(database: Database, statement: str, parameters: Any) -> Sequence[Any]:
    words = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    async with database.read() as connection:
        return [tuple(row) for row in (await connection.exec_driver_sql(words + statement, parameters)).all()]
