"""Takes messages out of their lanes as fast as their providers take them: tokens first, then slots, then the rows."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from smsgw.core.events import LanesSeen
from smsgw.core.lanes import read_lane
from smsgw.core.message import Message
from smsgw.core.pace_rules import BATCH
from smsgw.core.ports import Observer, Store
from smsgw.core.routing import Router
from smsgw.worker.planning import Planned, Planner
from smsgw.worker.slots import Slots
from smsgw.worker.starting import ClaimPlan, Starter
from smsgw.worker.waiting import WaitingLanes

LOOK_SECONDS = 1.0
"""Between two looks for lanes that other workers have filled."""
REST_SECONDS = 0.1
LEAST_REST_SECONDS = 0.002
SLOT_SECONDS = 0.25


class LaneSweeper:
    """Serves every lane in turn. A lane costs nothing while no provider of it has tokens."""

    def __init__(
        self,
        *,
        store: Store,
        router: Router,
        planner: Planner,
        lanes: WaitingLanes,
        starter: Starter,
        slots: Slots,
        stopping: asyncio.Event,
        observer: Observer,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._router = router
        self._planner = planner
        self._lanes = lanes
        self._starter = starter
        self._slots = slots
        self._stopping = stopping
        self._observer = observer
        self._monotonic = monotonic
        self._look_at = 0.0

    async def run_once(self) -> float:
        """Take what there are tokens for out of every lane; return the seconds to rest."""
        has_looked = await self._look()
        has_moved = False
        rest = REST_SECONDS
        for lane in self._lanes.names:
            if self._stopping.is_set():
                return 0
            wanted, wait = await self._stocked(lane, has_looked=has_looked)
            if wanted:
                has_moved |= await self._serve(lane, wanted)
            else:
                rest = min(rest, max(LEAST_REST_SECONDS, wait))
        if not has_moved:
            await self._wait(rest)
        return 0

    async def _look(self) -> bool:
        """Ask the store for the lanes when it is time; return whether it was."""
        if self._monotonic() < self._look_at:
            return False
        self._look_at = self._monotonic() + LOOK_SECONDS
        found = await self._store.lanes()
        self._lanes.see(found)
        self._observer(LanesSeen(count=len(found)))
        return True

    async def _stocked(self, lane: str, *, has_looked: bool) -> tuple[int, float]:
        """Return how many messages of a lane may be taken now, as many as its providers have tokens for, or how long
        there will be none. When no provider is usable any more, the messages have to be told so."""
        read = read_lane(lane)
        names = self._router.usable_of(read.providers)
        if not names:
            return BATCH, 0
        ready, pacer = 0, self._planner.pacer
        well = [name for name in names if self._planner.health.allows(name, read.country)]
        if not well and not read.country and has_looked:
            # Some may go through a provider that is well, now that theirs is not: a few are looked at with each look.
            return BATCH, 0
        for name in well:
            if ready < BATCH:
                ready += await pacer.stock(name, BATCH - ready, is_backlog=self._lanes.is_backlog(lane))
        return ready, pacer.waits_seconds(well) or REST_SECONDS

    async def _serve(self, lane: str, wanted: int) -> bool:
        """Claim from one lane; return whether a message moved."""
        taken = await self._slots.take_within(wanted, SLOT_SECONDS)
        if taken == 0 or self._stopping.is_set():
            self._slots.give(taken)
            return False

        def claim(plan: ClaimPlan) -> Awaitable[Sequence[tuple[Message, Planned]]]:
            return self._store.claim_lane(lane, limit=taken, plan=plan)

        started = await self._starter.start(taken, claim, self._planner.plan_waiting, where="lanes")
        self._lanes.served(lane, found=started.found, wanted=taken)
        return started.moved > 0

    async def _wait(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._lanes.woken.wait()
        self._lanes.woken.clear()
