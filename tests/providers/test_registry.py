"""From configuration to providers: what is found, what is skipped, what stops the start, and in which words."""

import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from smsgw.core.ports import Provider
from smsgw.core.providers import Providers
from smsgw.providers.local_sms import LocalSms
from smsgw.providers.registry import ProviderSetupError, find, kinds, open_providers
from smsgw.settings import SettingsError
from smsgw.wiring.configuration import check_configuration
from smsgw.wiring.providers import adapters, configured_providers
from tests.providers.opening import answering, failing, open_one
from tests.providers.tables import REFERENCE, SUBMIT

TRANSPORT = failing(AssertionError("nothing may be sent here"))
ON = {"is_active": True, "is_operational": True}
OFF = {"is_active": False, "is_operational": True}


def opened(entries: dict[str, Any], environ: dict[str, str] | None = None) -> dict[str, Provider]:
    providers = Providers.parse(msgspec.json.encode(entries).decode())
    return open_providers(providers, timeout=timedelta(seconds=1), transport=TRANSPORT, environ=environ or {})


def test_a_file_is_found_by_its_name() -> None:
    assert find("local_sms") is LocalSms
    assert kinds() == sorted(kinds())
    assert {"local_sms", "provider_a"} <= set(kinds())


@pytest.mark.parametrize(
    "kind", ["base", "reading", "registry", "transport", "os", "..base", "local_sms.x", "", "LOCAL"]
)
def test_what_is_no_adapter_is_not_found(kind: str) -> None:
    assert find(kind) is None


def test_the_kind_follows_from_the_name() -> None:
    options = {"base_url": "http://provider.test", "api_key": "k"}

    found = opened({"Local-SMS": ON, "Provider-A": {**ON, "options": options}, "Other": {**ON, "kind": "local_sms"}})

    assert {name: provider.name for name, provider in found.items()} == {
        "Local-SMS": "Local-SMS",
        "Provider-A": "Provider-A",
        "Other": "Other",
    }
    assert found["Provider-A"].can_look_up


def test_an_active_provider_without_an_adapter_stops_the_start() -> None:
    with pytest.raises(ProviderSetupError) as caught:
        opened({"Vendor-X": ON})

    assert str(caught.value) == (
        f"PROVIDERS_CONFIG: 'Vendor-X' needs the adapter 'vendor_x', which does not exist; one of {', '.join(kinds())}"
    )


def test_an_inactive_provider_that_cannot_be_built_is_skipped() -> None:
    assert set(opened({"Vendor-X": OFF, "Provider-A": OFF, "Local-SMS": ON})) == {"Local-SMS"}


def test_an_active_provider_that_is_not_operational_is_built_too() -> None:
    assert set(opened({"Local-SMS": {"is_active": True, "is_operational": False}})) == {"Local-SMS"}


async def test_an_option_is_read_from_the_environment() -> None:
    seen = list[str]()

    def note(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["authorization"])
        return httpx.Response(404)

    options = {"base_url": "env:A_URL", "api_key": "env:A_KEY"}
    providers = Providers.parse(msgspec.json.encode({"Provider-A": {**ON, "options": options}}).decode())
    found = open_providers(
        providers,
        timeout=timedelta(seconds=1),
        transport=httpx.MockTransport(note),
        environ={"A_URL": "http://provider.test", "A_KEY": "from-there"},
    )
    await found["Provider-A"].look_up(REFERENCE)

    assert seen == ["Bearer from-there"]


@pytest.mark.parametrize("environ", [{}, {"A_KEY": ""}])
def test_an_unset_variable_stops_the_start(environ: dict[str, str]) -> None:
    options = {"base_url": "http://provider.test", "api_key": "env:A_KEY"}

    with pytest.raises(ProviderSetupError) as caught:
        opened({"Provider-A": {**ON, "options": options}}, environ)

    assert str(caught.value) == (
        "PROVIDERS_CONFIG: 'Provider-A': option 'api_key' is read from A_KEY, which is not set"
    )


