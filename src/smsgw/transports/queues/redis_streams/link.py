"""One supervised way to Redis: an outage is found once, told once, and paid for by one caller and not by all."""

import asyncio
import random
from functools import partial
from typing import Any

from smsgw.core.events import Crashed, DependencyBack, DependencyLost, DependencyWarned
from smsgw.core.ports import Observer, QueueUnavailableError
from smsgw.settings import QueueSettings
from smsgw.transports.queues.redis_streams.scripts import Script
from smsgw.transports.queues.redis_streams.server import WrongRedisError, declare, refuse, server_info, warning
from smsgw.transports.queues.redis_streams.wire import LostError, NotSentError, RefusedError, Wires

LOOK_SECONDS = 2.0
PROBE_SECONDS = 0.9
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0


class Link:
    """Keeps Redis looked at: calls fail at once from a lost one on until a look of our own finds server and streams.

    A link that does not declare finds what there is. One that `publishes` is down also while Redis has no memory for a
    publish. The one that `judges` states, once, what the server is set to that would lose messages.
    """

    def __init__(
        self,
        settings: QueueSettings,
        observer: Observer,
        *,
        name: str,
        declares: bool = True,
        publishes: bool = False,
        judges: bool = False,
    ) -> None:
        self._settings = settings
        self._observer = observer
        self._name = name
        self._declares = declares
        self._publishes = publishes
        self._judges = judges
        self._wires = Wires(settings.url)
        self._is_down = False
        self._up = asyncio.Event()
        # Set while it is known whether Redis is there; clear only before the first look.
        self._settled = asyncio.Event()
        self._trouble = asyncio.Event()
        self._fatal: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to look in the background; a Redis that is away is waited for."""
        if self._task is None:
            self._fatal = asyncio.get_running_loop().create_future()
            self._task = asyncio.create_task(self._supervise(), name=f"redis {self._name}")

    async def watch(self) -> None:
        """Wait until the link is closed; raises WrongRedisError when it can never work."""
        if self._fatal is not None:
            await asyncio.shield(self._fatal)

    async def close(self) -> None:
        """Stop looking and close every connection."""
        self._up.clear()
        if self._task is not None and self._fatal is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            if not self._fatal.done():
                self._fatal.set_result(None)
        await self._wires.close()

    @property
    def is_up(self) -> bool:
        """Whether calls are let through."""
        return self._up.is_set()

    async def wait_up(self) -> None:
        """Wait until calls are let through."""
        await self._up.wait()

    async def is_there(self, seconds: float) -> bool:
        """Whether calls are let through; waits for the first look, but not while Redis is known to be away."""
        try:
            async with asyncio.timeout(seconds):
                await self._settled.wait()
        except TimeoutError:
            return False
        return self.is_up

    async def call(self, *command: Any, deadline: float) -> Any:
        """Send one command, return its reply by `deadline` (loop time). Raises a QueueUnavailableError of wire.py."""
        if not self.is_up:
            raise NotSentError("redis: away")
        try:
            return await self._wires.call(*command, deadline=deadline)
        except (NotSentError, LostError) as error:
            self.lost(str(error))
            raise

    async def run(self, script: Script, keys: tuple[str, ...], *arguments: Any, deadline: float) -> Any:
        """Run a script, by its name where Redis knows it."""
        rest = (len(keys), *keys, *arguments)
        try:
            return await self.call("EVALSHA", script.digest, *rest, deadline=deadline)
        except RefusedError as error:
            if error.code != "NOSCRIPT":
                raise
        return await self.call("EVAL", script.text, *rest, deadline=deadline)

    async def answers(self, *command: Any, fine: tuple[str, ...] = ()) -> bool:
        """Whether Redis does this within a second, or refuses it with a code that is fine."""
        try:
            await self.call(*command, deadline=asyncio.get_running_loop().time() + PROBE_SECONDS)
        except RefusedError as error:
            if error.code in fine:
                return True
            self.lost(str(error))
            return False
        except QueueUnavailableError:
            return False
        return True

    def refused(self, error: RefusedError) -> None:
        """Note a refused publish: no memory, a replica, a full disk. Who `publishes` is down until that is over;
        who consumes goes on, or the memory would never be free."""
        if self._publishes:
            self.lost(str(error))

    def lost(self, why: str) -> None:
        """Let no more calls through until a look has found everything in order."""
        self._up.clear()
        self._tell_lost(why)
        self._trouble.set()

    async def _supervise(self) -> None:
        failures = 0
        while True:
            self._trouble.clear()
            try:
                await self._look()
            except WrongRedisError as error:
                self._stop(error)
                return
            except QueueUnavailableError as error:
                self._tell_lost(str(error))
            except Exception as error:  # noqa: BLE001  (a bug must not leave the role without a queue, silently)
                self._observer(Crashed(where=f"redis {self._name}", error=error))
                self._tell_lost(type(error).__name__)
            else:
                failures = 0
                self._begin()
                await self._trouble.wait()
            # A server that was frozen, failed over or has no such stream is not met through an old connection.
            await self._wires.drop_free()
            failures += 1
            await asyncio.sleep(_pause_seconds(failures))

    async def _look(self) -> None:
        """See that this is a Redis which can carry the queue, and that the streams are there."""
        call = partial(self._wires.call, deadline=asyncio.get_running_loop().time() + LOOK_SECONDS)
        info = await server_info(call)
        refuse(info)
        if self._declares:
            await declare(call, self._settings, needs_memory=self._publishes)
        if self._judges:
            self._judges = False
            if why := warning(info):
                self._observer(DependencyWarned(dependency="broker", why=why))

    def _begin(self) -> None:
        if self._is_down:
            self._is_down = False
            self._observer(DependencyBack(dependency="broker"))
        self._up.set()
        self._settled.set()

    def _tell_lost(self, why: str) -> None:
        if not self._is_down:
            self._is_down = True
            self._observer(DependencyLost(dependency="broker", detail=f"{self._name}: {why}"))
        self._settled.set()

    def _stop(self, error: WrongRedisError) -> None:
        self._tell_lost(str(error))
        if self._fatal is not None and not self._fatal.done():
            self._fatal.set_exception(error)
            # Whoever does not watch must not be told by the garbage collector.
            self._fatal.exception()


def _pause_seconds(failures: int) -> float:
    longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(failures - 1, 10))
    return longest * random.uniform(0.5, 1.0)  # noqa: S311  (jitter, not a secret)
