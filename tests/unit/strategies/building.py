"""Builders of profiles, so that a test names only what it is about."""

import json
from typing import Any

from smsgw.strategies.cases import cases_of
from smsgw.strategies.load import coming
from smsgw.strategies.profile import Profile
from smsgw.strategies.reading import read
from smsgw.strategies.replay import Replay
from smsgw.strategies.tally import Summary

STEADY = {"median_seconds": 0.5, "p99_seconds": 0.5}
"""Every answer takes half a second."""
UNLIMITED = {"PROVIDER_RATE_LIMIT": 0, "TOTAL_RATE_LIMIT": 0}


def profile(**fields: Any) -> Profile:
    """Return a profile of ten messages, one a second, for one provider that always answers after half a second."""
    values: dict[str, Any] = {
        "phases": [{"seconds": 10, "messages": 10}],
        "arrivals": "even",
        "providers": {"A": provider()},
        "settings": UNLIMITED,
    }
    return read(json.dumps({**values, **fields}).encode())


def provider(**fields: Any) -> dict[str, Any]:
    """Return a provider without a fault, changed by the fields given."""
    return {"latency": STEADY, **fields}


def play(of: Profile, name: str = "priority", *, seed: int = 1) -> Summary:
    """Return what one strategy makes of a profile."""
    (case,) = cases_of(of, [name])
    return Replay(case, seed=seed).run(coming(of, seed)).summary(name)
