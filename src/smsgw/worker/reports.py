"""Delivery reports: from the inbox to the messages they are about."""

import asyncio
from collections.abc import Sequence

from smsgw.core.events import CostTold, Crashed, ReportUnmatched
from smsgw.core.lifecycle import Change, Timers
from smsgw.core.message import Attempt, Message, NotApplied, ReceivedReport, Told
from smsgw.core.ports import AppliedReport, Clock, Observer, Store
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
        self._priced: dict[tuple[str, str], CostTold] = {}
        """Of this batch, what tells a price that nobody had told before, by the key of the report that does."""

    def wake(self) -> None:
        """Say that the inbox has something new."""
        self._woken.set()

    async def run_once(self) -> float:
        """Apply one batch; return at once while there is more, else wait for a wake or the poll."""
        self._woken.clear()
        self._priced.clear()
        applied = await self._store.apply_reports(now=self._clock(), limit=BATCH, decide=self.decide)
        for each in applied:
            self._tell(each)
        if len(applied) < BATCH:
            await self._rest()
        return 0

    def _tell(self, applied: AppliedReport) -> None:
        change = applied.change
        if change is not None and change.events:
            self._observer(moved(change))
            if (cost := self._priced.get(_key(applied.received))) is not None:
                self._observer(cost)
        elif change is None and not applied.is_waiting:
            self._observer(ReportUnmatched(provider=applied.received.provider, is_given_up=applied.is_given_up))

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._woken.wait()
        except TimeoutError:
            return

    def decide(
        self, message: Message, attempts: Sequence[Attempt], told: frozenset[Told], received: ReceivedReport
    ) -> Change | NotApplied:
        """Return what a report does to its message, or why it does nothing now."""
        try:
            decided = apply_report(message, attempts, told, received, self._clock(), self._timers)
        except Exception as error:  # noqa: BLE001  (a report that nobody understands must not block its neighbours)
            self._observer(Crashed(where="reports", error=error, tracking_id=message.tracking_id))
            return NotApplied.UNMATCHED
        if isinstance(decided, Change):
            self._note_price(attempts, decided.finished, received)
        return decided

    def _note_price(self, attempts: Sequence[Attempt], told: Attempt | None, received: ReceivedReport) -> None:
        """Note what a report is the first to tell. A transaction that is run again decides again."""
        self._priced.pop(_key(received), None)
        if told is None or told.price is None:
            return
        if any(each.number == told.number and each.price is None for each in attempts):
            cost = CostTold(provider=told.provider, segments=0, price=told.price, currency=told.currency)
            self._priced[_key(received)] = cost


def _key(received: ReceivedReport) -> tuple[str, str]:
    return received.provider, received.report.dedupe_key
