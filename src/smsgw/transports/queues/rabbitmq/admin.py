"""What an operator asks of RabbitMQ, by plain AMQP: no management plug-in is needed."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import ChannelNotFoundEntity
from pamqp.commands import Basic

from smsgw.core.admission import PublishOutcome
from smsgw.core.backlog import Backlog, DeadLetter
from smsgw.core.ports import Observer, QueueUnavailableError
from smsgw.settings import QueueSettings
from smsgw.transports.queues.rabbitmq.connection import Link
from smsgw.transports.queues.rabbitmq.publisher import REASON_HEADER, publish_confirmed
from smsgw.transports.queues.rabbitmq.topology import DELIVERY_LIMIT
from smsgw.transports.queues.rabbitmq.wire import close_channel, heartbeat_seconds, translated

CONNECT_SECONDS = 5.0
LOOK_SECONDS = 30.0
CONSUMER_TIMEOUT_SECONDS = 1800.0
RETURN_LOOKS = 50
RETURN_PAUSE_SECONDS = 0.02


class RabbitAdmin:
    """Implements QueueAdmin. Construct, `await open()`, `await close()`. Declares nothing: a wrong name must not make a
    queue, which would then be found empty."""

    def __init__(self, settings: QueueSettings, *, observer: Observer) -> None:
        self._settings = settings
        self._link = Link(settings, observer, name="admin", declares=False)

    async def open(self) -> None:
        """Begin to connect in the background."""
        self._link.open()

    async def watch(self) -> None:
        """Wait until closed; raises TopologyError, one line for the operator, when the role must stop."""
        await self._link.watch()

    async def depth(self) -> int:
        """Return how many broker messages are ready in the outbound queue."""
        return await self._depth(self._settings.outbound)

    async def dead_depth(self) -> int:
        """Return how many messages lie in the dead-letter queue."""
        return await self._depth(self._settings.dead)

    async def dead_letters(self, limit: int) -> Sequence[DeadLetter]:
        """Return the oldest dead letters; they go back to their places when the look is over."""
        async with self._channel(self._settings.dead) as channel:
            messages = [message async for message in _messages(channel, self._settings.dead, limit)]
            await _give_back(channel, self._settings.dead, messages)
            return [_dead_letter(message) for message in messages]

    async def replay(self, dead_letter_id: str) -> bool:
        """Publish one dead letter to the outbound queue and, once that is confirmed, take it from the dead ones."""
        depth = await self.dead_depth()
        async with self._channel(self._settings.dead) as channel:
            others = []
            is_moved = False
            async for message in _messages(channel, self._settings.dead, depth):
                if _id(message) == dead_letter_id:
                    is_moved = await self._move(channel, message)
                    break
                others.append(message)
            await _give_back(channel, self._settings.dead, others)
        return is_moved

    async def look(self, limit: int) -> Backlog:
        """Return the bodies that are ready, unless they are more than `limit` or workers take from the queue meanwhile.

        What a worker holds unacknowledged cannot be seen by AMQP, nor what another look holds: one look at a time. A
        frozen worker is dropped three heartbeats after its last sign, one more for a busy broker; without heartbeats,
        after the broker's timeout for acknowledgements.
        """
        async with self._channel(self._settings.outbound) as channel:
            ready, consumers = await _counts(channel, self._settings.outbound)
            is_hidden = ready > limit or (ready and consumers)
            return Backlog(
                bodies=None if is_hidden else await self._bodies(channel, ready),
                holders=consumers,
                hold_seconds=4 * heartbeat_seconds(self._settings.url) or CONSUMER_TIMEOUT_SECONDS,
            )

    async def close(self) -> None:
        """Disconnect."""
        await self._link.close()

    async def _depth(self, queue: str) -> int:
        async with self._channel(queue) as channel:
            return (await _counts(channel, queue))[0]

    async def _bodies(self, channel: AbstractChannel, ready: int) -> Sequence[bytes] | None:
        """Return the bodies of so many messages; None when somebody else took some."""
        messages = [message async for message in _messages(channel, self._settings.outbound, ready)]
        for message in messages:
            await self._renew(channel, message)
        return [message.body for message in messages] if len(messages) == ready else None

    async def _renew(self, channel: AbstractChannel, message: DeliveredMessage) -> None:
        """Replace a message whose delivery count is half used up: looking counts, and must not bury good messages."""
        if _headers(message).get("x-delivery-count", 0) >= DELIVERY_LIMIT // 2:
            await self._move(channel, message)

    async def _move(self, channel: AbstractChannel, message: DeliveredMessage) -> bool:
        outcome = await publish_confirmed(self._link, self._settings.outbound, message.body)
        if outcome is not PublishOutcome.CONFIRMED or message.delivery_tag is None:
            return False
        with translated():
            await channel.basic_ack(message.delivery_tag)
        return True

    @asynccontextmanager
    async def _channel(self, queue: str) -> AsyncIterator[AbstractChannel]:
        """Open a channel for one look at a queue; closing it gives back all that was looked at."""
        session = await self._link.session(CONNECT_SECONDS)
        if session is None:
            raise QueueUnavailableError("not connected to the broker")
        with translated():
            async with asyncio.timeout(LOOK_SECONDS):
                channel = await session.connection.channel(publisher_confirms=False)
                try:
                    yield channel
                except ChannelNotFoundEntity:
                    raise QueueUnavailableError(f"no queue '{queue}' on this broker") from None
                finally:
                    await close_channel(channel)


async def _counts(channel: AbstractChannel, queue: str) -> tuple[int, int]:
    """Return how many messages are ready in a queue and how many consumers it has."""
    found = await channel.queue_declare(queue, passive=True)
    return found.message_count or 0, found.consumer_count or 0


async def _messages(channel: AbstractChannel, queue: str, limit: int) -> AsyncIterator[DeliveredMessage]:
    for _ in range(limit):
        message = await channel.basic_get(queue)
        if isinstance(message.delivery, Basic.GetEmpty):
            return
        yield message


async def _give_back(channel: AbstractChannel, queue: str, messages: Sequence[DeliveredMessage]) -> None:
    """Return what was looked at, and wait a moment until the queue shows it: a quorum queue takes things back in its
    own time, also after a channel is closed, and the next look would find them missing."""
    for message in messages:
        if message.delivery_tag is not None:
            await channel.basic_nack(message.delivery_tag, requeue=True)
    for _ in range(RETURN_LOOKS):
        if (await _counts(channel, queue))[0] >= len(messages):
            return
        await asyncio.sleep(RETURN_PAUSE_SECONDS)


def _dead_letter(message: DeliveredMessage) -> DeadLetter:
    headers = _headers(message)
    reason = headers.get(REASON_HEADER) or headers.get("x-first-death-reason") or "unknown"
    return DeadLetter(id=_id(message), reason=str(reason), body=message.body, died_at=_died_at(message))


def _id(message: DeliveredMessage) -> str:
    return message.header.properties.message_id or hashlib.sha256(message.body).hexdigest()[:32]


def _headers(message: DeliveredMessage) -> dict[str, Any]:
    return dict(message.header.properties.headers or {})


def _died_at(message: DeliveredMessage) -> datetime | None:
    deaths = _headers(message).get("x-death")
    when = deaths[0].get("time") if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else None
    when = when or message.header.properties.timestamp
    return when.astimezone(UTC) if isinstance(when, datetime) else None
