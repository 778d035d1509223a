"""Token buckets."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.buckets import Bucket, take

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def _taken(rate: float, *, at: list[float]) -> int:
    """Return how many of the tries at these seconds get a token."""
    bucket: Bucket | None = None
    count = 0
    for second in at:
        bucket, is_taken = take(bucket, rate=rate, now=NOW + timedelta(seconds=second))
        count += is_taken
    return count


@pytest.mark.parametrize(
    ("rate", "tries", "expected"),
    [
        (10, [0.0] * 20, 10),
        (10, [0.0] * 20 + [0.1] * 5, 11),
        (10, [0.0] * 20 + [60.0] * 20, 20),
        (1, [0.0, 0.5, 0.99, 1.0], 2),
        (0.5, [0.0, 1.0, 1.9, 2.0], 2),
        (2.5, [0.0] * 5, 2),
    ],
    ids=["depth", "one more after a tenth", "no deeper after a minute", "one a second", "one in two", "a fraction"],
)
def test_a_bucket_gives_one_second_of_rate_at_once_and_then_the_rate(
    rate: float, tries: list[float], expected: int
) -> None:
    assert _taken(rate, at=tries) == expected


def test_a_clock_that_goes_back_gives_nothing_away() -> None:
    empty = Bucket(0.0, NOW)

    bucket, is_taken = take(empty, rate=10, now=NOW - timedelta(hours=1))

    assert not is_taken
    assert bucket.tokens == 0


@given(st.floats(0.1, 500), st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_it_never_gives_more_than_depth_and_rate_allow(rate: float, gaps: list[float]) -> None:
    tries = [sum(gaps[:count]) for count in range(1, len(gaps) + 1)]

    allowed = max(rate, 1) + rate * (tries[-1] - tries[0])

    assert _taken(rate, at=tries) <= allowed + 1e-6 * len(tries)
