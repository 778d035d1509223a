"""Which URL opens which transport. Looked up by name, so that a gateway never loads a database driver."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from ipaddress import ip_address
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from smsgw.core.admission import ClaimRules
from smsgw.core.books import Books
from smsgw.core.events import DependencyWarned
from smsgw.core.ports import Clock, Consumer, Limits, Observer, Publisher, QueueAdmin, Store
from smsgw.core.traffic import Traffic
from smsgw.settings import QueueSettings, SettingsError

if TYPE_CHECKING:
    from smsgw.transports.sql import Database

LET_GO_SECONDS = 1.0
_AMQP = ("amqp", "amqps")
_REDIS = ("redis", "rediss", "unix")


class Transports:
    """Opens transports into one exit stack; everything on the same SQLite file shares one Database."""

    def __init__(self, stack: AsyncExitStack, *, observer: Observer, clock: Clock) -> None:
        self._stack = stack
        self._observer = observer
        self._clock = clock
        self._databases: dict[str, Database] = {}
        self._queues: dict[str, Any] = {}
        self._links: dict[str, Any] = {}
        self._opened: list[Any] = []
        self._is_warned = False

    async def limits(self, url: str, *, rules: ClaimRules, quota_prefix: str) -> Limits:
        """Open the limits store of a `redis://` or `sqlite:///` URL."""
        if urlsplit(url).scheme in _REDIS:
            redis = resolve_name("smsgw.transports.limits.redis:RedisLimits")
            with _wrong_redis_url():
                limits = redis(url, rules=rules, quota_prefix=quota_prefix, observer=self._observer)
            self._opened.append(limits)
            self._links[url] = limits.link
        else:
            embedded = resolve_name("smsgw.transports.limits.database:DatabaseLimits")
            limits = embedded(self.database(url), rules=rules, quota_prefix=quota_prefix, clock=self._clock)
            await limits.open()
        self._stack.push_async_callback(limits.close)
        return cast("Limits", limits)

    async def traffic(self, url: str, *, quota_prefix: str) -> Traffic:
        """Open what workers share, in the limits store of this URL; beside its Limits, where those were opened before,
        over the same connections."""
        if urlsplit(url).scheme in _REDIS:
            redis = resolve_name("smsgw.transports.limits.redis_traffic:RedisTraffic")
            traffic = redis(self._link(url), quota_prefix=quota_prefix)
        else:
            embedded = resolve_name("smsgw.transports.limits.database_traffic:DatabaseTraffic")
            traffic = embedded(self.database(url), quota_prefix=quota_prefix, clock=self._clock)
            await traffic.open()
        self._stack.push_async_callback(traffic.close)
        return cast("Traffic", traffic)

    async def publisher(self, settings: QueueSettings) -> Publisher:
        """Open the gateway's end of the queue."""
        return cast("Publisher", await self._queue("Publisher", settings))

    async def consumer(self, settings: QueueSettings, queue: str) -> Consumer:
        """Open the worker's end of one queue."""
        return cast("Consumer", await self._queue("Consumer", settings, queue))

    async def queue_admin(self, settings: QueueSettings) -> QueueAdmin:
        """Open what an operator asks of the queue."""
        return cast("QueueAdmin", await self._queue("Admin", settings))

    def store(self, url: str) -> Store:
        """Open the store of a `postgresql://` or `sqlite:///` URL; nothing is connected yet."""
        opened = resolve_name("smsgw.transports.stores.database:DatabaseStore")
        store = opened(self.database(url), observer=self._observer)
        self._stack.push_async_callback(store.close)
        return cast("Store", store)

    def books(self, url: str, *, observer: Observer | None = None) -> Books:
        """Open what the console keeps, in the database of this URL; nothing is connected yet."""
        opened = resolve_name("smsgw.transports.books.database:DatabaseBooks")
        books = opened(self.database(url), observer=observer or self._observer)
        self._stack.push_async_callback(books.close)
        return cast("Books", books)

    def database(self, url: str) -> "Database":
        """Return the Database of a URL, opened once per process."""
        if url not in self._databases:
            database = resolve_name("smsgw.transports.sql:open_database")(url)
            self._stack.push_async_callback(database.close)
            self._databases[url] = database
        return self._databases[url]

    async def watch(self, stop: asyncio.Event) -> None:
        """Run until `stop`; raises SettingsError with the one line of a transport that can never work as it is set."""
        watching = {asyncio.ensure_future(opened.watch()) for opened in self._opened}
        stopped = asyncio.ensure_future(stop.wait())
        done, running = await asyncio.wait({*watching, stopped}, return_when=asyncio.FIRST_COMPLETED)
        await _let_go(running)
        for task in done:
            if error := task.exception():
                raise SettingsError(str(error)) from error

    def _link(self, url: str) -> Any:
        """Return the link to a Redis, opened once per process: one outage is stated once."""
        if url not in self._links:
            with _wrong_redis_url():
                link = resolve_name("smsgw.transports.limits.redis_link:RedisLink")(url, observer=self._observer)
            self._stack.push_async_callback(link.close)
            self._opened.append(link)
            self._links[url] = link
        return self._links[url]

    async def _queue(self, end: str, settings: QueueSettings, *arguments: str) -> Any:
        if urlsplit(settings.url).scheme in _AMQP:
            self._warn_of_guest(settings.url)
            rabbit = resolve_name(f"smsgw.transports.queues.rabbitmq:Rabbit{end}")
            opened = rabbit(settings, *arguments, observer=self._observer)
        elif urlsplit(settings.url).scheme in _REDIS:
            streams = resolve_name(f"smsgw.transports.queues.redis_streams:Redis{end}")
            try:
                opened = streams(settings, *arguments, observer=self._observer)
            except (ValueError, TypeError):
                # The library's words may hold the URL, and with it a password.
                raise SettingsError("QUEUE_URL: the path or a parameter after ? is wrong") from None
        else:
            embedded = resolve_name(f"smsgw.transports.queues.database:Database{end}")
            opened = embedded(self.embedded_queue(settings), *arguments)
        await opened.open()
        self._stack.push_async_callback(opened.close)
        self._opened.append(opened)
        return opened

    def _warn_of_guest(self, url: str) -> None:
        """State, once, that the broker is used with the account that everybody knows; on loopback it is the custom."""
        place = urlsplit(url)
        account = (place.username or "guest", place.password or "guest")
        if account == ("guest", "guest") and not _is_loopback(place.hostname or "") and not self._is_warned:
            self._is_warned = True
            why = "RABBITMQ_URL, QUEUE_URL: guest:guest is an account that everybody knows; make users of your own"
            self._observer(DependencyWarned(dependency="broker", why=why))

    def embedded_queue(self, settings: QueueSettings) -> Any:
        """Return the DatabaseQueue of a `sqlite:///` URL, opened once per process."""
        if settings.url not in self._queues:
            queue = resolve_name("smsgw.transports.queues.database:DatabaseQueue")
            self._queues[settings.url] = queue(settings, self.database(settings.url), clock=self._clock)
        return self._queues[settings.url]


async def _let_go(watching: set[asyncio.Future[Any]]) -> None:
    """Stop watching, and wait for that a moment only: redis-py loses a cancellation that comes while it connects, and
    such a watch ends no sooner than its transport is closed, which is what the caller goes on to."""
    for each in watching:
        each.cancel()
    if watching:
        await asyncio.wait(watching, timeout=LET_GO_SECONDS)


@contextmanager
def _wrong_redis_url() -> Iterator[None]:
    """Say it in one line; the library's words may hold the URL, and with it a password."""
    try:
        yield
    except (ValueError, TypeError):
        raise SettingsError("REDIS_URL, LIMITS_URL: the path or a parameter after ? is wrong") from None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
