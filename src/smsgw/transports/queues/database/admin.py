"""What an operator asks of the embedded queue."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.backlog import Backlog, DeadLetter
from smsgw.core.ports import QueueUnavailableError
from smsgw.transports.queues.database.table import End, rows
from smsgw.transports.sql import DatabaseAwayError


class DatabaseAdmin(End):
    """Implements QueueAdmin. `await open()` first."""

    async def depth(self) -> int:
        """Return how many rows wait, those that a consumer holds not counted."""
        async with self._reading() as connection:
            return int((await connection.execute(self._count(rows.c.holder.is_(None)))).scalar_one())

    async def dead_depth(self) -> int:
        """Return how many dead letters there are."""
        dead = sa.select(sa.func.count()).where(rows.c.queue == self._settings.dead)
        async with self._reading() as connection:
            return int((await connection.execute(dead)).scalar_one())

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Return the oldest dead letters."""
        oldest = sa.select(rows).where(rows.c.queue == self._settings.dead).order_by(rows.c.id).limit(limit)
        async with self._reading() as connection:
            return [_dead_letter(row) for row in (await connection.execute(oldest)).all()]

    async def replay(self, dead_letter_id: str) -> bool:
        """Move one dead letter back to the outbound queue in one commit."""
        if not (dead_letter_id.isascii() and dead_letter_id.isdigit() and len(dead_letter_id) < 19):
            return False
        life = {"queue": self._settings.outbound, "due_at": self._queue.now(), "deliveries": 0}
        no_death = {"reason": None, "died_at": None, "holder": None}
        one = (rows.c.id == int(dead_letter_id), rows.c.queue == self._settings.dead)
        try:
            async with self._database.write() as connection:
                moved = await connection.execute(sa.update(rows).where(*one).values(life | no_death))
        except DatabaseAwayError as error:
            raise QueueUnavailableError(str(error)) from error
        self._queue.wake()
        return moved.rowcount == 1

    async def look(self, limit: int) -> Backlog:
        """Return the bodies that wait, those that a consumer holds included: nobody holds what is not seen."""
        oldest = sa.select(rows.c.body).where(rows.c.queue == self._settings.outbound).order_by(rows.c.id)
        async with self._reading() as connection:
            found = (await connection.execute(oldest.limit(limit + 1))).all()
        return Backlog(bodies=[bytes(row.body) for row in found] if len(found) <= limit else None)

    def _count(self, condition: sa.ColumnElement[bool]) -> sa.Select[int]:
        return sa.select(sa.func.count()).where(rows.c.queue == self._settings.outbound, condition)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._database.read() as connection:
                yield connection
        except DatabaseAwayError as error:
            raise QueueUnavailableError(str(error)) from error


def _dead_letter(row: sa.Row[Any]) -> DeadLetter:
    died_at = None if row.died_at is None else datetime.fromtimestamp(row.died_at, UTC)
    return DeadLetter(id=str(row.id), reason=row.reason or "unknown", body=bytes(row.body), died_at=died_at)
