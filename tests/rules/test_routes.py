"""Every route has an authentication rule: it is on the list of what is public, or it answers strangers with 401."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Litestar

from smsgw.core.admission import ClaimRules
from smsgw.core.lifecycle import Change
from smsgw.core.message import Message, Status
from smsgw.core.ports import Arrival, Forged, ReportRequest
from smsgw.core.providers import Providers
from smsgw.gateway.app import Gateway, build_gateway_app
from smsgw.settings import load_gateway
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.queues.memory import MemoryPublisher, MemoryQueue
from smsgw.transports.stores.memory import MemoryStore
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.worker.http import build_worker_handlers
from tests.unit.worker_http.operating import operations_on

PUBLIC = {"/health", "/healthz", "/readyz", "/metrics", "/docs", "/schema", "/openapi.json"}
"""What strangers may read. Everything below these, too: /docs and /schema have assets and variants."""
_BODY = {"to": "+989121234567", "text": "hello"}
_PROVIDERS = '{"Provider-A": {"is_active": true, "is_operational": true}}'
_CLIENTS = json.dumps(
    {
        f"key-of-the-{name}": {"name": name, "id": name, "is_active": True, "daily_quota": None, "scopes": scopes}
        for name, scopes in {"shop": ["send"], "bank": ["send"], "operator": ["ops"]}.items()
    }
)
_OF_THE_BANK = UUID("00000000-0000-4000-8000-00000000000b")
_OF_NOBODY = UUID("00000000-0000-4000-8000-000000000001")
_STORE = MemoryStore()


class _Suspicious:
    """A provider that trusts no report."""

    name = "Provider-A"
    can_look_up = False

    async def read_report(self, request: ReportRequest) -> Forged:
        return Forged("no signature")


def _clock() -> datetime:
    return datetime.now(UTC)


def _ignore(_: Any, /) -> None:
    """Listen to nothing."""


def _page() -> tuple[bytes, str]:
    return b"", "text/plain"


def _gateway() -> Any:
    settings = load_gateway({"CLIENT_CONFIG": _CLIENTS, "PROVIDERS_CONFIG": _PROVIDERS})
    limits = MemoryLimits(rules=ClaimRules(), clock=_clock)
    publisher = MemoryPublisher(MemoryQueue())
    gateway = Gateway(settings, limits=limits, publisher=publisher, observer=_ignore, clock=_clock)
    return build_gateway_app(gateway, readiness=Readiness({}), metrics_page=_page, observer=_ignore, clock=_clock)


def _worker() -> Any:
    clients = load_gateway({"CLIENT_CONFIG": _CLIENTS, "PROVIDERS_CONFIG": _PROVIDERS}).clients
    parts: dict[str, Any] = {
        "store": _STORE,
        "clients": lambda: clients,
        "providers": {"Provider-A": _Suspicious()},
        "configured": lambda: Providers.parse(_PROVIDERS),
        "observer": _ignore,
        "clock": _clock,
    }
    handlers = build_worker_handlers(**parts, wake=lambda: None, operations=operations_on(**parts))
    return build_app(
        title="worker",
        description="",
        route_handlers=handlers,
        readiness=Readiness({}),
        metrics_page=_page,
        observer=_ignore,
        clock=_clock,
    )


_APPS = {"gateway": _gateway(), "worker": _worker()}


def _routes(role: str) -> list[tuple[str, str]]:
    application = _APPS[role]._app
    assert isinstance(application, Litestar)
    return sorted(
        (method, route.path)
        for route in application.routes
        for method in getattr(route, "methods", ())
        if method not in ("OPTIONS", "HEAD")
    )


def _is_public(path: str) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in PUBLIC)


_PRIVATE = [(role, *route) for role in _APPS for route in _routes(role) if not _is_public(route[1])]


def test_there_is_something_to_protect() -> None:
    assert ("gateway", "POST", "/api/v1/sms/send") in _PRIVATE
    assert [path for role, _, path in _PRIVATE if role == "worker"]


async def _ask(role: str, method: str, path: str, *, of: UUID = _OF_NOBODY, **arguments: Any) -> httpx.Response:
    address = path.replace("{tracking_id:str}", str(of)).replace("{provider:str}", "Provider-A")
    address = address.replace("{request_id:str}", str(of)).replace("{token:str}", "a-token-that-nobody-gave-out")
    assert "{" not in address, f"teach this test what {path} means"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(_APPS[role]), base_url="http://role") as caller:
        return await caller.request(method, address, json=_BODY, **arguments)


@pytest.mark.parametrize(("role", "method", "path"), _PRIVATE)
@pytest.mark.parametrize(
    "said",
    [
        {},
        {"headers": {"API-Key": ""}},
        {"headers": {"API-Key": "wrong"}},
        {"headers": {"Authorization": "Bearer key-of-the-shop"}},
        {"headers": {"Cookie": "API-Key=key-of-the-shop"}},
        {"params": {"API-Key": "key-of-the-shop", "api_key": "key-of-the-shop"}},
    ],
    ids=["none", "empty", "wrong", "bearer", "cookie", "query"],
)
async def test_a_stranger_gets_401(role: str, method: str, path: str, said: dict[str, Any]) -> None:
    answer = await _ask(role, method, path, **said)

    assert answer.status_code == 401
    assert json.loads(answer.content)["error_code"] == "UNAUTHORIZED"


@pytest.mark.parametrize(("role", "method", "path"), [each for each in _PRIVATE if "{tracking_id" in each[2]])
async def test_what_belongs_to_another_client_is_as_if_it_were_not(role: str, method: str, path: str) -> None:
    await _STORE.take_in([Arrival(change=Change(message=_message(), events=(), previous=None))])
    shop, bank = {"API-Key": "key-of-the-shop"}, {"API-Key": "key-of-the-bank"}

    foreign = await _ask(role, method, path, of=_OF_THE_BANK, headers=shop)
    absent = await _ask(role, method, path, headers=shop)
    own = await _ask(role, method, path, of=_OF_THE_BANK, headers=bank)

    assert (foreign.status_code, own.status_code) == (404, 200)
    assert {**foreign.json(), "timestamp": ""} == {**absent.json(), "timestamp": ""}


_OF_OPERATORS = [route for route in _PRIVATE if route[0] == "worker" and route[2].startswith("/api/sms")]


@pytest.mark.parametrize(
    ("role", "method", "path", "key"),
    [
        ("gateway", "POST", "/api/v1/sms/send", "key-of-the-operator"),
        ("gateway", "POST", "/api/sms", "key-of-the-operator"),
        *((*route, "key-of-the-shop") for route in _OF_OPERATORS),
    ],
)
async def test_a_key_without_the_scope_opens_nothing_of_it(role: str, method: str, path: str, key: str) -> None:
    answer = await _ask(role, method, path, headers={"API-Key": key})

    assert answer.status_code == 401


def test_the_operations_api_is_whole() -> None:
    assert len(_OF_OPERATORS) == 11


def _message() -> Message:
    now = _clock()
    return Message(
        tracking_id=_OF_THE_BANK,
        client_key="bank",
        to="+989121234567",
        text="hello",
        ttl_seconds=600,
        providers=(),
        created_at=now,
        expires_at=now + timedelta(seconds=600),
        updated_at=now,
        status=Status.QUEUED,
    )


@pytest.mark.parametrize("role", _APPS)
def test_what_is_public_only_reads(role: str) -> None:
    assert [route for route in _routes(role) if _is_public(route[1]) and route[0] != "GET"] == []
