"""Things that are due later: one timer for all of them, however many wait."""

import asyncio
import heapq
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

GRAIN_SECONDS = 0.005
"""What is due within so short a time of each other shares a timer."""


class Schedule(Generic[T]):
    """Hands things on when they are due, in the order of their times; never early, at most a grain late."""

    def __init__(self, act: Callable[[T], None]) -> None:
        self._act = act
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, T]] = []
        self._added = 0
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for = 0.0

    def __len__(self) -> int:
        """Return how many wait."""
        return len(self._heap)

    def add(self, thing: T, *, seconds: float) -> None:
        """Hand it on after so many seconds."""
        due = self._loop.time() + seconds
        self._added += 1
        heapq.heappush(self._heap, (due, self._added, thing))
        if self._timer is None or due < self._armed_for - GRAIN_SECONDS:
            self._arm(due)

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _arm(self, due: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._armed_for = max(due, self._loop.time()) + GRAIN_SECONDS
        self._timer = self._loop.call_at(self._armed_for, self._run)

    def _run(self) -> None:
        self._timer = None
        # The loop's clock is coarse: what this timer was set for is due, whatever the clock says.
        now = max(self._loop.time(), self._armed_for)
        while self._heap and self._heap[0][0] <= now:
            self._act(heapq.heappop(self._heap)[2])
        if self._heap:
            self._arm(self._heap[0][0])
