"""The operations API on doubles: memory store, memory limits, providers that answer from a script."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx

from smsgw.core.keys import Clients
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import Message, Status
from smsgw.core.ports import Arrival, Clock, Observer, Provider, Store
from smsgw.core.providers import Providers
from smsgw.core.traffic import Traffic
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.transports.stores.memory import MemoryStore
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.worker.calls import Calls
from smsgw.worker.choosing import Choosing
from smsgw.worker.direct import DirectSender
from smsgw.worker.http import build_worker_handlers
from smsgw.worker.http.operations import Operations, Rule
from smsgw.worker.outage import StoreGate
from smsgw.worker.shares import ShareBook
from tests.unit.worker.rig import ScriptedProvider

NOW = datetime.fromisoformat("2026-11-21T12:00:00.123456+00:00")
CLIENTS = {
    "key-ops": {
        "name": "Operator",
        "id": "operator",
        "is_active": True,
        "daily_quota": None,
        "scopes": ["ops"],
        "senders": ["12345"],
    },
    "key-shop": {"name": "Shop", "id": "shop", "is_active": True, "daily_quota": None},
    "key-off": {"name": "Off", "id": "off", "is_active": False, "daily_quota": None, "scopes": ["ops"]},
}
PROVIDERS: dict[str, dict[str, Any]] = {
    "Provider-A": {
        "is_active": True,
        "is_operational": True,
        "aliases": ["fast"],
        "note": "contract 4711",
        "priority": 10,
        "weight": 3,
        "rate_limit": 10,
        "rate_unit": "segment",
        "rate_burst_seconds": 2,
        "options": {"api_key": "a-secret"},
    },
    "Provider-B": {"is_active": True, "is_operational": False, "kind": "provider_a"},
    "Provider-C": {"is_active": False, "is_operational": True, "kind": "provider_a"},
}


def operations_on(
    *,
    store: Store,
    clients: Callable[[], Clients],
    providers: Mapping[str, Provider],
    configured: Callable[[], Providers],
    observer: Observer,
    clock: Clock,
    traffic: Traffic | None = None,
    rule: Rule | None = None,
    gate: StoreGate | None = None,
    capacity: int = 10,
    monotonic: Callable[[], float] = lambda: 100.0,
    settle_seconds: float = 5.0,
) -> Operations:
    """Return what the routes stand on, put together as wiring does. No token grows old by itself."""
    rule = rule or Rule()
    shared: dict[str, Any] = {"traffic": traffic or MemoryTraffic(clock=clock), "observer": observer}
    shares = ShareBook(shared["traffic"])
    shares.use(configured())

    def tell(fact: Any, /) -> None:
        observer(fact)
        shares.observe(fact)

    shared["observer"] = tell
    choosing = Choosing(
        shared["traffic"],
        configured(),
        observer=tell,
        capacity=capacity,
        timers=Timers(),
        strategy=rule.strategy,
        rates=rule.rates,
        monotonic=monotonic,
    )
    calls = Calls(providers=providers, configured=configured, planner=choosing.planner, observer=tell, clock=clock)
    direct = DirectSender(
        calls=calls,
        store=store,
        gate=gate or StoreGate(store, observer=tell, poll_seconds=0.01),
        providers=providers,
        configured=configured,
        choosing=choosing,
        rates=rule.rates,
        timers=Timers(),
        clock=clock,
        settle_seconds=settle_seconds,
        **shared,
    )
    return Operations(
        clients=clients,
        configured=configured,
        store=store,
        choosing=choosing,
        shares=shares,
        direct=direct,
        rule=rule,
        clock=clock,
        **shared,
    )


class OpsRig:
    """The worker's application for an operator, and what is behind it. Its clock stands still until it is moved."""

    def __init__(
        self,
        *adapters: ScriptedProvider,
        configs: Mapping[str, dict[str, Any]] | None = None,
        rule: Rule | None = None,
        store: MemoryStore | None = None,
        **parts: Any,
    ) -> None:
        self.now = NOW
        self.facts: list[Any] = []
        self.store = store or MemoryStore()
        self.configured = Providers.parse(json.dumps(configs or PROVIDERS))
        clock: Clock = lambda: self.now  # noqa: E731  (a clock is a value here)
        self.traffic = MemoryTraffic(clock=clock)
        clients = Clients.parse(json.dumps(CLIENTS))
        shared: dict[str, Any] = {
            "store": self.store,
            "clients": lambda: clients,
            "providers": {each.name: each for each in adapters},
            "configured": lambda: self.configured,
            "observer": self.facts.append,
            "clock": clock,
        }
        self.operations = operations_on(traffic=self.traffic, rule=rule, **parts, **shared)
        self.app = build_app(
            title="worker",
            description="",
            route_handlers=build_worker_handlers(**shared, wake=lambda: None, operations=self.operations),
            readiness=Readiness({}),
            metrics_page=lambda: (b"", "text/plain"),
            observer=self.facts.append,
            clock=clock,
        )

    async def ask(self, method: str, path: str, *, key: str | None = "key-ops", **arguments: Any) -> httpx.Response:
        """Ask the application anything under /api/sms."""
        headers = {**({"API-Key": key} if key else {}), **arguments.pop("headers", {})}
        transport = httpx.ASGITransport(self.app)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://worker/api/sms") as client:
            return await client.request(method, path, headers=headers, **arguments)

    async def get(self, path: str, **params: Any) -> Any:
        """Return the body of a GET that must succeed."""
        response = await self.ask("GET", path, params=params)
        assert response.status_code == 200, response.text
        return response.json()

    async def put(self, tracking_id: UUID | None = None, *, seconds: float = 0, **fields: Any) -> UUID:
        """Store a message that was made so many seconds after NOW."""
        made_at = NOW + timedelta(seconds=seconds)
        values: dict[str, Any] = {
            "tracking_id": tracking_id or uuid4(),
            "client_key": "shop",
            "to": "+989121234567",
            "text": "Parcel 4711 waits",
            "ttl_seconds": 600,
            "providers": (),
            "created_at": made_at,
            "expires_at": made_at + timedelta(seconds=600),
            "updated_at": made_at,
            "status": Status.QUEUED,
        }
        message = Message(**{**values, **fields})
        await self.store.take_in([Arrival(change=Change(message=message))])
        return message.tracking_id

    def told(self, kind: type[Any]) -> list[Any]:
        """Return the facts of a kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]
