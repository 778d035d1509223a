"""The shares of the calls: added up, bounded, and as they should be."""

import pytest

from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.routing import Strategy
from smsgw.core.shares import MOST_PROVIDERS, Shares, Tally, added, expected


def _providers(**entries: dict[str, object]) -> Providers:
    return Providers(
        {
            name: ProviderConfig(**{"is_active": True, "is_operational": True, **entry})  # type: ignore[arg-type]
            for name, entry in entries.items()
        }
    )


def test_calls_add_up_since_the_first() -> None:
    once = added(Shares(), {"A": Tally(2, 1)}, 100.0)
    twice = added(once, {"A": Tally(1, 1), "B": Tally(1, 0)}, 200.0)

    assert twice == Shares(since=100.0, tallies={"A": Tally(3, 2), "B": Tally(1, 0)})


def test_there_is_a_bound_for_what_was_ever_configured() -> None:
    full = Shares(since=1.0, tallies={f"P{number}": Tally(1, 1) for number in range(MOST_PROVIDERS)})

    more = added(full, {"P0": Tally(1, 1), "Q": Tally(1, 1)}, 2.0)

    assert (len(more.tallies), more.tallies["P0"]) == (MOST_PROVIDERS, Tally(2, 2))


@pytest.mark.parametrize(
    ("strategy", "entries", "shares"),
    [
        (Strategy.PRIORITY, {"A": {"priority": 20}, "B": {"priority": 10}}, {"A": 0.0, "B": 1.0}),
        (Strategy.PRIORITY, {"A": {}, "B": {"priority": 100}}, {"A": 1.0, "B": 0.0}),
        (Strategy.PRIORITY, {"A": {"is_operational": False}, "B": {}}, {"A": 0.0, "B": 1.0}),
        (Strategy.ROUND_ROBIN, {"A": {"weight": 9}, "B": {}}, {"A": 0.5, "B": 0.5}),
        (Strategy.WEIGHTED, {"A": {"weight": 3}, "B": {"weight": 1}}, {"A": 0.75, "B": 0.25}),
        (Strategy.WEIGHTED, {"A": {"weight": 0}, "B": {"weight": 0}}, {"A": 0.5, "B": 0.5}),
        (
            Strategy.WEIGHTED,
            {"A": {"weight": 3, "is_active": False}, "B": {"weight": 1}, "C": {"weight": 0}},
            {"A": 0.0, "B": 1.0, "C": 0.0},
        ),
        (Strategy.WEIGHTED, {"A": {"is_active": False}}, {"A": 0.0}),
        (Strategy.PRIORITY, {"A": {"is_active": False}}, {"A": 0.0}),
    ],
)
def test_the_expected_share_is_that_of_the_strategy(
    strategy: Strategy, entries: dict[str, dict[str, object]], shares: dict[str, float]
) -> None:
    assert expected(_providers(**entries), strategy, 100) == shares
