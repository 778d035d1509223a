"""Where settings come from: variables, files and `.env`; and the catalogue that lists them all."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from smsgw.settings import Document, SettingsError, documents, environment, load_gateway, load_worker, read_document
from smsgw.settings.catalogue import SETTINGS, Role

_SECRET = "hunter2"
_CLIENTS = json.dumps({_SECRET: {"name": "shop", "is_active": True, "daily_quota": 9}})
_PROVIDERS = json.dumps({"Local-SMS": {"is_active": True, "is_operational": True}})
_NEEDED = {"CLIENT_CONFIG": _CLIENTS, "PROVIDERS_CONFIG": _PROVIDERS}


def test_a_file_instead_of_the_variable_less_one_final_newline(tmp_path: Path) -> None:
    path = tmp_path / "clients.json"
    path.write_bytes(_CLIENTS.encode() + b"\n")

    settings = load_gateway({"CLIENT_CONFIG_FILE": str(path), "PROVIDERS_CONFIG": _PROVIDERS})

    assert Document(raw=_CLIENTS, path=path) == settings.clients_document
    assert load_gateway(_NEEDED).clients_document.fingerprint == settings.clients_document.fingerprint
    assert hashlib.sha256(_CLIENTS.encode()).hexdigest() == settings.clients_document.fingerprint


@pytest.mark.parametrize(("text", "raw"), [(b"{}\n\n", "{}\n"), (b"{}\r\n", "{}\r"), (b" {}", " {}"), (b"{}", "{}")])
def test_nothing_else_of_a_file_is_changed(tmp_path: Path, text: bytes, raw: str) -> None:
    path = tmp_path / "providers.json"
    path.write_bytes(text)

    assert raw == read_document("PROVIDERS_CONFIG", path).raw


@pytest.mark.parametrize("name", ["CLIENT_CONFIG", "PROVIDERS_CONFIG"])
def test_variable_and_file_together_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: set either {name} or {name}_FILE, not both$"):
        load_gateway({**_NEEDED, f"{name}_FILE": str(tmp_path / "x")})


def test_a_file_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "providers.json"
    path.write_bytes(b"\xff")

    with pytest.raises(SettingsError, match=r"PROVIDERS_CONFIG_FILE: cannot read .*: not UTF-8"):
        read_document("PROVIDERS_CONFIG", path)


def test_documents_are_given_as_they_are() -> None:
    assert documents({"CLIENT_CONFIG": " {"}) == (Document(raw=" {"), None)


# --- .env -------------------------------------------------------------------------------------------------------------


def _dotenv(tmp_path: Path, text: str) -> Path:
    path = tmp_path / ".env"
    path.write_text(text, "utf-8")
    return path


def test_dotenv_values_may_span_lines_in_single_quotes(tmp_path: Path) -> None:
    path = _dotenv(
        tmp_path, "# the clients\nCLIENT_CONFIG='{\n  \"k$HOME\": {}\n}'\nexport LOG_LEVEL=debug # loud\nEMPTY=\n"
    )

    assert environment({}, path) == {"CLIENT_CONFIG": '{\n  "k$HOME": {}\n}', "LOG_LEVEL": "debug", "EMPTY": ""}


def test_the_process_environment_wins(tmp_path: Path) -> None:
    path = _dotenv(tmp_path, "LOG_LEVEL=debug\nSERVICE_NAME=file\n")

    assert environment({"LOG_LEVEL": "info"}, path) == {"LOG_LEVEL": "info", "SERVICE_NAME": "file"}


def test_no_dotenv_is_fine(tmp_path: Path) -> None:
    assert environment({"A": "b"}, tmp_path / ".env") == {"A": "b"}


@pytest.mark.parametrize("text", ['CLIENT_CONFIG={\n  "hunter2": {}\n}\n', "A='unclosed hunter2\n"])
def test_a_dotenv_that_cannot_be_read_names_the_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match=r"^\.env: line [12] is not NAME=value") as caught:
        environment({}, _dotenv(tmp_path, text))

    assert _SECRET not in str(caught.value)


def test_a_dotenv_that_is_not_utf8_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"A=\xff")

    with pytest.raises(SettingsError, match=r"^\.env: cannot read it: not UTF-8$"):
        environment({}, tmp_path / ".env")


# --- the catalogue ----------------------------------------------------------------------------------------------------


class _Recording(Mapping[str, str]):
    """An environment that remembers what was asked of it."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.asked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.asked.add(name)
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def test_the_catalogue_has_every_setting_that_is_read_and_no_other() -> None:
    numbered = {"CLIENT_CONFIG": _CLIENTS, "PROVIDER1_URL": "http://carrier.test/sms"}

    by_gateway, by_worker = _asked(load_gateway, _NEEDED, numbered), _asked(load_worker, _NEEDED, numbered)

    readers = {Role.GATEWAY: by_gateway - by_worker, Role.WORKER: by_worker, Role.BOTH: by_gateway & by_worker}
    listed = [setting for chapter in SETTINGS.values() for setting in chapter if setting.role is not Role.COMMANDS]
    assert {setting.name for setting in listed} == by_gateway | by_worker
    assert [setting.name for setting in listed if setting.name not in readers[setting.role]] == []


def _asked(load: Callable[[Mapping[str, str]], Any], *environs: Mapping[str, str]) -> set[str]:
    recording = [_Recording(each) for each in environs]
    for each in recording:
        load(each)
    return {name for each in recording for name in each.asked}


def test_the_catalogues_defaults_are_the_defaults() -> None:
    literal = {s.name: s.default for chapter in SETTINGS.values() for s in chapter if s.default}
    referring = {name for name, default in literal.items() if default in literal or " / " in default}
    given = {name: default for name, default in literal.items() if name not in referring}

    # A gateway reads the database only where somebody says which: the default is the worker's.
    of_gateway = {name: default for name, default in given.items() if name != "DATABASE_URL"}

    assert _comparable(load_gateway(_NEEDED)) == _comparable(load_gateway({**_NEEDED, **of_gateway}))
    assert _comparable(load_worker(_NEEDED)) == _comparable(load_worker({**_NEEDED, **given}))


def _comparable(settings: Any) -> dict[str, Any]:
    parsed = ("clients", "providers")
    return {name: getattr(settings, name) for name in settings.__struct_fields__ if name not in parsed}
