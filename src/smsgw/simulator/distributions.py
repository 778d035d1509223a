"""How long things take at a carrier: a distribution from the configuration, drawn with one throw of the dice. Pure."""

from math import exp, log
from statistics import NormalDist
from typing import Annotated

import msgspec
from msgspec import Meta

LONGEST_SECONDS = 3600.0
"""No draw is longer: a long tail may not hold a connection or a report for ever."""
Seconds = Annotated[float, Meta(ge=0, le=LONGEST_SECONDS)]

_STANDARD = NormalDist()
_P99 = _STANDARD.inv_cdf(0.99)
_ALMOST_ZERO = 1e-12


class Fixed(msgspec.Struct, frozen=True, tag_field="kind", tag="fixed", forbid_unknown_fields=True):
    """Always the same."""

    seconds: Seconds


class Uniform(msgspec.Struct, frozen=True, tag_field="kind", tag="uniform", forbid_unknown_fields=True):
    """Anything between two bounds, all equally likely."""

    from_seconds: Seconds
    to_seconds: Seconds

    def __post_init__(self) -> None:
        """Refuse bounds in the wrong order."""
        if self.from_seconds > self.to_seconds:
            raise ValueError("from_seconds is after to_seconds")


class Normal(msgspec.Struct, frozen=True, tag_field="kind", tag="normal", forbid_unknown_fields=True):
    """A bell around a mean, cut off at 0."""

    mean_seconds: Seconds
    deviation_seconds: Seconds


class Lognormal(msgspec.Struct, frozen=True, tag_field="kind", tag="lognormal", forbid_unknown_fields=True):
    """What networks do: half are faster than the median, one in a hundred is slower than the p99."""

    median_seconds: Seconds
    p99_seconds: Seconds

    def __post_init__(self) -> None:
        """Refuse what is no such distribution."""
        if not 0 < self.median_seconds <= self.p99_seconds:
            raise ValueError("0 < median_seconds <= p99_seconds expected")


class Exponential(msgspec.Struct, frozen=True, tag_field="kind", tag="exponential", forbid_unknown_fields=True):
    """Waiting in a line: mostly short, sometimes several times the mean."""

    mean_seconds: Seconds


Distribution = Fixed | Uniform | Normal | Lognormal | Exponential


def draw(distribution: float | Distribution, throw: float, *, jitter: float = 0) -> float:
    """Return seconds for a throw from 0 up to 1: the larger the throw, the longer. A plain number spreads by `jitter`:
    0.2 means from 80 % to 120 % of it."""
    seconds = _draw(distribution, throw, jitter)
    return min(max(0.0, seconds), LONGEST_SECONDS)


def _draw(distribution: float | Distribution, throw: float, jitter: float) -> float:
    match distribution:
        case Fixed():
            return distribution.seconds
        case Uniform(from_seconds, to_seconds):
            return from_seconds + (to_seconds - from_seconds) * throw
        case Normal(mean, deviation):
            return mean + deviation * _standard(throw)
        case Lognormal(median, p99):
            return median * exp(log(p99 / median) / _P99 * _standard(throw))
        case Exponential(mean):
            return -mean * log(1 - throw)
        case _:
            return distribution * (1 + jitter * (2 * throw - 1))


def _standard(throw: float) -> float:
    return _STANDARD.inv_cdf(max(throw, _ALMOST_ZERO))
