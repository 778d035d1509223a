"""MAX_QUEUE_DEPTH: turning requests away while too much waits at the broker, before the broker itself is full."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from smsgw.core.events import QueueFilled, QueueHasRoom
from smsgw.core.ports import Observer, QueueUnavailableError

LOOK_EVERY_SECONDS = 1.0
LOOK_IS_GOOD_SECONDS = 5.0
"""After this a look says nothing any more: an outage of the broker is told by the publish, not by a guess."""


class Full(msgspec.Struct, frozen=True):
    """More broker messages wait than may."""

    queue_depth: int
    limit: int


class QueueGuard:
    """Looks at the queue about once a second and remembers whether it is too full."""

    def __init__(
        self,
        look: Callable[[], Awaitable[int]],
        *,
        limit: int,
        observer: Observer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._limit = limit
        self._observer = observer
        self._monotonic = monotonic
        self._full: Full | None = None
        self._seen_at = 0.0

    def full(self) -> Full | None:
        """Return why a request is to be turned away now, or None."""
        full = self._full
        return full if full is not None and self._is_fresh() else None

    async def run_once(self) -> None:
        """Look once; a look that fails leaves the last one, for as long as that is good."""
        try:
            depth = await self._look()
        except QueueUnavailableError:
            if self._full is not None and not self._is_fresh():
                self._remember(None)
            return
        self._seen_at = self._monotonic()
        self._remember(Full(depth, self._limit) if depth > self._limit else None)

    async def run(self, stop: asyncio.Event) -> None:
        """Look until `stop` is set."""
        while not stop.is_set():
            await self.run_once()
            try:
                async with asyncio.timeout(LOOK_EVERY_SECONDS):
                    await stop.wait()
            except TimeoutError:
                continue

    def _is_fresh(self) -> bool:
        return self._monotonic() - self._seen_at <= LOOK_IS_GOOD_SECONDS

    def _remember(self, full: Full | None) -> None:
        was_full, self._full = self._full is not None, full
        if full is not None and not was_full:
            self._observer(QueueFilled(depth=full.queue_depth, limit=full.limit))
        elif full is None and was_full:
            self._observer(QueueHasRoom(limit=self._limit))
