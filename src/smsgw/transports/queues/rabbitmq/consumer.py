"""The worker's end of one RabbitMQ queue: it hands deliveries over and does nothing else in the broker's callback."""

import asyncio
from collections import deque
from collections.abc import Sequence

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from smsgw.core.admission import PublishOutcome
from smsgw.core.ports import Observer
from smsgw.settings import QueueSettings
from smsgw.transports.queues.rabbitmq.acks import Acks
from smsgw.transports.queues.rabbitmq.connection import REDECLARE_SECONDS, Link, Session
from smsgw.transports.queues.rabbitmq.publisher import publish_confirmed

IDLE_SECONDS = 30.0


class RabbitDelivery:
    """Implements Delivery."""

    __slots__ = ("_acks", "_tag", "body")

    def __init__(self, body: bytes, tag: int, acks: Acks) -> None:
        self.body = body
        self._tag = tag
        self._acks = acks

    async def ack(self) -> None:
        """Acknowledge; the frame is written in this loop tick or the next."""
        self._acks.add(self._tag)


class RabbitConsumer:
    """Implements Consumer for one queue (the outbound one unless named). Construct, `await open()`, `await close()`."""

    def __init__(
        self,
        settings: QueueSettings,
        queue: str | None = None,
        *,
        observer: Observer,
        prefetch: int | None = None,
        idle_seconds: float = IDLE_SECONDS,
    ) -> None:
        self._settings = settings
        self._queue = queue or settings.outbound
        self._prefetch = prefetch or settings.prefetch
        self._link = Link(
            settings, observer, name=f"consumer {self._queue}", prepare=self._subscribe, forget=self._forget
        )
        # A memory alarm stops connections that publish, so this one must not be the one that consumes.
        self._burials = Link(settings, observer, name=f"burials {self._queue}")
        self._acks: Acks | None = None
        self._buffer: deque[RabbitDelivery] = deque()
        self._arrived = asyncio.Event()
        self._idle_seconds = idle_seconds
        self._is_paused = False
        self._is_closed = False

    async def open(self) -> None:
        """Begin to connect in the background."""
        self._link.open()

    async def watch(self) -> None:
        """Wait until closed; raises TopologyError, one line for the operator, when the role must stop."""
        await self._link.watch()

    async def receive(self, limit: int) -> Sequence[RabbitDelivery]:
        """Wait for at least one delivery and return at most `limit`; returns nothing once closed."""
        while not self._buffer and not self._is_closed:
            self._arrived.clear()
            try:
                async with asyncio.timeout(self._idle_seconds):
                    await self._arrived.wait()
            except TimeoutError:
                await self._look_after()
        return [self._buffer.popleft() for _ in range(min(limit, len(self._buffer)))]

    async def bury(self, body: bytes, reason: str) -> bool:
        """Put a body on the dead-letter queue with its reason; True once that is confirmed."""
        self._burials.open()
        outcome = await publish_confirmed(self._burials, self._settings.dead, body, reason=reason)
        return outcome is PublishOutcome.CONFIRMED

    async def pause(self) -> None:
        """Close the consuming channel once, which gives back everything that was not acknowledged."""
        if self._is_paused:
            return
        self._is_paused = True
        await self._drain_acks()
        self._forget()
        await self._link.replace()

    async def resume(self) -> None:
        """Subscribe again."""
        if not self._is_paused:
            return
        self._is_paused = False
        await self._link.replace()

    async def is_ready(self) -> bool:
        """Whether the broker answers and, unless paused, this consumer is subscribed."""
        is_there = await self._link.ready_messages(self._queue) is not None
        return is_there and (self._is_paused or self._acks is not None)

    async def close(self) -> None:
        """Write the last acknowledgements, give back the rest and disconnect."""
        await self._drain_acks()
        await self._link.close()
        await self._burials.close()
        self._is_closed = True
        self._arrived.set()

    async def _look_after(self) -> None:
        """Subscribe anew after a long silence: brokers have lost consumers without a word (see REDECLARE_SECONDS)."""
        acks = self._acks
        if acks is not None and not acks.unacknowledged and not self._buffer:
            await self._link.replace()

    async def _subscribe(self, session: Session) -> None:
        self._forget()
        if self._is_paused:
            return
        channel, acks = session.channel, Acks(session.channel)

        # A plain hand-over: aiormq cancels its callbacks when a channel is lost, whatever they are doing.
        async def take(message: DeliveredMessage) -> None:
            if self._acks is acks and message.delivery_tag is not None:
                acks.unacknowledged += 1
                self._buffer.append(RabbitDelivery(message.body, message.delivery_tag, acks))
                self._arrived.set()

        # The queue was deleted: a new session declares it again and subscribes.
        def cancelled(_: Basic.Cancel) -> None:
            session.retire(rest_seconds=REDECLARE_SECONDS)

        self._acks = acks
        await channel.basic_qos(prefetch_count=self._prefetch)
        channel.on_consumer_cancel_callbacks.add(cancelled)
        await channel.basic_consume(self._queue, take)
        if self._is_paused:
            # The pause came while this was subscribing, when there was no session to close.
            session.retire()

    def _forget(self) -> None:
        """Drop what the lost channel had delivered: the broker delivers it again."""
        self._acks = None
        self._buffer.clear()

    async def _drain_acks(self) -> None:
        if self._acks is not None:
            await self._acks.drain()
