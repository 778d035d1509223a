"""What concurrent callers ask in the same moment shares one round trip: the largest single gain after the framework."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batcher(Generic[Item, Result]):
    """Collects the items of concurrent callers and flushes them together.

    `flush` gets 1 to `max_items` items in the order of their calls and returns one result each (a result that is an
    exception is raised at its caller only); if it raises, all its callers get that exception. At most `max_in_flight`
    flushes run at once; meanwhile items collect, so batches grow under load and a lone caller waits for nobody.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Result | BaseException]]],
        *,
        max_items: int,
        max_in_flight: int,
        weigh: Callable[[Item], int] | None = None,
        max_weight: int = 0,
    ) -> None:
        self._flush = flush
        self._max_items = max_items
        self._max_in_flight = max_in_flight
        self._weigh = weigh
        self._max_weight = max_weight
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._is_scheduled = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Put one item into the next batch; the future is resolved when that batch is."""
        # Asking for the running loop is a system call on Python 3.11 (getpid); this runs three times per request.
        loop = self._loop = self._loop or asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._waiting.append((item, future))
        if not self._is_scheduled:
            self._is_scheduled = True
            loop.call_soon(self._start)
        return future

    async def drain(self) -> None:
        """Wait until everything submitted so far is flushed."""
        while self._waiting or self._running:
            self._start()
            await asyncio.wait(set(self._running))

    def _start(self) -> None:
        self._is_scheduled = False
        while self._waiting and len(self._running) < self._max_in_flight:
            batch = self._take()
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _take(self) -> list[tuple[Item, asyncio.Future[Result]]]:
        count = min(len(self._waiting), self._max_items)
        if self._weigh is not None:
            weight = 0
            for index in range(count):
                weight += self._weigh(self._waiting[index][0])
                if weight > self._max_weight and index > 0:
                    count = index
                    break
        batch = self._waiting[:count]
        del self._waiting[:count]
        # A caller that went away (cancelled) still has its item flushed: others may depend on its effect.
        return batch

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._start()

    async def _run(self, batch: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._flush([item for item, _ in batch])
        except BaseException as error:  # noqa: BLE001  (handed to every caller of the batch)
            for _, future in batch:
                if not future.done():
                    future.set_exception(error if isinstance(error, Exception) else ConnectionError("stopped"))
            return
        for (_, future), result in zip(batch, results, strict=True):
            if future.done():
                continue
            if isinstance(result, BaseException):
                future.set_exception(result)
            else:
                future.set_result(result)
