"""The carrier's own rate limit, on a clock of the test's."""

import random

import pytest

from smsgw.simulator.limiter import BucketLimit, SlidingLimit, limit_for


def most_in_any_second(times: list[float]) -> int:
    return max(sum(begin <= at < begin + 1 for at in times) for begin in times)


@pytest.mark.parametrize("rate", [1, 7, 50, 2.5])
def test_a_sliding_limit_is_never_exceeded_and_fully_used(rate: float) -> None:
    limit = SlidingLimit(rate)
    dice = random.Random(1).random
    arrivals = sorted(dice() * 10 for _ in range(3000))

    taken = [at for at in arrivals if limit.take(at) == 0]

    assert most_in_any_second(taken) == int(rate)
    assert len(taken) >= int(rate) * 9


def test_a_sliding_limit_says_when_to_come_again() -> None:
    limit = SlidingLimit(2)

    waits = [limit.take(at) for at in (0, 0.25, 0.5)]

    assert waits == [0, 0, 0.5]
    assert limit.take(1.0) == 0


def test_less_than_one_a_second_is_one_in_longer() -> None:
    limit = SlidingLimit(0.5)

    assert [limit.take(at) for at in (0, 1, 2)] == [0, 1, 0]


def test_a_bucket_lets_a_burst_through_and_then_the_rate() -> None:
    limit = BucketLimit(10, 5)

    taken = [at / 100 for at in range(1000) if limit.take(at / 100) == 0]

    assert len([at for at in taken if at < 0.01]) <= 5
    assert 100 <= len(taken) <= 105
    assert most_in_any_second(taken) <= 15


def test_a_bucket_says_when_to_come_again() -> None:
    limit = BucketLimit(2, 1)

    assert [limit.take(0), limit.take(0)] == [0, 0.5]
    assert limit.take(0.5) == 0


@pytest.mark.parametrize(
    ("rate", "burst", "kind"), [(0, None, type(None)), (5, None, SlidingLimit), (5, 5, BucketLimit)]
)
def test_which_limit_it_is(rate: float, burst: float | None, kind: type) -> None:
    assert type(limit_for(rate, burst)) is kind


@pytest.mark.parametrize("limit", [SlidingLimit(10), BucketLimit(10, 10)], ids=["sliding", "bucket"])
def test_a_message_of_several_segments_takes_them_all(limit: SlidingLimit | BucketLimit) -> None:
    waits = [limit.take(0, units) for units in (4, 4, 4, 2)]

    assert waits[0] == waits[1] == waits[3] == 0
    assert waits[2] > 0
    assert limit.take(waits[2] + 1.0, 4) == 0


@pytest.mark.parametrize("limit", [SlidingLimit(2), BucketLimit(2, 2)], ids=["sliding", "bucket"])
def test_a_message_larger_than_the_limit_passes_alone(limit: SlidingLimit | BucketLimit) -> None:
    first, second = limit.take(0, 5), limit.take(0.1, 1)
    wait = limit.take(0.2, 5)

    assert first == 0
    assert second > 0
    assert limit.take(0.2 + wait, 5) == 0


def test_a_sliding_limit_waits_until_enough_is_free() -> None:
    limit = SlidingLimit(4)
    for at in (0, 0.25, 0.5, 0.75):
        limit.take(at)

    assert limit.take(0.75, 3) == 0.75
