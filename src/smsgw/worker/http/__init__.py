"""The worker over HTTP: what became of a message, what the providers report, and what an operator asks and does."""

from collections.abc import Callable, Mapping, Sequence

from litestar.handlers import HTTPRouteHandler

from smsgw.core.keys import Clients
from smsgw.core.ports import Clock, Observer, Provider, Store
from smsgw.core.providers import Providers
from smsgw.worker.http.direct import direct_handler
from smsgw.worker.http.operations import Operations
from smsgw.worker.http.ops_distribution import distribution_handlers
from smsgw.worker.http.ops_health import health_handlers
from smsgw.worker.http.ops_providers import provider_handlers
from smsgw.worker.http.ops_requests import request_handlers
from smsgw.worker.http.peer import Network
from smsgw.worker.http.status import status_handler
from smsgw.worker.http.webhooks import ReportInbox, webhook_handlers


def build_worker_handlers(
    *,
    store: Store,
    providers: Mapping[str, Provider],
    configured: Callable[[], Providers],
    clients: Callable[[], Clients],
    observer: Observer,
    clock: Clock,
    wake: Callable[[], None],
    operations: Operations,
    trusted_proxies: Sequence[Network] = (),
) -> Sequence[HTTPRouteHandler]:
    """Return the worker's routes; `wake` is called after reports were stored, so that they are applied at once.
    `trusted_proxies` are those whose word about the caller of a webhook is believed."""
    inbox = ReportInbox(
        store=store, providers=providers, configured=configured, observer=observer, clock=clock, wake=wake
    )
    return [
        status_handler(store=store, clients=clients, clock=clock),
        *webhook_handlers(inbox, trusted_proxies),
        *provider_handlers(operations),
        *health_handlers(operations),
        *distribution_handlers(operations),
        *request_handlers(operations),
        direct_handler(operations),
    ]
