"""What an operator asks of the queue on Redis."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

from smsgw.core.backlog import Backlog, DeadLetter
from smsgw.core.ports import Observer, QueueUnavailableError
from smsgw.settings import QueueSettings
from smsgw.transports.queues.redis_streams.link import Link
from smsgw.transports.queues.redis_streams.names import BODY, GROUP, REASON, RETURNED, fields, key
from smsgw.transports.queues.redis_streams.scripts import DEPTH, REPLAY

CONNECT_SECONDS = 5.0
CALL_SECONDS = 10.0
PAGE = 500

_ID = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)


class RedisAdmin:
    """Implements QueueAdmin. Construct, `await open()`, `await close()`. Declares nothing: a wrong name must not make a
    queue, which would then be found empty."""

    def __init__(self, settings: QueueSettings, *, observer: Observer) -> None:
        self._settings = settings
        self._link = Link(settings, observer, name="admin", declares=False)

    async def open(self) -> None:
        """Begin to connect in the background."""
        self._link.open()

    async def watch(self) -> None:
        """Wait until closed; raises WrongRedisError, one line for the operator, when the role must stop."""
        await self._link.watch()

    async def depth(self) -> int:
        """Return how many entries wait in the outbound stream, those that a consumer holds not counted."""
        await self._connected()
        found = await self._link.run(DEPTH, (key(self._settings.outbound),), GROUP, RETURNED, deadline=_deadline())
        if found < 0:
            raise _missing(self._settings.outbound)
        return int(found)

    async def dead_depth(self) -> int:
        """Return how many dead letters there are."""
        return await self._length(self._settings.dead)

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Return the oldest dead letters."""
        await self._length(self._settings.dead)
        return [_dead_letter(*entry) async for entry in self._entries(self._settings.dead, limit)]

    async def replay(self, dead_letter_id: str) -> bool:
        """Move one dead letter back to the outbound stream in one step; after an outage nobody knows whether it was."""
        await self._length(self._settings.dead)
        if not _ID.fullmatch(dead_letter_id):
            return False
        keys = (key(self._settings.dead), key(self._settings.outbound))
        return bool(await self._link.run(REPLAY, keys, dead_letter_id, BODY, deadline=_deadline()))

    async def look(self, limit: int) -> Backlog:
        """Return the bodies that wait, those that a consumer holds included: nobody holds what is not seen."""
        if await self._length(self._settings.outbound) > limit:
            return Backlog(bodies=None)
        bodies = [entry.get(BODY, b"") async for _, entry in self._entries(self._settings.outbound, limit + 1)]
        return Backlog(bodies=bodies if len(bodies) <= limit else None)

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def _connected(self) -> None:
        if not await self._link.is_there(CONNECT_SECONDS):
            raise QueueUnavailableError("not connected to Redis")

    async def _length(self, queue: str) -> int:
        await self._connected()
        length = int(await self._link.call("XLEN", key(queue), deadline=_deadline()))
        if length == 0 and not await self._link.call("EXISTS", key(queue), deadline=_deadline()):
            raise _missing(queue)
        return length

    async def _entries(self, queue: str, limit: int) -> AsyncIterator[tuple[str, dict[str, bytes]]]:
        """Read from the oldest on, page by page: one reply of everything would hold Redis up."""
        start = "-"
        while limit > 0:
            count = min(limit, PAGE)
            page: list[Any] = await self._link.call(
                "XRANGE", key(queue), start, "+", "COUNT", count, deadline=_deadline()
            )
            for entry_id, flat in page:
                yield entry_id.decode(), fields(flat)
            if len(page) < count:
                return
            limit -= count
            start = f"({page[-1][0].decode()}"


def _deadline() -> float:
    return asyncio.get_running_loop().time() + CALL_SECONDS


def _missing(queue: str) -> QueueUnavailableError:
    return QueueUnavailableError(f"no queue '{queue}' in this Redis")


def _dead_letter(entry_id: str, entry: dict[str, bytes]) -> DeadLetter:
    # An entry's id is the server's time when it was added.
    died_at = datetime.fromtimestamp(int(entry_id.partition("-")[0]) / 1000, UTC)
    reason = entry.get(REASON, b"").decode("utf-8", "replace") or "unknown"
    return DeadLetter(id=entry_id, reason=reason, body=entry.get(BODY, b""), died_at=died_at)
