"""How long a message may live."""

from datetime import datetime, timedelta


def expiry(created_at: datetime, ttl_seconds: int, now: datetime) -> datetime:
    """Return when a message expires; a gateway whose clock runs ahead of the worker's does not lengthen its life."""
    return min(created_at, now) + timedelta(seconds=ttl_seconds)
