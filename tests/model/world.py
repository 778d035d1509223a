"""A small world for the model test: honest vendors, one watched store, workers that die, a clock moved by hand."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core.events import Crashed
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lifecycle import TRANSITIONS, Change, Timers
from smsgw.core.message import Attempt, DeliveryReport, Message, Status
from smsgw.core.ports import Arrival, Forged, Keep, Observer, ReportRequest, Submit, Unreadable
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.transports.stores.memory import MemoryStore
from smsgw.transports.stores.semantics import committed_state
from smsgw.worker.calls import Calls
from smsgw.worker.choosing import Choosing
from smsgw.worker.dispatch import Dispatcher
from smsgw.worker.outage import StoreGate
from smsgw.worker.planning import Planned
from smsgw.worker.reports import ReportApplier
from smsgw.worker.slots import Slots
from smsgw.worker.starting import Starter
from smsgw.worker.sweep import RoundSweeper, TimerSweeper

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
PROVIDER_TIMEOUT = timedelta(seconds=20)
YIELDS = 12
"""Turns of the event loop after which every task waits for the outside."""


class Call:
    """One hand-over as the vendor sees it. `is_accepted` is None until the vendor has made up his mind."""

    def __init__(self, vendor: "Vendor", reference: UUID, number: int) -> None:
        self.vendor = vendor
        self.reference = reference
        self.number = number
        self.message_id = f"{vendor.name}-{number}"
        self.is_accepted: bool | None = None
        self.answer: asyncio.Future[SendResult] = asyncio.get_running_loop().create_future()


class Question:
    """One look-up that waits for its answer."""

    def __init__(self, vendor: "Vendor", reference: UUID) -> None:
        self.vendor = vendor
        self.reference = reference
        self.answer: asyncio.Future[LookUpResult] = asyncio.get_running_loop().create_future()


class Vendor:
    """The port `Provider`, answered by hand, or by `autopilot` once nobody is there to answer."""

    def __init__(self, name: str, world: "World", *, can_look_up: bool) -> None:
        self.name = name
        self.can_look_up = can_look_up
        self.autopilot: SendResult | None = None
        self._world = world

    async def send(self, submit: Submit) -> SendResult:
        call = self._world.hand_over(self, submit)
        if self.autopilot is not None:
            call.is_accepted = self.autopilot.outcome is Outcome.ACCEPTED
            return self.autopilot
        return await call.answer

    async def look_up(self, reference: UUID) -> LookUpResult:
        question = Question(self, reference)
        self._world.questions.append(question)
        if self.autopilot is not None:
            return LookUpResult(answer=LookUp.CANNOT_SAY)
        return await question.answer

    async def read_report(self, _request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        return Forged("reports go into the inbox by hand")

    async def run(self, keep: Keep, observer: Observer) -> None:
        """Nothing is held open."""

    async def close(self) -> None:
        """Nothing is open."""


class WatchedStore(MemoryStore):
    """Looks at every write; a commit may take its time, which is where a worker can sleep before it calls anybody."""

    def __init__(self, world: "World") -> None:
        super().__init__()
        self.slowness = timedelta(0)
        self._world = world

    async def apply(self, change: Change) -> bool:
        before = self.messages[change.message.tracking_id]
        is_ours = await super().apply(change)
        expect = self._world.expect
        is_current = before.fence == change.message.fence - 1
        # The very same state at the very same instant is taken for an own commit whose answer was lost.
        is_known = committed_state(before) == committed_state(change.message)
        expect(is_ours is (is_current or is_known), "a stale worker was let through, or ours refused")
        expect(is_current or self.messages[before.tracking_id] == before, "a stale worker changed the message")
        return is_ours

    def _write(self, change: Change) -> None:
        before = self.messages.get(change.message.tracking_id)
        if before is not None:
            self._check_step(before, change.message)
        super()._write(change)
        self._world.now += self.slowness
        self.slowness = timedelta(0)

    def _check_step(self, before: Message, after: Message) -> None:
        if after == before:
            return
        expect = self._world.expect
        expect(after.fence == before.fence + 1, "the fence does not rise by one with each step (I7)")
        expect(after.status in TRANSITIONS[before.status], f"{before.status} -> {after.status} (I7)")
        expect(before.status is not Status.DELIVERED or after.status is Status.DELIVERED, "DELIVERED was taken back")
        expect(after.attempts_made >= before.attempts_made, "an attempt was forgotten")
        same = ("tracking_id", "client_key", "to", "text", "providers", "created_at", "expires_at")
        expect(all(getattr(before, name) == getattr(after, name) for name in same), "what was asked for changed")


class Worker:
    """The loops of one worker, run step by step; a crash cancels what it has in flight."""

    def __init__(self, world: "World") -> None:
        clock: Callable[[], datetime] = lambda: world.now  # noqa: E731  (a clock is a value here)
        common: dict[str, Any] = {"store": world.store, "observer": world.hear, "clock": clock}
        self.choosing = Choosing(
            MemoryTraffic(clock=clock),
            world.configured(),
            observer=world.hear,
            capacity=1000,
            timers=world.timers,
            dice=lambda: 1.0,
        )
        slots, gate = Slots(1000), StoreGate(world.store, observer=world.hear)
        self.dispatcher = Dispatcher(
            gate=gate,
            calls=Calls(
                providers=world.vendors,
                configured=world.configured,
                planner=self.choosing.planner,
                observer=world.hear,
                clock=clock,
            ),
            planner=self.choosing.planner,
            slots=slots,
            timers=world.timers,
            provider_timeout=PROVIDER_TIMEOUT,
            dice=lambda: 1.0,
            **common,
        )
        starter = Starter(
            planner=self.choosing.planner,
            lanes=self.choosing.lanes,
            dispatcher=self.dispatcher,
            slots=slots,
            observer=world.hear,
            clock=clock,
        )
        self.rounds = RoundSweeper(
            store=world.store,
            planner=self.choosing.planner,
            starter=starter,
            slots=slots,
            stopping=asyncio.Event(),
            clock=clock,
        )
        self.sweeper = TimerSweeper(
            gate=gate, dispatcher=self.dispatcher, providers=world.vendors, timers=world.timers, **common
        )
        self.reports = ReportApplier(timers=world.timers, **common)

    async def crash(self) -> None:
        """Die: whatever was in flight is never heard of again."""
        await self.dispatcher.drain(0)
        await self.sweeper.close()


class World:
    """Everything, and the promises that are checked whenever a vendor is handed a message."""

    def __init__(self, timers: Timers, look_ups: Sequence[bool], workers: int) -> None:
        self.loop = asyncio.new_event_loop()
        self.now = START
        self.broken: list[str] = []
        self.timers = timers
        self.store = WatchedStore(self)
        self.vendors = {name: Vendor(name, self, can_look_up=can) for name, can in zip("ABC", look_ups, strict=False)}
        self.disabled: set[str] = set()
        self.calls: list[Call] = []
        self.questions: list[Question] = []
        self.denials: dict[tuple[UUID, str], list[datetime]] = {}
        """When which vendor said that it does not know a message."""
        self.workers = [Worker(self) for _ in range(workers)]

    def do(self, step: Any) -> Any:
        """Run a coroutine, then whatever it set off, until everybody waits."""

        async def settled() -> Any:
            result = await step
            for _ in range(YIELDS):
                await asyncio.sleep(0)
            return result

        return self.loop.run_until_complete(settled())

    def hear(self, fact: Any) -> None:
        """Take a fact; a crash of a loop is a bug."""
        self.expect(not isinstance(fact, Crashed), f"a loop crashed: {fact}")

    def expect(self, holds: bool, why: str) -> None:
        """Note a promise that does not hold. It cannot be raised here: the worker's loops survive every exception."""
        if not holds:
            self.broken.append(why)

    def configured(self) -> Providers:
        """Return PROVIDERS_CONFIG as it stands."""
        return Providers(
            {name: ProviderConfig(is_active=name not in self.disabled, is_operational=True) for name in self.vendors}
        )

    def toggle(self, name: str) -> None:
        """Disable a provider at every worker, or enable it."""
        self.disabled ^= {name}
        for worker in self.workers:
            worker.choosing.use(self.configured())

    async def submit(self, worker: Worker, message: Message) -> None:
        """Take a message in as the intake does: choose, insert leased, commit, launch."""
        (planned,) = await worker.choosing.planner.plan_new([message], self.now)
        change = msgspec.structs.replace(planned.change, previous=None)
        (made,) = await self.store.take_in([Arrival(change=change)])
        if made is not None and planned.round is not None:
            worker.dispatcher.launch(Planned(made, planned.round, planned.permit))

    def hand_over(self, vendor: Vendor, submit: Submit) -> Call:
        """Note that a request left, and check what must hold at that instant."""
        message = self.store.messages[submit.reference]
        attempts = self.store.attempts[submit.reference]
        left = (message.expires_at - self.now).total_seconds()
        self.expect(left >= 1, "handed over after its expiry (I10)")
        lease = message.due_at - self.now if message.due_at else timedelta(0)
        self.expect(lease > PROVIDER_TIMEOUT, "the lease is over before the call can be (I3)")
        self.expect(1 <= submit.validity_seconds <= left, "valid for longer than it may live (I10)")
        current = attempts[message.attempts_made]
        self.expect(
            (current.provider, current.outcome) == (vendor.name, None), "no intent on record before the request"
        )
        self._check_second(message, [each for each in attempts.values() if each is not current])
        call = Call(vendor, submit.reference, current.number)
        self.calls.append(call)
        return call

    def _check_second(self, message: Message, earlier: Sequence[Attempt]) -> None:
        outcomes = {each.number: each.outcome for each in earlier}
        self.expect(None not in outcomes.values(), "two calls for one message at a time (I3)")
        self.expect(Outcome.ACCEPTED not in outcomes.values(), "sent again although a provider has it (I3)")
        taken = [call.number for call in self.calls_of(message.tracking_id) if call.is_accepted]
        is_known = all(outcomes[number] is Outcome.UNKNOWN for number in taken)
        self.expect(is_known, "a second SMS without an UNKNOWN before it (I3)")
        for each in earlier:
            denials = self.denials.get((message.tracking_id, each.provider), [])
            is_denied = denials and max(denials) - min(denials) >= self.timers.unknown_settle
            self.expect(each.outcome is not Outcome.ABSENT or bool(is_denied), "taken for absent without asking twice")
        if Outcome.UNKNOWN in outcomes.values():
            self.expect(self.timers.resend_unknown, "`hold` has sent again (I3)")
            self.expect(message.duplicate_risk, "a second SMS without its mark")

    def calls_of(self, reference: UUID) -> list[Call]:
        """Return every hand-over of a message."""
        return [call for call in self.calls if call.reference == reference]

    def open_calls(self) -> list[Call]:
        """Return the calls whose worker still waits."""
        return [call for call in self.calls if not call.answer.done()]

    def timely_calls(self, text: str) -> list[Call]:
        """Return the open calls about a message with this text whose lease is not over."""
        return [call for call in self.open_calls() if self._is_timely(call, text)]

    def _is_timely(self, call: Call, text: str) -> bool:
        attempt = self.store.attempts[call.reference][call.number]
        is_held = attempt.outcome is None and self.now < attempt.started_at + self.timers.lease
        return is_held and self.store.messages[call.reference].text == text

    def parted(self) -> list[tuple[str, tuple[str, ...]]]:
        """Return who has taken what in parts: the vendor and his ids."""
        taken = [each for known in self.store.attempts.values() for each in known.values()]
        return [(each.provider, each.part_ids) for each in taken if each.part_ids]

    def open_questions(self) -> list[Question]:
        """Return the look-ups whose worker still waits."""
        return [question for question in self.questions if not question.answer.done()]

    def due(self) -> list[datetime]:
        """Return when the messages that are not final want to be looked at, soonest first."""
        return sorted(each.due_at for each in self.store.messages.values() if each.due_at is not None)

    def close(self) -> None:
        """End every task."""
        for worker in self.workers:
            self.do(worker.crash())
        self.loop.close()
