"""`smsgw providers`: what an adapter says of itself, and a dry run that shows a request and no credential."""

import asyncio
import base64
import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from typer.testing import CliRunner, Result

from smsgw.cli import app
from smsgw.providers.describing import options_of
from smsgw.providers.redaction import HIDDEN, Redactor
from smsgw.providers.registry import find
from smsgw.settings import SettingsError
from smsgw.wiring.providers import try_provider
from tests.providers.canaries import credentials, disguises, found_in
from tests.providers.raw_server import ACCEPTED, Visit, raw_server
from tests.providers.tables import tables

TABLES = tables()
ASKING = [kind for kind, table in TABLES.items() if table.is_online]
TO = "+4915112345678"
SECRET = 'key-Zq81/xv+very "secret"\\'


def environ_of(kind: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment of a worker with one inactive provider."""
    adapter = kind.partition("/")[0]
    entry = {"is_active": False, "is_operational": False, "aliases": ["it"], "kind": adapter, "options": dict(options)}
    return {"PROVIDERS_CONFIG": json.dumps({"The-Provider": entry}), "PUBLIC_URL": "https://sms.example.org"}


def invoked(environ: Mapping[str, str], *arguments: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["providers", *arguments], env=dict(environ))


@pytest.mark.parametrize("kind", ASKING)
def test_a_dry_run_shows_the_request_and_no_credential(kind: str) -> None:
    table = TABLES[kind]

    result = invoked(environ_of(kind, table.options), "try", "IT", "--to", TO, "--text", "Hello-there")

    assert result.exit_code == 0, result.output
    assert "Hello-there" in result.stdout
    assert HIDDEN in result.stdout
    assert "Nothing was sent" in result.stdout
    assert found_in(result.output, table) == []
    assert credentials(table)


def test_a_dry_run_as_json() -> None:
    result = invoked(environ_of("phone_text", TABLES["phone_text"].options), "try", "it", "--to", TO, "--json")

    document = json.loads(result.stdout)
    assert (document["provider"], document["kind"], document["is_sent"]) == ("The-Provider", "phone_text", False)
    assert document["result"] is None
    assert ["authorization", f"Bearer {HIDDEN}"] in document["requests"][0]["headers"]


def test_a_provider_that_asks_nobody_has_no_request() -> None:
    result = invoked(environ_of("local_sms", {}), "try", "it", "--to", TO)

    assert result.exit_code == 0
    assert "there is no request to show" in result.stdout


async def accept(visit: Visit) -> None:
    await visit.request()
    await visit.write(ACCEPTED)


async def refuse(visit: Visit) -> None:
    await visit.request()
    await visit.write(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize(("answer", "code", "words"), [(accept, 0, "accepted"), (refuse, 1, "credentials")])
async def test_with_send_the_message_is_sent(answer: Any, code: int, words: str) -> None:
    async with raw_server(answer) as server:
        environ = environ_of("provider_a", {"base_url": f"http://127.0.0.1:{server.port}", "api_key": "key-zq81-zq81"})
        result = await in_thread(environ, "try", "it", "--to", TO, "--send", "--show-request")

    assert result.exit_code == code, result.output
    assert "Sending one real message" in result.stderr
    assert f"outcome     {words}" in result.stdout
    assert f"authorization: Bearer {HIDDEN}" in result.stdout
    assert "key-zq81-zq81" not in result.output
    assert len(server.requests) == 1


async def in_thread(environ: Mapping[str, str], *arguments: str) -> Result:
    """Run the command beside the server of the test."""
    return await asyncio.to_thread(invoked, environ, *arguments)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("try", "nobody", "--to", TO), "has no 'nobody'"),
        (("try", "it", "--to", "12345"), "--to: must be E.164"),
        (("try", "it", "--to", TO, "--text", "x" * 1001), "--text: 1 to 1000 characters"),
        (("try", "it", "--to", TO, "--sender", "two  spaces and more"), "--sender: must be"),
        (("show", "nothing"), "there is no adapter 'nothing'; one of"),
    ],
)
def test_a_mistake_is_said_in_one_line(arguments: tuple[str, ...], words: str) -> None:
    result = invoked(environ_of("local_sms", {}), *arguments)

    assert result.exit_code == 2
    assert words in result.stderr
    assert result.stderr.count("\n") == 1


def test_options_that_would_stop_a_start_are_told() -> None:
    with pytest.raises(SettingsError, match="base_url"):
        try_provider(environ_of("provider_a", {"api_key": "k"}), "it", to=TO, text="x", sender=None, is_sent=False)


@pytest.mark.parametrize("kind", sorted({kind.partition("/")[0] for kind in TABLES}))
def test_an_adapter_is_explained(kind: str) -> None:
    adapter = find(kind)
    assert adapter is not None
    assert adapter.about is not None

    as_tables, as_json = invoked({}, "show", kind), invoked({}, "show", kind, "--json")

    document = json.loads(as_json.stdout)
    assert [each["name"] for each in document["options"]] == [each.name for each in options_of(adapter.config_type)]
    assert document["title"] == adapter.about.title
    assert adapter.about.title in as_tables.stdout
    assert (as_tables.exit_code, as_json.exit_code) == (0, 0)


def test_the_list_has_adapters_and_providers() -> None:
    environ = environ_of("local_sms", {})

    as_tables, document = invoked(environ), json.loads(invoked(environ, "--json").stdout)

    assert "The-Provider" in as_tables.stdout
    assert {each["kind"] for each in document["adapters"]} >= {"local_sms", "provider_a"}
    assert [(each["provider"], each["active"]) for each in document["providers"]] == [("The-Provider", "no")]


def test_what_an_option_takes_is_told() -> None:
    adapter = find("phone_text")
    assert adapter is not None

    options = {each.name: each for each in options_of(adapter.config_type)}

    assert (options["url"].type, options["url"].is_required, options["url"].default) == ("text", True, "")
    assert (options["headers"].type, options["headers"].is_required, options["headers"].default) == (
        "object",
        False,
        "{}",
    )


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        json.dumps(SECRET)[1:-1],
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_a_secret_is_hidden_in_every_form_that_a_request_has(form: str) -> None:
    request = httpx.Request("POST", "https://carrier.test/x", content=f"a={form}&b=1")

    shown = Redactor([SECRET]).request(request)

    assert form not in shown.body
    assert shown.body.startswith(f"a={HIDDEN}")
    assert shown.body.endswith("&b=1")


@pytest.mark.parametrize("name", ["", "a", "ab", "abc", "abcd"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_secret_behind_a_name_is_hidden_in_base64(name: str, encode: Callable[[bytes], bytes]) -> None:
    encoded = encode(f"{name}:{SECRET}:after".encode()).decode()

    shown = Redactor([SECRET]).text(f"it is {encoded}!")

    assert [form for form in disguises(SECRET) if form in shown] == []
    assert [form for form in disguises(SECRET) if form in encoded]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("authorization", "Bearer anything", f"Bearer {HIDDEN}"),
        ("authorization", "anything", HIDDEN),
        ("x-api-key", "anything", HIDDEN),
        ("cookie", "a=b", HIDDEN),
        ("x-amz-security-token", "anything", HIDDEN),
        ("x-plain", "1 secret-zq81 2", f"1 {HIDDEN} 2"),
        ("content-type", "application/json", "application/json"),
    ],
)
def test_headers_that_hold_credentials_are_hidden(name: str, value: str, shown: str) -> None:
    request = httpx.Request("POST", "https://carrier.test/secret-zq81?k=secret-zq81", headers={name: value})

    made = Redactor(["secret-zq81"]).request(request)

    assert dict(made.headers)[name] == shown
    assert made.url == f"https://carrier.test/{HIDDEN}?k={HIDDEN}"


def test_without_secrets_nothing_is_hidden() -> None:
    assert Redactor(["", ""]).text("a text") == "a text"
