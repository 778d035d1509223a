"""Publishes of concurrent callers share one write, and each caller knows its outcome three seconds after asking."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from smsgw.core.admission import PublishOutcome
from smsgw.core.envelope import MAX_BATCH, MAX_BATCH_BYTES
from smsgw.transports.batching import Batcher

PUBLISH_SECONDS = 3.0


class Outgoing:
    """One envelope on its way. It is either given up before it is written, or written: never both."""

    __slots__ = ("body", "deadline", "is_given_up", "is_written")

    def __init__(self, body: bytes, deadline: float) -> None:
        self.body = body
        self.deadline = deadline
        self.is_given_up = False
        self.is_written = False

    def start(self) -> bool:
        """Mark it as written, because the next step writes it; False when its caller was told REFUSED already."""
        if self.is_given_up:
            return False
        self.is_written = True
        return True


class Outbox:
    """Collects envelopes into batches for `write`, which gets 1 to 100 of them and returns the one outcome of all.

    `write` must call `start()` on each member just before writing and leave out those that say False.
    """

    def __init__(self, write: Callable[[Sequence[Outgoing]], Awaitable[PublishOutcome]], *, max_in_flight: int) -> None:
        self._write = write
        self._batcher: Batcher[Outgoing, PublishOutcome] = Batcher(
            self._flush,
            max_items=MAX_BATCH,
            max_in_flight=max_in_flight,
            weigh=_weigh,
            max_weight=MAX_BATCH_BYTES - 1,
        )

    async def publish(self, body: bytes) -> PublishOutcome:
        """Return the outcome, at the latest three seconds from now: UNKNOWN if it was written by then, else REFUSED."""
        loop = asyncio.get_running_loop()
        outgoing = Outgoing(body, loop.time() + PUBLISH_SECONDS)
        future = self._batcher.submit(outgoing)
        timer = loop.call_at(outgoing.deadline, _expire, outgoing, future)
        try:
            return await future
        finally:
            timer.cancel()

    async def drain(self) -> None:
        """Wait until every envelope submitted so far has its outcome."""
        await self._batcher.drain()

    async def _flush(self, batch: Sequence[Outgoing]) -> Sequence[PublishOutcome]:
        return [await self._write(batch)] * len(batch)


def _weigh(outgoing: Outgoing) -> int:
    return len(outgoing.body) + 1  # the comma or bracket beside it


def _expire(outgoing: Outgoing, future: asyncio.Future[PublishOutcome]) -> None:
    if future.done():
        return
    outgoing.is_given_up = not outgoing.is_written
    future.set_result(PublishOutcome.UNKNOWN if outgoing.is_written else PublishOutcome.REFUSED)
