"""The table of the embedded queue, and what the ends of it in one process share."""

import asyncio
from datetime import UTC, datetime

import sqlalchemy as sa

from smsgw.core.ports import Clock
from smsgw.settings import QueueSettings
from smsgw.transports.sql import Database, DatabaseAwayError

PROBE_SECONDS = 0.9

metadata = sa.MetaData()
rows = sa.Table(
    "queue_messages",
    metadata,
    # Never reused, so that a late acknowledgement cannot take another message away.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("due_at", sa.Float, nullable=False),
    sa.Column("deliveries", sa.Integer, nullable=False, default=0),
    sa.Column("holder", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("died_at", sa.Float),
    sa.Index("queue_messages_due", "queue", "due_at", "id"),
    sqlite_autoincrement=True,
)


def new_row(queue: str, body: bytes, now: float) -> dict[str, object]:
    """Return a row that is due at once."""
    return {"queue": queue, "body": body, "due_at": now, "deliveries": 0}


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DatabaseQueue:
    """What publisher, consumers and admin of one process share: the table, and the signal that there is news."""

    def __init__(self, settings: QueueSettings, database: Database, *, clock: Clock = _utc_now) -> None:
        self.settings = settings
        self.database = database
        self._clock = clock
        self._signal = asyncio.Event()

    def now(self) -> float:
        """Return the time that leases are compared with."""
        return self._clock().timestamp()

    def wake(self) -> None:
        """Tell this process's consumers that there may be something to receive."""
        self._signal.set()
        self._signal = asyncio.Event()

    def woken(self) -> asyncio.Event:
        """Return the signal to wait for; take it before looking, so that no publish falls in between."""
        return self._signal

    async def create(self) -> None:
        """Create the table unless it is there."""
        async with self.database.write() as connection:
            await connection.run_sync(metadata.create_all)

    async def end_leases(self) -> int:
        """Make every delivered row due at once; only for a file that nobody else uses (`smsgw dev`)."""
        leased = (rows.c.holder.is_not(None), rows.c.queue != self.settings.dead)
        async with self.database.write() as connection:
            freed = await connection.execute(sa.update(rows).where(*leased).values(due_at=self.now(), holder=None))
        self.wake()
        return freed.rowcount

    async def answers(self) -> bool:
        """Whether the table can be read within a second."""
        try:
            async with asyncio.timeout(PROBE_SECONDS), self.database.read() as connection:
                await connection.execute(sa.select(rows.c.id).limit(1))
        except (DatabaseAwayError, sa.exc.SQLAlchemyError, TimeoutError):
            return False
        return True


class End:
    """What publisher, consumer and admin have in common: the shape of their life."""

    def __init__(self, queue: DatabaseQueue) -> None:
        self._queue = queue
        self._settings = queue.settings
        self._database = queue.database
        self._closed = asyncio.Event()

    async def open(self) -> None:
        """Create the table unless it is there."""
        await self._queue.create()

    async def watch(self) -> None:
        """Wait until closed; an embedded queue has no error that only an operator can mend."""
        await self._closed.wait()

    async def close(self) -> None:
        """End; the database stays open, it belongs to the caller."""
        self._closed.set()
