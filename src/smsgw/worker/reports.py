"""Delivery reports: from the inbox to the messages they are about."""

import asyncio
from collections.abc import Sequence

from smsgw.core.events import Crashed, ReportUnmatched
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import Attempt, Message
from smsgw.core.ports import Clock, Observer, ReceivedReport, Store
from smsgw.core.reports import apply_report
from smsgw.worker.dispatch import moved

BATCH = 100
POLL_SECONDS = 1.0


class ReportApplier:
    """Applies what the inbox holds: at once after a webhook call, and again later for reports that came too early."""

    def __init__(self, *, store: Store, timers: Timers, observer: Observer, clock: Clock) -> None:
        self._store = store
        self._timers = timers
        self._observer = observer
        self._clock = clock
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that the inbox has something new."""
        self._woken.set()

    async def run_once(self) -> float:
        """Apply one batch; return at once while there is more, else wait for a wake or the poll."""
        self._woken.clear()
        applied = await self._store.apply_reports(now=self._clock(), limit=BATCH, decide=self.decide)
        for each in applied:
            if each.change is None:
                self._observer(ReportUnmatched(provider=each.received.provider, is_given_up=each.is_given_up))
            else:
                self._observer(moved(each.change))
        if len(applied) < BATCH:
            await self._rest()
        return 0

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return

    def decide(self, message: Message, attempts: Sequence[Attempt], reports: Sequence[ReceivedReport]) -> Change | None:
        """Return what the last of a message's reports does to it; None when it fits no attempt or comes too early."""
        try:
            return apply_report(message, attempts, reports, self._clock(), self._timers)
        except Exception as error:  # noqa: BLE001  (a report that nobody understands must not block its neighbours)
            self._observer(Crashed(where="reports", error=error, tracking_id=message.tracking_id))
            return None
