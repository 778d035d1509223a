"""Whose turn it is: smooth weighted round-robin from positions that workers share."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.turns import MOST_STEPS, order_at, sequence_name

Shares = tuple[tuple[str, int], ...]
names = st.text("ABCDEFGH", min_size=1, max_size=3)
shares = st.dictionaries(names, st.integers(0, 50), min_size=1, max_size=8).map(lambda found: tuple(found.items()))


def _first(shares: Shares, positions: range) -> list[str]:
    return [order_at(shares, position)[0] for position in positions]


def test_turns_are_smooth() -> None:
    """The example of nginx: no five of A in a row."""
    assert "".join(_first((("a", 5), ("b", 1), ("c", 1)), range(7))) == "aabacaa"


def test_equal_weights_are_round_robin_whatever_the_weight() -> None:
    assert "".join(_first((("a", 7), ("b", 7), ("c", 7)), range(6))) == "abcabc"


def test_behind_who_serves_stand_the_others_in_the_order_of_their_turns() -> None:
    assert order_at((("a", 2), ("b", 1), ("c", 1), ("off", 0)), 1) == ("b", "c", "a", "off")


def test_weight_0_is_never_first_while_another_has_one_and_equal_where_nobody_has() -> None:
    assert set(_first((("a", 0), ("b", 3)), range(100))) == {"b"}
    assert _first((("a", 0), ("b", 0)), range(4)) == ["a", "b", "a", "b"]


@settings(deadline=None)
@given(shares, st.integers(0, 10**12))
def test_everybody_is_in_the_order_once_and_it_depends_on_nothing_else(shares: Shares, position: int) -> None:
    order = order_at(shares, position)

    assert sorted(order) == sorted(name for name, _ in shares)
    assert order == order_at(shares, position)


@settings(deadline=None)
@given(shares, st.integers(0, 10**9))
def test_every_round_is_exact_wherever_it_begins(shares: Shares, start: int) -> None:
    weights = {name: weight for name, weight in shares if weight} or {name: 1 for name, _ in shares}
    round_ = sum(weights.values())

    assert Counter(_first(shares, range(start, start + round_))) == weights


@settings(deadline=None)
@given(shares, st.integers(1, 2000))
def test_at_every_moment_each_has_had_its_share_to_within_its_turns(shares: Shares, count: int) -> None:
    """No other order with these weights comes closer than to a few turns; this one does so at every position."""
    weights = {name: weight for name, weight in shares if weight} or {name: 1 for name, _ in shares}
    total = sum(weights.values())

    served = Counter(_first(shares, range(count)))

    assert all(abs(served[name] - count * weight / total) <= len(weights) for name, weight in weights.items())


@pytest.mark.parametrize(
    "weights",
    [
        (5, 3, 2),
        (1, 1, 1, 1),
        (97, 2, 1),
        (70, 20, 10, 0),
        (1, 999),
        (333_333, 333_333, 333_334),
        (7_000, 2_000, 1_000),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_turns_of_four_workers_are_right_to_within_one_percent(weights: tuple[int, ...], seed: int) -> None:
    """Each leases ten positions, uses them in its own time, and at the end leaves the rest unused."""
    shares = tuple((f"p{number}", weight) for number, weight in enumerate(weights))
    dice = Random(seed)
    leased = 0
    hands: list[list[int]] = [[], [], [], []]
    served: Counter[str] = Counter()
    for _ in range(1000):
        hand = dice.choice(hands)
        if not hand:
            hand += range(leased, leased + 10)
            leased += 10
        served[order_at(shares, hand.pop(0))[0]] += 1

    for name, weight in shares:
        assert abs(served[name] / 1000 - weight / sum(weights)) <= 0.01, served


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=10))
def test_large_weights_are_scaled_and_nobody_with_a_weight_is_left_out(weights: list[int]) -> None:
    shares = tuple((f"p{number}", weight) for number, weight in enumerate(weights))
    heavy = [weight for weight in weights if weight]

    served = Counter(_first(shares, range(MOST_STEPS + len(weights))))

    assert all(served[name] > 0 for name, weight in shares if weight or not heavy)
    for name, weight in shares:
        share = weight / sum(heavy) if heavy else 1 / len(weights)
        assert abs(served[name] / sum(served.values()) - share) <= 0.015


def test_other_weights_or_providers_are_another_sequence() -> None:
    sequences = {
        sequence_name((("a", 1), ("b", 1))),
        sequence_name((("a", 1), ("b", 2))),
        sequence_name((("a", 1),)),
        sequence_name((("b", 1), ("a", 1))),
    }

    assert len(sequences) == 4
