"""Token buckets: depth is one second of rate (spec section 10)."""

from datetime import datetime

import msgspec


class Bucket(msgspec.Struct, frozen=True):
    """Tokens at one instant."""

    tokens: float
    at: datetime


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
