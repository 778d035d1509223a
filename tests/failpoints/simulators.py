"""The suite's providers: the simulator of the product, in a thread of this process, one for each scenario."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from smsgw.simulator.run import simulate
from smsgw.simulator.settings import SimulatorSettings


class Simulators:
    """Simulated providers that outlive every process of the product; their journals are their ledgers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._stop = asyncio.Event()
        self._running: list[Future[None]] = []

    def start(self, settings: SimulatorSettings) -> None:
        """Run one more provider; returns when it listens."""
        listening = threading.Event()
        running = self._submit(simulate(settings, stop=self._stop, on_listening=lambda *_: listening.set()))
        running.add_done_callback(lambda _: listening.set())
        self._running.append(running)
        assert listening.wait(30)
        if running.done():
            running.result()

    def end(self) -> None:
        """Stop all of them."""
        self._loop.call_soon_threadsafe(self._stop.set)
        for running in self._running:
            running.result(30)

    def _submit(self, job: Coroutine[Any, Any, None]) -> Future[None]:
        return asyncio.run_coroutine_threadsafe(job, self._loop)


@contextmanager
def simulators() -> Iterator[Simulators]:
    """Give Simulators whose providers end with the block."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="simulators")
    thread.start()
    running = Simulators(loop)
    try:
        yield running
        running.end()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
