"""Latencies as counts per value, so that a run of minutes fits into one line between two processes."""

from collections import Counter
from collections.abc import Mapping

_DIGITS = 3


class Histogram:
    """Counts microseconds to three digits: a percentile is right to half a per cent, the largest value exactly."""

    def __init__(self, counts: Mapping[int, int] | None = None, largest: int = 0) -> None:
        self.counts: Counter[int] = Counter(counts)
        self.largest = largest

    def add(self, microseconds: int) -> None:
        """Count one value."""
        self.largest = max(self.largest, microseconds)
        self.counts[rounded(microseconds)] += 1

    def merge(self, other: "Histogram") -> None:
        """Add what another one counted."""
        self.counts.update(other.counts)
        self.largest = max(self.largest, other.largest)

    def percentile(self, percent: float) -> int:
        """Return the value that `percent` of the counted values do not exceed; 0 when nothing was counted."""
        total = sum(self.counts.values())
        seen = 0
        for value in sorted(self.counts):
            seen += self.counts[value]
            if seen * 100 >= percent * total:
                return min(value, self.largest)
        return 0


def rounded(number: int) -> int:
    """Return the number to three digits."""
    if number < 10**_DIGITS:
        return number
    unit: int = 10 ** (len(str(number)) - _DIGITS)
    return (number + unit // 2) // unit * unit
