"""Token buckets."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.buckets import (
    LEAST_FACTOR,
    MOST_WAIT,
    RECOVERY,
    Bucket,
    Limit,
    draw,
    missing_seconds,
    narrow,
    refill,
    settled_seconds,
    take,
    whole,
)

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


@settings(deadline=None)
@given(st.floats(0.1, 500), st.lists(st.floats(0, 5), min_size=1, max_size=200))
def test_it_never_gives_more_than_depth_and_rate_allow(rate: float, gaps: list[float]) -> None:
    tries = [sum(gaps[:count]) for count in range(1, len(gaps) + 1)]

    allowed = max(rate, 1) + rate * (tries[-1] - tries[0])

    assert _taken(rate, at=tries) <= allowed + 1e-6 * len(tries)


# --- the worker's: leased in blocks, and narrowed by what providers say -----------------------------------------------

NO_TIME = timedelta(0)
limits = st.builds(Limit, rate=st.floats(0.05, 2000), burst_seconds=st.floats(0.02, 10))
seconds = st.integers(0, 100_000_000).map(lambda count: timedelta(microseconds=count))
buckets = st.builds(
    Bucket,
    tokens=st.floats(-50, 50),
    at=st.just(NOW),
    factor=st.floats(LEAST_FACTOR, 1),
    narrowed_at=st.none(),
    closed_until=st.none() | seconds.map(lambda ahead: NOW + ahead),
)


@pytest.mark.parametrize(
    ("limit", "life", "depth", "block"),
    [
        (Limit(50), 0.5, 25, 2),
        (Limit(1000), 0.5, 500, 10),
        (Limit(0.5), 0.5, 1, 1),
        (Limit(1), 0.5, 1, 1),
        (Limit(100, burst_seconds=10), 0.5, 950, 5),
        (Limit(100, burst_seconds=0.2), 0.1, 10, 5),
    ],
)
def test_what_a_limit_means(limit: Limit, life: float, depth: float, block: int) -> None:
    assert (limit.life_seconds, limit.depth, limit.block) == (life, depth, block)


@settings(deadline=None)
@given(limits)
def test_what_waits_and_what_was_leased_is_the_burst_and_a_block_is_a_twentieth(limit: Limit) -> None:
    at_once = limit.depth + limit.rate * limit.life_seconds

    assert at_once == pytest.approx(max(limit.rate * limit.burst_seconds, 1 + limit.rate * limit.life_seconds))
    assert 1 <= limit.block <= max(1, min(10, limit.rate * 0.05))


@settings(deadline=None)
@given(limits)
def test_a_bucket_that_nobody_knows_is_full(limit: Limit) -> None:
    bucket = refill(None, limit, NOW)

    assert (bucket.tokens, bucket.factor, bucket.at) == (limit.depth, 1, NOW)
    assert missing_seconds(bucket, limit, 1) == 0


@settings(deadline=None)
@given(buckets, limits, seconds, seconds)
def test_a_refill_in_steps_is_a_refill_at_once(
    bucket: Bucket, limit: Limit, first: timedelta, second: timedelta
) -> None:
    at_once = refill(bucket, limit, NOW + first + second)

    in_steps = refill(refill(bucket, limit, NOW + first), limit, NOW + first + second)

    # Never more: what overflows in between is lost, and a full bucket grows with its factor.
    assert in_steps.tokens <= at_once.tokens + 1e-6
    assert in_steps.factor == pytest.approx(at_once.factor)
    if at_once.tokens < limit.depth * bucket.factor:
        assert in_steps.tokens == pytest.approx(at_once.tokens, abs=1e-6)


@settings(deadline=None)
@given(buckets, limits, st.integers(1, 100))
def test_who_waits_as_told_gets_it_and_who_waits_less_does_not(bucket: Bucket, limit: Limit, needed: int) -> None:
    bucket = refill(bucket, limit, NOW)
    wait = missing_seconds(bucket, limit, needed)

    after = refill(bucket, limit, NOW + timedelta(seconds=wait))
    before = refill(bucket, limit, NOW + timedelta(seconds=wait * 0.9))

    if needed <= limit.depth * bucket.factor or bucket.factor == 1:
        assert missing_seconds(after, limit, needed) == 0
    assert wait < 0.001 or missing_seconds(before, limit, needed) > 0


@settings(deadline=None)
@given(buckets, limits, st.integers(1, 100))
def test_what_is_dearer_than_a_narrowed_bucket_gets_it_though_the_bucket_grows(
    bucket: Bucket, limit: Limit, needed: int
) -> None:
    now, asked = NOW, 0
    while wait := missing_seconds(bucket := refill(bucket, limit, now), limit, needed):
        now += timedelta(seconds=wait)
        asked += 1
        assert asked <= 40

    assert now - NOW <= timedelta(seconds=100 + 1 / RECOVERY + 160 / limit.rate)


@settings(deadline=None)
@given(buckets, limits)
def test_a_settled_bucket_is_as_good_as_one_that_nobody_knows(bucket: Bucket, limit: Limit) -> None:
    later = NOW + timedelta(seconds=settled_seconds(bucket, limit))

    settled = refill(bucket, limit, later)

    assert settled.tokens == pytest.approx(limit.depth, abs=1e-6)
    assert settled.factor == pytest.approx(1)
    assert settled.closed_until is None or settled.closed_until <= later


def test_a_message_may_cost_more_than_a_bucket_holds() -> None:
    limit = Limit(4)
    full = refill(None, limit, NOW)

    bucket = draw(full, whole(full, wanted=9, least=7))

    assert missing_seconds(full, limit, 7) == 0
    assert bucket.tokens == -5
    assert missing_seconds(bucket, limit, 1) == 1.5


@pytest.mark.parametrize(
    ("tokens", "wanted", "least", "given"), [(5.9, 10, 1, 5), (5.9, 3, 1, 3), (4.9999999, 10, 1, 5), (2.0, 10, 4, 4)]
)
def test_tokens_are_given_whole(tokens: float, wanted: int, least: int, given: int) -> None:
    assert whole(Bucket(tokens, NOW), wanted=wanted, least=least) == given


@pytest.mark.parametrize("rate", [1e-9, 1e-300, 5e-324])
def test_a_rate_of_next_to_nothing_is_a_long_wait_and_no_mistake(rate: float) -> None:
    limit = Limit(rate)
    bucket = draw(refill(None, limit, NOW), 1)

    assert missing_seconds(bucket, limit, 1) == settled_seconds(bucket, limit) == MOST_WAIT.total_seconds()


def test_processes_that_looked_at_the_clock_a_moment_apart_fill_a_bucket_once() -> None:
    limit, bucket = Limit(10), Bucket(0, NOW)

    late = refill(bucket, limit, NOW - timedelta(seconds=1))

    assert (late.tokens, late.at) == (0, NOW)


def test_a_clock_that_is_set_back_stops_nobody() -> None:
    limit, ago = Limit(10), timedelta(hours=1)
    told = narrow(None, limit, NOW, retry_after=timedelta(seconds=3))

    bucket = refill(told, limit, NOW - ago)

    assert bucket == msgspec.structs.replace(
        told, at=NOW - ago, narrowed_at=NOW - ago, closed_until=NOW - ago + timedelta(seconds=3)
    )
    assert missing_seconds(bucket, limit, 1) == 3


def test_a_narrowed_bucket_gives_less_and_recovers() -> None:
    limit = Limit(100)
    told = narrow(None, limit, NOW, retry_after=NO_TIME)

    soon = refill(told, limit, NOW + timedelta(seconds=0.2))
    later = refill(told, limit, NOW + timedelta(seconds=(1 - 0.7) / RECOVERY))

    assert (told.tokens, told.factor) == (0, 0.7)
    assert soon.tokens == pytest.approx(100 * 0.2 * 0.705)
    assert (later.tokens, later.factor) == (limit.depth, 1)


def test_the_answers_of_one_burst_narrow_once_and_close_for_the_longest() -> None:
    limit = Limit(100)
    bucket = None
    for number in range(10):
        bucket = narrow(
            bucket, limit, NOW + timedelta(seconds=number * 0.09), retry_after=timedelta(seconds=9 - number)
        )
    assert bucket is not None

    later = narrow(bucket, limit, NOW + timedelta(seconds=1), retry_after=NO_TIME)

    assert bucket.factor == pytest.approx(0.7 + RECOVERY * 0.81)
    assert bucket.closed_until == NOW + timedelta(seconds=9)
    assert later.factor == pytest.approx((0.7 + RECOVERY) * 0.7)
    assert later.closed_until == NOW + timedelta(seconds=9)


@settings(deadline=None)
@given(limits, st.lists(st.tuples(seconds, st.floats(-10, 10_000)), min_size=1, max_size=30))
def test_whatever_a_provider_says_it_is_asked_again_and_then_at_the_full_rate(
    limit: Limit, told: list[tuple[timedelta, float]]
) -> None:
    bucket, now = None, NOW
    for gap, retry_after in told:
        now += gap
        bucket = narrow(bucket, limit, now, retry_after=timedelta(seconds=retry_after))
    assert bucket is not None

    recovered = refill(bucket, limit, now + timedelta(seconds=60))

    assert LEAST_FACTOR <= bucket.factor <= 0.7 + RECOVERY
    assert missing_seconds(bucket, limit, 1) >= 0
    assert bucket.closed_until is not None
    assert NO_TIME <= bucket.closed_until - now <= timedelta(seconds=60)
    assert (recovered.factor, recovered.closed_until) <= (1, now + timedelta(seconds=60))
    assert recovered.factor == 1
