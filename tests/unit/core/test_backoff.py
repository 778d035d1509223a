"""Backoff stays within its bounds, whatever it is asked."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.backoff import delay

_POSITIVE = st.timedeltas(min_value=timedelta(milliseconds=10), max_value=timedelta(days=3650))


@pytest.mark.parametrize(
    ("rounds", "seconds"), [(0, 2), (1, 4), (2, 8), (7, 256), (8, 300), (9, 300), (1_000_000, 300)]
)
def test_doubles_up_to_the_cap(rounds: int, seconds: float) -> None:
    longest = delay(rounds, base=timedelta(seconds=2), cap=timedelta(seconds=300), jitter=1)

    assert timedelta(seconds=seconds) == longest


def test_jitter_takes_away_at_most_half() -> None:
    shortest = delay(3, base=timedelta(seconds=2), cap=timedelta(seconds=300), jitter=0)

    assert timedelta(seconds=8) == shortest  # half of 16


@given(rounds=st.integers(0, 10**9), base=_POSITIVE, cap=_POSITIVE, jitter=st.floats(0, 1))
def test_is_between_half_and_all_of_what_it_should_be(
    rounds: int, base: timedelta, cap: timedelta, jitter: float
) -> None:
    exact = min(cap.total_seconds(), base.total_seconds() * 2.0 ** min(rounds, 60))

    waited = delay(rounds, base=base, cap=cap, jitter=jitter).total_seconds()

    assert exact * 0.499 <= waited <= exact * 1.001
    assert timedelta(0) < delay(rounds, base=base, cap=cap, jitter=jitter) <= cap
