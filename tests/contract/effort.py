"""What a database does for a call of the store: how much it looks at, and whether it sorts, without a clock."""

import json
import sqlite3
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, NamedTuple
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from smsgw.core.message import Message
from smsgw.transports.sql import Database, open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.rows import message_row
from smsgw.transports.stores.database.statements import Statements

STEPS = 100
Query = tuple[str, Any]


class Effort(NamedTuple):
    """What the queries of one call cost, together."""

    looked_at: int
    """Rows on PostgreSQL; on SQLite steps of its machine, some twenty a row."""
    sorted_rows: bool


async def fill(url: str, messages: Sequence[Message]) -> None:
    """Insert rows as they are, quicker than `take_in` and without stories."""
    database = open_database(url)
    statements, token = Statements(is_sqlite=database.is_sqlite), uuid4()
    async with database.write() as connection:
        rows = [message_row(each, token) for each in messages]
        await connection.execute(statements.insert_message, statements.rows(rows))
    if not database.is_sqlite:
        # As autovacuum does; a SQLite file is never analyzed in production.
        async with database.write() as connection:
            await connection.exec_driver_sql("ANALYZE")
    await database.close()


async def effort(url: str, call: Callable[[DatabaseStore], Awaitable[object]]) -> Effort:
    """Make a call of the store, then ask the database about every query that the call sent."""
    database = open_database(url)
    queries: list[Query] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_rest: object) -> None:
        if statement.startswith(("SELECT", "WITH")):
            queries.append((statement, parameters))

    sa.event.listen(database.engine.sync_engine, "before_cursor_execute", note)
    store = DatabaseStore(database, observer=lambda _fact: None)
    await call(store)
    sa.event.remove(database.engine.sync_engine, "before_cursor_execute", note)
    found = [_on_sqlite(url, each) if database.is_sqlite else await _on_postgres(database, each) for each in queries]
    await store.close()
    return Effort(sum(each.looked_at for each in found), any(each.sorted_rows for each in found))


async def _on_postgres(database: Database, query: Query) -> Effort:
    async with database.read() as connection:
        result = await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {query[0]}", query[1])
        told = result.scalar_one()
        await connection.rollback()
    (plan,) = json.loads(told) if isinstance(told, str) else told
    nodes = list(_nodes(plan["Plan"]))
    return Effort(sum(map(_read, nodes)), any(each["Node Type"] == "Sort" for each in nodes))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", ()):
        yield from _nodes(each)


def _read(node: dict[str, Any]) -> int:
    if "Relation Name" not in node:
        return 0
    return int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"])


def _on_sqlite(url: str, query: Query) -> Effort:
    connection = sqlite3.connect(make_url(url).database or "")
    count = 0

    def step() -> int:
        nonlocal count
        count += STEPS
        return 0

    connection.set_progress_handler(step, STEPS)
    connection.execute(*query).fetchall()
    connection.set_progress_handler(None, 0)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {query[0]}", query[1]).fetchall()
    connection.close()
    return Effort(count, any("TEMP B-TREE" in str(each) for each in plan))
