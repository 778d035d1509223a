"""A message's life ends by the earlier of two clocks."""

from datetime import datetime

from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.ttl import expiry
from tests.unit.core.building import NOW, SECOND

_MOMENTS = st.integers(-(10**6), 10**6).map(lambda seconds: NOW + seconds * SECOND)


def test_counts_from_the_creation() -> None:
    assert expiry(NOW, 600, NOW + 30 * SECOND) == NOW + 600 * SECOND


def test_a_gateway_whose_clock_runs_ahead_gives_no_longer_life() -> None:
    assert expiry(NOW + 300 * SECOND, 600, NOW) == NOW + 600 * SECOND


@given(created_at=_MOMENTS, now=_MOMENTS, ttl=st.integers(1, 30 * 86_400))
def test_is_never_later_than_either_clock_allows(created_at: datetime, now: datetime, ttl: int) -> None:
    expires_at = expiry(created_at, ttl, now)

    assert expires_at <= created_at + ttl * SECOND
    assert expires_at <= now + ttl * SECOND
