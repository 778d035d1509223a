"""Tokens on simulated time: the worker's way (leases in blocks, void after 100 ms) on the core's buckets."""

from collections.abc import Mapping
from datetime import timedelta

from smsgw.core.buckets import MOST_CLOSED, Bucket, Limit, narrow
from smsgw.core.failure import SendResult
from smsgw.core.pace_rules import LEAST_WAIT_SECONDS, UNSAID_PAUSE_SECONDS, VOID_SECONDS
from smsgw.core.traffic import LeaseAsk, bucket_of, lease
from smsgw.strategies.timeline import Timeline


class Tokens:
    """What one worker has leased of one provider."""

    __slots__ = ("leased_at", "messages", "units")

    def __init__(self) -> None:
        self.units = self.messages = 0
        self.leased_at = 0.0

    def suffice(self, cost: int, seconds: float) -> bool:
        """Whether there are enough for one message, and not void."""
        if seconds - self.leased_at > VOID_SECONDS:
            self.units = self.messages = 0
        return self.units >= cost and self.messages > 0

    def add(self, units: int, messages: int, seconds: float) -> None:
        """Take a lease in; what is at hand is as old as the oldest of it."""
        if not self.messages:
            self.leased_at = seconds
        self.units += units
        self.messages += messages

    def draw(self, cost: int) -> None:
        """Use them for one message."""
        self.units -= cost
        self.messages -= 1


class Pacer:
    """Every provider's bucket, that of TOTAL_RATE_LIMIT, and what each worker has leased."""

    def __init__(
        self, limits: Mapping[str, Limit | None], total: Limit | None, *, workers: int, time: Timeline
    ) -> None:
        self._limits = limits
        self._total_limit = total
        self._time = time
        self._buckets: dict[str, Bucket | None] = dict.fromkeys(limits)
        self._total: Bucket | None = None
        self._dry_until = dict.fromkeys(limits, 0.0)
        self._leased = {name: [Tokens() for _ in range(workers)] for name in limits}
        limited = {name: [each for each in (limit, total) if each] for name, limit in limits.items()}
        self._blocks = {name: min((each.block for each in both), default=0) for name, both in limited.items()}

    def waits_seconds(self, provider: str) -> float:
        """Return for how long the provider has no tokens, as far as anybody knows."""
        return max(0.0, self._dry_until[provider] - self._time.seconds)

    def has(self, provider: str, worker: int, cost: int, *, wanted: int = 1) -> bool:
        """Whether a message may leave now; leases tokens where there are none, for so many messages of this cost."""
        if self._time.seconds < self._dry_until[provider]:
            return False
        block = self._blocks[provider]
        if not block:
            return True
        tokens = self._leased[provider][worker]
        return tokens.suffice(cost, self._time.seconds) or self._lease(
            provider, tokens, cost, -(-wanted // block) * block
        )

    def take(self, provider: str, worker: int, cost: int) -> bool:
        """Take the tokens of one message, if there are enough."""
        if not self.has(provider, worker, cost):
            return False
        if self._blocks[provider]:
            self._leased[provider][worker].draw(cost)
        return True

    def throttled(self, provider: str, result: SendResult) -> None:
        """Note that the provider said "too much"."""
        limit = self._limits[provider]
        unsaid = timedelta(0) if limit else timedelta(seconds=UNSAID_PAUSE_SECONDS)
        wait = min(unsaid if result.retry_after is None else result.retry_after, MOST_CLOSED)
        if limit is not None:
            self._buckets[provider] = narrow(self._buckets[provider], limit, self._time.now, retry_after=wait)
        until = self._time.seconds + wait.total_seconds()
        self._dry_until[provider] = max(self._dry_until[provider], until)

    def _lease(self, provider: str, tokens: Tokens, cost: int, messages: int) -> bool:
        ask = LeaseAsk(
            bucket=bucket_of(provider),
            limit=self._limits[provider],
            units=messages * cost,
            least=cost,
            total=self._total_limit,
            messages=messages,
        )
        bucket, total, granted = lease(self._buckets[provider], self._total, ask, self._time.now)
        self._buckets[provider], self._total = bucket, total
        if not granted.messages:
            self._dry_until[provider] = self._time.seconds + max(LEAST_WAIT_SECONDS, granted.wait_seconds)
            return False
        tokens.add(granted.units, granted.messages, self._time.seconds)
        return True
