"""What providers hold open beside single calls, such as SMPP binds, for as long as the worker works."""

import asyncio
from collections.abc import Mapping
from functools import partial

from smsgw.core.events import Crashed
from smsgw.core.ports import Observer, Provider
from smsgw.core.providers import Providers
from smsgw.worker.keeping import ReportKeeper

RESTART_SECONDS = 1.0
CLOSING_SECONDS = 2.5


class Runs:
    """Runs every active provider. One that a reload replaced ends in order before its successor begins: a carrier may
    allow only so many binds."""

    def __init__(self, providers: Mapping[str, Provider], *, keeper: ReportKeeper, observer: Observer) -> None:
        self._providers = providers
        self._keeper = keeper
        self._observer = observer
        self._active: frozenset[str] = frozenset()
        self._is_started = False
        self._running: dict[str, tuple[Provider, asyncio.Task[None]]] = {}
        self._ending: dict[str, asyncio.Task[None]] = {}

    def use(self, configured: Providers) -> None:
        """Run these from now on."""
        self._active = frozenset(name for name in self._providers if configured[name].is_active)
        if self._is_started:
            self._turn_over()

    def start(self) -> None:
        """Begin."""
        self._is_started = True
        self._turn_over()

    async def close(self) -> None:
        """End everything, within CLOSING_SECONDS."""
        self._is_started = False
        self._active = frozenset()
        self._turn_over()
        if self._ending:
            await asyncio.wait(self._ending.values(), timeout=CLOSING_SECONDS)

    def _turn_over(self) -> None:
        for name, (provider, task) in list(self._running.items()):
            if name not in self._active or self._providers.get(name) is not provider:
                del self._running[name]
                task.cancel()
                self._end(name, task)
        for name in self._active - set(self._running):
            provider = self._providers[name]
            task = asyncio.create_task(self._run(provider, self._ending.get(name)), name=f"run {name}")
            self._running[name] = provider, task

    def _end(self, name: str, task: asyncio.Task[None]) -> None:
        """Remember who still ends under this name; what ended before it was waited for by it."""
        self._ending[name] = task

        def forget(ended: asyncio.Task[None]) -> None:
            if self._ending.get(name) is ended:
                del self._ending[name]

        task.add_done_callback(forget)

    async def _run(self, provider: Provider, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await _wait_for(before)
        while True:
            try:
                await provider.run(partial(self._keeper.keep, provider.name), self._observer)
            except Exception as error:  # noqa: BLE001  (a bug must not leave the provider without its binds)
                self._observer(Crashed(where=f"provider {provider.name}", error=error))
                await asyncio.sleep(RESTART_SECONDS)
            else:
                return


async def _wait_for(before: asyncio.Task[None]) -> None:
    """Wait also when cancelled: whoever comes next waits for this one alone."""
    try:
        await asyncio.wait({before})
    except asyncio.CancelledError:
        await asyncio.wait({before})
        raise
