"""A worker put together from doubles: memory queue, memory store, scripted providers, a clock that is moved by hand."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from smsgw.core.buckets import Rates
from smsgw.core.envelope import Envelope, encode
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.health import Rules
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import DeliveryReport, Message, ReceivedReport, ReportStatus
from smsgw.core.ports import Arrival, Forged, Keep, Observer, ReportRequest, Submit, Unreadable
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.routing import Strategy
from smsgw.settings import QueueSettings
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.transports.queues.memory import MemoryConsumer, MemoryQueue
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.calls import Calls
from smsgw.worker.choosing import Choosing
from smsgw.worker.dispatch import Dispatcher
from smsgw.worker.intake import Intake
from smsgw.worker.lanes import LaneSweeper
from smsgw.worker.limits import limits_of
from smsgw.worker.outage import StoreGate
from smsgw.worker.reports import ReportApplier
from smsgw.worker.slots import Slots
from smsgw.worker.starting import Starter
from smsgw.worker.sweep import RoundSweeper, TimerSweeper

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
ACCEPTED = SendResult(outcome=Outcome.ACCEPTED, provider_message_id="m-1")
UNKNOWN = SendResult(outcome=Outcome.UNKNOWN, detail="read timeout")
UNREACHABLE = SendResult(outcome=Outcome.UNREACHABLE, detail="refused")


class ScriptedProvider:
    """Answers from a script, then ACCEPTED; remembers what it was asked."""

    def __init__(self, name: str, *results: SendResult, look_ups: Sequence[LookUpResult] | None = None) -> None:
        self.name = name
        self.results = list(results)
        self.look_ups = None if look_ups is None else list(look_ups)
        self.submits: list[Submit] = []
        self.hold: asyncio.Event | None = None

    @property
    def can_look_up(self) -> bool:
        return self.look_ups is not None

    async def send(self, submit: Submit) -> SendResult:
        self.submits.append(submit)
        if self.hold is not None:
            await self.hold.wait()
        return self.results.pop(0) if self.results else ACCEPTED

    async def look_up(self, reference: UUID) -> LookUpResult:
        return self.look_ups.pop(0) if self.look_ups else LookUpResult(answer=LookUp.CANNOT_SAY)

    async def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        return Forged("scripted providers send no reports")

    async def run(self, keep: Keep, observer: Observer) -> None:
        """Nothing is held open."""

    async def close(self) -> None:
        """There is nothing to close."""


class StallingStore(MemoryStore):
    """A commit of an intake may take its time, which is where a process can stall before it calls anybody."""

    def __init__(self, stall: Callable[[], None]) -> None:
        super().__init__()
        self._stall = stall

    async def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        made = await super().take_in(arrivals)
        self._stall()
        return made


class Rig:
    """Every loop of a worker, run step by step by the test."""

    def __init__(
        self,
        *providers: ScriptedProvider,
        timers: Timers | None = None,
        capacity: int = 10,
        rates: Rates | None = None,
        rules: Rules | None = None,
        strategy: Strategy = Strategy.PRIORITY,
        configs: Mapping[str, dict[str, Any]] | None = None,
        dice: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self.now = START
        self.facts: list[Any] = []
        self.timers = timers or Timers()
        self.providers = {provider.name: provider for provider in providers}
        self.stall = timedelta(0)
        self.store = StallingStore(self._stall_once)
        self.queue = MemoryQueue(QueueSettings(url="memory://"))
        self.consumer = MemoryConsumer(self.queue)
        self.slots = Slots(capacity)
        self.stopping = asyncio.Event()
        told = configs or {}
        configured = Providers(
            {name: ProviderConfig(is_active=True, is_operational=True, **told.get(name, {})) for name in self.providers}
        )
        clock: Callable[[], datetime] = lambda: self.now  # noqa: E731  (a clock is a value here)
        self.gate = StoreGate(self.store, observer=self.facts.append, poll_seconds=0.01)
        self.limits = limits_of(configured, rates or Rates())
        self.traffic = MemoryTraffic(clock=clock)
        self.choosing = Choosing(
            self.traffic,
            configured,
            observer=self.facts.append,
            capacity=capacity,
            timers=self.timers,
            strategy=strategy,
            rates=rates,
            rules=rules or Rules(min_sample=1_000_000),
            dice=dice,
            monotonic=lambda: self.now.timestamp(),
        )
        self.dispatcher = Dispatcher(
            store=self.store,
            gate=self.gate,
            calls=Calls(
                providers=self.providers,
                configured=lambda: configured,
                planner=self.choosing.planner,
                observer=self.facts.append,
                clock=clock,
            ),
            planner=self.choosing.planner,
            slots=self.slots,
            timers=self.timers,
            provider_timeout=timedelta(seconds=20),
            observer=self.facts.append,
            clock=clock,
            dice=dice,
        )
        common: dict[str, Any] = {"store": self.store, "observer": self.facts.append, "clock": clock}
        starting: dict[str, Any] = {
            "planner": self.choosing.planner,
            "lanes": self.choosing.lanes,
            "slots": self.slots,
            "observer": self.facts.append,
        }
        starter = Starter(dispatcher=self.dispatcher, clock=clock, **starting)
        claiming: dict[str, Any] = {"store": self.store, "starter": starter, "stopping": self.stopping}
        self.intake = Intake(
            consumer=self.consumer,
            gate=self.gate,
            store=self.store,
            dispatcher=self.dispatcher,
            clock=clock,
            patience_seconds=0.05,
            **starting,
        )
        self.rounds = RoundSweeper(planner=self.choosing.planner, slots=self.slots, clock=clock, **claiming)
        self.lanes = LaneSweeper(
            router=self.choosing.router, monotonic=lambda: self.now.timestamp(), **starting, **claiming
        )
        self.sweeper = TimerSweeper(
            gate=self.gate, dispatcher=self.dispatcher, providers=self.providers, timers=self.timers, **common
        )
        self.reports = ReportApplier(timers=self.timers, **common)

    def put(self, *envelopes: Envelope | bytes) -> None:
        """Put broker messages on the queue."""
        for each in envelopes:
            self.queue.put(self.queue.settings.outbound, encode(each) if isinstance(each, Envelope) else each)

    def _stall_once(self) -> None:
        self.now += self.stall
        self.stall = timedelta(0)

    async def take_in(self) -> None:
        """Take in one batch and let its rounds come to rest."""
        await self.intake.run_once(self.stopping)
        await self.rest()

    async def rest(self) -> None:
        """Wait until no round and no look-up is in flight."""
        await self.dispatcher.drain(2)
        while self.sweeper.is_asking:
            await asyncio.sleep(0)

    async def sweep(self, seconds: float = 0) -> None:
        """Move the clock, then run every timer and every round that is due."""
        self.now += timedelta(seconds=seconds)
        await self.sweeper.run_once()
        await self.rest()
        await self.rounds.run_once()
        await self.rest()

    async def serve_lanes(self, seconds: float = 0) -> None:
        """Move the clock, then take out of every lane what there are tokens for, and let it come to rest."""
        self.now += timedelta(seconds=seconds)
        await self.lanes.run_once()
        await self.rest()

    async def report(self, status: ReportStatus, *, provider: str, reference: UUID, message_id: str | None) -> None:
        """Let one authentic report come in and be applied."""
        told = DeliveryReport(
            status=status,
            provider_message_id=message_id,
            reference=str(reference),
            dedupe_key=f"{message_id}:{status.word}",
        )
        await self.store.store_reports([ReceivedReport(provider=provider, report=told, received_at=self.now)])
        self.reports.wake()
        await self.store.apply_reports(now=self.now, limit=100, decide=self.reports.decide)

    def message(self, tracking_id: UUID) -> Message:
        """Return a message as the store has it."""
        return self.store.messages[tracking_id]

    def event_types(self, tracking_id: UUID) -> list[str]:
        """Return the types of a message's events, oldest first."""
        return [event.event_type.value for event in self.store.events[tracking_id]]


def envelope(*providers: str, **fields: Any) -> Envelope:
    """Return an envelope made at START that lives for ten minutes."""
    values: dict[str, Any] = {
        "version": 1,
        "tracking_id": uuid4(),
        "client_key": "shop",
        "to": "+989121234567",
        "text": "Your code is 1234",
        "ttl_seconds": 600,
        "created_at": START,
        "providers_effective": providers,
    }
    return Envelope(**{**values, **fields})


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition; the loops of the rig set it."""
    async with asyncio.timeout(15):
        while not condition():
            await asyncio.sleep(0.01)
