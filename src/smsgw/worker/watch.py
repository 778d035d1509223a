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
        # First: while the database is away, the queue is what an operator looks at.
        await self._look_at_queue()
        await self._look_at_store()
        for beat in await self._store.beats():
            self._observer(HeartbeatSeen(instance=beat.instance, ts=beat.ts, interval_seconds=beat.interval_seconds))
        await self._prune()
        return INTERVAL_SECONDS

    async def _look_at_store(self) -> None:
        counts, oldest, now = await self._store.counts(), await self._store.oldest(), self._clock()
        self._observer(
            BacklogSeen(
                counts=counts,
                oldest_seconds=_since(await self._store.oldest_waiting(), now),
                overdue_seconds=_since(oldest.due_at, now),
                in_lane_seconds=_since(oldest.in_lane, now),
                reports_overdue_seconds=_since(oldest.report_due_at, now),
            )
        )

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


def _since(moment: datetime | None, now: datetime) -> float:
    """Return the seconds since then, 0 for what is to come or is not there."""
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())
