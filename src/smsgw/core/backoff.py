"""When to try again: exponential backoff with jitter (spec section 10)."""

from datetime import timedelta


def delay(rounds: int, *, base: timedelta, cap: timedelta, jitter: float) -> timedelta:
    """Return `min(cap, base * 2**rounds)` times 0.5 to 1.0; `jitter` is a number from 0 to 1, `rounds` counts from 0."""
    doubled = base * (1 << min(rounds, 30)) if rounds < 30 else cap
    return min(cap, doubled) * (0.5 + jitter / 2)
