"""When to try again: exponential backoff with jitter (spec section 10)."""

from datetime import timedelta


def delay(rounds: int, *, base: timedelta, cap: timedelta, jitter: float) -> timedelta:
    """Return `min(cap, base * 2**rounds)` times 0.5 to 1.0; `jitter` is 0 to 1, `rounds` counts from 0."""
    growth = 1 << min(rounds, 40)
    # Compared before it is multiplied: the product of a large base is no timedelta any more.
    longest = cap if base >= cap / growth else base * growth
    return longest * (0.5 + jitter / 2)
