"""The border to redis-py: a call is refused, not sent, or lost. Only the last one may have been done all the same."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError

from smsgw.core.ports import QueueUnavailableError

CONNECT_SECONDS = 2.0

_error_replies = (ResponseError, BusyLoadingError, AuthenticationError)
_away = (
    RedisError,
    OSError,
    TimeoutError,
    EOFError,
    RuntimeError,  # uvloop's word for a write to a connection that was reset a moment before
)


class NotSentError(QueueUnavailableError):
    """There was no connection; nothing was written."""


class LostError(QueueUnavailableError):
    """The command was written and no reply came: it may have been done."""


class RefusedError(QueueUnavailableError):
    """Redis answered with an error and did nothing; `code` is the error's first word."""

    def __init__(self, error: Exception) -> None:
        text = " ".join(str(error).split())
        status = str(getattr(error, "status_code", None) or "")
        self.code = status or text.partition(" ")[0][:40] or "error"
        # Only the code: what follows may quote what was sent.
        super().__init__(f"redis: {self.code}")


class Wires:
    """Connections to one Redis, as many as there are calls at the same moment, used again afterwards."""

    def __init__(self, url: str) -> None:
        """Raises ValueError or TypeError for a URL that redis-py does not take; nothing is connected yet."""
        pool: ConnectionPool = ConnectionPool.from_url(
            url,
            protocol=2,
            driver_info=None,
            socket_timeout=None,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_keepalive=True,
            # redis-py's own ten retries would publish twice.
            retry=Retry(NoBackoff(), 0),
        )
        if url.startswith("unix"):
            pool.connection_kwargs.pop("socket_keepalive", None)
        self._make = cast("Callable[[], AbstractConnection]", pool.make_connection)
        self._free: list[AbstractConnection] = [self._make()]
        self._busy: set[AbstractConnection] = set()

    async def call(self, *command: Any, deadline: float) -> Any:
        """Send one command and return its reply by `deadline` (loop time). Raises one of the three errors above."""
        connection = await self._connected(deadline)
        self._busy.add(connection)
        is_usable = False
        try:
            async with asyncio.timeout_at(deadline):
                await connection.send_command(*command, check_health=False)
                reply = await connection.read_response()
            is_usable = True
        except _error_replies as error:
            is_usable = isinstance(error, ResponseError)
            raise RefusedError(error) from None
        except _away as error:
            raise LostError(f"redis: {type(error).__name__}") from None
        finally:
            self._busy.discard(connection)
            if is_usable:
                self._free.append(connection)
            else:
                # Its reply may still come, and would be taken for that of the next command.
                await connection.disconnect(nowait=True)
        return reply

    async def drop_free(self) -> None:
        """Close the connections that nobody uses: they lead to a server that is gone or is not the right one."""
        free, self._free = self._free, []
        for connection in free:
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Close every connection; calls that are under way end as lost."""
        await self.drop_free()
        for connection in tuple(self._busy):
            await connection.disconnect(nowait=True)

    async def _connected(self, deadline: float) -> AbstractConnection:
        connection = self._free.pop() if self._free else self._make()
        soon = asyncio.get_running_loop().time() + CONNECT_SECONDS
        try:
            async with asyncio.timeout_at(min(deadline, soon)):
                if connection.is_connected and await connection.can_read():
                    # Its peer has closed it, or said what nobody asked for.
                    await connection.disconnect(nowait=True)
                connect: Any = connection.connect
                await connect()
        except BaseException as error:
            await connection.disconnect(nowait=True)
            if isinstance(error, _error_replies):
                raise RefusedError(error) from None
            if isinstance(error, _away):
                raise NotSentError(f"redis: {type(error).__name__}") from None
            raise
        return connection
