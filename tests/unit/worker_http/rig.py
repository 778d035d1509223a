"""The worker's HTTP side on doubles: a memory store, one provider that reads a simple signed format."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from smsgw.core.failure import LookUpResult, SendResult
from smsgw.core.keys import Clients
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, DeliveryReport, Event, EventType, Message, ReportStatus, Status
from smsgw.core.ports import Arrival, Forged, Keep, Observer, ReportRequest, Submit, Unproved, Unreadable, WrongMethod
from smsgw.core.providers import Providers
from smsgw.transports.stores.memory import MemoryStore
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.worker.http import build_worker_handlers
from smsgw.worker.http.peer import Network
from tests.unit.worker_http.operating import operations_on

NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
OF_A = UUID("00000000-0000-4000-8000-00000000000a")
OF_B = UUID("00000000-0000-4000-8000-00000000000b")
CLIENTS = {
    "key-a": {"name": "A", "id": "a", "is_active": True, "daily_quota": None, "scopes": []},
    "key-b": {"name": "B", "id": "b", "is_active": True, "daily_quota": None},
    "key-off": {"name": "Off", "id": "off", "is_active": False, "daily_quota": None},
}
PROVIDERS = {
    "Provider-A": {"is_active": True, "is_operational": True, "aliases": ["fast"]},
    "Provider-B": {"is_active": False, "is_operational": True},
}


class SigningProvider:
    """Reads a JSON list of reference and status, if the header `x-signature` is `good`."""

    name = "Provider-A"
    can_look_up = False

    def __init__(self) -> None:
        self.calls: list[ReportRequest] = []
        self.methods: tuple[str, ...] = ("POST",)

    async def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        self.calls.append(request)
        if request.method not in self.methods:
            return WrongMethod("it posts")
        if dict(request.headers).get("x-signature") == "unknown":
            return Unproved("its key cannot be had")
        if dict(request.headers).get("x-signature") != "good" and request.token != "good-token":
            return Forged("the signature is wrong")
        try:
            given = json.loads(request.body)
        except ValueError:
            return Unreadable("not JSON")
        return [
            DeliveryReport(status=ReportStatus[word], reference=ref, dedupe_key=f"{ref}{word}") for ref, word in given
        ]

    async def send(self, submit: Submit) -> SendResult:
        raise AssertionError("a webhook asks no provider")

    async def look_up(self, reference: UUID) -> LookUpResult:
        raise AssertionError("a webhook asks no provider")

    async def run(self, keep: Keep, observer: Observer) -> None:
        """Nothing is held open."""

    async def close(self) -> None:
        """There is nothing to close."""


class Rig:
    """The application and what is behind it; `woken` counts the calls of `wake`."""

    def __init__(self, *, trusted_proxies: Sequence[Network] = ()) -> None:
        self.facts: list[Any] = []
        self.store = MemoryStore()
        self.provider = SigningProvider()
        self.woken = 0
        parts: dict[str, Any] = {
            "store": self.store,
            "providers": {"Provider-A": self.provider},
            "configured": lambda: Providers.parse(json.dumps(PROVIDERS)),
            "clients": lambda: Clients.parse(json.dumps(CLIENTS)),
            "observer": self.facts.append,
            "clock": lambda: NOW,
        }
        handlers = build_worker_handlers(
            **parts, wake=self._wake, operations=operations_on(**parts), trusted_proxies=trusted_proxies
        )
        self.app = build_app(
            title="worker",
            description="",
            route_handlers=handlers,
            readiness=Readiness({}),
            metrics_page=lambda: (b"", "text/plain"),
            observer=self.facts.append,
            clock=lambda: NOW,
        )

    async def ask(self, method: str, path: str, *, peer: str = "127.0.0.1", **arguments: Any) -> httpx.Response:
        """Ask the application anything."""
        transport = httpx.ASGITransport(self.app, client=(peer, 50_000))  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://worker") as client:
            return await client.request(method, path, **arguments)

    async def report(
        self, body: Any, *, to: str = "Provider-A", signature: str = "good", method: str = "POST"
    ) -> httpx.Response:
        """Call the webhook."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = f"/webhooks/delivery-report/{to}"
        return await self.ask(method, path, content=content, headers={"X-Signature": signature})

    async def put(self, tracking_id: UUID, client_key: str) -> None:
        """Store a message whose first attempt runs."""
        message = Message(
            tracking_id=tracking_id,
            client_key=client_key,
            to="+989121234567",
            text="hello",
            ttl_seconds=600,
            providers=(),
            created_at=NOW,
            expires_at=NOW + timedelta(seconds=600),
            updated_at=NOW,
            status=Status.PROCESSING,
        )
        started = Attempt(number=1, provider="Provider-A", started_at=NOW)
        events = (
            Event(EventType.QUEUED, NOW),
            Event(EventType.PROCESSING, NOW + timedelta(seconds=1), "Provider-A", {"attempt": 1}),
        )
        change = Change(message=message, started=started, events=events, previous=None)
        await self.store.take_in([Arrival(change=change)])

    def _wake(self) -> None:
        self.woken += 1


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return status and error code of a common error body."""
    body = response.json()
    assert {"error_code", "message", "timestamp"} <= set(body)
    return response.status_code, body["error_code"]
