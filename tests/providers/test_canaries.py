"""I13 at every provider: whatever a vendor answers, and whatever breaks, no credential is told by anything.

Each message goes through a worker on doubles, with the real adapter in it: what the worker keeps of the call, its log,
its metrics, and what the objects say of themselves are searched for every credential in every disguise.
"""

import gzip
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import msgspec
import pytest
from rich.pretty import pretty_repr

from smsgw.core.ports import ReportRequest
from smsgw.core.providers import Providers
from smsgw.providers.registry import ProviderSetupError, find, open_adapter
from smsgw.settings import Document, parse_providers
from smsgw.telemetry import Telemetry
from smsgw.telemetry.logs import open_log
from smsgw.telemetry.metrics import Metrics
from smsgw.transports.stores.memory import MemoryStore
from smsgw.web.errors import ApiError
from smsgw.worker.http.webhooks import ReportInbox
from tests.providers.canaries import CREDENTIAL, credentials, disguises, found_in
from tests.providers.opening import NAME, NOW, Stream, answering, failing, open_one
from tests.providers.tables import REFERENCE, Table, tables
from tests.unit.worker.rig import Rig, envelope

TABLES = tables()
ONLINE = [kind for kind, table in TABLES.items() if table.is_online]
FIELDS = ("code", "error", "error_code", "message", "status", "detail", "reason", "errors", "title", "description")
Transport = httpx.AsyncBaseTransport


def telling(table: Table) -> str:
    """Return a text with every credential of a table."""
    return " ".join(credentials(table))


def echoes(table: Table) -> Iterator[bytes]:
    """Return answers that repeat the credentials, where a vendor may put words of its own."""
    for secret in credentials(table):
        flat = dict.fromkeys(FIELDS, secret)
        yield msgspec.json.encode(flat)
        yield msgspec.json.encode({**flat, "error": flat, "errors": [flat], "messages": [flat], "data": flat})
    yield f"<!DOCTYPE html><html><body>{telling(table)}</body></html>".encode()


def saying(status: int, body: bytes, **headers: str) -> Transport:
    """Return a vendor that answers so."""
    return answering(lambda _: httpx.Response(status, headers=headers, stream=Stream(body, 1)))


def scenes(table: Table) -> Iterator[Transport]:
    """Return everything that a vendor and the network may do."""
    replies = [case.reply for case in table.answers] + ([table.accepted] if table.accepted else [])
    for reply in replies:
        yield saying(reply.status, reply.content, **reply.headers)
    for status in (200, 400, 401, 429, 500):
        for body in echoes(table):
            yield saying(status, body)
    secret = telling(table)
    yield saying(429, b"", **{"retry-after": secret.encode("ascii", "replace").decode()})
    yield saying(503, b"", **{"retry-after": "9" * 5000})
    yield saying(302, b"", location=f"https://elsewhere.test/{credentials(table)[0] if secret else ''}")
    yield answering(lambda _: httpx.Response(200, stream=Stream(secret.encode().ljust(65_536), 16_384)))
    yield saying(200, gzip.compress(bytes(1 << 20)), **{"content-encoding": "gzip"})
    for body in (b"", b"\xff\xfe", b"[" * 10_000, b"null", b'{"id": {}, "messages": 7, "status": [[]]}'):
        yield saying(200, body)
    for error in (httpx.ConnectError, httpx.ReadTimeout, httpx.RemoteProtocolError, TimeoutError, RuntimeError):
        yield failing(error(secret))


async def what_is_told(kind: str, table: Table, transport: Transport) -> str:
    """Send a message through a worker; return all that it keeps, logs, counts and shows."""
    provider: Any = open_one(kind, table.options, transport)
    rig = Rig(provider)
    message = envelope(NAME, to="+4915112345678")
    rig.put(message)

    await rig.take_in()
    result = None
    try:
        result = await provider.look_up(REFERENCE)
    except RuntimeError:
        # The test's own bug in an adapter; the worker keeps the likes of it for itself.
        assert provider.can_look_up

    assert rig.store.attempts
    kept = [rig.store.messages, rig.store.events, rig.store.attempts]
    return "\n".join([*map(repr, kept), heard(rig.facts), repr(result), repr(provider), pretty_repr(provider)])


def heard(facts: list[Any]) -> str:
    """Return what log and metrics make of facts."""
    log, metrics = io.BytesIO(), Metrics()
    telemetry = Telemetry(
        log=open_log("server-b", "debug", is_terminal=False, output=log, libraries=False), metrics=metrics
    )
    for fact in facts:
        telemetry.observer(fact)
    return log.getvalue().decode() + metrics.page()[0].decode()


