"""The operations API put together, beside the worker whose parts it shows."""

from typing import Any

from smsgw.core.events import Crashed
from smsgw.core.phone import Numbers
from smsgw.core.ports import Observer, Store
from smsgw.core.traffic import Traffic
from smsgw.core.wishes import TextRules
from smsgw.settings import WorkerSettings
from smsgw.wiring.process import utc_now
from smsgw.worker.calls import Calls
from smsgw.worker.choosing import Choosing
from smsgw.worker.config import WorkerConfig
from smsgw.worker.direct import DirectSender
from smsgw.worker.http.operations import Operations, Rule
from smsgw.worker.outage import StoreGate
from smsgw.worker.shares import ShareBook


def open_operations(
    settings: WorkerSettings,
    config: WorkerConfig,
    *,
    store: Store,
    gate: StoreGate,
    calls: Calls,
    traffic: Traffic,
    choosing: Choosing,
    shares: ShareBook,
    observer: Observer,
) -> Operations:
    """Return what the routes stand on; its `direct` is closed by the caller."""
    shared: dict[str, Any] = {"store": store, "traffic": traffic, "choosing": choosing, "observer": observer}
    direct = DirectSender(
        gate=gate,
        calls=calls,
        providers=config.opened,
        configured=lambda: config.configured,
        rates=settings.rates,
        timers=settings.timers,
        clock=utc_now,
        **shared,
    )
    return Operations(
        clients=lambda: config.clients,
        configured=lambda: config.configured,
        shares=shares,
        direct=direct,
        clock=utc_now,
        rule=Rule(
            strategy=settings.strategy,
            default_priority=settings.default_priority,
            rates=settings.rates,
            numbers=Numbers(settings.default_region, check=settings.number_check),
            texts=TextRules(max_segments=settings.max_segments, smart_encoding=settings.smart_encoding),
            timers=settings.timers,
        ),
        **shared,
    )


def heard_by(first: Observer, *others: Observer) -> Observer:
    """Return an observer that tells every fact to all of these. What one of the others makes of it, `first` is told as
    a crash, and who stated the fact never feels: a sum that cannot be made must not cost a message its outcome."""

    def tell(fact: Any, /) -> None:
        first(fact)
        try:
            for listener in others:
                listener(fact)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is a bug of the listener)
            first(Crashed(where="listeners", error=error))

    return tell
