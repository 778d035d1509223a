"""What a carrier counts: how its requests ended, and the most that it saw in any second."""

from collections import deque
from datetime import datetime
from enum import StrEnum

import msgspec


class Result(StrEnum):
    """How a request to send ended. A closed set: it is a label of the metrics."""

    ACCEPTED = "accepted"
    UNAUTHORIZED = "unauthorized"
    MALFORMED = "malformed"
    THROTTLED = "throttled"
    REFUSED = "refused"
    """A 4xx about this message."""
    FAILED = "failed"
    """A 5xx."""
    SILENT = "silent"
    """Neither taken nor answered."""


class Busiest(msgspec.Struct, frozen=True):
    """The most messages in any second, wherever the second begins; segments at a carrier that counts so."""

    asked: int
    accepted: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A carrier's books in numbers."""

    provider: str
    asked: int
    accepted: int
    refused: int
    results: dict[str, int]
    max_in_any_second: Busiest
    first_at: datetime | None
    last_at: datetime | None


class Window:
    """The most units in any second so far; remembers one second."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()
        self._units = 0
        self.most = 0

    def add(self, now: float, units: int = 1) -> None:
        """Count units; `now` never goes back."""
        seen = self._seen
        seen.append((now, units))
        self._units += units
        while seen[0][0] <= now - 1:
            self._units -= seen.popleft()[1]
        if self._units > self.most:
            self.most = self._units


class Tally:
    """The counts of one carrier since its start or its last reset."""

    def __init__(self, before: "Tally | None" = None) -> None:
        self.results: dict[Result, int] = dict.fromkeys(Result, 0)
        self._before = before.total() if before else dict.fromkeys(Result, 0)
        self._asked = Window()
        self._accepted = Window()
        self._first_at: datetime | None = None
        self._last_at: datetime | None = None

    def ask(self, now: float, at: datetime, units: int = 1) -> None:
        """Count a request as it arrives."""
        self._asked.add(now, units)
        if self._first_at is None:
            self._first_at = at
        self._last_at = at

    def end(self, result: Result, now: float, units: int = 1) -> None:
        """Count how it will end; `now` is when it arrived, for the answer's delay says nothing of the caller's rate."""
        self.results[result] += 1
        if result is Result.ACCEPTED:
            self._accepted.add(now, units)

    def total(self) -> dict[Result, int]:
        """Return the counts since the start, for metrics: they never fall."""
        return {result: count + self._before[result] for result, count in self.results.items()}

    def summary(self, provider: str) -> Summary:
        """Return the counts since the last reset."""
        asked = sum(self.results.values())
        accepted = self.results[Result.ACCEPTED]
        return Summary(
            provider=provider,
            asked=asked,
            accepted=accepted,
            refused=asked - accepted,
            results={result.value: count for result, count in self.results.items()},
            max_in_any_second=Busiest(asked=self._asked.most, accepted=self._accepted.most),
            first_at=self._first_at,
            last_at=self._last_at,
        )
