"""The queue's double: everything in one process's memory, with switches for what a broker may do to a publisher."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import count

from smsgw.core.admission import PublishOutcome
from smsgw.core.backlog import Backlog, DeadLetter
from smsgw.core.ports import QueueUnavailableError
from smsgw.settings import QueueSettings

DELIVERY_LIMIT = 10
HEARTBEATS_KEPT = 1000


class MemoryMessage:
    """One message; `deliveries` counts how often it was given out."""

    def __init__(self, message_id: int, body: bytes, reason: str = "") -> None:
        self.id = message_id
        self.body = body
        self.reason = reason
        self.died_at = datetime.now(UTC) if reason else None
        self.deliveries = 0


class MemoryQueue:
    """The broker. Tests set `outcomes` (one per coming publish, then CONFIRMED) and `is_available`."""

    def __init__(self, settings: QueueSettings | None = None) -> None:
        self.settings = settings or QueueSettings(url="memory://")
        self.outcomes: list[PublishOutcome] = []
        self.is_available = True
        self.consumers: set[MemoryConsumer] = set()
        self._ids = count(1)
        self._ready: dict[str, list[MemoryMessage]] = {}
        self._changed = asyncio.Event()

    def ready(self, queue: str) -> list[MemoryMessage]:
        """Return the messages that wait in one queue, oldest first."""
        return self._ready.setdefault(queue, [])

    def put(self, queue: str, body: bytes, reason: str = "") -> None:
        """Append one message and wake who waits."""
        self.ready(queue).append(MemoryMessage(next(self._ids), body, reason))
        self.wake()

    def give_back(self, queue: str, messages: Sequence[MemoryMessage]) -> None:
        """Return delivered messages to their places; what was delivered too often is a dead letter now."""
        for message in messages:
            is_dead = message.deliveries >= DELIVERY_LIMIT
            message.reason = "delivery_limit" if is_dead else ""
            message.died_at = datetime.now(UTC) if is_dead else None
            self.ready(self.settings.dead if is_dead else queue).append(message)
        self.ready(queue).sort(key=lambda message: message.id)
        self.wake()

    def wake(self) -> None:
        """Let everybody who waits look again."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self) -> None:
        """Wait for the next change."""
        await self._changed.wait()

    def demand(self) -> None:
        """Raise QueueUnavailableError while the queue is switched off."""
        if not self.is_available:
            raise QueueUnavailableError("switched off")


class _End:
    """What publisher, consumer and admin have in common: the shape of their life."""

    def __init__(self, queue: MemoryQueue) -> None:
        self._queue = queue
        self._settings = queue.settings
        self._closed = asyncio.Event()

    async def open(self) -> None:
        """There is nothing to open."""

    async def watch(self) -> None:
        """Wait until closed."""
        await self._closed.wait()

    async def is_ready(self) -> bool:
        """Whether the queue is switched on."""
        return self._queue.is_available

    async def close(self) -> None:
        """End."""
        self._closed.set()
        self._queue.wake()


class MemoryPublisher(_End):
    """Implements Publisher."""

    async def publish(self, envelope: bytes) -> PublishOutcome:
        """Put one envelope. An UNKNOWN one is put as well: that is the worse of the two things it may mean."""
        if not self._queue.is_available:
            return PublishOutcome.REFUSED
        outcome = self._queue.outcomes.pop(0) if self._queue.outcomes else PublishOutcome.CONFIRMED
        if outcome is not PublishOutcome.REFUSED:
            self._queue.put(self._settings.outbound, envelope)
        return outcome

    async def publish_heartbeat(self, body: bytes) -> bool:
        """Put one heartbeat; the oldest beyond a thousand are dropped."""
        if not self._queue.is_available:
            return False
        self._queue.put(self._settings.heartbeat, body)
        del self._queue.ready(self._settings.heartbeat)[:-HEARTBEATS_KEPT]
        return True


class MemoryDelivery:
    """Implements Delivery."""

    def __init__(self, message: MemoryMessage, held: dict[int, MemoryMessage]) -> None:
        self.body = message.body
        self._id = message.id
        self._held = held

    async def ack(self) -> None:
        """Take it off; does nothing once it was given back."""
        self._held.pop(self._id, None)


class MemoryConsumer(_End):
    """Implements Consumer for one queue (the outbound one unless named)."""

    def __init__(self, queue: MemoryQueue, name: str | None = None) -> None:
        super().__init__(queue)
        self._name = name or queue.settings.outbound
        self._held: dict[int, MemoryMessage] = {}
        self._is_paused = False
        if self._name == queue.settings.outbound:
            queue.consumers.add(self)

    async def receive(self, limit: int) -> Sequence[MemoryDelivery]:
        """Wait for at least one message; returns nothing once closed."""
        while not self._closed.is_set():
            ready = self._queue.ready(self._name)
            if ready and self._queue.is_available and not self._is_paused:
                return [self._hold(ready.pop(0)) for _ in range(min(limit, len(ready)))]
            await self._queue.change()
        return []

    async def bury(self, body: bytes, reason: str) -> bool:
        """Put a body among the dead letters."""
        if self._queue.is_available:
            self._queue.put(self._settings.dead, body, reason)
        return self._queue.is_available

    async def pause(self) -> None:
        """Stop receiving and give back what was not acknowledged."""
        self._is_paused = True
        self._give_back()

    async def resume(self) -> None:
        """Receive again."""
        self._is_paused = False
        self._queue.wake()

    async def close(self) -> None:
        """Give back what was not acknowledged."""
        self._give_back()
        self._queue.consumers.discard(self)
        await super().close()

    def _hold(self, message: MemoryMessage) -> MemoryDelivery:
        message.deliveries += 1
        self._held[message.id] = message
        return MemoryDelivery(message, self._held)

    def _give_back(self) -> None:
        messages, self._held = list(self._held.values()), {}
        self._queue.give_back(self._name, messages)


class MemoryAdmin(_End):
    """Implements QueueAdmin."""

    async def depth(self) -> int:
        """Return how many messages wait."""
        self._queue.demand()
        return len(self._queue.ready(self._settings.outbound))

    async def dead_depth(self) -> int:
        """Return how many dead letters there are."""
        self._queue.demand()
        return len(self._queue.ready(self._settings.dead))

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Return the oldest dead letters."""
        self._queue.demand()
        dead = self._queue.ready(self._settings.dead)[:limit]
        return [
            DeadLetter(id=str(message.id), reason=message.reason, body=message.body, died_at=message.died_at)
            for message in dead
        ]

    async def replay(self, dead_letter_id: str) -> bool:
        """Put one dead letter back on the outbound queue."""
        self._queue.demand()
        dead = self._queue.ready(self._settings.dead)
        for index, message in enumerate(dead):
            if str(message.id) == dead_letter_id:
                self._queue.put(self._settings.outbound, dead.pop(index).body)
                return True
        return False

    async def look(self, limit: int) -> Backlog:
        """Return the bodies that wait; consumers in this process give back what they hold when they close."""
        self._queue.demand()
        ready = self._queue.ready(self._settings.outbound)
        bodies = [message.body for message in ready] if len(ready) <= limit else None
        return Backlog(bodies=bodies, holders=len(self._queue.consumers))
