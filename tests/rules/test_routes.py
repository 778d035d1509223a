"""Every route has an authentication rule: it is on the list of what is public, or it answers strangers with 401."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from litestar import Litestar

from smsgw.core.admission import ClaimRules
from smsgw.core.ports import Forged, ReportRequest
from smsgw.core.providers import Providers
from smsgw.gateway.app import Gateway, build_gateway_app
from smsgw.settings import load_gateway
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.queues.memory import MemoryPublisher, MemoryQueue
from smsgw.transports.stores.memory import MemoryStore
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.worker.http import build_worker_handlers

PUBLIC = {"/healthz", "/readyz", "/metrics", "/docs", "/schema", "/openapi.json"}
"""What strangers may read. Everything below these, too: /docs and /schema have assets and variants."""
_BODY = {"to": "+989121234567", "text": "hello"}
_PROVIDERS = '{"Provider-A": {"is_active": true, "is_operational": true}}'
_CLIENTS = '{"key-of-the-shop": {"name": "shop", "is_active": true, "daily_quota": null}}'


class _Suspicious:
    """A provider that trusts no report."""

    name = "Provider-A"
    can_look_up = False

    def read_report(self, request: ReportRequest) -> Forged:
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
    handlers = build_worker_handlers(
        store=MemoryStore(),
        clients=lambda: clients,
        providers={"Provider-A": _Suspicious()},  # type: ignore[dict-item]
        configured=lambda: Providers.parse(_PROVIDERS),
        observer=_ignore,
        clock=_clock,
        wake=lambda: None,
    )
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


@pytest.mark.parametrize(("role", "method", "path"), _PRIVATE)
@pytest.mark.parametrize(
    "headers",
    [{}, {"API-Key": ""}, {"API-Key": "wrong"}, {"Authorization": "Bearer key-of-the-shop"}, {"Cookie": "API-Key=x"}],
    ids=["none", "empty", "wrong", "bearer", "cookie"],
)
async def test_a_stranger_gets_401(role: str, method: str, path: str, headers: dict[str, str]) -> None:
    address = path.replace("{tracking_id:str}", "00000000-0000-4000-8000-000000000001")
    address = address.replace("{provider:str}", "Provider-A")
    assert "{" not in address, f"teach this test what {path} means"

    async with httpx.AsyncClient(transport=httpx.ASGITransport(_APPS[role]), base_url="http://role") as stranger:
        answer = await stranger.request(method, address, json=_BODY, headers=headers)

    assert answer.status_code == 401
    assert json.loads(answer.content)["error_code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("role", _APPS)
def test_what_is_public_only_reads(role: str) -> None:
    assert [route for route in _routes(role) if _is_public(route[1]) and route[0] != "GET"] == []
