"""Loops that live as long as the worker: a bug in one is reported and the loop goes on."""

import asyncio
from collections.abc import Awaitable, Callable

from smsgw.core.events import Crashed
from smsgw.core.ports import Observer, StoreUnavailableError
from smsgw.worker.outage import StoreGate

RESTART_SECONDS = 1.0


class Supervisor:
    """Runs chores again and again until `stopping` is set; an outage of the store is waited out by all of them."""

    def __init__(self, *, gate: StoreGate, observer: Observer) -> None:
        self._gate = gate
        self._observer = observer
        self.stopping = asyncio.Event()

    async def repeat(self, run_once: Callable[[], Awaitable[float]], *, where: str) -> None:
        """Call `run_once`, which returns the seconds to rest, until `stopping`; never in the middle of a call."""
        while not self.stopping.is_set():
            rest = await self._guarded(run_once, where)
            if rest:
                await self._rest(rest)

    async def _guarded(self, run_once: Callable[[], Awaitable[float]], where: str) -> float:
        try:
            return await run_once()
        except StoreUnavailableError as error:
            await self._gate.wait_until_back(str(error))
            return 0
        except Exception as error:  # noqa: BLE001  (a bug must not end the loop that others depend on)
            self._observer(Crashed(where=where, error=error))
            return RESTART_SECONDS

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return
