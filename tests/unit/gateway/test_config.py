"""SIGHUP: what is good is taken, what is bad is said, and a request in flight keeps what it began with."""

import json
from pathlib import Path
from typing import Any

from smsgw.core.events import ConfigLoaded, ReloadFailed
from smsgw.core.fingerprint import config_fingerprint
from tests.unit.gateway.rig import CLIENTS, PROVIDERS, SEND, Rig


def _from_files(directory: Path) -> tuple[Rig, Path, Path]:
    clients, providers = directory / "clients.json", directory / "providers.json"
    _write(clients, CLIENTS)
    _write(providers, PROVIDERS)
    rig = Rig(
        CLIENT_CONFIG="",
        PROVIDERS_CONFIG="",
        CLIENT_CONFIG_FILE=str(clients),
        PROVIDERS_CONFIG_FILE=str(providers),
    )
    return rig, clients, providers


def _write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value) + "\n", "utf-8")


async def test_a_reload_takes_new_clients_and_providers(tmp_path: Path) -> None:
    rig, clients, providers = _from_files(tmp_path)
    _write(clients, {"key-new": CLIENTS["key-a"]})
    _write(providers, {"Provider-N": PROVIDERS["Provider-A"]})

    rig.gateway.config.reload()

    assert (await rig.send()).status_code == 401
    assert (await rig.send({**SEND, "providers": ["provider-n"]}, api_key="key-new")).status_code == 202
    fingerprint = rig.published[0].config_fingerprint
    assert fingerprint.clients == config_fingerprint(clients.read_text("utf-8").removesuffix("\n"))
    assert fingerprint.providers == config_fingerprint(providers.read_text("utf-8").removesuffix("\n"))
    (fact,) = rig.stated(ConfigLoaded)
    assert list(fact.providers) == ["Provider-N"]


async def test_a_bad_file_is_said_and_the_old_configuration_stays(tmp_path: Path) -> None:
    rig, clients, providers = _from_files(tmp_path)
    clients.write_text('{"key-a": ', "utf-8")
    providers.unlink()
    before = rig.gateway.config.current

    rig.gateway.config.reload()

    assert rig.gateway.config.current == before
    assert (await rig.send()).status_code == 202
    assert [fact.why.split(":")[0] for fact in rig.stated(ReloadFailed)] == ["CLIENT_CONFIG", "PROVIDERS_CONFIG_FILE"]
    assert rig.stated(ConfigLoaded) == []


async def test_a_revoked_key_is_gone_although_the_other_file_is_bad(tmp_path: Path) -> None:
    rig, clients, providers = _from_files(tmp_path)
    _write(clients, {"key-b": CLIENTS["key-b"]})
    providers.write_text("[]", "utf-8")
    before = rig.gateway.config.current.fingerprint

    rig.gateway.config.reload()

    assert (await rig.send()).status_code == 401
    after = rig.gateway.config.current.fingerprint
    assert (after.providers, after.clients == before.clients) == (before.providers, False)


async def test_without_files_a_reload_changes_nothing() -> None:
    rig = Rig()
    before = rig.gateway.config.current

    rig.gateway.config.reload()

    assert rig.gateway.config.current == before
    assert rig.facts == []
