"""Latencies: quantiles where they are promised, and nothing negative or endless."""

import random
from statistics import mean, quantiles
from typing import Any

import msgspec
import pytest

from smsgw.simulator.distributions import (
    LONGEST_SECONDS,
    Distribution,
    Exponential,
    Fixed,
    Lognormal,
    Normal,
    Uniform,
    draw,
)

ALL: list[Distribution] = [
    Fixed(0.2),
    Uniform(0.1, 0.3),
    Normal(0.1, 0.5),
    Lognormal(0.05, 2.0),
    Exponential(0.5),
]


@pytest.mark.parametrize("distribution", ALL, ids=lambda each: type(each).__name__)
def test_draws_grow_with_the_throw_and_stay_in_bounds(distribution: Distribution) -> None:
    draws = [draw(distribution, number / 1000) for number in range(1000)]

    assert draws == sorted(draws)
    assert draws[0] >= 0
    assert draws[-1] <= LONGEST_SECONDS


def test_the_lognormal_has_the_quantiles_it_is_told() -> None:
    dice = random.Random(1).random
    draws = [draw(Lognormal(0.1, 1.0), dice()) for _ in range(20_000)]

    percentiles = quantiles(draws, n=100)

    assert percentiles[49] == pytest.approx(0.1, rel=0.05)
    assert percentiles[98] == pytest.approx(1.0, rel=0.15)


def test_the_others_have_the_mean_they_are_told() -> None:
    dice = random.Random(1).random

    means = [mean(draw(each, dice()) for _ in range(20_000)) for each in (Normal(1, 0.1), Exponential(0.5))]

    assert means == pytest.approx([1, 0.5], rel=0.03)


def test_a_number_spreads_by_the_jitter() -> None:
    assert [round(draw(2.0, throw, jitter=0.5), 6) for throw in (0, 0.5, 0.75)] == [1, 2, 2.5]


def test_a_long_tail_ends() -> None:
    assert draw(Lognormal(1, 3600), 1 - 1e-15) == LONGEST_SECONDS


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "uniform", "from_seconds": 2, "to_seconds": 1},
        {"kind": "lognormal", "median_seconds": 0, "p99_seconds": 1},
        {"kind": "lognormal", "median_seconds": 2, "p99_seconds": 1},
        {"kind": "exponential", "mean_seconds": -1},
        {"kind": "fixed", "seconds": 1, "minutes": 2},
        {"kind": "pareto"},
    ],
)
def test_what_is_no_distribution_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Distribution)
