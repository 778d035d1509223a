"""What the console's pages stand on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from smsgw.core.books import Books
from smsgw.core.keys import Clients
from smsgw.core.ports import Clock, Limits, Observer, Store
from smsgw.core.providers import Providers
from smsgw.worker.config import WorkerConfig
from smsgw.worker.console.passwords import Passwords
from smsgw.worker.http.operations import Operations
from smsgw.worker.http.peer import Network
from smsgw.worker.last_look import LastLook


class ConsoleRules(msgspec.Struct, frozen=True, kw_only=True):
    """The console's settings."""

    idle: timedelta = timedelta(minutes=30)
    """A session that nobody uses for so long is over."""
    longest: timedelta = timedelta(hours=12)
    """Every session is over then."""
    url: str = ""
    """Where browsers reach the console, without a final slash; empty: wherever they say they do."""
    trusted_proxies: Sequence[Network] = ()
    expected_clients: str = ""
    """EXPECTED_CLIENTS_FINGERPRINT; empty: none is expected."""
    expected_providers: str = ""


@dataclass(frozen=True, kw_only=True)
class Console:
    """Everything that a page may show or change."""

    books: Books
    store: Store
    operations: Operations
    """The parts of the operations API: circuits, limits, shares, direct sends."""
    config: WorkerConfig
    """The baseline, the overlay that is in force, and why a change of it must not be written."""
    configured: Callable[[], Providers]
    clients: Callable[[], Clients]
    limits: Limits
    passwords: Passwords
    rules: ConsoleRules
    observer: Observer
    clock: Clock
    look: LastLook = field(default_factory=LastLook)
