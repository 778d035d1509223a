"""Profiles: what is wrong is said, one line per mistake."""

import json
from typing import Any

import pytest

from smsgw.core.providers import Providers
from smsgw.settings.catalogue import SETTINGS
from smsgw.strategies.cases import cases_of
from smsgw.strategies.profile import Settings
from smsgw.strategies.reading import ProfileError, read
from smsgw.wiring.strategies import example
from tests.unit.strategies.building import profile, provider

_PHASE = {"seconds": 1, "messages": 1}


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"phase": []}, "unknown field `phase`"),
        ({"phases": []}, "$.phases"),
        ({"phases": [{"seconds": 1}]}, "phases[0]: either per_second or messages expected"),
        ({"phases": [{**_PHASE, "per_second": 1}]}, "phases[0]: either per_second or messages expected"),
        ({"phases": [{"seconds": 0, "messages": 1}]}, "$.phases[0].seconds"),
        ({"phases": [{"seconds": 10, "per_second": 600_000}]}, "1 to 5000000 messages in all expected, not 6000000"),
        ({"phases": [{"seconds": 10, "messages": 0}]}, "1 to 5000000 messages in all expected, not 0"),
        ({"phases": [{"seconds": 2_000_000, "messages": 1}] * 2}, "at most 2592000 seconds"),
        ({"providers": {}}, "$.providers"),
        ({"providers": {"A": provider(weight=0)}}, "weight 0 everywhere"),
        ({"providers": {"A": provider(rate_limit=-1)}}, "rate_limit"),
        ({"providers": {"send": provider()}}, "'send' is reserved"),
        ({"providers": {"A": provider(failures={"lost": 1})}}, "'lost'"),
        (
            {"providers": {"A": provider(failures={"unknown": 0.6, "rejected": 0.6})}},
            "providers.A.failures: the shares",
        ),
        ({"providers": {"A": provider(latency={"median_seconds": 2, "p99_seconds": 1})}}, "providers.A.latency"),
        ({"providers": {"A": provider(outages=[{"from_seconds": 2, "to_seconds": 1}])}}, "providers.A.outages[0]"),
        ({"traffic": [{"providers": ["B"]}]}, "traffic[0].providers: 'B' is not one of A"),
        ({"countries": {"Germany": 1}}, "countries"),
        ({"settings": {"MAX_SEND_ATTEMPT": 1}}, "unknown field `MAX_SEND_ATTEMPT`"),
        ({"variants": [{"name": "priority", "strategy": "weighted"}]}, "the name 'priority' is taken"),
        ({"variants": [{"name": "x", "strategy": "best"}]}, "'best'"),
        ({"variants": [{"name": "x", "strategy": "weighted", "providers": {"B": {}}}]}, "variants.x.providers: 'B'"),
        ({"variants": [{"name": "x", "strategy": "weighted", "settings": {"ON_UNKNOWN": 1}}]}, "variants.x.settings"),
    ],
)
def test_a_wrong_profile_is_refused_in_one_line(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile(**fields)

    (line,) = caught.value.lines
    assert complaint in line
    assert "\n" not in line


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"phases": NaN}'])
def test_what_is_no_profile_is_refused_in_one_line(raw: bytes) -> None:
    with pytest.raises(ProfileError) as caught:
        read(raw)

    assert len(caught.value.lines) == 1


def test_every_mistake_has_its_line() -> None:
    with pytest.raises(ProfileError) as caught:
        profile(phases=[{"seconds": 1}], traffic=[{"providers": ["B"]}], providers={"A": provider(weight=0)})

    assert len(caught.value.lines) == 3


def test_the_defaults_are_the_workers() -> None:
    defaults = {setting.name: setting.default for chapter in SETTINGS.values() for setting in chapter}
    ours = json.loads(json.dumps({name.upper(): getattr(Settings(), name) for name in Settings.__struct_fields__}))

    shared = {name: value for name, value in ours.items() if name in defaults}
    assert "RETRY_BASE_SECONDS" in shared
    assert {name: float(defaults[name]) for name in shared if name != "ON_UNKNOWN"} == {
        name: value for name, value in shared.items() if name != "ON_UNKNOWN"
    }
    assert ours["ON_UNKNOWN"] == defaults["ON_UNKNOWN"]


def test_our_side_of_the_providers_is_taken_from_a_providers_config() -> None:
    config = {
        "A": {"is_active": True, "is_operational": True, "aliases": ["first"], "weight": 7, "rate_limit": 3},
        "Off": {"is_active": False, "is_operational": True},
    }
    raw = {"phases": [_PHASE], "providers": {"A": {"price": 2}, "B": {}}, "traffic": [{"providers": ["FIRST"]}]}

    got = read(json.dumps(raw).encode(), Providers.parse(json.dumps(config)))

    assert list(got.providers) == ["A"]
    assert (got.providers["A"].weight, got.providers["A"].rate_limit, got.providers["A"].price) == (7, 3, 2)
    assert got.traffic[0].providers == ("A",)


@pytest.mark.parametrize(
    ("config", "traffic", "complaint"),
    [
        ({"C": True}, [], "C of PROVIDERS_CONFIG has no model"),
        ({"A": False}, [], "no provider is active and operational"),
        ({"A": True}, ["B"], "'B' is not a provider of PROVIDERS_CONFIG"),
        ({"A": True, "B": False}, ["B"], "the gateway would refuse it: PROVIDER_DISABLED"),
    ],
)
def test_a_providers_config_that_does_not_fit_is_refused(
    config: dict[str, bool], traffic: list[str], complaint: str
) -> None:
    providers = {name: {"is_active": active, "is_operational": True} for name, active in config.items()}
    raw = {"phases": [_PHASE], "providers": {"A": {}, "B": {}}, "traffic": [{"providers": traffic}]}

    with pytest.raises(ProfileError) as caught:
        read(json.dumps(raw).encode(), Providers.parse(json.dumps(providers)))

    assert complaint in caught.value.lines[0]


def test_the_example_is_a_profile() -> None:
    assert read(example().encode()).messages > 10_000


def test_variants_stand_beside_the_strategies() -> None:
    variant = {
        "name": "B first",
        "strategy": "priority",
        "providers": {"B": {"priority": 1}},
        "settings": {"MAX_SEND_ATTEMPTS": 2},
        "workers": 3,
    }
    of = profile(providers={"A": provider(priority=5), "B": provider(priority=9)}, variants=[variant])

    cases = cases_of(of)
    (ours,) = cases_of(of, ["B first"])

    assert [case.name for case in cases] == ["priority", "round_robin", "weighted", "B first"]
    assert (ours.providers["B"].priority, ours.providers["A"].priority) == (1, 5)
    assert (ours.timers.max_attempts, ours.workers, ours.settings.total_rate_limit) == (2, 3, 0)


def test_a_strategy_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ProfileError, match="strategy 'best' does not exist; one of priority, round_robin, weighted"):
        cases_of(profile(), ["best"])
