"""The border to aiormq: one connection that can always be closed, and its errors translated once."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.connection import TCPTransportFactory, TLSTransportFactory, parse_heartbeat
from aiormq.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError, InvalidFrameError
from yarl import URL

from smsgw.core.ports import QueueUnavailableError

# A dead peer is noticed after (10 + 1) * 3 = 33 s instead of 183 s.
HEARTBEAT_SECONDS = 10
CLOSE_SECONDS = 3.0

# aiormq's error lines may carry whole messages (a return that comes late); our facts tell what they tell.
logging.getLogger("aiormq").setLevel(logging.CRITICAL)


class Wire(aiormq.TransportFactory):
    """One AMQP connection and the socket under it, which a close can abort when a frozen peer does not answer."""

    def __init__(self, url: str, *, name: str) -> None:
        target = URL(url)
        query = {"heartbeat": str(HEARTBEAT_SECONDS), "name": name, **target.query}
        self._url = target.with_query(query)
        self._inner = TLSTransportFactory() if target.scheme == "amqps" else TCPTransportFactory()
        self._connection: AbstractConnection | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the socket for aiormq and remember it."""
        reader, self._writer = await self._inner.create(url, **kwargs)
        return reader, self._writer

    async def connect(self) -> AbstractConnection:
        """Return the opened connection."""
        try:
            self._connection = await aiormq.connect(self._url, transport_factory=self)
        except InvalidFrameError as error:
            if "Connection.OpenOk" not in str(error):
                raise
            # aiormq keeps the broker's words to itself; what it refuses at this step is the vhost.
            vhost = self._url.path.removeprefix("/") or "/"
            raise QueueUnavailableError(f"vhost '{vhost}' does not exist, or not for this user") from None
        return self._connection

    async def close(self) -> None:
        """Close politely, then in any case."""
        try:
            # It may be gone already, or the peer may not answer: the socket is all that is left to close then.
            with suppress(QueueUnavailableError):
                if self._connection is not None:
                    with translated():
                        async with asyncio.timeout(CLOSE_SECONDS):
                            await self._connection.close()
        finally:
            if self._writer is not None:
                self._writer.transport.abort()


def heartbeat_seconds(url: str) -> int:
    """Return the interval of heartbeats on connections to this URL, which may set it; 0 is none."""
    return int(parse_heartbeat(URL(url).query.get("heartbeat", str(HEARTBEAT_SECONDS))))


def is_blocked(connection: AbstractConnection) -> bool:
    """Whether the broker blocks this connection's publishes (memory or disk alarm), as far as it has told us.

    aiormq has no public state for it, but `ready()` finishes without waiting exactly when nothing blocks.
    """
    waiting = connection.ready()
    try:
        waiting.send(None)
    except StopIteration:
        return False
    waiting.close()
    return True


async def close_channel(channel: AbstractChannel) -> None:
    """Close one channel, which gives back what it had not acknowledged; on a lost connection there is nothing to do."""
    try:
        with translated():
            async with asyncio.timeout(CLOSE_SECONDS):
                await channel.close()
    except QueueUnavailableError:
        # A channel that does not close in time ends with its connection.
        return


@contextmanager
def translated() -> Iterator[None]:
    """Raise QueueUnavailableError for everything that aiormq raises when a connection or channel is lost.

    aiormq also throws CancelledError into whoever waits for a lost channel: an outage, unless we were cancelled.
    """
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        raise QueueUnavailableError("connection lost") from None
    except DeliveryError:
        # A nack or a return is an answer about one message; whoever published it tells them apart.
        raise
    except (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, EOFError) as error:
        raise QueueUnavailableError(brief(error)) from error
    except RuntimeError as error:
        if "closed" not in str(error):
            raise
        raise QueueUnavailableError("connection closed") from error


def brief(error: BaseException) -> str:
    """Return one line about an error, for facts."""
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}"[:200] if text else type(error).__name__
