"""A fact that nobody listens to is a fact that nobody will miss: each is counted, logged, or named as ignored."""

import inspect

import pytest

from smsgw.core import events
from smsgw.telemetry.lines import IGNORED, LINES
from smsgw.telemetry.metrics import Metrics

_FACTS = [
    kind
    for _, kind in inspect.getmembers(events, inspect.isclass)
    if issubclass(kind, events.Fact) and kind is not events.Fact
]


@pytest.mark.parametrize("fact", _FACTS)
def test_every_fact_is_counted_and_logged_or_ignored_on_purpose(fact: type[events.Fact]) -> None:
    assert fact in Metrics()._counts or fact in LINES
    assert (fact in LINES) != (fact in IGNORED)
