"""What an operator's gauges show: queue depth, dead letters, backlog by status, heartbeats."""

from datetime import datetime, timedelta

from smsgw.core.events import BacklogSeen, HeartbeatSeen, QueueDepthSeen
from smsgw.core.ports import Clock, Observer, QueueAdmin, QueueUnavailableError, Store

INTERVAL_SECONDS = 5.0
PRUNE_EVERY = timedelta(minutes=10)


class Watch:
    """Looks at what no event tells, and prunes what nobody needs any more."""

    def __init__(self, *, store: Store, queue: QueueAdmin, observer: Observer, clock: Clock) -> None:
        self._store = store
        self._queue = queue
        self._observer = observer
        self._clock = clock
        self._pruned_at: datetime | None = None

    async def run_once(self) -> float:
        """Take one look; return the seconds until the next."""
        self._observer(BacklogSeen(counts=await self._store.counts()))
        for beat in await self._store.beats():
            self._observer(HeartbeatSeen(instance=beat.instance, ts=beat.ts, interval_seconds=beat.interval_seconds))
        await self._look_at_queue()
        await self._prune()
        return INTERVAL_SECONDS

    async def _look_at_queue(self) -> None:
        try:
            waiting, dead = await self._queue.depth(), await self._queue.dead_depth()
        except QueueUnavailableError:
            # The consumer's own supervision has said so already.
            return
        self._observer(QueueDepthSeen(waiting=waiting, dead=dead))

    async def _prune(self) -> None:
        now = self._clock()
        if self._pruned_at is None or now - self._pruned_at >= PRUNE_EVERY:
            await self._store.prune(now)
            self._pruned_at = now
