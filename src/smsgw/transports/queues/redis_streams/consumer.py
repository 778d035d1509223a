"""The worker's end of one queue on Redis: one loop reads, renews and takes over; what it read waits to be received."""

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from typing import Any

from smsgw.core.admission import PublishOutcome
from smsgw.core.events import Crashed
from smsgw.core.ports import Observer, QueueUnavailableError
from smsgw.settings import QueueSettings
from smsgw.transports.queues.redis_streams.holding import Holding, RedisDelivery
from smsgw.transports.queues.redis_streams.link import Link
from smsgw.transports.queues.redis_streams.names import BODY, DELIVERY_LIMIT, REASON, fields, key
from smsgw.transports.queues.redis_streams.publisher import add
from smsgw.transports.queues.redis_streams.share import ABANDONED_SECONDS, Share

POLL_SECONDS = 0.25
"""How long a read waits, and how late an idle consumer finds what another one gave back."""
CLOSE_SECONDS = 3.0
NEVER = 10**9


class RedisConsumer:
    """Implements Consumer for one queue (the outbound one unless named). Construct, `await open()`, `await close()`."""

    def __init__(
        self,
        settings: QueueSettings,
        queue: str | None = None,
        *,
        observer: Observer,
        prefetch: int | None = None,
        abandoned_seconds: float = ABANDONED_SECONDS,
    ) -> None:
        name = queue or settings.outbound
        self._settings = settings
        self._observer = observer
        self._prefetch = prefetch or settings.prefetch
        is_outbound = name == settings.outbound
        self._link = Link(settings, observer, name=f"consumer {name}", judges=is_outbound)
        self._share = Share(
            self._link,
            (key(name), key(settings.dead)),
            me=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
            abandoned_seconds=abandoned_seconds,
            # A heartbeat is no message: it is dropped by age, and is nothing for an operator to replay.
            delivery_limit=DELIVERY_LIMIT if is_outbound else NEVER,
        )
        self._changed = asyncio.Event()
        self._holding = Holding(self._link, key(name), freed=self._changed.set)
        self._arrived = asyncio.Event()
        self._parked = asyncio.Event()
        self._is_reading = self._is_paused = self._is_closing = self._is_closed = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin to connect and to read in the background."""
        self._link.open()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="redis consumer")

    async def watch(self) -> None:
        """Wait until closed; raises WrongRedisError, one line for the operator, when the role must stop."""
        await self._link.watch()

    async def receive(self, limit: int) -> Sequence[RedisDelivery]:
        """Wait for at least one delivery and return at most `limit`; returns nothing once closed."""
        while not self._holding.buffer and not self._is_closed:
            self._arrived.clear()
            await self._arrived.wait()
        buffer = self._holding.buffer
        return [buffer.popleft() for _ in range(min(limit, len(buffer)))]

    async def bury(self, body: bytes, reason: str) -> bool:
        """Add a body to the dead letters with its reason; True once Redis has it."""
        outcome = await add(self._link, "XADD", key(self._settings.dead), "*", BODY, body, REASON, reason)
        return outcome is PublishOutcome.CONFIRMED

    async def pause(self) -> None:
        """Stop reading and give back everything that was not acknowledged; with Redis away, as soon as it is back."""
        if self._is_paused:
            return
        self._is_paused = True
        self._parked.clear()
        self._holding.drop()
        await self._until_done(asyncio.ensure_future(self._parked.wait()))

    async def resume(self) -> None:
        """Read again."""
        self._is_paused = False
        self._parked.clear()
        self._changed.set()

    async def is_ready(self) -> bool:
        """Whether Redis answers and, unless paused, this consumer reads."""
        is_there = await self._link.answers("PING", fine=("NOPERM",))
        return is_there and (self._is_reading or self._is_paused)

    async def close(self) -> None:
        """Tell the last acknowledgements, give back the rest, leave the group and disconnect."""
        self._is_closing = True
        self._holding.drop()
        if self._task is not None:
            await self._until_done(self._task)
            await asyncio.gather(self._task, return_exceptions=True)
        await self._holding.drain()
        await self._link.close()
        self._is_closed = True
        self._arrived.set()

    async def _until_done(self, waiting: asyncio.Future[Any]) -> None:
        """Wake the loop and wait until it has given back; not for a Redis that is away or hangs."""
        self._changed.set()
        if self._link.is_up:
            await asyncio.wait({waiting}, timeout=CLOSE_SECONDS)
        waiting.cancel()

    async def _run(self) -> None:
        while True:
            await self._link.wait_up()
            try:
                await self._live()
            except QueueUnavailableError as error:
                self._link.lost(str(error))
            except Exception as error:  # noqa: BLE001  (a bug must not end the consumer, silently)
                self._observer(Crashed(where="redis consumer", error=error))
                self._link.lost(type(error).__name__)
            else:
                return
            finally:
                self._is_reading = False

    async def _live(self) -> None:
        """Read while Redis answers, until closed. Everything here happens one after the other, so that nothing is read
        while what is ours is compared."""
        self._share.renew_now()
        while True:
            self._holding.write()
            if self._is_closing:
                return await self._give_back_all()
            if self._is_paused:
                await self._rest()
                continue
            self._changed.clear()
            await self._look_round()
            self._is_reading = True
            room = self._prefetch - len(self._holding)
            if room > 0:
                self._take(await self._share.read(room, wait_seconds=POLL_SECONDS))
            else:
                await self._wait_for_change()

    async def _look_round(self) -> None:
        found = await self._share.look_round(self._prefetch - len(self._holding))
        if found is None:
            return
        if found.mine is not None:
            unread = self._holding.compare(found.mine, is_whole=found.is_whole)
            if unread:
                await self._share.give_back(unread)
        self._take(found.taken)

    def _take(self, entries: Sequence[tuple[bytes, Sequence[bytes]]]) -> None:
        if self._is_paused or self._is_closing:
            # It came while the pause began, and goes back with everything else under our name.
            return
        for entry_id, flat in entries:
            self._holding.add(entry_id, fields(flat).get(BODY, b""))
        if entries:
            self._arrived.set()

    async def _wait_for_change(self) -> None:
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            # Renewing is due now and then, also when nothing changes.
            return

    async def _rest(self) -> None:
        """Give everything back, and wait until resumed or closed."""
        await self._give_back_all()
        self._parked.set()
        while self._is_paused and not self._is_closing:
            self._changed.clear()
            await self._changed.wait()

    async def _give_back_all(self) -> None:
        await self._holding.drain()
        self._holding.drop()
        await self._share.give_back_all(is_leaving=self._is_closing)
