"""The worker over HTTP: what became of a message, and what the providers report."""

from collections.abc import Callable, Mapping, Sequence

from litestar.handlers import HTTPRouteHandler

from smsgw.core.keys import Clients
from smsgw.core.ports import Clock, Observer, Provider, Store
from smsgw.core.providers import Providers
from smsgw.worker.http.status import status_handler
from smsgw.worker.http.webhooks import ReportInbox, webhook_handler


def build_worker_handlers(
    *,
    store: Store,
    providers: Mapping[str, Provider],
    configured: Callable[[], Providers],
    clients: Callable[[], Clients],
    observer: Observer,
    clock: Clock,
    wake: Callable[[], None],
) -> Sequence[HTTPRouteHandler]:
    """Return the worker's routes; `wake` is called after reports were stored, so that they are applied at once."""
    inbox = ReportInbox(
        store=store, providers=providers, configured=configured, observer=observer, clock=clock, wake=wake
    )
    return [status_handler(store=store, clients=clients), webhook_handler(inbox)]
