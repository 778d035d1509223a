"""The hot paths of gateway and worker without a socket: limits and queue in memory."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from smsgw.core.envelope import Envelope, encode
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lifecycle import Timers
from smsgw.core.ports import Forged, Store
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.routing import Router, Strategy
from smsgw.gateway.app import Gateway, build_gateway_app
from smsgw.settings import QueueSettings, load_gateway
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.queues.memory import MemoryConsumer, MemoryPublisher, MemoryQueue
from smsgw.web.readiness import Readiness
from smsgw.worker.dispatch import Dispatcher
from smsgw.worker.intake import Intake
from smsgw.worker.outage import StoreGate
from smsgw.worker.slots import Slots

MESSAGES = 2000
"""How many each way carries when it is called."""
AT_ONCE = 32
CLIENTS = {"key": {"name": "bench", "id": "bench", "is_active": True, "daily_quota": 10**9}}
FLAGS = {"is_active": True, "is_operational": True}


def _now() -> datetime:
    return datetime.now(UTC)


def listen(_fact: Any, /) -> None:
    """Hear a fact and do nothing: the cheapest observer."""


class Requests:
    """The gateway's application, as the server calls it: a key each, a quota, limits and queue in memory."""

    def __init__(self) -> None:
        providers = {"Provider-A": FLAGS}
        settings = load_gateway({"CLIENT_CONFIG": json.dumps(CLIENTS), "PROVIDERS_CONFIG": json.dumps(providers)})
        limits = MemoryLimits(rules=settings.claim_rules, clock=_now)
        publisher = MemoryPublisher(MemoryQueue(settings.queue))
        gateway = Gateway(settings, limits=limits, publisher=publisher, observer=listen, clock=_now)
        self._app: Any = build_gateway_app(
            gateway, readiness=Readiness({}), metrics_page=lambda: (b"", ""), observer=listen, clock=_now
        )
        self._body = json.dumps({"to": "+4915112345678", "text": "Your code is 123456"}).encode()

    async def __call__(self) -> None:
        for _ in range(MESSAGES // AT_ONCE):
            await asyncio.gather(*(self._request() for _ in range(AT_ONCE)))

    async def _request(self) -> None:
        path = "/api/v1/sms/send"
        key = (b"idempotency-key", uuid4().hex.encode())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"here"), (b"api-key", b"key"), (b"content-type", b"application/json"), key],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": {},
        }
        told: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": self._body, "more_body": False}

        async def send(message: Any) -> None:
            told.append(message)

        await self._app(scope, receive, send)
        assert told[0]["status"] == 202


class _Taker:
    """A provider that takes everything at once."""

    name = "Provider-A"
    can_look_up = False

    async def send(self, _submit: Any) -> SendResult:
        return SendResult(outcome=Outcome.ACCEPTED, provider_message_id="m-1")

    async def look_up(self, _reference: Any) -> LookUpResult:
        return LookUpResult(answer=LookUp.CANNOT_SAY)

    def read_report(self, _request: Any) -> Forged:
        return Forged("no reports")

    async def close(self) -> None:
        """There is nothing to close."""


class Messages:
    """Intake and dispatch of a worker: one envelope to a delivery."""

    def __init__(self, store: Store) -> None:
        self._queue = MemoryQueue(QueueSettings(url="memory://"))
        self._stopping = asyncio.Event()
        slots = Slots(200)
        gate = StoreGate(store, observer=listen)
        configs = {"Provider-A": ProviderConfig(is_active=True, is_operational=True)}
        self._dispatcher = Dispatcher(
            store=store,
            gate=gate,
            providers={"Provider-A": _Taker()},
            router=Router(Providers(configs), strategy=Strategy.PRIORITY, default_priority=100),
            slots=slots,
            timers=Timers(),
            provider_timeout=timedelta(seconds=20),
            observer=listen,
            clock=_now,
            dice=lambda: 1.0,
        )
        self._intake = Intake(
            consumer=MemoryConsumer(self._queue),
            store=store,
            gate=gate,
            dispatcher=self._dispatcher,
            slots=slots,
            observer=listen,
            clock=_now,
        )

    async def __call__(self) -> None:
        for _ in range(MESSAGES // AT_ONCE):
            for _ in range(AT_ONCE):
                self._queue.put(self._queue.settings.outbound, _envelope())
            await self._intake.run_once(self._stopping)
            await self._dispatcher.drain(10)


def _envelope() -> bytes:
    return encode(
        Envelope(
            version=1,
            tracking_id=uuid4(),
            client_key="bench",
            to="+4915112345678",
            text="Your code is 123456",
            ttl_seconds=600,
            created_at=_now(),
            providers_effective=("Provider-A",),
        )
    )
