"""One supervised link to the broker: aio-pika's robust one loops on a refused declaration and loses consumers."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, cast

from aiormq import Channel
from aiormq.abc import AbstractChannel, AbstractConnection

from smsgw.core.events import Crashed, DependencyBack, DependencyLost
from smsgw.core.ports import Observer, QueueUnavailableError
from smsgw.settings import QueueSettings
from smsgw.transports.queues.rabbitmq.topology import TopologyError, declare
from smsgw.transports.queues.rabbitmq.wire import Wire, brief, close_channel, is_blocked, translated

OPEN_SECONDS = 5.0
PROBE_SECONDS = 0.9
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0
LAST_CONFIRMS_SECONDS = 3.5
# A quorum queue that is declared again within milliseconds of its deletion keeps its consumers without telling them,
# and delivers to nobody (seen with RabbitMQ 3.10.8); 0.05 s are enough for it.
REDECLARE_SECONDS = 0.5


class Session:
    """One open channel on which the topology is declared. A retired one lives until its last confirm has come."""

    def __init__(self, connection: AbstractConnection, channel: Channel) -> None:
        self.connection = connection
        self.channel = channel
        self.in_flight = 0
        self.retired: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.idle = asyncio.Event()
        self.idle.set()

    @property
    def is_open(self) -> bool:
        """Whether something written now would leave this process."""
        return not (self.channel.is_closed or self.connection.is_closed)

    def enter(self) -> None:
        """Hold the channel open for one publish."""
        self.in_flight += 1
        self.idle.clear()

    def leave(self) -> None:
        """End what `enter` began."""
        self.in_flight -= 1
        if not self.in_flight:
            self.idle.set()

    def retire(self, *, rest_seconds: float = 0.0) -> None:
        """Ask for a new session in place of this one, opened after a rest."""
        if not self.retired.done():
            self.retired.set_result(rest_seconds)


class Link:
    """Keeps one connection with one session open, for ever; tells the observer when that changes.

    `prepare` runs on every new session after the topology is declared, `forget` whenever a session is over. A link that
    does not declare finds what there is.
    """

    def __init__(
        self,
        settings: QueueSettings,
        observer: Observer,
        *,
        name: str,
        prepare: Callable[[Session], Awaitable[None]] | None = None,
        forget: Callable[[], None] | None = None,
        declares: bool = True,
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._name = name
        self._prepare = prepare
        self._forget = forget
        self._declares = declares
        self._session: Session | None = None
        self._probe: AbstractChannel | None = None
        self._is_down = False
        self._is_closing = False
        # Set while it is known whether there is a session; clear while a first attempt at a new one runs.
        self._settled = asyncio.Event()
        self._fatal: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._endings: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to connect in the background; a broker that is away is waited for."""
        if self._task is None:
            self._fatal = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._supervise(), name=f"rabbitmq {self._name}")

    async def watch(self) -> None:
        """Wait until the link is closed; raises TopologyError when it can never work."""
        if self._fatal is not None:
            await asyncio.shield(self._fatal)

    async def close(self) -> None:
        """Close channel and connection; nothing reconnects any more."""
        if self._task is None or self._fatal is None:
            return
        self._is_closing = True
        # The channel first: closing the connection alone would drop acknowledgements that wait to be written.
        await self.replace()
        self._task.cancel()
        await asyncio.gather(self._task, *self._endings, return_exceptions=True)
        if not self._fatal.done():
            self._fatal.set_result(None)

    async def session(self, seconds: float) -> Session | None:
        """Return the session; waits for one that is being opened, but not while the broker is known to be away."""
        session = self._session
        if session is not None:
            return session if session.is_open else None
        if self._is_down:
            return None
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        except TimeoutError:
            return None
        return self._session

    async def replace(self) -> None:
        """Close the session's channel at once and open a new one in its place."""
        session = self._session
        if session is None:
            return
        session.retire()
        await session.ended.wait()

    async def ready_messages(self, queue: str) -> int | None:
        """Return how many messages are ready in a queue; None when the broker does not say so within a second."""
        session = self._session
        if session is None or not session.is_open or is_blocked(session.connection):
            return None
        try:
            with translated():
                async with asyncio.timeout(PROBE_SECONDS):
                    # Not on the session's channel: a missing queue closes the channel that asks for it.
                    if self._probe is None or self._probe.is_closed or self._probe.connection is not session.connection:
                        self._probe = await session.connection.channel(publisher_confirms=False)
                    found = await self._probe.queue_declare(queue, passive=True)
        except QueueUnavailableError:
            self._probe = None
            session.retire(rest_seconds=REDECLARE_SECONDS)
            return None
        return found.message_count or 0

    async def _supervise(self) -> None:
        failures = 0
        while True:
            was_up = False
            try:
                with translated():
                    await self._live()
            except TopologyError as error:
                self._stop(error)
                return
            except QueueUnavailableError as error:
                was_up = self._over(str(error))
            except Exception as error:  # noqa: BLE001  (a bug must not leave the role without a broker, silently)
                self._observer(Crashed(where=f"rabbitmq {self._name}", error=error))
                was_up = self._over(brief(error))
            if self._is_closing:
                return
            failures = 0 if was_up else failures + 1
            await asyncio.sleep(_pause_seconds(failures))

    async def _live(self) -> None:
        """Connect and keep a session open until the connection is lost."""
        wire = Wire(self._settings.url, name=f"smsgw-{self._name}")
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                connection = await wire.connect()
            while not self._is_closing:
                await self._unblocked(connection)
                async with asyncio.timeout(OPEN_SECONDS):
                    session = await self._open_session(connection)
                self._begin(session)
                await _first_of(session.retired, session.channel.closing, connection.closing)
                self._end(session)
                if self._is_closing:
                    await session.ended.wait()
                elif session.retired.done():
                    await asyncio.sleep(session.retired.result())
        finally:
            await wire.close()

    async def _unblocked(self, connection: AbstractConnection) -> None:
        """Wait while the broker blocks publishers: it would not read the opening of a channel either."""
        if connection.is_closed:
            raise QueueUnavailableError("connection closed")
        if not is_blocked(connection):
            return
        self._lost("the broker blocks publishers (memory or disk alarm)")
        ready = asyncio.ensure_future(connection.ready())
        try:
            await _first_of(ready, connection.closing)
        finally:
            ready.cancel()

    async def _open_session(self, connection: AbstractConnection) -> Session:
        if self._declares:
            await declare(connection, self._settings)
        channel = cast("Channel", await connection.channel(on_return_raises=True))
        session = Session(connection, channel)
        if self._prepare is not None:
            await self._prepare(session)
        return session

    def _begin(self, session: Session) -> None:
        self._session = session
        if self._is_down:
            self._is_down = False
            self._observer(DependencyBack(dependency="broker"))
        self._settled.set()

    def _end(self, session: Session) -> None:
        """Let go of a session; its channel closes when its last publish has an outcome."""
        self._session = None
        self._settled.clear()
        if self._forget is not None:
            self._forget()
        task = asyncio.create_task(_close_when_idle(session))
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)

    def _over(self, why: str) -> bool:
        """Note that the connection is lost; return whether there had been a session since the last loss."""
        was_up = not self._is_down
        self._lost(why)
        return was_up

    def _lost(self, why: str) -> None:
        if not self._is_down:
            self._is_down = True
            self._observer(DependencyLost(dependency="broker", detail=f"{self._name}: {why}"))
        self._settled.set()

    def _stop(self, error: TopologyError) -> None:
        self._lost(str(error))
        if self._fatal is not None and not self._fatal.done():
            self._fatal.set_exception(error)
            # Whoever does not watch must not be told by the garbage collector.
            self._fatal.exception()


async def _close_when_idle(session: Session) -> None:
    try:
        # When it times out, the callers have been told UNKNOWN by now.
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_CONFIRMS_SECONDS):
                await session.idle.wait()
    finally:
        await close_channel(session.channel)
        session.ended.set()


async def _first_of(*futures: asyncio.Future[Any]) -> None:
    """Wait for the first of several futures and stop observing the others."""
    try:
        await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for future in futures[1:]:
            future.cancel()


def _pause_seconds(failures: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  (jitter, not a secret)
