"""How the calls were shared out among providers since an operator last began to count, and how they should be. Pure."""

from collections.abc import Mapping

import msgspec

from smsgw.core.providers import Providers
from smsgw.core.routing import Strategy

MOST_PROVIDERS = 1000
"""Counted at once: what was configured once and is not any more must not fill the document for ever."""


class Tally(msgspec.Struct, frozen=True):
    """Calls of one provider."""

    calls: int = 0
    accepted: int = 0


class Shares(msgspec.Struct, frozen=True):
    """The document that all workers count into. `since` is a Unix time of the store's clock, 0 before any call."""

    since: float = 0.0
    tallies: dict[str, Tally] = {}


def added(shares: Shares, news: Mapping[str, Tally], now: float) -> Shares:
    """Return the shares with these calls in them."""
    tallies = dict(shares.tallies)
    for name, new in news.items():
        old = tallies.get(name, Tally())
        if name in tallies or len(tallies) < MOST_PROVIDERS:
            tallies[name] = Tally(old.calls + new.calls, old.accepted + new.accepted)
    return Shares(shares.since or now, tallies)


def expected(providers: Providers, strategy: Strategy, default_priority: int) -> dict[str, float]:
    """Return each configured provider's share of the messages that smsgw chooses the provider of, while all are well
    and have room."""
    usable = providers.usable()
    ranks = {name: _priority(providers, name, default_priority) for name in usable}
    if strategy is Strategy.PRIORITY:
        first = min(usable, key=ranks.__getitem__, default=None)
        weights = {name: int(name == first) for name in usable}
    elif strategy is Strategy.ROUND_ROBIN:
        weights = dict.fromkeys(usable, 1)
    else:
        # With 0 everywhere all are equal, as in core/turns.py.
        weights = {name: providers[name].weight for name in usable}
        weights = weights if any(weights.values()) else dict.fromkeys(usable, 1)
    total = sum(weights.values())
    return {name: weights.get(name, 0) / total if total else 0.0 for name in providers}


def _priority(providers: Providers, name: str, default: int) -> int:
    priority = providers[name].priority
    return default if priority is None else priority
