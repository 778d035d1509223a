"""Releases that an outage stopped: kept for as long as the claim that they end could live, run when it is over."""

from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

MAX_KEPT = 10_000

Release = TypeVar("Release")


class KeptReleases(Generic[Release]):
    """First in, first out, and bounded: when it is full the newest are dropped. The oldest are those that Redis may
    have read before it stalled; for the dropped ones the claim's lease does the same, later."""

    def __init__(self, *, lease_seconds: float, limit: int = MAX_KEPT) -> None:
        self._lease_seconds = lease_seconds
        self._limit = limit
        self._kept: deque[tuple[float, Release]] = deque()

    def __len__(self) -> int:
        return len(self._kept)

    def keep(self, release: Release, now: float) -> None:
        """Keep one more, if there is room."""
        self._forget(now)
        if len(self._kept) < self._limit:
            self._kept.append((now + self._lease_seconds, release))

    def take(self, count: int, now: float) -> list[tuple[float, Release]]:
        """Take out the oldest that are still worth running, at most `count`, each with the moment it is dropped at."""
        self._forget(now)
        return [self._kept.popleft() for _ in range(min(count, len(self._kept)))]

    def put_back(self, taken: Iterable[tuple[float, Release]]) -> None:
        """Put what was taken where it was."""
        self._kept.extendleft(reversed(list(taken)))

    def _forget(self, now: float) -> None:
        while self._kept and self._kept[0][0] <= now:
            self._kept.popleft()
