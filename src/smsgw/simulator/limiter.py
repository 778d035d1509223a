"""A carrier's own rate limit: so many messages, or segments, per second, and how long to stay away. Told the time."""

from collections import deque


class SlidingLimit:
    """At most `per_second` units in any second, wherever it begins. What is larger than that alone passes alone."""

    def __init__(self, per_second: float) -> None:
        self._most = max(1, int(per_second))
        # Less than one a second is one in a longer window.
        self._window = 1.0 if per_second >= 1 else 1 / per_second
        self._taken: deque[tuple[float, int]] = deque()
        self._used = 0

    def take(self, now: float, units: int = 1) -> float:
        """Take the units of a message and return 0, or return the seconds until they are free."""
        taken = self._taken
        while taken and taken[0][0] <= now - self._window:
            self._used -= taken.popleft()[1]
        if not taken or self._used + units <= self._most:
            taken.append((now, units))
            self._used += units
            return 0.0
        return self._free_at(units) - now

    def _free_at(self, units: int) -> float:
        used = self._used
        for at, freed in self._taken:
            used -= freed
            if used + units <= self._most:
                return at + self._window
        return self._taken[-1][0] + self._window


class BucketLimit:
    """A token bucket: `burst` units at once after a rest, `per_second` in the long run."""

    def __init__(self, per_second: float, burst: float) -> None:
        self._per_second = per_second
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._at: float | None = None

    def take(self, now: float, units: int = 1) -> float:
        """Take the units of a message and return 0, or return the seconds until they are free."""
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        # What is larger than the bucket needs a full one, and leaves a debt.
        needed = min(float(units), self._burst)
        if self._tokens >= needed:
            self._tokens -= units
            return 0.0
        return (needed - self._tokens) / self._per_second


Limit = SlidingLimit | BucketLimit


def limit_for(per_second: float, burst: float | None) -> Limit | None:
    """Return a fresh limit: a sliding window, a bucket where a burst is given, nothing at 0 per second."""
    if not per_second > 0:
        return None
    return SlidingLimit(per_second) if burst is None else BucketLimit(per_second, burst)
