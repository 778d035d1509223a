"""Leases: workers that share buckets never send more than the limit and the burst, and hardly less."""

import heapq
from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.buckets import Bucket, Limit, narrow, refill
from smsgw.core.traffic import TOTAL, Lease, LeaseAsk, bucket_of, lease

NOW = datetime(2026, 7, 1, tzinfo=UTC)
A, B = bucket_of("A"), bucket_of("B")
TWENTY = Limit(20)
"""Ten at once."""
WINDOW = 1.0


class Store:
    """Buckets on a clock that is moved."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.seconds = 0.0

    def lease(self, ask: LeaseAsk) -> Lease:
        own, every, granted = lease(self.buckets.get(ask.bucket), self.buckets.get(TOTAL), ask, self.now)
        if own is not None:
            self.buckets[ask.bucket] = own
        if every is not None:
            self.buckets[TOTAL] = every
        return granted

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.seconds)


def _ask(
    units: int, *, messages: int = 0, least: int = 1, limit: Limit | None = TWENTY, total: Limit | None = None
) -> LeaseAsk:
    return LeaseAsk(bucket=A, limit=limit, units=units, least=least, messages=messages or units, total=total)


# --- one lease --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (_ask(4), Lease(units=4, messages=4)),
        (_ask(40), Lease(units=10, messages=10)),
        (_ask(40, limit=None, total=TWENTY), Lease(units=10, messages=10)),
        (_ask(8, total=Limit(6)), Lease(units=3, messages=3)),
        (_ask(30, messages=10, least=3), Lease(units=9, messages=3)),
        (_ask(9, messages=3, least=3, total=Limit(2)), Lease(units=3, messages=1)),
        (_ask(12, messages=1, least=12), Lease(units=12, messages=1)),
        (_ask(10, messages=3), Lease(units=10, messages=3)),
    ],
    ids=[
        "what is asked",
        "what is there",
        "a provider without a limit of its own",
        "the total is smaller: no unit that would be void",
        "part of the units, for whole messages: nothing of the total that they cannot pay",
        "both are short",
        "dearer than the bucket",
        "units at hand for dearer ones",
    ],
)
def test_what_full_buckets_grant(ask: LeaseAsk, expected: Lease) -> None:
    assert Store().lease(ask) == expected


def test_who_gets_nothing_takes_nothing_and_is_told_the_longer_wait() -> None:
    store, slow = Store(), Limit(2)
    store.lease(_ask(1, limit=None, total=slow))

    refused = store.lease(_ask(5, total=slow))

    assert refused == Lease(wait_seconds=0.5)
    assert store.buckets[A].tokens == TWENTY.depth
    assert store.buckets[TOTAL].tokens == 0


def test_buckets_that_do_not_count_are_not_touched() -> None:
    own, every, _ = lease(None, None, _ask(1, total=TWENTY, limit=None), NOW)

    assert own is None
    assert every is not None


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.integers(1, 60), st.floats(0.5, 80), st.floats(0.5, 80))
def test_a_lease_is_never_more_than_was_asked_and_never_useless(
    least: int, more: int, messages: int, rate: float, total: float
) -> None:
    ask = _ask(least + more, messages=messages, least=least, limit=Limit(rate), total=Limit(total))

    granted = Store().lease(ask)

    assert least <= granted.units <= ask.units
    assert 1 <= granted.messages <= min(ask.messages, granted.units)


# --- many leases of many workers --------------------------------------------------------------------------------------


limits = st.builds(Limit, rate=st.floats(0.3, 300), burst_seconds=st.floats(0.1, 3))


@settings(max_examples=80, deadline=None)
@given(limits, st.none() | limits, st.integers(1, 4), st.integers(1, 8), st.integers(0, 10**9))
def test_no_second_sees_more_than_the_rate_and_the_burst(
    limit: Limit, total: Limit | None, workers: int, dearest: int, seed: int
) -> None:
    """Each worker uses what it leased at any moment of its life; asks come at any pace, several at once."""
    life = min(limit.life_seconds, total.life_seconds if total else 1.0)
    sent = list(_at_random(limit, total, workers=workers, dearest=dearest, life=life, dice=Random(seed)))

    units = _most_in_a_window([(at, cost) for at, cost in sent])
    messages = _most_in_a_window([(at, 1) for at, _ in sent])

    assert units <= _allowed(limit) + max(0.0, dearest - limit.depth) + 0.01
    assert total is None or messages <= _allowed(total) + 0.01


def _allowed(limit: Limit) -> float:
    """The rate and the burst of a second; a burst that is less than a message is one message."""
    return limit.rate * WINDOW + max(limit.rate * limit.burst_seconds, 1 + limit.rate * limit.life_seconds)


def _at_random(
    limit: Limit, total: Limit | None, *, workers: int, dearest: int, life: float, dice: Random
) -> Iterator[tuple[float, int]]:
    """Yield when messages leave and what each costs."""
    store = Store()
    pace = dice.choice([0.1, 1.0, 10.0]) / limit.rate
    for _ in range(100):
        store.seconds += dice.choice([0.0, dice.uniform(0, pace)])
        for _ in range(dice.randrange(1, workers + 1)):
            costs = [dice.randrange(1, dearest + 1) for _ in range(dice.randrange(1, 15))]
            granted = store.lease(_ask(sum(costs), messages=len(costs), least=max(costs), limit=limit, total=total))
            yield from _used(costs, granted, store.seconds, life, dice)


def _used(costs: list[int], granted: Lease, at: float, life: float, dice: Random) -> Iterator[tuple[float, int]]:
    units = granted.units
    for cost in costs[: granted.messages]:
        if cost <= units:
            units -= cost
            yield at + dice.choice([0.0, life, dice.uniform(0, life)]), cost


def _most_in_a_window(sent: list[tuple[float, int]]) -> int:
    """Return the largest sum of any second [t, t + 1)."""
    sent = sorted(sent)
    times = [at for at, _ in sent]
    sums = [0]
    for _, cost in sent:
        sums.append(sums[-1] + cost)
    # A microsecond less: what leaves exactly a second later is in the next one, and sums of fractions are not exact.
    ends = (bisect_left(times, at + WINDOW - 1e-6) for at in times)
    return max((sums[end] - sums[start] for start, end in enumerate(ends)), default=0)


@settings(deadline=None)
@given(limits, st.integers(0, 10**9))
def test_the_worst_second_is_the_rate_and_the_burst(limit: Limit, seed: int) -> None:
    """A full bucket is leased and kept as long as it may be; then everything leaves at once, and what comes after."""
    store, dice, leased = Store(), Random(seed), 0
    while store.seconds < WINDOW + limit.life_seconds - 1e-6:
        leased += store.lease(_ask(10_000, limit=limit)).units
        store.seconds += dice.uniform(0, 0.05)

    assert leased <= _allowed(limit) + 0.01
    if limit.depth > 0.05 * limit.rate + 1:  # nothing overflows between two asks
        assert leased >= _allowed(limit) - 0.1 * limit.rate - 2, "and the burst may be used"


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize("rate", [0.5, 1.0, 3.0, 50.0, 1000.0])
def test_a_backlog_uses_the_rate(rate: float, workers: int) -> None:
    """Who gets nothing asks again after exactly the time that it is told."""
    limit, seconds = Limit(rate), max(20.0, 30 / rate)

    sent = _under_demand(Store(), workers * [_ask(limit.block, limit=limit)], seconds=seconds)

    assert 0.95 * rate * seconds <= sum(sent.values()) <= _allowed(limit) + rate * seconds


def test_a_backlog_of_two_providers_uses_the_total() -> None:
    total, seconds = Limit(60), 20.0
    asks = [
        LeaseAsk(bucket=bucket, limit=Limit(rate), units=2, messages=2, total=total)
        for bucket, rate in [(A, 50.0), (B, 40.0)] * 2
    ]

    sent = _under_demand(Store(), asks, seconds=seconds)

    assert 0.95 * 60 * seconds <= sum(sent.values()) <= 61 * seconds + 60
    assert all(count <= rate * (seconds + 1) for count, rate in [(sent[A], 50), (sent[B], 40)])


def test_long_messages_of_one_provider_leave_the_total_to_another() -> None:
    total, seconds = Limit(40), 20.0
    long = LeaseAsk(bucket=A, limit=Limit(50), units=50, least=5, messages=10, total=total)
    short = LeaseAsk(bucket=B, limit=Limit(25), units=2, messages=2, total=total)

    sent = _under_demand(Store(), [long, short], seconds=seconds)

    assert sent[A] == pytest.approx(10 * seconds, rel=0.1)
    assert sent[B] == pytest.approx(25 * seconds, rel=0.1)


def _under_demand(store: Store, asks: list[LeaseAsk], *, seconds: float) -> dict[str, int]:
    """Return the messages that leave, by bucket: each worker has one thing to ask, all the time."""
    waiting = [(0.0, number) for number in range(len(asks))]
    sent = dict.fromkeys((ask.bucket for ask in asks), 0)
    while waiting[0][0] < seconds:
        store.seconds, number = heapq.heappop(waiting)
        granted = store.lease(asks[number])
        sent[asks[number].bucket] += granted.messages
        heapq.heappush(waiting, (store.seconds + granted.wait_seconds, number))
    return sent


def test_after_too_much_the_rate_comes_back() -> None:
    store, limit = Store(), Limit(50)
    for _ in range(8):
        store.buckets[A] = narrow(store.buckets.get(A), limit, store.now, retry_after=timedelta(seconds=2))
        store.seconds += 1.0
    closed = store.lease(_ask(2, limit=limit))

    store.seconds += closed.wait_seconds
    slow = _under_demand_from(store, limit, seconds=2)
    _under_demand_from(store, limit, seconds=20)
    fast = _under_demand_from(store, limit, seconds=10)

    assert closed == Lease(wait_seconds=1.0)
    assert 0 < slow < 0.4 * 50 * 2
    assert fast >= 0.95 * 50 * 10
    assert refill(store.buckets[A], limit, store.now).factor == 1


def _under_demand_from(store: Store, limit: Limit, *, seconds: float) -> int:
    began, sent = store.seconds, 0
    while store.seconds < began + seconds:
        granted = store.lease(_ask(2, limit=limit))
        sent += granted.messages
        store.seconds += granted.wait_seconds
    return sent
