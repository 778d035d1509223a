"""What one consumer holds, as far as it knows: read and not acknowledged, and acknowledged but not yet at Redis."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from smsgw.core.ports import QueueUnavailableError
from smsgw.transports.queues.redis_streams.link import Link
from smsgw.transports.queues.redis_streams.names import GROUP
from smsgw.transports.queues.redis_streams.scripts import ACK

ACKS_IN_ONE_CALL = 500
ACK_SECONDS = 5.0


class RedisDelivery:
    """Implements Delivery."""

    __slots__ = ("_holding", "body", "id")

    def __init__(self, body: bytes, entry_id: bytes, holding: "Holding") -> None:
        self.body = body
        self.id = entry_id
        self._holding = holding

    async def ack(self) -> None:
        """Acknowledge soon; what finds Redis away is acknowledged when it is back, for it stays true."""
        self._holding.acknowledge(self.id)


class Holding:
    """Entries under this consumer's name. Acknowledgements of one loop tick share a call."""

    def __init__(self, link: Link, stream: str, *, freed: Callable[[], None]) -> None:
        self._link = link
        self._stream = stream
        self._freed = freed
        self._held: set[bytes] = set()
        self._acknowledged: set[bytes] = set()
        self._writing: asyncio.Task[None] | None = None
        self.buffer: deque[RedisDelivery] = deque()

    def __len__(self) -> int:
        return len(self._held | self._acknowledged)

    def add(self, entry_id: bytes, body: bytes) -> None:
        """Note one entry that was read, to be handed over."""
        self._held.add(entry_id)
        self.buffer.append(RedisDelivery(body, entry_id, self))

    def acknowledge(self, entry_id: bytes) -> None:
        """Note one entry as safe elsewhere."""
        self._held.discard(entry_id)
        self._acknowledged.add(entry_id)
        self.write()

    def write(self) -> None:
        """Begin to tell Redis what was acknowledged."""
        if self._acknowledged and self._writing is None and self._link.is_up:
            self._writing = asyncio.create_task(self._write())

    async def drain(self) -> None:
        """Wait until what was acknowledged so far is told, or Redis is away."""
        self.write()
        if self._writing is not None:
            await asyncio.wait({self._writing})

    def drop(self) -> None:
        """Forget what is not acknowledged: it is given back."""
        self._held.clear()
        self.buffer.clear()

    def compare(self, mine: Iterable[bytes], *, is_whole: bool) -> list[bytes]:
        """Learn what is ours at Redis; return what is ours there and was never read here: a reply was lost."""
        ours = set(mine)
        if is_whole:
            # Others have taken it over, because we stood still for so long.
            self._held &= ours
            self.buffer = deque(each for each in self.buffer if each.id in self._held)
        return list(ours - self._held - self._acknowledged)

    async def _write(self) -> None:
        try:
            while self._acknowledged:
                ids = [each for each, _ in zip(self._acknowledged, range(ACKS_IN_ONE_CALL), strict=False)]
                deadline = asyncio.get_running_loop().time() + ACK_SECONDS
                await self._link.run(ACK, (self._stream,), GROUP, *ids, deadline=deadline)
                self._acknowledged.difference_update(ids)
                self._freed()
        except QueueUnavailableError as error:
            # Told again after the outage; until then others may be given it, and the store drops the copies.
            self._link.lost(str(error))
        finally:
            self._writing = None
