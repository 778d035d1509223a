"""The messages of a profile: as many as it says, when it says, in the parts it says."""

from collections import Counter
from typing import Any

import pytest

from smsgw.strategies.load import coming
from smsgw.strategies.timeline import Timeline
from tests.unit.strategies.building import profile

_PHASES: list[dict[str, Any]] = [
    {"seconds": 100, "per_second": 20},
    {"seconds": 50, "messages": 0},
    {"seconds": 10, "messages": 500},
]


@pytest.mark.parametrize("arrivals", ["even", "random"])
def test_every_phase_has_its_messages_in_order(arrivals: str) -> None:
    messages = list(coming(profile(phases=_PHASES, arrivals=arrivals), 1))

    moments = [each.seconds for each in messages]
    assert moments == sorted(moments)
    assert [sum(low <= at < high for at in moments) for low, high in ((0, 100), (100, 150), (150, 160))] == [
        2000,
        0,
        500,
    ]


def test_parts_are_as_large_as_they_say() -> None:
    of = profile(
        phases=[{"seconds": 1, "messages": 10_000}],
        countries={"DE": 3, "BD": 1},
        texts=[{"share": 1, "characters": 160}, {"share": 1, "characters": 161}],
        traffic=[{"share": 9}, {"share": 1, "providers": ["A"], "ttl_seconds": 60}],
    )

    messages = list(coming(of, 1))

    assert Counter(each.country for each in messages)["DE"] == pytest.approx(7500, abs=250)
    assert Counter(each.segments for each in messages)[2] == pytest.approx(5000, abs=250)
    assert Counter((each.providers, each.ttl_seconds) for each in messages)[("A",), 60] == pytest.approx(1000, abs=150)


def test_a_seed_makes_the_same_messages() -> None:
    of = profile(phases=_PHASES, arrivals="random", countries={"DE": 1, "BD": 1})

    assert list(coming(of, 1)) == list(coming(of, 1))
    assert list(coming(of, 1)) != list(coming(of, 2))


def test_a_timeline_goes_forward_and_keeps_the_order_of_one_moment() -> None:
    time, told = Timeline(), []
    time.at(2, lambda: told.append(("second", time.seconds)))
    time.at(1, lambda: time.at(0, lambda: told.append(("late", time.seconds))))
    time.at(2, lambda: told.append(("third", time.seconds)))

    time.run()

    assert told == [("late", 1), ("second", 2), ("third", 2)]
