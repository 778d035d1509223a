"""The console put together, beside the operations API whose parts it shows."""

from collections.abc import Sequence

from litestar.handlers import HTTPRouteHandler

from smsgw.core.books import Books
from smsgw.core.ports import Limits
from smsgw.settings import WorkerSettings
from smsgw.wiring.process import utc_now
from smsgw.worker.config import WorkerConfig
from smsgw.worker.console.console import Console, ConsoleRules
from smsgw.worker.console.handlers import console_handlers
from smsgw.worker.console.passwords import Passwords
from smsgw.worker.http.operations import Operations
from smsgw.worker.last_look import LastLook


def open_console(
    settings: WorkerSettings,
    config: WorkerConfig,
    *,
    books: Books,
    operations: Operations,
    limits: Limits,
    look: LastLook,
) -> Sequence[HTTPRouteHandler]:
    """Return the console's handlers; none where it is switched off."""
    if not settings.console.is_enabled:
        return []
    console = Console(
        books=books,
        store=operations.store,
        operations=operations,
        config=config,
        configured=lambda: config.configured,
        clients=lambda: config.clients,
        limits=limits,
        passwords=Passwords(),
        rules=ConsoleRules(
            idle=settings.console.idle,
            longest=settings.console.longest,
            url=settings.console.url,
            trusted_proxies=settings.trusted_proxies,
            expected_clients=settings.expected_clients_fingerprint,
            expected_providers=settings.expected_providers_fingerprint,
        ),
        look=look,
        observer=operations.observer,
        clock=utc_now,
    )
    return console_handlers(console)
