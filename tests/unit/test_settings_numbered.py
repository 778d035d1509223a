"""PROVIDERn_URL: providers without a PROVIDERS_CONFIG, the same document wherever the same addresses are set."""

import json
from pathlib import Path

import pytest

from smsgw.settings import Document, SettingsError, documents, load_gateway, load_worker
from smsgw.wiring.configuration import check_configuration, export_configuration, fingerprints
from smsgw.wiring.providers import configured_providers

CLIENTS = {"CLIENT_CONFIG": json.dumps({"key": {"name": "shop", "is_active": True, "daily_quota": None}})}
PROVIDERS = '{"Local-SMS": {"is_active": true, "is_operational": true}}'
TWO = {"PROVIDER10_URL": "http://ten.test:9/sms?a=1", "PROVIDER2_URL": " https://two.test/api/sms/provider1 "}


def test_each_address_is_a_provider_in_numeric_order() -> None:
    gateway, worker = load_gateway({**CLIENTS, **TWO}), load_worker(TWO)

    assert gateway.providers.usable() == worker.providers.usable() == ("provider2", "provider10")
    assert [worker.providers[name].priority for name in worker.providers] == [20, 100]
    assert {worker.providers.kind_of(name) for name in worker.providers} == {"phone_text"}
    assert worker.providers["provider10"].options == {"url": "http://ten.test:9/sms?a=1"}
    assert gateway.providers_document == worker.providers_document


def test_the_order_of_the_environment_changes_no_fingerprint() -> None:
    turned = dict(reversed(TWO.items()))

    assert fingerprints(TWO) == fingerprints(turned)
    assert fingerprints(TWO) != fingerprints({**TWO, "PROVIDER2_URL": "https://two.test/"})


def test_the_commands_know_them(tmp_path: Path) -> None:
    (line,) = export_configuration(TWO, tmp_path)
    exported = {**CLIENTS, "PROVIDERS_CONFIG_FILE": str(tmp_path / "providers.json")}

    assert check_configuration({**CLIENTS, **TWO}, "both")[1] == "worker: fine (2 providers, 2 usable)"
    assert [row[0] for row in configured_providers(TWO)] == ["provider2", "provider10"]
    assert load_worker(exported).providers_document.fingerprint in line
    assert fingerprints(TWO)[0].endswith(load_worker(exported).providers_document.fingerprint)


def test_what_is_empty_is_not_set() -> None:
    assert documents({"PROVIDER1_URL": " ", "PROVIDERS_CONFIG": PROVIDERS}) == (None, Document(raw=PROVIDERS))


@pytest.mark.parametrize("name", ["PROVIDERS_CONFIG", "PROVIDERS_CONFIG_FILE"])
def test_beside_a_configuration_they_are_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "providers.json"
    path.write_text(PROVIDERS)
    value = PROVIDERS if name == "PROVIDERS_CONFIG" else str(path)

    with pytest.raises(SettingsError, match=f"^{name}: set either this or PROVIDER1_URL, .* not both$"):
        load_worker({**TWO, name: value})


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PROVIDER1_URL", "carrier.test", "must be http://host... or https://host..."),
        ("PROVIDER1_URL", "ftp://carrier.test", "must be http://host... or https://host..."),
        ("PROVIDER1_URL", "http://:80/", "must be http://host... or https://host..."),
        ("PROVIDER1_URL", "http://carrier.test/a b", "must be http://host... or https://host..."),
        ("PROVIDER99_URL", "http://me:hunter2@carrier.test", "must not hold a user name or password"),
        ("PROVIDER7_URL", "http://carrier.test/#hunter2", "must not hold a fragment"),
        ("PROVIDER0_URL", "http://carrier.test", "the number must be 1 to 99, without zeros before it"),
        ("PROVIDER01_URL", "http://carrier.test", "the number must be 1 to 99, without zeros before it"),
        ("PROVIDER100_URL", "http://carrier.test", "the number must be 1 to 99, without zeros before it"),
        (f"PROVIDER{'1' * 9999}_URL", "http://carrier.test", "the number must be 1 to 99, without zeros before it"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_worker({name: value})

    assert str(caught.value) == f"{name[:40]}: {words}"
