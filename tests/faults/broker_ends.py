"""What the suites of the brokers' faults share: ends of a URL's kind on queues of their own, and what is in a queue."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from smsgw.core.admission import PublishOutcome
from smsgw.core.ports import Consumer, Observer, Publisher
from smsgw.settings import QueueSettings
from smsgw.transports.queues.rabbitmq import RabbitConsumer, RabbitPublisher
from smsgw.transports.queues.redis_streams import RedisConsumer, RedisPublisher
from smsgw.transports.queues.redis_streams.remove import remove_queues
from tests.contract.queue_ends import delete_queues, opened, own_names, ready

CONFIRMED, REFUSED, UNKNOWN = PublishOutcome.CONFIRMED, PublishOutcome.REFUSED, PublishOutcome.UNKNOWN


def body(number: int) -> bytes:
    """Return a message that `everything` can read."""
    return b'{"number":%d}' % number


def publisher_of(settings: QueueSettings, observer: Observer) -> RabbitPublisher | RedisPublisher:
    """Construct a publisher."""
    return (RedisPublisher if is_redis(settings) else RabbitPublisher)(settings, observer=observer)


def consumer_of(settings: QueueSettings, observer: Observer) -> RabbitConsumer | RedisConsumer:
    """Construct a consumer of the outbound queue."""
    return (RedisConsumer if is_redis(settings) else RabbitConsumer)(settings, observer=observer)


async def a_publisher(stack: AsyncExitStack, settings: QueueSettings) -> RabbitPublisher | RedisPublisher:
    """Open a publisher and wait until it is ready."""
    return await ready(await opened(stack, publisher_of(settings, ignore)))


async def a_consumer(stack: AsyncExitStack, settings: QueueSettings) -> RabbitConsumer | RedisConsumer:
    """Open a consumer and wait until it is ready."""
    return await ready(await opened(stack, consumer_of(settings, ignore)))


def is_redis(settings: QueueSettings) -> bool:
    """Whether the queue is on Redis."""
    return settings.url.startswith("redis")


def ignore(_fact: object) -> None:
    """Listen to nothing."""


@asynccontextmanager
async def own_settings(url: str) -> AsyncIterator[QueueSettings]:
    """Queue names on a shared broker, removed afterwards."""
    settings = own_names(url)
    yield settings
    await (remove_queues if is_redis(settings) else delete_queues)(settings)


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
