"""Forgets what is old enough: texts, messages, reports. A little at a time, so that nobody who sends notices."""

import time
from collections.abc import Callable

from smsgw.core.data_care import Kept, Retention
from smsgw.core.events import RowsRetired
from smsgw.core.ports import Clock, Observer, Store

BATCH = 500
"""Rows of one transaction: some ten milliseconds."""
IDLE_SECONDS = 60.0
REST = 4.0
"""After a full batch the chore rests so many times as long as it took: it takes a fifth of one connection at most."""
LEAST_REST_SECONDS = 0.05


class RetentionChore:
    """Retires what is older than the settings allow, one batch of each kind a run. Several workers may run it: one at a
    time walks, and the next goes on from there."""

    def __init__(
        self,
        *,
        store: Store,
        retention: Retention,
        observer: Observer,
        clock: Clock,
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._store = store
        self._periods = retention.periods()
        self._observer = observer
        self._clock = clock
        self._timer = timer

    async def run_once(self) -> float:
        """Retire one batch of each kind; return the seconds until the next run."""
        started = self._timer()
        behind = [what for what in self._periods if await self._is_behind_with(what)]
        if not behind:
            return IDLE_SECONDS
        return max(LEAST_REST_SECONDS, REST * (self._timer() - started))

    async def _is_behind_with(self, what: Kept) -> bool:
        now = self._clock()
        period = self._periods[what]
        retired = await self._store.retire(what, before=now - period, now=now, limit=BATCH)
        if retired is None:
            return False
        # Nothing is kept: nothing is old.
        age = 0.0 if retired.oldest is None else max(0.0, (now - retired.oldest).total_seconds())
        self._observer(RowsRetired(what=what, rows=retired.rows, is_behind=retired.is_behind, oldest_seconds=age))
        return retired.is_behind
