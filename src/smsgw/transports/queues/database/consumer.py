"""The worker's end of the embedded queue: rows are leased, and deleted when they are acknowledged."""

import asyncio
from collections.abc import Sequence
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.transports.batching import Batcher
from smsgw.transports.queues.database.table import DatabaseQueue, End, new_row, rows
from smsgw.transports.sql import DatabaseAwayError

DELIVERY_LIMIT = 10
LEASE_SECONDS = 30.0
POLL_SECONDS = 0.2
ACKS_IN_ONE_COMMIT = 500


class DatabaseDelivery:
    """Implements Delivery."""

    __slots__ = ("_acks", "_id", "body")

    def __init__(self, body: bytes, row_id: int, acks: Batcher[int, None]) -> None:
        self.body = body
        self._id = row_id
        self._acks = acks

    async def ack(self) -> None:
        """Delete the row; when the database is away it stays and is delivered again."""
        await self._acks.submit(self._id)


class DatabaseConsumer(End):
    """Implements Consumer for one queue (the outbound one unless named). `await open()` first."""

    def __init__(self, queue: DatabaseQueue, name: str | None = None, *, lease_seconds: float = LEASE_SECONDS) -> None:
        super().__init__(queue)
        self._name = name or queue.settings.outbound
        self._lease_seconds = lease_seconds
        self._holder = uuid4().hex
        self._acks: Batcher[int, None] = Batcher(self._delete, max_items=ACKS_IN_ONE_COMMIT, max_in_flight=1)
        self._running = asyncio.Event()
        self._running.set()

    async def receive(self, limit: int) -> Sequence[DatabaseDelivery]:
        """Wait for at least one row that is due and lease at most `limit`; returns nothing once closed."""
        while not self._closed.is_set():
            await self._running.wait()
            signal = self._queue.woken()
            taken = await self._take(limit)
            if taken:
                return taken
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await signal.wait()
            except TimeoutError:
                # Another process may have published, or a lease may have run out.
                continue
        return []

    async def bury(self, body: bytes, reason: str) -> bool:
        """Commit a body to the dead letters with its reason."""
        now = self._queue.now()
        dead = {**new_row(self._settings.dead, body, now), "reason": reason, "died_at": now}
        try:
            async with self._database.write() as connection:
                await connection.execute(sa.insert(rows), [dead])
        except DatabaseAwayError:
            return False
        return True

    async def pause(self) -> None:
        """Stop receiving and give back every row that was not acknowledged."""
        self._running.clear()
        await self._give_back()

    async def resume(self) -> None:
        """Receive again, also what a pause could not give back because the database was away: its leases are long."""
        await self._give_back()
        self._running.set()

    async def is_ready(self) -> bool:
        """Whether the table answers."""
        return await self._queue.answers()

    async def close(self) -> None:
        """Commit the last acknowledgements and give back the rest."""
        self._closed.set()
        self._running.set()
        self._queue.wake()
        await self._give_back()

    async def _take(self, limit: int) -> list[DatabaseDelivery]:
        now = self._queue.now()
        due = (
            sa.select(rows.c.id, rows.c.body, rows.c.deliveries)
            .where(rows.c.queue == self._name, rows.c.due_at <= now)
            .order_by(rows.c.id)
            .limit(limit)
        )
        try:
            async with self._database.read() as connection:
                if (await connection.execute(due.limit(1))).first() is None:
                    return []
            async with self._database.write() as connection:
                # Pausing and closing give back under the same lock, so a row taken after them would be theirs to miss.
                if not self._running.is_set() or self._closed.is_set():
                    return []
                found = (await connection.execute(due.with_for_update(skip_locked=True))).all()
                live = [row for row in found if row.deliveries < DELIVERY_LIMIT]
                await self._lease(connection, [row.id for row in live], now)
                await self._let_die(connection, [row.id for row in found if row.deliveries >= DELIVERY_LIMIT], now)
        except DatabaseAwayError:
            return []
        return [DatabaseDelivery(bytes(row.body), row.id, self._acks) for row in live]

    async def _lease(self, connection: AsyncConnection, ids: list[int], now: float) -> None:
        if ids:
            lease = {"due_at": now + self._lease_seconds, "holder": self._holder, "deliveries": rows.c.deliveries + 1}
            await connection.execute(sa.update(rows).where(rows.c.id.in_(ids)).values(lease))

    async def _let_die(self, connection: AsyncConnection, ids: list[int], now: float) -> None:
        if ids:
            death = {"queue": self._settings.dead, "reason": "delivery_limit", "died_at": now, "holder": None}
            await connection.execute(sa.update(rows).where(rows.c.id.in_(ids)).values(death))

    async def _give_back(self) -> None:
        await self._acks.drain()
        held = (rows.c.holder == self._holder, rows.c.queue == self._name)
        try:
            async with self._database.write() as connection:
                await connection.execute(sa.update(rows).where(*held).values(due_at=self._queue.now(), holder=None))
        except DatabaseAwayError:
            # Their leases run out by themselves.
            return
        self._queue.wake()

    async def _delete(self, ids: Sequence[int]) -> Sequence[None]:
        gone = sa.delete(rows).where(rows.c.id == sa.bindparam("acknowledged"))
        try:
            async with self._database.write() as connection:
                await connection.execute(gone, [{"acknowledged": each} for each in ids])
        except DatabaseAwayError:
            # They are delivered again after their leases; the store drops the copies.
            return [None] * len(ids)
        return [None] * len(ids)
