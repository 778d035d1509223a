"""Counting what the store's two transactions of a message ask of PostgreSQL, at several batch sizes."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import sqlalchemy as sa
import store as store_bench

from smsgw.transports.sql import open_database
from smsgw.transports.stores.database import DatabaseStore

Say = Callable[[str], None]
SIZES = (1, 10, 100)


class Counter:
    """Counts the statements and commits of one engine."""

    def __init__(self, engine: sa.Engine) -> None:
        self.statements = 0
        self.commits = 0
        sa.event.listen(engine, "before_cursor_execute", self._on_statement)
        sa.event.listen(engine, "commit", self._on_commit)

    def take(self) -> str:
        """Return what was counted since the last call."""
        said = f"{self.statements} statements, {self.commits} commit"
        self.statements = self.commits = 0
        return said

    def _on_statement(self, *_: object) -> None:
        self.statements += 1

    def _on_commit(self, *_: object) -> None:
        self.commits += 1


def run(ground: dict[str, str], *, say: Say) -> None:
    """Say what one batch costs when it is taken in and when its outcomes are applied."""
    say("== statements: what one batch asks of PostgreSQL (each statement is one round trip, and so is the commit) ==")
    asyncio.run(_run(ground["DATABASE_URL"], say))


async def _run(url: str, say: Say) -> None:
    database = open_database(url)
    counter = Counter(database.engine.sync_engine)
    store = DatabaseStore(database, observer=lambda _fact: None)
    for size in SIZES:
        now = datetime.now(UTC)
        arrivals = [store_bench.arrival(now, hashed=True) for _ in range(size)]
        counter.take()
        await store.take_in(arrivals)
        taken = counter.take()
        await store_bench.apply_all(store, [store_bench.outcome(each.change, now) for each in arrivals])
        say(f"batch of {size:>3}: take_in {taken}; apply {counter.take()}")
    await store.close()
    await database.close()
