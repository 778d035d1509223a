"""The database's timers: rounds that are due, dead leases, unknown outcomes, reports that never came."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from smsgw.core.decision import LookUpDue, after_look_up, when_due
from smsgw.core.events import Crashed
from smsgw.core.failure import LookUp, LookUpResult
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import Attempt, Message, Status
from smsgw.core.ports import Clock, Observer, Provider, Store, StoreUnavailableError
from smsgw.worker.dispatch import Dispatcher, moved
from smsgw.worker.outage import StoreGate
from smsgw.worker.planning import Planned, Planner
from smsgw.worker.slots import Slots
from smsgw.worker.starting import ClaimPlan, Starter, put_off

WAITING = frozenset({Status.QUEUED})
TIMED = frozenset({Status.PROCESSING, Status.UNKNOWN, Status.SENT})
BATCH = 50
POLL_SECONDS = 0.25
SLOW = timedelta(seconds=2)
"""A look-up that takes longer holds up no other timer."""
MOST_SLOW = 10
"""A provider with so many slow look-ups under way cannot be asked about anything more."""


class RoundSweeper:
    """Starts the rounds that are due: retries, and messages whose worker died."""

    def __init__(
        self, *, store: Store, planner: Planner, starter: Starter, slots: Slots, stopping: asyncio.Event, clock: Clock
    ) -> None:
        self._store = store
        self._planner = planner
        self._starter = starter
        self._slots = slots
        self._stopping = stopping
        self._clock = clock

    async def run_once(self) -> float:
        """Claim and launch as many due messages as slots are free; return the seconds to rest."""
        taken = await self._slots.take(BATCH)
        if self._stopping.is_set():
            self._slots.give(taken)
            return 0

        def claim(plan: ClaimPlan) -> Awaitable[Sequence[tuple[Message, Planned]]]:
            return self._store.claim(WAITING, now=self._clock(), limit=taken, plan=plan)

        started = await self._starter.start(taken, claim, self._planner.plan_due, where="rounds")
        return 0 if started.found == taken else POLL_SECONDS


class _Asked(NamedTuple):
    """A look-up that is under way."""

    provider: str
    since: datetime


class TimerSweeper:
    """Acts when a lease, a settle time or a report deadline has run out; asks providers about unknown outcomes."""

    def __init__(
        self,
        *,
        store: Store,
        gate: StoreGate,
        dispatcher: Dispatcher,
        providers: Mapping[str, Provider],
        timers: Timers,
        observer: Observer,
        clock: Clock,
    ) -> None:
        self._store = store
        self._gate = gate
        self._dispatcher = dispatcher
        self._providers = providers
        self._timers = timers
        self._observer = observer
        self._clock = clock
        self._asking: dict[asyncio.Task[None], _Asked] = {}

    async def run_once(self) -> float:
        """Take one batch of rung timers; return the seconds to rest."""
        now = self._clock()
        slow = Counter(each.provider for each in self._asking.values() if now - each.since >= SLOW)
        limit = BATCH - (len(self._asking) - slow.total())
        if limit <= 0:
            return POLL_SECONDS
        claimed = await self._store.claim(TIMED, now=now, limit=limit, plan=self._planner(now, slow))
        for _, plan in claimed:
            if isinstance(plan, LookUpDue):
                self._ask_about(plan, now)
            else:
                self._observer(moved(plan))
        return 0 if len(claimed) == limit else POLL_SECONDS

    @property
    def is_asking(self) -> bool:
        """Whether a provider is being asked about an unknown outcome."""
        return bool(self._asking)

    async def close(self) -> None:
        """Stop asking; the leases of the look-ups run out by themselves."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def _planner(self, now: datetime, slow: Counter[str]) -> Callable[[Message, Attempt | None], Change | LookUpDue]:
        def can_ask(provider: str) -> bool:
            return slow[provider] < MOST_SLOW and self._dispatcher.can_look_up(provider)

        def plan(message: Message, newest: Attempt | None) -> Change | LookUpDue:
            can_look_up = newest is not None and can_ask(newest.provider)
            try:
                return when_due(message, newest, now, timers=self._timers, can_look_up=can_look_up)
            except Exception as error:  # noqa: BLE001  (a row that nobody understands must not block its neighbours)
                self._observer(Crashed(where="timers", error=error, tracking_id=message.tracking_id))
                return put_off(message, now)

        return plan

    def _ask_about(self, due: LookUpDue, now: datetime) -> None:
        task = asyncio.create_task(self._look_up(due))
        self._asking[task] = _Asked(due.attempt.provider, now)
        task.add_done_callback(self._asking.pop)

    async def _look_up(self, due: LookUpDue) -> None:
        message, attempt = due.change.message, due.attempt
        try:
            result = await self._providers[attempt.provider].look_up(message.tracking_id)
        except Exception as error:  # noqa: BLE001  (a bug in an adapter: it could not be asked)
            self._observer(Crashed(where=f"look-up {attempt.provider}", error=error, tracking_id=message.tracking_id))
            result = LookUpResult(answer=LookUp.CANNOT_SAY)
        change = after_look_up(message, attempt, result, self._clock(), timers=self._timers)
        try:
            if await self._store.apply(msgspec.structs.replace(change, previous=Status.UNKNOWN)):
                self._observer(moved(change))
        except StoreUnavailableError as error:
            # The lease of the look-up brings the message back; the answer can be asked for again.
            await self._gate.wait_until_back(str(error))
