"""Token buckets, pure. `take` is the gateway's, one token at a time; `lease` is the worker's: exact over all workers.

The Lua twins in `transports/limits` do the same on the server's clock; one contract suite holds all of them together.
"""

import math
from datetime import datetime, timedelta

import msgspec

MOST_LIFE_SECONDS = 0.5
LEAST_FACTOR = 0.05
NARROWED_TO = 0.7
"""What is left of a bucket's rate after a provider said that it is too much."""
NARROW_EVERY = timedelta(seconds=1)
"""The answers of one burst narrow once."""
RECOVERY = 0.05
"""How much of its rate a narrowed bucket gets back in a second."""
MOST_CLOSED = timedelta(seconds=60)
MOST_WAIT = timedelta(days=100)
"""A rate that gives less than a token in it is as good as none."""
ROUNDING = 1e-6
"""So much less than a token is one: sums of fractions are not exact."""
MOST_SKEW = timedelta(seconds=2)
"""So much two processes may differ in when they looked at the clock."""
_MICROSECONDS = 1_000_000


class Limit(msgspec.Struct, frozen=True):
    """What a provider takes: tokens per second, and how many seconds of that at once."""

    rate: float
    """Above 0."""
    burst_seconds: float = 1.0

    @property
    def life_seconds(self) -> float:
        """How old a token may be when its message leaves. What was leased within this time may leave at once, beside
        what the bucket holds, so the depth is smaller by that: then no second sees more than the rate and the burst."""
        return min(MOST_LIFE_SECONDS, self.burst_seconds / 2)

    @property
    def depth(self) -> float:
        """The most tokens that wait: at least one, or nothing would ever leave."""
        return max(1.0, self.rate * (self.burst_seconds - self.life_seconds))

    @property
    def block(self) -> int:
        """How many tokens are leased at once beyond what is at hand to be sent."""
        return max(1, min(10, int(self.rate * 0.05)))


class Rates(msgspec.Struct, frozen=True):
    """PROVIDER_RATE_LIMIT and TOTAL_RATE_LIMIT, per second; 0 is no limit."""

    provider: float = 0.0
    total: float = 0.0


class Bucket(msgspec.Struct, frozen=True):
    """Tokens at one instant. `factor` is the share of the rate that the provider takes; it recovers from `at` on."""

    tokens: float
    at: datetime
    factor: float = 1.0
    narrowed_at: datetime | None = None
    closed_until: datetime | None = None


def take(bucket: Bucket | None, *, rate: float, now: datetime) -> tuple[Bucket, bool]:
    """Take one token if there is one; a bucket that nobody knows is full. `rate` is per second and above 0; a rate
    below 1 still has a depth of one token."""
    depth = max(rate, 1.0)
    if bucket is None:
        filled = depth
    else:
        elapsed = max(0.0, (now - bucket.at).total_seconds())
        filled = min(depth, bucket.tokens + elapsed * rate)
    if filled < 1:
        return Bucket(filled, now), False
    return Bucket(filled - 1, now), True


def counted(bucket: Bucket, rate: float) -> int:
    """Return how many requests a bucket of `take` counts against its rate now."""
    return math.ceil(max(rate, 1.0) - bucket.tokens)


def refill(bucket: Bucket | None, limit: Limit, now: datetime) -> Bucket:
    """Return the bucket as it is now; one that nobody knows is full."""
    if bucket is None:
        return Bucket(limit.depth, now)
    if bucket.at - now > MOST_SKEW:
        bucket = _set_back(bucket, now)
    # Clocks of several processes: a bucket never goes back in time, or it would be filled twice.
    now = max(now, bucket.at)
    elapsed = (now - bucket.at).total_seconds()
    factor = min(1.0, bucket.factor + RECOVERY * elapsed)
    recovering = min(elapsed, (1 - bucket.factor) / RECOVERY)
    earned = recovering * (bucket.factor + factor) / 2 + (elapsed - recovering)
    tokens = min(_depth(limit, factor), bucket.tokens + earned * limit.rate)
    return msgspec.structs.replace(bucket, tokens=tokens, at=now, factor=factor)


