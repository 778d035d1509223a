"""`smsgw providers try`: no credential is shown, wherever the options have put it."""

import json
from typing import Any

import msgspec
import pytest

from smsgw.wiring.providers import try_provider

SECRET = 'a"C/anary+of=%5&1'
TEMPLATE = {"url": "https://x.example/send", "answer": {"id": "id"}}
FIELDS = {"api_key": "env:CANARY", "pw": "env:CANARY", "to": "{to}"}


def tried(options: dict[str, Any]) -> str:
    entry = {"kind": "template", "is_active": True, "is_operational": True, "options": {**TEMPLATE, **options}}
    environ = {
        "PROVIDERS_CONFIG": json.dumps({"P": entry}),
        "DATABASE_URL": "sqlite:////nowhere/smsgw.db",
        "QUEUE_URL": "sqlite:////nowhere/queue.db",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "CANARY": SECRET,
    }
    trial = try_provider(environ, "P", to="+4915112345678", text="hi", sender=None, is_sent=False)
    (request,) = trial.requests
    return msgspec.json.encode(request).decode()


@pytest.mark.parametrize(
    "options",
    [
        {"query": FIELDS, "json": {}},
        {"form": FIELDS},
        {"json": FIELDS},
        {"headers": {"X-Pw": "env:CANARY"}, "json": {}},
    ],
)
def test_what_options_read_from_the_environment_is_not_shown(options: dict[str, Any]) -> None:
    shown = tried(options)

    assert "anary" not in shown
    assert "***" in shown


@pytest.mark.parametrize(
    "options",
    [
        {"url": "https://x.example/send?v=2&apikey=Canary-1&x=y", "json": {}},
        {"form": {"user": "u", "Password": "Canary-1", "to": "{to}"}},
        {"query": {"access_token": "Canary-1", "to": "{to}"}, "json": {}},
    ],
)
def test_a_field_that_tells_of_a_credential_is_not_shown(options: dict[str, Any]) -> None:
    shown = tried(options)

    assert "Canary" not in shown
    assert "***" in shown
    assert "https://x.example/send" in shown
