"""What the suites of RabbitMQ's faults share: ends on queues of their own, and what is in a queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from smsgw.core.admission import PublishOutcome
from smsgw.core.ports import Consumer, Publisher
from smsgw.settings import QueueSettings
from smsgw.transports.queues.rabbitmq import RabbitConsumer, RabbitPublisher
from tests.contract.queue_ends import delete_queues, opened, rabbit_settings, ready

CONFIRMED, REFUSED, UNKNOWN = PublishOutcome.CONFIRMED, PublishOutcome.REFUSED, PublishOutcome.UNKNOWN


def body(number: int) -> bytes:
    """Return a message that `everything` can read."""
    return b'{"number":%d}' % number


async def a_publisher(stack: AsyncExitStack, settings: QueueSettings) -> RabbitPublisher:
    """Open a publisher and wait until it is ready."""
    return await ready(await opened(stack, RabbitPublisher(settings, observer=ignore)))


async def a_consumer(stack: AsyncExitStack, settings: QueueSettings) -> RabbitConsumer:
    """Open a consumer and wait until it is ready."""
    return await ready(await opened(stack, RabbitConsumer(settings, observer=ignore)))


def ignore(_fact: object) -> None:
    """Listen to nothing."""


@asynccontextmanager
async def own_settings(url: str) -> AsyncIterator[QueueSettings]:
    """Queue names on a shared broker, removed afterwards."""
    settings = rabbit_settings(url)
    yield settings
    await delete_queues(settings)


async def is_confirmed(publisher: Publisher) -> bool:
    """Whether a publish is confirmed now."""
    return await publisher.publish(body(0)) is CONFIRMED


async def everything(consumer: Consumer, *, quiet_seconds: float = 1.0) -> set[int]:
    """Return the numbers of all envelopes, until nothing more comes."""
    numbers: set[int] = set()
    while True:
        try:
            async with asyncio.timeout(quiet_seconds):
                deliveries = await consumer.receive(100)
        except TimeoutError:
            return numbers
        for delivery in deliveries:
            decoded = msgspec.json.decode(delivery.body)
            numbers |= {each["number"] for each in (decoded if isinstance(decoded, list) else [decoded])}
            await delivery.ack()
