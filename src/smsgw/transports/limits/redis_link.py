"""The way to one Redis: calls are bounded, an outage is paid for once and not by every request, errors translated."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoScriptError, RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from smsgw.core.events import DependencyBack, DependencyLost, DependencyWarned
from smsgw.core.ports import LimitsUnavailableError, Observer

SOCKET_SECONDS = 0.25
PROBE_SECONDS = 0.2
CONNECTIONS = 8
CLUSTER_REFUSED = "Redis Cluster is not supported: one call needs keys of several hash slots; use a single Redis"

_away = (
    RedisConnectionError,
    RedisTimeoutError,
    OSError,
    TimeoutError,
    RuntimeError,  # uvloop's word for a write to a connection that was reset a moment before
)


class RedisClusterError(LimitsUnavailableError):
    """The server is a Redis Cluster node, which this store refuses."""

    def __init__(self) -> None:
        super().__init__(CLUSTER_REFUSED)


class RedisAwayError(LimitsUnavailableError):
    """Redis does not answer, or did not in time: a command that was sent may have been run all the same."""


class ScriptMissingError(Exception):
    """The server does not know the script (any more); send its text."""


class RedisLink:
    """A bounded pool behind a breaker: after a failure calls fail at once until a probe of our own is answered."""

    def __init__(
        self, url: str, *, observer: Observer | None = None, resume: Callable[[], Awaitable[bool]] | None = None
    ) -> None:
        """`resume` runs when a probe is answered, before any caller is let through; False: Redis is away again."""
        self._resume = resume
        self._observer = observer or _nobody
        self._closed = asyncio.Event()
        self._client = Redis(
            connection_pool=BlockingConnectionPool.from_url(
                url,
                max_connections=CONNECTIONS,
                timeout=SOCKET_SECONDS,
                socket_timeout=SOCKET_SECONDS,
                socket_connect_timeout=SOCKET_SECONDS,
                # redis-py's ten retries would hang a request for a minute, and run a script twice.
                retry=Retry(NoBackoff(), 0),
                decode_responses=False,
            )
        )
        self._send: Callable[..., Awaitable[Any]] = self._client.execute_command
        self._probe: asyncio.Task[None] | None = None
        self._is_checked = False

    @property
    def is_away(self) -> bool:
        """Whether calls fail at once."""
        return self._probe is not None

    async def call(self, *command: Any, deadline: float, is_resuming: bool = False) -> Any:
        """Send one command and return its reply, by `deadline` of the loop's clock; what resumes passes the breaker.

        Raises LimitsUnavailableError (RedisAwayError when Redis does not answer), or ScriptMissingError.
        """
        if self.is_away and not is_resuming:
            raise RedisAwayError("redis: away")
        try:
            async with asyncio.timeout_at(deadline):
                if not self._is_checked:
                    await self._refuse_cluster()
                return await self._send(*command)
        except _away as error:
            self._lost(type(error).__name__)
            raise RedisAwayError(f"redis: {type(error).__name__}") from None
        except NoScriptError:
            raise ScriptMissingError from None
        except RedisError as error:
            # Only the code (OOM, READONLY ...): what follows may quote names.
            raise LimitsUnavailableError(f"redis: {error_code(str(error))}") from None

    async def watch(self) -> None:
        """Wait until closed; raises RedisClusterError, one line, when this server must not be used.

        Looks once, as soon as the server answers, and states what would lose data.
        """
        while not self._closed.is_set():
            try:
                self._judge(await self._memory())
                break
            except RedisClusterError:
                raise
            except LimitsUnavailableError as error:
                if self._probe is None:
                    # It answers, and will not say (INFO may be forbidden to this user).
                    self._warn(f"cannot tell whether it may evict keys ({error}); noeviction is needed")
                    break
            await asyncio.sleep(PROBE_SECONDS)
        await self._closed.wait()

    async def durability(self) -> str:
        """Return what this server does with a write, in its own words. Raises LimitsUnavailableError."""
        deadline = asyncio.get_running_loop().time() + 1
        server = _info(await self.call("INFO", "server", deadline=deadline))
        kept = _info(await self.call("INFO", "persistence", deadline=deadline))
        return f"Redis {server.get('redis_version', '?')}, appendonly={'yes' if kept.get('aof_enabled') else 'no'}"

    async def close(self) -> None:
        """Stop probing and close every connection."""
        self._closed.set()
        if self._probe is not None:
            self._probe.cancel()
            await asyncio.wait([self._probe])
        await self._client.aclose(close_connection_pool=True)

    async def _refuse_cluster(self) -> None:
        try:
            info = _info(await self._send("INFO", "cluster"))
        except _away:
            raise
        except RedisError:
            info = {}  # INFO may be forbidden to this user; the scripts will tell
        if str(info.get("cluster_enabled", "0")) == "1":
            raise RedisClusterError
        self._is_checked = True

    async def _memory(self) -> Mapping[str, Any]:
        return _info(await self.call("INFO", "memory", deadline=asyncio.get_running_loop().time() + 1))

    def _judge(self, memory: Mapping[str, Any]) -> None:
        policy = memory.get("maxmemory_policy", "noeviction")
        if policy != "noeviction":
            self._warn(
                f"Redis may evict idempotency keys and quotas: maxmemory-policy is {policy}, noeviction is needed"
            )

    def _warn(self, why: str) -> None:
        self._observer(DependencyWarned(dependency="limits", why=why))

    def _lost(self, why: str) -> None:
        """Open the breaker; whoever fails while it is open finds nothing new."""
        if self._probe is None and not self._closed.is_set():
            self._observer(DependencyLost(dependency="limits", detail=f"redis: {why}"))
            self._probe = asyncio.get_running_loop().create_task(self._until_back())

    async def _until_back(self) -> None:
        try:
            while not (await self._answers() and (self._resume is None or await self._resume())):
                if self._closed.is_set():
                    return  # Python 3.11 may lose a cancellation that comes together with an answer
                await asyncio.sleep(PROBE_SECONDS)
        finally:
            self._probe = None
        self._observer(DependencyBack(dependency="limits"))

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(SOCKET_SECONDS):
                await self._send("PING")
        except (RedisError, *_away):
            return False
        return True


def _nobody(_fact: Any) -> None:
    """Listen to nothing."""


def error_code(text: str) -> str:
    """Return the first word of a Redis error: its code."""
    return text.split(maxsplit=1)[0][:40] if text.strip() else "error"


def _info(reply: Any) -> dict[str, Any]:
    """INFO comes parsed from this client, whatever the protocol's version."""
    return reply if isinstance(reply, dict) else {}
