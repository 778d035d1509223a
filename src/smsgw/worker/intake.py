"""From the broker into the database: batch, choose, insert leased, commit, launch, acknowledge."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

import msgspec

from smsgw import failpoints
from smsgw.core.decision import Round
from smsgw.core.envelope import MAX_BATCH, Envelope, Poison, decode, encode
from smsgw.core.events import CopyDropped, Crashed, Poisoned
from smsgw.core.lifecycle import Change
from smsgw.core.ports import Arrival, Clock, Consumer, Delivery, Observer, Store, StoreUnavailableError
from smsgw.worker.arrivals import hash_of, message_of, plan_waiting, waiting_arrival, without_started
from smsgw.worker.dispatch import Dispatcher, moved
from smsgw.worker.outage import StoreGate
from smsgw.worker.planning import Planned, Planner
from smsgw.worker.slots import Slots
from smsgw.worker.supervise import RESTART_SECONDS
from smsgw.worker.waiting import WaitingLanes

PATIENCE_SECONDS = 2.0
"""How long deliveries at hand wait for a slot before they are put away."""
PATIENCES_AT_HAND = 5
"""How often they wait so long, one slot after the other, before what is left of them is put away."""
BURY_AGAIN_SECONDS = 1.0
RETRIES = 3
RETRY_SECONDS = 0.5


class Parcel:
    """One delivery and how many of its members are not yet safe."""

    def __init__(self, delivery: Delivery, members: int) -> None:
        self._delivery = delivery
        self._left = members

    async def done(self) -> None:
        """Count one member as safe; the last one acknowledges the delivery."""
        self._left -= 1
        if self._left == 0:
            await self._delivery.ack()


class Intake:
    """Moves envelopes from the queue into the store, as fast as slots get free: the backlog stays in the broker."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        store: Store,
        gate: StoreGate,
        planner: Planner,
        lanes: WaitingLanes,
        dispatcher: Dispatcher,
        slots: Slots,
        observer: Observer,
        clock: Clock,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._consumer = consumer
        self._store = store
        self._gate = gate
        self._planner = planner
        self._lanes = lanes
        self._dispatcher = dispatcher
        self._slots = slots
        self._observer = observer
        self._clock = clock
        self._patience_seconds = patience_seconds
        self._at_hand_until = 0.0
        self._members: deque[tuple[Envelope, Parcel]] = deque()
        self._at_hand: list[tuple[Envelope, Parcel]] = []
        self._unburied: list[tuple[Poison, Parcel]] = []
        self._free_slots = 0

    async def run_until(self, stopping: asyncio.Event) -> None:
        """Take messages in until `stopping`, and finish the batch at hand. While the store is away, and after a bug,
        everything that is not committed goes back to the broker."""
        while not stopping.is_set():
            try:
                await self.run_once(stopping)
            except StoreUnavailableError as error:
                await self._sit_out(self._until_written(str(error), stopping))
            except Exception as error:  # noqa: BLE001  (a bug must not end the intake)
                self._observer(Crashed(where="intake", error=error))
                await self._sit_out(asyncio.sleep(RESTART_SECONDS))

    async def run_once(self, stopping: asyncio.Event) -> None:
        """Take in one batch of at most MAX_BATCH messages, as large as slots are free."""
        if not self._members:
            await self._receive(stopping)
        if self._members:
            await self._take_in_what_fits(stopping)
        if self._unburied:
            await self._bury_all()

    async def _take_in_what_fits(self, stopping: asyncio.Event) -> None:
        left_seconds = self._at_hand_until - asyncio.get_running_loop().time()
        patience_seconds = min(self._patience_seconds, left_seconds)
        taken = self._free_slots = await self._slots.take_within(min(len(self._members), MAX_BATCH), patience_seconds)
        if taken == 0:
            await self._put_away()
            return
        try:
            # Nothing new begins once the worker is told to stop; the broker gets it back.
            if not stopping.is_set():
                self._at_hand = [self._members.popleft() for _ in range(taken)]
                await self._take_in(self._at_hand, self._plan)
        finally:
            self._slots.give(self._free_slots)
            self._free_slots = 0

    async def _put_away(self) -> None:
        """Commit what is at hand as QUEUED: slots come free too slowly, and what only this process knows nobody can
        see, audit or expire. The backlog behind it stays in the broker."""
        while self._members:
            self._at_hand = [self._members.popleft() for _ in range(min(len(self._members), MAX_BATCH))]
            await self._take_in(self._at_hand, plan_waiting)

    async def _until_written(self, detail: str, stopping: asyncio.Event) -> None:
        """Return once the store has taken the batch that it refused: one that answers need not be one that writes. Only
        then the broker may deliver again, for every delivery counts towards its limit."""
        batch = self._at_hand
        while not stopping.is_set():
            await self._gate.wait_until_back(detail)
            try:
                await self._store.take_in([waiting_arrival(envelope, self._clock()) for envelope, _ in batch])
            except StoreUnavailableError as error:
                detail = str(error)
            except Exception as error:  # noqa: BLE001  (the batch is to blame, not the store: sorted out when it is back)
                self._observer(Crashed(where="intake", error=error))
                return
            else:
                return

    async def _receive(self, stopping: asyncio.Event) -> None:
        for delivery in await self._receive_or_stop(stopping):
            members = decode(delivery.body)
            parcel = Parcel(delivery, len(members))
            for member in members:
                if isinstance(member, Poison):
                    self._unburied.append((member, parcel))
                else:
                    self._members.append((member, parcel))
        self._at_hand_until = asyncio.get_running_loop().time() + PATIENCES_AT_HAND * self._patience_seconds

    async def _bury_all(self) -> None:
        """Move what cannot be decoded to the dead-letter queue, after its neighbours; what was not confirmed is tried
        again, or its delivery would be held for ever."""
        waiting, self._unburied = self._unburied, []
        for poison, parcel in waiting:
            if await self._consumer.bury(poison.body, poison.reason):
                self._observer(Poisoned(reason=poison.reason, size=len(poison.body)))
                await parcel.done()
            else:
                self._unburied.append((poison, parcel))

    async def _receive_or_stop(self, stop: asyncio.Event) -> Sequence[Delivery]:
        receiving = asyncio.ensure_future(self._consumer.receive(MAX_BATCH))
        stopping = asyncio.ensure_future(stop.wait())
        patience = BURY_AGAIN_SECONDS if self._unburied else None
        await asyncio.wait({receiving, stopping}, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if receiving.done():
            return receiving.result()
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
        return ()

    async def _take_in(
        self,
        batch: Sequence[tuple[Envelope, Parcel]],
        plan: Callable[[Sequence[Envelope], datetime], Awaitable[Sequence[Planned]]],
    ) -> None:
        """Commit a batch and launch what starts at once, each with one of the free slots."""
        plans = await plan([envelope for envelope, _ in batch], self._clock())
        try:
            await self._commit_and_begin(batch, plans)
        finally:
            for each in plans:
                self._planner.drop(each.permit)

    async def _commit_and_begin(self, batch: Sequence[tuple[Envelope, Parcel]], plans: Sequence[Planned]) -> None:
        arrivals = [
            Arrival(change=plan.change, idempotency_hash=hash_of(envelope))
            for plan, (envelope, _) in zip(plans, batch, strict=True)
        ]
        try:
            committed = await self._commit(arrivals)
        except StoreUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001  (something in this batch: find out what, its neighbours are fine)
            await self._one_by_one(batch, error)
            return
        failpoints.reach("W2")
        for (envelope, _), plan, change in zip(batch, plans, committed, strict=True):
            self._begin(envelope, plan, change)
        for _, parcel in batch:
            await parcel.done()
        failpoints.reach("W3")

    async def _one_by_one(self, batch: Sequence[tuple[Envelope, Parcel]], error: Exception) -> None:
        """Take in each member alone, to be sent when it is due, and bury what the store cannot keep. When it can keep
        none of several, the store is to blame and not they: they go back."""
        refused = []
        for envelope, parcel in batch:
            try:
                (change,) = await self._store.take_in([waiting_arrival(envelope, self._clock())])
            except StoreUnavailableError:
                raise
            except Exception as cause:  # noqa: BLE001  (this is the one, or one of them)
                refused.append((envelope, parcel, cause))
                continue
            if change is not None:
                self._observer(moved(change))
            await parcel.done()
        if len(refused) == len(batch) > 1:
            raise error
        for envelope, parcel, problem in refused:
            self._observer(Crashed(where="intake", error=problem, tracking_id=envelope.tracking_id))
            why = f"the store cannot keep it: {type(problem).__name__}"
            self._unburied.append((Poison(encode(envelope), why), parcel))

    async def _commit(self, arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        """Insert; after a blink of the store ask again with the same arrivals, which finds what did get through."""
        failpoints.reach("W1")
        for _ in range(RETRIES):
            try:
                return await self._store.take_in(arrivals)
            except StoreUnavailableError:
                await asyncio.sleep(RETRY_SECONDS)
        return await self._store.take_in(arrivals)

    def _begin(self, envelope: Envelope, plan: Planned, change: Change | None) -> None:
        if change is None:
            self._observer(CopyDropped(tracking_id=envelope.tracking_id))
            return
        self._observer(moved(change))
        self._lanes.note(change.message.lane)
        if change.started is None or self._free_slots == 0:
            return
        permit, plan.permit = plan.permit, None
        self._dispatcher.launch(Planned(change, without_started(plan.round or Round(left=()), change), permit))
        self._free_slots -= 1

    async def _plan(self, envelopes: Sequence[Envelope], now: datetime) -> Sequence[Planned]:
        plans = await self._planner.plan_new([message_of(envelope, now) for envelope in envelopes], now)
        for plan in plans:
            plan.change = msgspec.structs.replace(plan.change, previous=None)
        return plans

    async def _sit_out(self, until: Awaitable[None]) -> None:
        """Give back what is not committed, close the channel once, and subscribe again afterwards."""
        self._members.clear()
        self._unburied.clear()
        await self._consumer.pause()
        try:
            await until
        finally:
            await self._consumer.resume()
