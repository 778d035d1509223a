"""What a replay counts while it runs, and what is said about it afterwards."""

from array import array
from collections import Counter

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.message import Status
from smsgw.strategies.trip import Trip

BINS = 60
"""Into how many parts the time of a replay is cut for its chart."""
PERCENTILES = (*range(100), 99.5, 99.9, 100)


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What became of all messages under one strategy. Sent means that a provider accepted it."""

    name: str
    messages: int
    sent: int
    failed: dict[str, int]
    """By reason."""
    seconds: dict[str, float]
    """From its arrival until a provider accepted it: p50, p95, p99, max. Empty when none was."""
    cost: float
    sent_by: dict[str, int]
    calls: dict[str, dict[str, int]]
    """By provider and outcome."""
    risked: int
    """Messages that were sent again although a provider may have had them."""
    duplicates: int
    """Of these, those that the models took twice."""
    ended_after_seconds: float
    """When the last message had ended."""
    accepted_per_second: list[tuple[float, float]]
    """Over time: when a part of it began, and the rate within it."""
    percentiles: list[tuple[float, float]]
    """Of the seconds."""


class Tally:
    """Counts one replay."""

    def __init__(self) -> None:
        self.ended = 0
        self._seconds = array("d")
        self._sent_at = array("d")
        self._failed: Counter[str] = Counter()
        self._sent_by: Counter[str] = Counter()
        self._calls: dict[str, Counter[Outcome]] = {}
        self._cost = 0.0
        self._risked = 0
        self._duplicates = 0
        self._last_end = 0.0

    def called(self, provider: str, outcome: Outcome) -> None:
        """Count a call."""
        self._calls.setdefault(provider, Counter())[outcome] += 1

    def charged(self, price: float) -> None:
        """Count what a provider asks for a message that it took."""
        self._cost += price

    def end(self, trip: Trip, seconds: float) -> None:
        """Count a message that is SENT or FAILED."""
        message = trip.message
        self.ended += 1
        self._last_end = seconds
        self._risked += trip.is_risked
        self._duplicates += trip.taken > 1
        if message.status is Status.SENT:
            self._sent_by[message.provider_final or ""] += 1
            self._seconds.append(seconds - trip.arrived)
            self._sent_at.append(seconds)
        else:
            self._failed[str(message.reason)] += 1

    def summary(self, name: str) -> Summary:
        """Return what was counted."""
        ordered = sorted(self._seconds)
        return Summary(
            name=name,
            messages=self.ended,
            sent=len(ordered),
            failed=dict(sorted(self._failed.items())),
            seconds={f"p{part}": _at(ordered, part) for part in (50, 95, 99)} | {"max": ordered[-1]} if ordered else {},
            cost=round(self._cost, 6),
            sent_by=dict(sorted(self._sent_by.items())),
            calls={name: dict(sorted(calls.items())) for name, calls in sorted(self._calls.items())},
            risked=self._risked,
            duplicates=self._duplicates,
            ended_after_seconds=self._last_end,
            accepted_per_second=self._rates(),
            percentiles=[(part, _at(ordered, part)) for part in PERCENTILES] if ordered else [],
        )

    def _rates(self) -> list[tuple[float, float]]:
        width = max(self._last_end, 1e-9) / BINS
        counts = Counter(min(BINS - 1, int(seconds / width)) for seconds in self._sent_at)
        return [(number * width, counts[number] / width) for number in range(BINS)]


def _at(ordered: list[float], part: float) -> float:
    """Return a percentile by the nearest rank."""
    return ordered[max(0, -(-int(part * 10 * len(ordered)) // 1000) - 1)]
