"""What `smsgw status` says beside the story."""

from typing import Any

import pytest

from smsgw.cli.client import costs


@pytest.mark.parametrize(
    ("attempt", "line"),
    [
        ({"segments": 3, "price": "0.0999", "currency": "EUR"}, ["A: 3 segments, 0.0999 EUR"]),
        ({"segments": 1, "price": None, "currency": None}, ["A: 1 segment"]),
        ({"segments": None, "price": "120", "currency": None}, ["A: 120"]),
        ({"segments": None, "price": None, "currency": "EUR"}, []),
        ({}, []),
    ],
)
def test_a_cost_is_told_as_far_as_it_is_known(attempt: dict[str, Any], line: list[str]) -> None:
    assert list(costs({"attempts": [{"provider": "A", **attempt}]})) == line


def test_the_sender_is_told_first() -> None:
    story = {"sender": "Shop", "attempts": [{"provider": "A", "segments": 2}]}

    assert list(costs(story)) == ["from Shop", "A: 2 segments"]
