"""One round of one message: ask a provider, decide, settle, ask the next. The tasks are ours, never the broker's."""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from smsgw import failpoints
from smsgw.core.decision import LEAST_VALIDITY, Round, decide
from smsgw.core.events import Crashed, LateOutcome, MessageMoved
from smsgw.core.failure import POLICIES, Outcome, SendResult
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import Attempt, Message, Status
from smsgw.core.ports import Clock, Observer, Store, StoreUnavailableError
from smsgw.worker.calls import Calls
from smsgw.worker.outage import StoreGate
from smsgw.worker.planning import Planned, Planner
from smsgw.worker.slots import Slots

LEASE_MARGIN = timedelta(seconds=5)
"""A call starts only while its lease outlives the provider's deadline by this much."""


class Dispatcher:
    """Runs rounds. Every launched round holds one slot until its message rests."""

    def __init__(
        self,
        *,
        store: Store,
        gate: StoreGate,
        calls: Calls,
        planner: Planner,
        slots: Slots,
        timers: Timers,
        provider_timeout: timedelta,
        observer: Observer,
        clock: Clock,
        dice: Callable[[], float],
    ) -> None:
        self._store = store
        self._gate = gate
        self._calls = calls
        self._planner = planner
        self._slots = slots
        self._timers = timers
        self._needed_lease = provider_timeout + LEASE_MARGIN
        self._observer = observer
        self._clock = clock
        self._dice = dice
        self._rounds: set[asyncio.Task[None]] = set()

    def can_look_up(self, provider: str) -> bool:
        """Whether this provider can be asked about a reference."""
        return self._calls.can_look_up(provider)

    def launch(self, planned: Planned) -> None:
        """Run a committed round in a task of its own; takes over one slot of the caller's, and the permit."""
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
        step = planned
        try:
            while step.round is not None and step.change.started is not None:
                step = await self._ask(step.change.message, step.change.started, step)
                failpoints.reach("W6")
                if not await self._settle(step.change):
                    return
        except Exception as error:  # noqa: BLE001  (a bug; the lease and the intent on record bring the message back)
            message = step.change.message
            self._observer(Crashed(where="dispatch", error=error, tracking_id=message.tracking_id))
        finally:
            self._planner.drop(step.permit)

    async def _ask(self, message: Message, attempt: Attempt, step: Planned) -> Planned:
        """Make one call and plan the next step. The permit is given back as soon as the call has ended."""
        failpoints.reach("W4")
        round_, permit = step.round or Round(left=()), None
        result = self._too_late(message) or await self._call(message, attempt, step)
        self._planner.drop(step.permit)
        if round_.left and POLICIES[result.outcome].another_now:
            round_, permit = await self._planner.next_permit(message, round_)
        change, next_round = decide(
            message,
            attempt,
            round_,
            result,
            self._clock(),
            timers=self._timers,
            jitter=self._dice(),
            can_look_up=self.can_look_up(attempt.provider),
        )
        if next_round is None:
            self._planner.drop(permit)
        return Planned(change, next_round, permit)

    def _too_late(self, message: Message) -> SendResult | None:
        """Say that nothing was sent when the lease or the message's life is too short by now for a call. No provider is
        to blame, so none is told on."""
        now = self._clock()
        if message.due_at is None or message.due_at - now < self._needed_lease:
            return SendResult(outcome=Outcome.UNREACHABLE, detail="not called: the lease had run short")
        if message.expires_at - now < LEAST_VALIDITY:
            return SendResult(outcome=Outcome.UNREACHABLE, detail="not called: expired")
        return None

    async def _call(self, message: Message, attempt: Attempt, step: Planned) -> SendResult:
        if not self._planner.is_good(step.permit, attempt.provider):
            step.permit = await self._planner.freshen(step.permit, message, attempt.provider)
        return await self._calls.make(message, attempt, step.permit)

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
            self._planner.note_parked(change)
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
