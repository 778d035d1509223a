"""Verified reports into the inbox: the one way in, whether they came by webhook or over a bind."""

from collections.abc import Callable, Sequence

from smsgw import failpoints
from smsgw.core.events import ReportReceived
from smsgw.core.message import DeliveryReport, ReceivedReport
from smsgw.core.ports import Clock, Observer, Store, StoreUnavailableError


class ReportKeeper:
    """Stores reports and says so; `wake` is called after that, so that they are applied at once."""

    def __init__(self, *, store: Store, observer: Observer, clock: Clock, wake: Callable[[], None]) -> None:
        self._store = store
        self._observer = observer
        self._clock = clock
        self._wake = wake

    async def keep(self, provider: str, reports: Sequence[DeliveryReport]) -> bool:
        """Return True when they are committed, False when nobody can tell: then they have to come again."""
        now = self._clock()
        received = [ReceivedReport(provider=provider, report=each, received_at=now) for each in reports]
        failpoints.reach("D1")
        try:
            new = await self._store.store_reports(received)
        except StoreUnavailableError:
            return False
        self._observer(ReportReceived(provider=provider, count=len(received), new=new))
        self._wake()
        failpoints.reach("D2")
        return True
