"""One way to ask every queue implementation for its ends, so that one suite can run over all of them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import aiormq

from smsgw.core.ports import Consumer, Delivery, Publisher, QueueAdmin
from smsgw.settings import QueueSettings
from smsgw.transports.queues.database import DatabaseAdmin, DatabaseConsumer, DatabasePublisher, DatabaseQueue
from smsgw.transports.queues.memory import MemoryAdmin, MemoryConsumer, MemoryPublisher, MemoryQueue
from smsgw.transports.queues.rabbitmq import RabbitAdmin, RabbitConsumer, RabbitPublisher
from smsgw.transports.queues.redis_streams import RedisAdmin, RedisConsumer, RedisPublisher
from smsgw.transports.queues.redis_streams.remove import remove_queues
from smsgw.transports.sql import open_database

WAIT_SECONDS = 15.0


class Opens(Protocol):
    async def open(self) -> None: ...

    async def close(self) -> None: ...


class Answers(Protocol):
    async def is_ready(self) -> bool: ...


End = TypeVar("End", bound=Opens)
Ready = TypeVar("Ready", bound=Answers)


class Ends(Protocol):
    """Opens ends of one queue of its own; everything is closed, and removed from the broker, at the end of the test."""

    settings: QueueSettings

    async def publisher(self) -> Publisher: ...

    async def consumer(self, queue: str | None = None) -> Consumer: ...

    async def admin(self) -> QueueAdmin: ...


class MemoryEnds:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._queue = MemoryQueue()
        self.settings = self._queue.settings

    async def publisher(self) -> Publisher:
        return await opened(self._stack, MemoryPublisher(self._queue))

    async def consumer(self, queue: str | None = None) -> Consumer:
        return await opened(self._stack, MemoryConsumer(self._queue, queue))

    async def admin(self) -> QueueAdmin:
        return await opened(self._stack, MemoryAdmin(self._queue))


class DatabaseEnds:
    def __init__(self, stack: AsyncExitStack, url: str) -> None:
        self._stack = stack
        database = open_database(url)
        stack.push_async_callback(database.close)
        self.settings = QueueSettings(url=url)
        self.queue = DatabaseQueue(self.settings, database)

    async def publisher(self) -> Publisher:
        return await opened(self._stack, DatabasePublisher(self.queue))

    async def consumer(self, queue: str | None = None) -> Consumer:
        return await opened(self._stack, DatabaseConsumer(self.queue, queue))

    async def admin(self) -> QueueAdmin:
        return await opened(self._stack, DatabaseAdmin(self.queue))


class RedisEnds:
    def __init__(self, stack: AsyncExitStack, url: str) -> None:
        self._stack = stack
        self.settings = own_names(url)
        self.facts: list[Any] = []
        stack.push_async_callback(remove_queues, self.settings)

    async def publisher(self) -> RedisPublisher:
        return await ready(await opened(self._stack, RedisPublisher(self.settings, observer=self.facts.append)))

    async def consumer(self, queue: str | None = None) -> RedisConsumer:
        return await ready(await opened(self._stack, RedisConsumer(self.settings, queue, observer=self.facts.append)))

    async def admin(self) -> RedisAdmin:
        return await opened(self._stack, RedisAdmin(self.settings, observer=self.facts.append))


class RabbitEnds:
    def __init__(self, stack: AsyncExitStack, url: str) -> None:
        self._stack = stack
        self.settings = own_names(url)
        self.facts: list[Any] = []
        stack.push_async_callback(delete_queues, self.settings)

    async def publisher(self) -> RabbitPublisher:
        return await ready(await opened(self._stack, RabbitPublisher(self.settings, observer=self.facts.append)))

    async def consumer(self, queue: str | None = None) -> RabbitConsumer:
        return await ready(await opened(self._stack, RabbitConsumer(self.settings, queue, observer=self.facts.append)))

    async def admin(self) -> RabbitAdmin:
        return await opened(self._stack, RabbitAdmin(self.settings, observer=self.facts.append))


def own_names(url: str) -> QueueSettings:
    """Return settings with queue names that nobody else uses."""
    name = f"smsgw.test.{uuid4().hex[:12]}"
    return QueueSettings(url=url, outbound=f"{name}.outbound", heartbeat=f"{name}.heartbeat")


async def delete_queues(settings: QueueSettings) -> None:
    """Remove the queues of a test from the broker."""
    async with aiormq.connect(settings.url) as connection:
        channel = await connection.channel()
        for queue in (settings.outbound, settings.dead, settings.heartbeat):
            await channel.queue_delete(queue)


async def opened(stack: AsyncExitStack, end: End) -> End:
    """Open one end and close it with the stack."""
    stack.push_async_callback(end.close)
    await end.open()
    return end


async def ready(end: Ready) -> Ready:
    """Wait until an end is ready."""
    await until(end.is_ready)
    return end


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = WAIT_SECONDS) -> None:
    """Wait until a condition holds; raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.02)


async def becomes(count: Callable[[], Awaitable[int]], expected: int) -> None:
    """Wait until a count has the expected value."""

    async def is_there() -> bool:
        return await count() == expected

    await until(is_there)


async def receive(consumer: Consumer, count: int, *, limit: int = 100) -> list[Delivery]:
    """Return exactly `count` deliveries; fails when they do not come in time."""
    deliveries: list[Delivery] = []
    async with asyncio.timeout(WAIT_SECONDS):
        while len(deliveries) < count:
            deliveries += await consumer.receive(min(limit, count - len(deliveries)))
    return deliveries


async def is_silent(consumer: Consumer, seconds: float = 0.4) -> bool:
    """Whether nothing is delivered for a while."""
    try:
        async with asyncio.timeout(seconds):
            return not await consumer.receive(1)
    except TimeoutError:
        return True
