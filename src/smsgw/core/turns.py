"""Whose turn it is: positions of a sequence that all workers share, and the provider at each position. Pure.

Smooth weighted round-robin (as in nginx): everyone earns his weight, the richest serves and pays the whole round. It is
periodic, so a worker that has leased some positions knows their providers without asking anybody.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import gcd

MOST_STEPS = 1000
"""The longest period. Weights whose sum is larger are scaled down to it: a share is right to a thousandth."""


def sequence_name(shares: Sequence[tuple[str, int]]) -> str:
    """Return the name under which workers share their position among these providers and weights."""
    return ",".join(f"{name}={weight}" for name, weight in shares)


def order_at(shares: tuple[tuple[str, int], ...], position: int) -> tuple[str, ...]:
    """Return the names, who serves at this position first, the others in the order in which their turns come next. Who
    has weight 0 comes last, and never first while another has one; with 0 everywhere all are equal."""
    return _order(shares, position % len(_period(shares)))


@lru_cache(maxsize=8192)
def _order(shares: tuple[tuple[str, int], ...], start: int) -> tuple[str, ...]:
    period = _period(shares)
    return tuple(dict.fromkeys((*period[start:], *period[:start], *(name for name, _ in shares))))


@lru_cache(maxsize=256)
def _period(shares: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    weights = {name: weight for name, weight in shares if weight > 0} or {name: 1 for name, _ in shares}
    weights = _reduced(weights)
    total = sum(weights.values())
    credit = dict.fromkeys(weights, 0)
    served = []
    for _ in range(total):
        for name, weight in weights.items():
            credit[name] += weight
        richest = max(credit, key=credit.__getitem__)
        credit[richest] -= total
        served.append(richest)
    return tuple(served)


def _reduced(weights: dict[str, int]) -> dict[str, int]:
    divisor = gcd(*weights.values())
    weights = {name: weight // divisor for name, weight in weights.items()}
    total = sum(weights.values())
    if total <= MOST_STEPS:
        return weights
    return {name: max(1, round(weight * MOST_STEPS / total)) for name, weight in weights.items()}
