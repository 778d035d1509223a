"""The gateway's end of the embedded queue: confirmed means committed."""

from collections.abc import Sequence

import sqlalchemy as sa

from smsgw.core.admission import PublishOutcome
from smsgw.transports.queues.database.table import DatabaseQueue, End, new_row, rows
from smsgw.transports.queues.outgoing import Outbox, Outgoing
from smsgw.transports.sql import DatabaseAwayError

HEARTBEATS_KEPT = 1000


class DatabasePublisher(End):
    """Implements Publisher: confirmed means committed. `await open()` first."""

    def __init__(self, queue: DatabaseQueue) -> None:
        super().__init__(queue)
        self._outbox = Outbox(self._write, max_in_flight=1)

    async def publish(self, envelope: bytes) -> PublishOutcome:
        """Commit one envelope, together with those of concurrent callers."""
        return await self._outbox.publish(envelope)

    async def publish_heartbeat(self, body: bytes) -> bool:
        """Commit one heartbeat; the oldest beyond a thousand are dropped."""
        name = self._settings.heartbeat
        kept = sa.select(rows.c.id).where(rows.c.queue == name).order_by(rows.c.id.desc()).limit(HEARTBEATS_KEPT)
        try:
            async with self._database.write() as connection:
                await connection.execute(sa.insert(rows), [new_row(name, body, self._queue.now())])
                await connection.execute(sa.delete(rows).where(rows.c.queue == name, rows.c.id.not_in(kept)))
        except DatabaseAwayError:
            return False
        self._queue.wake()
        return True

    async def is_ready(self) -> bool:
        """Whether the table answers."""
        return await self._queue.answers()

    async def close(self) -> None:
        """Wait for the commits of what was published."""
        await self._outbox.drain()
        await super().close()

    async def _write(self, batch: Sequence[Outgoing]) -> PublishOutcome:
        is_written = False
        try:
            async with self._database.write(commit_point="G4") as connection:
                now = self._queue.now()
                new = [new_row(self._settings.outbound, each.body, now) for each in batch if each.start()]
                if not new:
                    return PublishOutcome.REFUSED
                await connection.execute(sa.insert(rows), new)
                is_written = True
        except DatabaseAwayError:
            # Only a commit can fail without anybody knowing; before it nothing is there.
            return PublishOutcome.UNKNOWN if is_written else PublishOutcome.REFUSED
        self._queue.wake()
        return PublishOutcome.CONFIRMED