@pytest.mark.parametrize("kind", ONLINE)
async def test_nothing_tells_a_credential_whatever_the_vendor_does(kind: str) -> None:
    table = TABLES[kind]

    told = "\n".join([await what_is_told(kind, table, transport) for transport in scenes(table)])

    assert len(told) > 1000
    assert found_in(told, table) == []


@pytest.mark.parametrize("kind", TABLES)
async def test_a_forged_report_is_refused_without_telling_a_credential(kind: str) -> None:
    table, facts = TABLES[kind], list[Any]()
    configured = Providers.parse(f'{{"{NAME}": {{"is_active": true, "is_operational": true}}}}')
    inbox = ReportInbox(
        store=MemoryStore(),
        providers={NAME: open_one(kind, table.options, failing(httpx.ConnectError(telling(table))))},
        configured=lambda: configured,
        observer=facts.append,
        clock=lambda: NOW,
        wake=lambda: None,
    )
    said = telling(table)

    refusals = []
    for token in ("", said):
        headers = tuple((name, said) for name in ("authorization", "x-signature", "x-key"))
        call = ReportRequest(
            received_at=NOW, headers=headers, body=said.encode(), query=f"key={said}", token=token, peer="192.0.2.1"
        )
        with pytest.raises(ApiError) as caught:
            await inbox.receive(NAME, call)
        refusals.append(f"{caught.value} {caught.value.details} {caught.value.headers}")

    assert len(facts) == 2
    assert found_in("\n".join([*refusals, *map(repr, facts), heard(facts)]), table) == []


def document_of(kind: str, options: Any) -> Document:
    """Return a PROVIDERS_CONFIG with these options."""
    adapter = kind.partition("/")[0]
    entry = {"is_active": True, "is_operational": True, "kind": adapter, "options": dict(options)}
    return Document(raw=msgspec.json.encode({NAME: entry}).decode())


def adapter_of(kind: str, options: Any) -> Any:
    """Return the adapter of these options."""
    return open_adapter(NAME, parse_providers(document_of(kind, options)), environ={})


SHOWN: list[Callable[[Any], str]] = [repr, str, pretty_repr, "{}".format, lambda each: f"{each!r:>10}"]


@pytest.mark.parametrize("kind", TABLES)
def test_an_adapter_and_its_options_do_not_show_what_they_hold(kind: str) -> None:
    table = TABLES[kind]
    adapter, document = adapter_of(kind, table.options), document_of(kind, table.options)
    configured = parse_providers(document)
    holders = (adapter, adapter.config, document, configured, configured[NAME])

    told = "\n".join(show(each) for show in SHOWN for each in holders)

    assert type(adapter.config).__name__ in told
    assert found_in(told, table) == []


@pytest.mark.parametrize("kind", TABLES)
def test_an_adapter_knows_its_credentials(kind: str) -> None:
    """What it names is taken out of details, and hidden from a dry run."""
    table = TABLES[kind]

    known = adapter_of(kind, table.options).secrets()

    assert [each for each in credentials(table) if not any(each in secret for secret in known)] == []


def mistake_with(kind: str, options: Any) -> str:
    """Return what a start says of the options; nothing when it takes them."""
    try:
        adapter_of(kind, options)
    except ProviderSetupError as error:
        return f"{error!r} {error.__cause__!r}"
    return ""


@pytest.mark.parametrize("kind", TABLES)
def test_a_credential_that_is_refused_is_not_repeated(kind: str) -> None:
    table = TABLES[kind]
    names = list(filter(CREDENTIAL.search, table.options))

    said = [
        mistake_with(kind, {**table.options, name: wrong})
        for name in names
        for wrong in (f"canary-zq81\n{name}", "canary-zq81 " * 50, "\u00e9canary-zq81", ["canary-zq81"])
    ]

    assert any(said) or not names
    assert [each for each in said if "canary-zq81" in each] == []


def test_the_suite_has_something_to_look_for() -> None:
    assert [kind for kind in ONLINE if not credentials(TABLES[kind])] == []
    assert all(disguises(each) for table in TABLES.values() for each in credentials(table) if len(each) > 5)
    assert find("provider_a") is not None


@pytest.mark.parametrize("disguise", sorted(disguises("key-Zq81/xv+very secret")))
def test_a_disguise_is_seen_through(disguise: str) -> None:
    table = Table(options={}, secrets=("key-Zq81/xv+very secret",), bad_options=())

    assert found_in(f"it says {disguise} here", table)