def test_a_wrong_value_of_a_variable_is_not_shown() -> None:
    options = {"base_url": "http://provider.test", "api_key": "env:A_KEY"}

    with pytest.raises(ProviderSetupError) as caught:
        opened({"Provider-A": {**ON, "options": options}}, {"A_KEY": "not a header"})

    assert "$.api_key" in str(caught.value)
    assert "not a header" not in str(caught.value)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Another package on the path, with entry points of ours."""
    (tmp_path / "acme_sms.py").write_text(
        "from smsgw.providers.base import HttpAdapter\n"
        "from smsgw.providers.local_sms import LocalSms\n"
        "class Acme(LocalSms):\n"
        '    """Another vendor."""\n'
        "class Half(HttpAdapter):\n"
        "    def parse_response(self, answer): ...\n"
        "NOTHING = 7\n"
    )
    about = tmp_path / "acme_sms-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-sms\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(
        "[smsgw.providers]\n"
        "acme = acme_sms:Acme\n"
        "local_sms = acme_sms:Acme\n"
        "broken = acme_sms_missing:Acme\n"
        "number = acme_sms:NOTHING\n"
        "half = acme_sms:Half\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("acme_sms", None)


@pytest.mark.usefixtures("installed")
def test_an_entry_point_adds_a_kind() -> None:
    found = opened({"Acme": ON})

    assert set(found) == {"Acme"}
    assert "acme" in kinds()


@pytest.mark.usefixtures("installed")
def test_our_own_file_wins_over_an_entry_point() -> None:
    assert find("local_sms") is LocalSms


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("broken", "fails to load: ModuleNotFoundError"),
        ("number", "is no smsgw.providers.base.Adapter"),
        ("half", "lacks build_request"),
    ],
)
def test_an_entry_point_that_is_none_stops_the_start(kind: str, words: str) -> None:
    with pytest.raises(ProviderSetupError, match=words):
        opened({"Acme": {**ON, "kind": kind}})


@pytest.mark.usefixtures("installed")
def test_a_check_says_of_a_broken_entry_point_what_a_start_would() -> None:
    with pytest.raises(SettingsError, match="fails to load: ModuleNotFoundError"):
        check_configuration(configured({"Acme": {**ON, "kind": "broken"}}), "worker")


@pytest.mark.usefixtures("installed")
def test_the_list_shows_a_broken_entry_point_beside_the_others() -> None:
    rows = {each.kind: each for each in adapters()}
    providers = configured_providers(configured({"Acme": {**ON, "kind": "broken"}}))

    assert (
        rows["broken"].problem
        == "unusable: the adapter 'broken' (acme_sms_missing:Acme) fails to load: ModuleNotFoundError"
    )
    assert rows["local_sms"].abilities == ["send", "reference"]
    assert [row[2] for row in providers] == ["broken (unusable)"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"base_url": "https://carrier.example", "api_key": "env:NOT_SET"}, "NOT_SET, which is not set"),
        ({"base_url": "ftp://carrier.example", "api_key": "k"}, "base_url"),
    ],
)
def test_a_check_finds_options_that_would_stop_a_start(options: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        check_configuration(configured({"Provider-A": {**ON, "options": options}}), "worker")


async def test_an_option_inside_an_object_may_come_from_the_environment() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    options = {"url": "http://carrier.test/", "headers": {"Authorization": "env:CARRIER_TOKEN"}}
    provider = open_one("phone_text", options, answering(answer), environ={"CARRIER_TOKEN": "Bearer secret"})
    await provider.send(SUBMIT)

    assert seen[0].headers["authorization"] == "Bearer secret"
    with pytest.raises(
        ProviderSetupError, match=r"'headers\.Authorization' is read from CARRIER_TOKEN, which is not set"
    ):
        open_one("phone_text", options, answering(answer))


def configured(entries: dict[str, Any]) -> dict[str, str]:
    return {"PROVIDERS_CONFIG": msgspec.json.encode(entries).decode()}
