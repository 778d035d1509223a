"""PROVIDERS_CONFIG, names and aliases, and every row of the gate's table."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.providers import (
    RESERVED_NAMES,
    Blocked,
    Passed,
    ProviderConfigError,
    Providers,
    UnknownProvider,
    gate,
)

_ON = {"is_active": True, "is_operational": True}
_OFF = {"is_active": False, "is_operational": True}
_BROKEN = {"is_active": True, "is_operational": False}


def _providers(**entries: Any) -> Providers:
    return Providers.parse(json.dumps({name.replace("_", "-"): entry for name, entry in entries.items()}))


_SET = _providers(Provider_A={**_ON, "aliases": ["a", "Fast"]}, Provider_B=_OFF, Provider_C=_BROKEN, Local_SMS=_ON)
_NONE = _providers(Provider_B=_OFF, Provider_C=_BROKEN)


@pytest.mark.parametrize(
    ("requested", "providers", "answer"),
    [
        (["nobody"], _SET, UnknownProvider("nobody", ("Provider-A", "Provider-B", "Provider-C", "Local-SMS"))),
        (["Provider-A", "nobody"], _SET, UnknownProvider("nobody", tuple(_SET))),
        (["Provider-B", "nobody"], _SET, UnknownProvider("nobody", tuple(_SET))),
        (None, _SET, Passed(())),
        (None, _NONE, Blocked("NO_PROVIDER_AVAILABLE")),
        (["Provider-A"], _SET, Passed(("Provider-A",))),
        (["Provider-B"], _SET, Blocked("PROVIDER_DISABLED", ("Provider-B",))),
        (["Provider-C"], _SET, Blocked("PROVIDER_DISABLED", ("Provider-C",))),
        (["provider-b", "PROVIDER-B"], _SET, Blocked("PROVIDER_DISABLED", ("Provider-B",))),
        (["Provider-B", "Local-SMS", "Provider-C", "a"], _SET, Passed(("Local-SMS", "Provider-A"))),
        (["FAST", "Provider-A", "local-sms", "A"], _SET, Passed(("Provider-A", "Local-SMS"))),
        (["Provider-B", "Provider-C"], _SET, Blocked("ALL_PROVIDERS_DISABLED", ("Provider-B", "Provider-C"))),
    ],
)
def test_the_gate(
    requested: list[str] | None, providers: Providers, answer: Passed | Blocked | UnknownProvider
) -> None:
    assert answer == gate(requested, providers, enabled=True)


@pytest.mark.parametrize(
    ("requested", "answer"),
    [
        (None, Passed(())),
        (["provider-b"], Passed(("Provider-B",))),
        (["Provider-C", "Provider-B"], Passed(("Provider-C", "Provider-B"))),
        (["nobody"], UnknownProvider("nobody", ("Provider-B", "Provider-C"))),
    ],
)
def test_the_gate_switched_off_still_resolves_names(
    requested: list[str] | None, answer: Passed | UnknownProvider
) -> None:
    assert answer == gate(requested, _NONE, enabled=False)


@given(st.lists(st.sampled_from(["Provider-A", "a", "FAST", "Provider-B", "provider-c", "local-SMS"]), max_size=16))
def test_the_gate_keeps_the_order_and_names_nobody_twice(requested: list[str]) -> None:
    resolved = [name for each in requested if (name := _SET.resolve(each))]

    answer = gate(requested, _SET, enabled=True)

    expected = tuple(dict.fromkeys(name for name in resolved if _SET.is_usable(name)))
    assert expected == (answer.effective if isinstance(answer, Passed) else ())


def test_names_and_aliases_lead_to_the_canonical_name_in_any_case() -> None:
    names = [_SET.resolve(word) for word in ("Provider-A", "provider-a", "A", "a", "fAsT", "missing", "")]

    assert names == ["Provider-A", "Provider-A", "Provider-A", "Provider-A", "Provider-A", None, None]


@pytest.mark.parametrize(
    ("entries", "mistake"),
    [
        ({"Provider-A": _ON, "provider-a": _ON}, "collides"),
        ({"Provider-A": {**_ON, "aliases": ["PROVIDER-B"]}, "Provider-B": _ON}, "collides"),
        ({"Provider-A": {**_ON, "aliases": ["x"]}, "Provider-B": {**_ON, "aliases": ["X"]}}, "collides"),
        ({"Provider-B": _ON, "Provider-A": {**_ON, "aliases": ["provider-b"]}}, "collides"),
        *(({name.upper(): _ON}, "is reserved") for name in sorted(RESERVED_NAMES)),
        ({"Provider-A": {**_ON, "aliases": ["Health"]}}, "is reserved"),
        ({"": _ON}, "a name or alias is"),
        ({"a b": _ON}, "a name or alias is"),
        ({"a/b": _ON}, "a name or alias is"),
        ({"A\n": _ON}, "a name or alias is"),
        ({"x" * 65: _ON}, "a name or alias is"),
        ({"A": {**_ON, "aliases": ["ü"]}}, "a name or alias is"),
        ({"A": {**_ON, "kind": "../evil"}}, "is not an adapter's name"),
        ({"A": {**_ON, "colour": "red"}}, "unknown field `colour`"),
        ({"A": {"is_active": True}}, "missing required field `is_operational`"),
        ({"A": {**_ON, "is_active": "yes"}}, "Expected `bool`"),
        ({"A": {**_ON, "weight": -1}}, ">= 0"),
        ({"A": {**_ON, "priority": -1}}, ">= 0"),
        ({"A": {**_ON, "rate_limit": -0.1}}, ">= 0"),
        ({"A": {**_ON, "options": []}}, "Expected `object`"),
        ([], "Expected `object`"),
    ],
)
def test_a_mistake_is_one_line(entries: Any, mistake: str) -> None:
    with pytest.raises(ProviderConfigError, match=mistake) as caught:
        Providers.parse(json.dumps(entries))

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", ["", "{", "null", '{"A": 1}', "[" * 100_000, "\udcff", '{"A": {"is_active": true,}}'])
def test_what_is_not_json_of_the_right_shape_is_one_line(raw: str) -> None:
    with pytest.raises(ProviderConfigError):
        Providers.parse(raw)


def test_a_mistake_names_its_entry() -> None:
    with pytest.raises(ProviderConfigError, match=r"^'Provider-B': .* - at `[$].rate_limit`$"):
        _providers(**{"Provider-A": _ON, "Provider-B": {**_ON, "rate_limit": -1}})


def test_an_alias_may_repeat_its_own_name() -> None:
    assert _providers(A={**_ON, "aliases": ["a", "A", "b", "B"]}).resolve("B") == "A"


def test_a_secret_in_options_is_in_no_complaint() -> None:
    with pytest.raises(ProviderConfigError) as caught:
        _providers(A={**_ON, "options": {"api_key": "hunter2"}, "nonsense": "hunter2"})

    assert "hunter2" not in str(caught.value)


def test_the_adapter_is_the_kind_or_the_name() -> None:
    providers = _providers(Local_SMS=_ON, Shop={**_ON, "kind": "provider_a"})

    assert [providers.kind_of(name) for name in providers] == ["local_sms", "provider_a"]
    assert len(providers) == 2
    assert providers.usable() == ("Local-SMS", "Shop")


def test_default_senders_by_country_then_by_provider() -> None:
    providers = _providers(
        A={**_ON, "sender": "Shop", "senders": {"US": "+12025550123", "DE": "12345"}},
        B={**_ON, "senders": {"IR": "Bank"}},
    )

    assert [providers.sender_of("A", country) for country in ("US", "DE", "IR", "ZZ")] == [
        "+12025550123",
        "12345",
        "Shop",
        "Shop",
    ]
    assert [providers.sender_of("B", country) for country in ("IR", "US")] == ["Bank", None]
    assert providers.sender_of("gone", "US") is None


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"sender": "far too long a name"}, "'A': the sender"),
        ({"sender": ""}, "'A': the sender"),
        ({"sender": "*"}, "name one"),
        ({"senders": {"US": "*"}}, "name one"),
        ({"senders": {"us": "Shop"}}, "'us' is no country"),
        ({"senders": {"XX": "Shop"}}, "'XX' is no country"),
        ({"senders": {"ZZ": "Shop"}}, "'ZZ' is no country"),
        ({"senders": {"001": "Shop"}}, "'001' is no country"),
        ({"senders": {"US": "a-b"}}, "'A': the sender 'a-b'"),
        ({"senders": ["Shop"]}, "'A': "),
    ],
)
def test_wrong_default_senders_stop_the_start_with_one_line(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(ProviderConfigError) as caught:
        _providers(A={**_ON, **entry})

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_draining_provider_takes_no_new_message() -> None:
    flags = {"is_active": True, "is_operational": True}
    providers = Providers.parse(json.dumps({"A": {**flags, "is_draining": True}, "B": flags}))

    assert ("B",) == providers.usable()
    assert (True, False) == (providers.can_send("A"), providers.is_usable("A"))
    assert Blocked("PROVIDER_DISABLED", ("A",)) == gate(["A"], providers, enabled=True)
    assert Passed(("B",)) == gate(["A", "B"], providers, enabled=True)
