"""Outages by schedule."""

from typing import Any

import msgspec
import pytest

from smsgw.simulator.outages import Outage, outage_at


def test_an_outage_is_on_from_its_first_second_until_before_its_last() -> None:
    outage = Outage(kind="silence", from_seconds=10, to_seconds=12)

    assert [outage.is_on(second) for second in (0, 9.99, 10, 11.99, 12, 1000)] == [
        False,
        False,
        True,
        True,
        False,
        False,
    ]


def test_an_outage_repeats() -> None:
    outage = Outage(kind="slow", from_seconds=10, to_seconds=12, repeat_seconds=60)

    assert [outage.is_on(second) for second in (10, 13, 69.9, 70, 71, 72, 610, 614)] == [
        *(True, False, False, True, True, False, True, False)
    ]


def test_the_first_that_is_on_counts() -> None:
    schedule = [
        Outage(kind="http_500", from_seconds=0, to_seconds=5),
        Outage(kind="throttle", from_seconds=3, to_seconds=9),
    ]

    found = [outage_at(schedule, second) for second in (4, 6, 10)]

    assert [each and each.kind for each in found] == ["http_500", "throttle", None]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "strike", "from_seconds": 0, "to_seconds": 1},
        {"kind": "silence", "from_seconds": 1, "to_seconds": 1},
        {"kind": "silence", "from_seconds": 0, "to_seconds": 10, "repeat_seconds": 5},
        {"kind": "silence", "from_seconds": -1, "to_seconds": 1},
        {"kind": "silence", "from_seconds": 0},
    ],
)
def test_what_is_no_outage_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Outage)
