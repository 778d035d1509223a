"""A whole gateway on doubles, asked over ASGI: limits that count their calls, a memory queue, a clock by hand."""

import asyncio
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx

from smsgw.core.admission import Admission, Ask, Claim, ClaimRules, PublishOutcome
from smsgw.core.envelope import Envelope, Poison, decode
from smsgw.core.ports import LimitsUnavailableError
from smsgw.gateway.app import Gateway, build_gateway_app
from smsgw.settings import load_gateway
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.queues.memory import MemoryAdmin, MemoryPublisher, MemoryQueue
from smsgw.web.readiness import Readiness

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PATH = "/api/v1/sms/send"
SEND = {"to": "+989121234567", "text": "Your code is 1234"}
PHONE_PATH = "/api/sms/"
PHONE = {"phone": "+8801921317475", "text": "Your code is 1234"}
DEADLINE = 10

CLIENTS = {
    "key-a": {"name": "A", "id": "a", "is_active": True, "daily_quota": None},
    "key-b": {"name": "B", "id": "b", "is_active": True, "daily_quota": 2},
    "key-zero": {"name": "Zero", "id": "zero", "is_active": True, "daily_quota": 0},
    "key-off": {"name": "Off", "id": "off", "is_active": False, "daily_quota": None},
    "key-ops": {"name": "Ops", "id": "ops", "is_active": True, "daily_quota": None, "scopes": ["ops"]},
}
PROVIDERS = {
    "Provider-A": {"is_active": True, "is_operational": True, "aliases": ["fast"]},
    "Local-SMS": {"is_active": True, "is_operational": True},
    "Provider-B": {"is_active": False, "is_operational": True},
    "Provider-C": {"is_active": True, "is_operational": False},
}


class CountingLimits(MemoryLimits):
    """Memory limits that write down what they are asked; `failing` names calls that fail, `broken` ones with a bug."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.calls: list[str] = []
        self.failing: set[str] = set()
        self.broken: set[str] = set()
        self.released: list[PublishOutcome | None] = []
        self.hold: asyncio.Event | None = None

    async def look_up(self, claim: Claim) -> Admission:
        self._count("look_up")
        return await super().look_up(claim)

    async def admit(self, ask: Ask) -> Admission:
        self._count("admit")
        return await super().admit(ask)

    async def answer(self, claim: Claim, *, status: int, body: bytes, ttl_seconds: int, confirmed: UUID | None) -> None:
        self._count("answer")
        await super().answer(claim, status=status, body=body, ttl_seconds=ttl_seconds, confirmed=confirmed)

    async def note_confirmed(self, tracking_id: UUID) -> None:
        if self.hold is not None:
            await self.hold.wait()
        self._count("note_confirmed")
        await super().note_confirmed(tracking_id)

    async def release(self, ask: Ask, admission: Admission, publish: PublishOutcome | None) -> None:
        self._count("release")
        self.released.append(publish)
        await super().release(ask, admission, publish)

    def _count(self, call: str) -> None:
        self.calls.append(call)
        if call in self.broken:
            raise ZeroDivisionError(call)
        if call in self.failing:
            raise LimitsUnavailableError(call)


class HeldPublisher(MemoryPublisher):
    """A publisher that waits for `hold`, or raises what it is told to."""

    def __init__(self, queue: MemoryQueue) -> None:
        super().__init__(queue)
        self.hold: asyncio.Event | None = None
        self.is_asked = asyncio.Event()
        self.bug: Exception | None = None

    async def publish(self, envelope: bytes) -> PublishOutcome:
        self.is_asked.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.bug is not None:
            raise self.bug
        return await super().publish(envelope)


class Rig:
    """One gateway and everything around it."""

    def __init__(self, *, providers: Mapping[str, Any] | None = None, **environ: str) -> None:
        self.now = START
        self.facts: list[Any] = []
        self.settings = load_gateway(
            {"CLIENT_CONFIG": json.dumps(CLIENTS), "PROVIDERS_CONFIG": json.dumps(providers or PROVIDERS), **environ}
        )
        self.limits = CountingLimits(rules=self.settings.claim_rules, clock=lambda: self.now)
        self.queue = MemoryQueue(self.settings.queue)
        self.publisher = HeldPublisher(self.queue)
        self.gateway = Gateway(
            self.settings,
            limits=self.limits,
            publisher=self.publisher,
            observer=self.facts.append,
            clock=lambda: self.now,
            queue=MemoryAdmin(self.queue),
        )
        self.app = build_gateway_app(
            self.gateway,
            readiness=Readiness({}),
            metrics_page=lambda: (b"", "text/plain"),
            observer=self.facts.append,
            clock=lambda: self.now,
        )

    @property
    def rules(self) -> ClaimRules:
        return self.settings.claim_rules

    @property
    def published(self) -> list[Envelope]:
        """What is on the queue, decoded."""
        members = [each for message in self.queue.ready("sms.outbound") for each in decode(message.body)]
        assert not [each for each in members if isinstance(each, Poison)]
        return [each for each in members if isinstance(each, Envelope)]

    def stated(self, kind: type[Any]) -> list[Any]:
        """The facts of one kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)

    async def send(
        self,
        body: Any = SEND,
        *,
        api_key: str | None = "key-a",
        key: str | None = None,
        headers: list[tuple[str, str]] | None = None,
        content_type: str | None = "application/json",
        path: str = PATH,
    ) -> httpx.Response:
        """Ask for one message; a body that is not bytes is sent as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = [*(headers or [])]
        given += [("content-type", content_type)] if content_type is not None else []
        given += [("api-key", api_key)] if api_key is not None else []
        given += [("idempotency-key", key)] if key is not None else []
        return await self.ask("POST", path, content=content, headers=given)

    async def ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """Ask the application anything."""
        transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
            asyncio.timeout(DEADLINE),
        ):
            return await client.request(method, path, **arguments)


def error_of(response: httpx.Response) -> tuple[int, str]:
    """Return status and error code, having looked at the rest of the common error body."""
    body = response.json()
    assert (
        {"error_code", "message", "timestamp"}
        <= set(body)
        <= {
            "error_code",
            "message",
            "details",
            "tracking_id",
            "timestamp",
        }
    )
    assert response.headers["content-type"] == "application/json"
    return response.status_code, body["error_code"]
