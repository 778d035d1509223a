"""WORKER_MAX_IN_FLIGHT: how many messages may be between their intent and their outcome."""

import asyncio


class Slots:
    """A bounded number of places, handed out first come, first served, so that intake and retries take turns."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._free = capacity
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()

    @property
    def in_use(self) -> int:
        """How many messages are in flight."""
        return self.capacity - self._free

    async def take(self, most: int) -> int:
        """Wait until at least one place is free and return how many were taken, at most `most`."""
        async with self._turn:
            while self._free == 0:
                self._freed.clear()
                await self._freed.wait()
            taken = min(most, self._free)
            self._free -= taken
            return taken

    async def take_within(self, most: int, seconds: float) -> int:
        """Take as `take` does, but return 0 when no place came free in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self.take(most)
        except TimeoutError:
            return 0

    def give(self, count: int) -> None:
        """Give places back."""
        self._free += count
        self._freed.set()
