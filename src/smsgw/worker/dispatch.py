"""One round of one message: ask a provider, decide, settle, ask the next. The tasks are ours, never the broker's."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

import msgspec

from smsgw import failpoints
from smsgw.core.decision import LEAST_VALIDITY, Round, decide, start
from smsgw.core.events import AttemptFinished, Crashed, LateOutcome, MessageMoved
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import Attempt, Message, Status
from smsgw.core.ports import Clock, Observer, Provider, Store, StoreUnavailableError, Submit
from smsgw.core.routing import Router
from smsgw.worker.outage import StoreGate
from smsgw.worker.slots import Slots

LEASE_MARGIN = timedelta(seconds=5)
"""A call starts only while its lease outlives the provider's deadline by this much."""


class Planned(msgspec.Struct, frozen=True):
    """The first step of a round; `round` is None when there is nothing to send."""

    change: Change
    round: Round | None


class Dispatcher:
    """Plans rounds and runs them. Every launched round holds one slot until its message rests."""

    def __init__(
        self,
        *,
        store: Store,
        gate: StoreGate,
        providers: Mapping[str, Provider],
        router: Router,
        slots: Slots,
        timers: Timers,
        provider_timeout: timedelta,
        observer: Observer,
        clock: Clock,
        dice: Callable[[], float],
    ) -> None:
        self._store = store
        self._gate = gate
        self._providers = providers
        self._router = router
        self._slots = slots
        self._timers = timers
        self._needed_lease = provider_timeout + LEASE_MARGIN
        self._observer = observer
        self._clock = clock
        self._dice = dice
        self._rounds: set[asyncio.Task[None]] = set()

    def plan(self, message: Message, now: datetime) -> Planned:
        """Choose a provider for a message that is due, or end it. Pure but for whose turn it is."""
        candidates = self._router.candidates(message.providers, prefer=message.prefer, refused=message.refused)
        change, round_ = start(message, candidates, now, timers=self._timers, jitter=self._dice())
        return Planned(change, round_)

    def can_look_up(self, provider: str) -> bool:
        """Whether this provider can be asked about a reference."""
        adapter = self._providers.get(provider)
        return adapter is not None and adapter.can_look_up

    def launch(self, planned: Planned) -> None:
        """Run a committed round in a task of its own; takes over one slot of the caller's."""
        task = asyncio.create_task(self._run(planned))
        self._rounds.add(task)
        task.add_done_callback(self._ended)

    async def drain(self, seconds: float) -> None:
        """Let rounds in flight end; what still runs then is left to its lease, with its intent on record."""
        deadline = time.monotonic() + seconds
        while self._rounds and time.monotonic() < deadline:
            await asyncio.wait(set(self._rounds), timeout=deadline - time.monotonic())
        left = set(self._rounds)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._rounds.discard(task)
        self._slots.give(1)

    async def _run(self, planned: Planned) -> None:
        change, round_ = planned.change, planned.round
        try:
            while round_ is not None and change.started is not None:
                change, round_ = await self._ask(change.message, change.started, round_)
                failpoints.reach("W6")
                if not await self._settle(change):
                    return
        except Exception as error:  # noqa: BLE001  (a bug; the lease and the intent on record bring the message back)
            self._observer(Crashed(where="dispatch", error=error, tracking_id=change.message.tracking_id))

    async def _ask(self, message: Message, attempt: Attempt, round_: Round) -> tuple[Change, Round | None]:
        failpoints.reach("W4")
        result = self._too_late(message) or await self._call(message, attempt)
        return decide(
            message,
            attempt,
            round_,
            result,
            self._clock(),
            timers=self._timers,
            jitter=self._dice(),
            can_look_up=self.can_look_up(attempt.provider),
        )

    def _too_late(self, message: Message) -> SendResult | None:
        """Say that nothing was sent when the lease or the message's life is too short by now for a call. No provider is
        to blame, so none is told on."""
        now = self._clock()
        if message.due_at is None or message.due_at - now < self._needed_lease:
            return SendResult(outcome=Outcome.UNREACHABLE, detail="not called: the lease had run short")
        if message.expires_at - now < LEAST_VALIDITY:
            return SendResult(outcome=Outcome.UNREACHABLE, detail="not called: expired")
        return None

    async def _call(self, message: Message, attempt: Attempt) -> SendResult:
        began = time.monotonic()
        result = await self._send(message, attempt.provider)
        self._observer(
            AttemptFinished(
                tracking_id=message.tracking_id,
                client_key=message.client_key,
                provider=attempt.provider,
                number=attempt.number,
                outcome=result.outcome,
                seconds=time.monotonic() - began,
                detail=result.detail,
            )
        )
        return result

    async def _send(self, message: Message, provider: str) -> SendResult:
        adapter = self._providers.get(provider)
        if adapter is None:
            return SendResult(outcome=Outcome.UNREACHABLE, detail="not called: no such provider at this worker")
        validity = max(1, int((message.expires_at - self._clock()).total_seconds()))
        submit = Submit(reference=message.tracking_id, to=message.to, text=message.text, validity_seconds=validity)
        try:
            return await adapter.send(submit)
        except Exception as error:  # noqa: BLE001  (a bug in an adapter: nobody can know what left)
            self._observer(Crashed(where=f"provider {provider}", error=error, tracking_id=message.tracking_id))
            return SendResult(outcome=Outcome.UNKNOWN, detail=f"adapter failed: {type(error).__name__}")

    async def _settle(self, change: Change) -> bool:
        """Commit an outcome; an outage of the store is waited out, for what we know nobody else does."""
        while True:
            try:
                is_ours = await self._store.apply(change)
            except StoreUnavailableError as error:
                await self._gate.wait_until_back(str(error))
                continue
            break
        if is_ours:
            failpoints.reach("W8")
            self._observer(moved(change))
            return True
        ended = change.finished
        self._observer(
            LateOutcome(
                tracking_id=change.message.tracking_id,
                provider=ended.provider if ended else "",
                outcome=ended.outcome if ended else None,
            )
        )
        return False


def moved(change: Change) -> MessageMoved:
    """State a committed Change as a fact, with the time from request to SENT where it became SENT."""
    message = change.message
    if message.status is not Status.SENT or change.previous is Status.SENT:
        return MessageMoved(change=change)
    return MessageMoved(change=change, seconds_in_flight=_seconds(message))


def _seconds(message: Message) -> float:
    """Return the time from request to now, at least 0: a gateway's clock may run ahead of ours."""
    return max(0.0, (message.updated_at - message.created_at).total_seconds())
