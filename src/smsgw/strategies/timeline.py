"""Time without a clock: what is to happen, in order. Nobody waits for anything."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from typing import Any

START = datetime(2000, 1, 1, tzinfo=UTC)
"""When every replay begins: the core wants dates."""


class Timeline:
    """Runs what was put on it in the order of its time; of two at one moment, who was put there first."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.now = START
        self._due: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, seconds: float, act: Callable[..., None], *what: Any) -> None:
        """Do it at this second; the past is now."""
        self._count += 1
        heappush(self._due, (max(seconds, self.seconds), self._count, act, what))

    def after(self, seconds: float, act: Callable[..., None], *what: Any) -> None:
        """Do it so many seconds from now."""
        self.at(self.seconds + seconds, act, *what)

    def on(self, moment: datetime, act: Callable[..., None], *what: Any) -> None:
        """Do it at this moment."""
        self.at((moment - START).total_seconds(), act, *what)

    def run(self) -> None:
        """Go on until nothing is left to happen."""
        while self._due:
            self.seconds, _, act, what = heappop(self._due)
            self.now = START + timedelta(seconds=self.seconds)
            act(*what)