def missing_seconds(bucket: Bucket, limit: Limit, needed: int) -> float:
    """Return for how long a refilled bucket is closed or has too little for `needed` tokens; 0 when it has enough. For
    what costs more than it ever holds, a full bucket is enough. Whoever waits exactly so long gets it."""
    closed = (bucket.closed_until - bucket.at).total_seconds() if bucket.closed_until else 0.0
    short = min(float(needed), _depth(limit, bucket.factor)) - bucket.tokens
    if short <= ROUNDING:
        return max(0.0, closed)
    # Clocks tell microseconds: with one too few it would be asked again for a fraction of a token, and again.
    wait = min(_seconds_to_earn(short / limit.rate, bucket.factor), MOST_WAIT.total_seconds())
    return max(closed, math.ceil(wait * _MICROSECONDS) / _MICROSECONDS)


def draw(bucket: Bucket, tokens: int) -> Bucket:
    """Return a refilled bucket less these tokens. One message may cost more than the bucket ever holds: then it goes
    into debt, and the next one waits the longer."""
    return msgspec.structs.replace(bucket, tokens=bucket.tokens - tokens)


def whole(bucket: Bucket, *, wanted: int, least: int) -> int:
    """Return how many tokens a bucket gives that lacks nothing for `least`: a multiple of it, for what is left over
    might not do for the next message, and be void."""
    most = min(wanted, math.floor(bucket.tokens + ROUNDING))
    return max(least, most - most % least)


def narrow(bucket: Bucket | None, limit: Limit, now: datetime, *, retry_after: timedelta) -> Bucket:
    """Return the bucket after its provider said "too much": closed for as long as it said, and slower afterwards."""
    filled = refill(bucket, limit, now)
    until = filled.at + min(max(retry_after, timedelta(0)), MOST_CLOSED)
    closed_until = max(until, filled.closed_until or until)
    if filled.narrowed_at is not None and filled.at - filled.narrowed_at < NARROW_EVERY:
        return msgspec.structs.replace(filled, closed_until=closed_until)
    return msgspec.structs.replace(
        filled,
        # What was saved up, it would not take now.
        tokens=min(filled.tokens, 0.0),
        factor=max(LEAST_FACTOR, filled.factor * NARROWED_TO),
        narrowed_at=filled.at,
        closed_until=closed_until,
    )


def settled_seconds(bucket: Bucket, limit: Limit) -> float:
    """Return after how many seconds without use this bucket is as good as one that nobody knows."""
    closed = (bucket.closed_until - bucket.at).total_seconds() if bucket.closed_until else 0.0
    filling = (limit.depth - bucket.tokens) / limit.rate
    # Longer than needed for a narrowed one, and simple.
    settled = max(closed, (1 - bucket.factor) / RECOVERY + max(0.0, filling)) + NARROW_EVERY.total_seconds()
    return min(settled, MOST_WAIT.total_seconds())


def _seconds_to_earn(full_seconds: float, factor: float) -> float:
    """Return how long a bucket takes for what it earns at its full rate in `full_seconds`: the inverse of `refill`."""
    recovery = (1 - factor) / RECOVERY
    meanwhile = recovery * (factor + 1) / 2
    if full_seconds >= meanwhile:
        return recovery + (full_seconds - meanwhile)
    return 2 * full_seconds / (factor + math.sqrt(factor * factor + 2 * RECOVERY * full_seconds))


def _set_back(bucket: Bucket, now: datetime) -> Bucket:
    """Return the bucket on a clock that was set back: it goes on as it was, and does not stand still for as long."""
    by = now - bucket.at
    narrowed_at, closed_until = bucket.narrowed_at, bucket.closed_until
    return msgspec.structs.replace(
        bucket,
        at=now,
        narrowed_at=narrowed_at + by if narrowed_at else None,
        closed_until=closed_until + by if closed_until else None,
    )


def _depth(limit: Limit, factor: float) -> float:
    """Return the depth of a narrowed bucket."""
    return max(1.0, limit.depth * factor)
