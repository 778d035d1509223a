"""Whatever stands in CLIENT_CONFIG and PROVIDERS_CONFIG keeps every rule, or the start stops with one short line."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from smsgw.providers.registry import ProviderSetupError, open_providers
from smsgw.settings import Document, SettingsError, parse_clients, parse_providers
from tests.fuzz.spoiling import looking, noise, spoiled
from tests.providers.opening import failing

SECRET = "hunter2-api-key"
CLIENT: dict[str, Any] = {"name": "shop", "is_active": True, "daily_quota": 9, "id": "shop-1", "scopes": ["send"]}
PROVIDER: dict[str, Any] = {
    "is_active": True,
    "is_operational": True,
    "aliases": ["a", "b.c"],
    "note": "x",
    "kind": "provider_a",
    "priority": 1,
    "weight": 2,
    "rate_limit": 1.5,
    "options": {"base_url": "https://provider.test", "api_key": SECRET},
}
NOTHING = failing(AssertionError("nothing may be sent here"))


def inside(name: str, entry: Mapping[str, Any]) -> st.SearchStrategy[str]:
    """Return configurations whose one entry is spoiled, or which are spoiled as a whole."""
    head = json.dumps(name).encode()
    bodies = spoiled([entry]).map(lambda body: b"{" + head + b": " + body + b"}") | spoiled([{name: entry}]) | noise()
    return bodies.map(lambda body: body.decode("utf-8", "surrogateescape"))


def assert_one_line(error: Exception) -> None:
    """What a start may print: one line, short, without the secret."""
    line = str(error)
    assert len(line) <= 500
    assert line.isprintable()
    assert SECRET not in line


@given(raw=inside(SECRET, CLIENT))
@looking(3000)
def test_clients(raw: str) -> None:
    try:
        clients = parse_clients(Document(raw=raw))
    except SettingsError as error:
        assert_one_line(error)
        return
    for client in clients:
        assert 1 <= len(client.client_key) <= 64
        assert client.client_key.isprintable()
        assert 1 <= len(client.name) <= 128
        assert client.daily_quota is None or 0 <= client.daily_quota <= 10**12
        assert client.scopes <= {"send", "ops"}
        assert SECRET not in client.client_key


@given(raw=inside("Provider-A", PROVIDER))
@looking(3000)
def test_providers(raw: str) -> None:
    try:
        providers = parse_providers(Document(raw=raw))
        opened = open_providers(providers, timeout=timedelta(seconds=1), transport=NOTHING, environ={})
    except (SettingsError, ProviderSetupError) as error:
        assert_one_line(error)
        return
    assert set(opened) <= set(providers)
    assert all(1 <= len(name) <= 64 and providers.resolve(name.swapcase()) == name for name in providers)
