"""Work that its caller may leave but not stop: a client that hangs up does not tear a claim from its answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from smsgw.core.events import Crashed
from smsgw.core.ports import Observer

T = TypeVar("T")


class InFlight:
    """Keeps every started coroutine running to its end, whoever waits for it, and waits for all of them at the stop."""

    def __init__(self, *, observer: Observer) -> None:
        self._observer = observer
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Run to the end and return the result; a cancellation reaches the caller only."""
        # A future between task and caller is what asyncio.shield does too, for one hop of the loop more.
        result: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._start(self._deliver(work, result))
        return await result

    def spawn(self, work: Coroutine[Any, Any, None], *, where: str) -> None:
        """Run beside the caller; an exception is stated as a crash."""
        self._start(self._guarded(work, where))

    async def drain(self) -> None:
        """Wait for everything, also for what starts meanwhile."""
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None], where: str) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001  (nobody waits for it: stated, or lost)
            self._observer(Crashed(where=where, error=error))

    async def _deliver(self, work: Coroutine[Any, Any, T], result: "asyncio.Future[T]") -> None:
        try:
            value = await work
        except Exception as error:  # noqa: BLE001  (raised at the caller; stated when there is none any more)
            if result.done():
                self._observer(Crashed(where="in flight", error=error))
            else:
                result.set_exception(error)
        except asyncio.CancelledError:
            result.cancel()
            raise
        else:
            if not result.done():
                result.set_result(value)
