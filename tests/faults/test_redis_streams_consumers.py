"""Consumers of one stream that die, stand still, pause, come and go: every entry has one owner, and none is lost."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import AsyncExitStack
from typing import Any, cast

import msgspec
import pytest
from redis.asyncio import Redis

from smsgw.settings import QueueSettings
from smsgw.transports.queues.redis_streams import RedisAdmin, RedisConsumer
from smsgw.transports.queues.redis_streams.names import BODY, DELIVERY_LIMIT, GROUP, key
from smsgw.transports.queues.redis_streams.scripts import ROUND
from tests.contract.queue_ends import becomes, is_silent, opened, own_names, ready, receive, until
from tests.faults.broker_ends import CONFIRMED, a_publisher, body, everything, ignore, own_settings
from tests.faults.proxy import proxied
from tests.servers import OwnRedis

LONG, SHORT = 60.0, 1.0
"""After so many seconds without a sign an entry is anybody's: never within a test, or soon."""
GHOST = "ghost"


@pytest.fixture
async def settings(stack: AsyncExitStack, redis_url: str) -> QueueSettings:
    return await stack.enter_async_context(own_settings(redis_url))


@pytest.fixture
async def client(stack: AsyncExitStack, redis_url: str) -> Redis:
    return cast("Redis", await stack.enter_async_context(Redis.from_url(redis_url)))


async def a_reader(
    stack: AsyncExitStack, settings: QueueSettings, *, abandoned_seconds: float = LONG, prefetch: int = 32
) -> RedisConsumer:
    """Open a consumer and wait until it reads."""
    consumer = RedisConsumer(settings, observer=ignore, prefetch=prefetch, abandoned_seconds=abandoned_seconds)
    return await ready(await opened(stack, consumer))


async def raw(client: Redis, *command: str | bytes | int) -> Any:
    """Send a command as a stranger would."""
    return await cast("Awaitable[Any]", client.execute_command(*command))  # type: ignore[no-untyped-call]


async def take_and_die(client: Redis, settings: QueueSettings, count: int) -> None:
    """Read as a consumer that is killed at once: its entries stay pending under its name."""
    stream = key(settings.outbound)
    await raw(client, "XREADGROUP", "GROUP", GROUP, GHOST, "COUNT", count, "STREAMS", stream, ">")


async def consumers(client: Redis, settings: QueueSettings) -> dict[str, int]:
    """Return how many entries each consumer of the outbound stream owns."""
    found = await client.xinfo_consumers(key(settings.outbound), GROUP)
    return {each["name"].decode(): each["pending"] for each in found}


@pytest.mark.fault("F24", "I1 I11")
async def test_what_a_dead_consumer_holds_is_taken_over(
    stack: AsyncExitStack, settings: QueueSettings, client: Redis
) -> None:
    publisher = await a_publisher(stack, settings)
    for number in range(3):
        assert await publisher.publish(body(number)) is CONFIRMED
    await take_and_die(client, settings, 2)

    survivor = await a_reader(stack, settings, abandoned_seconds=SHORT)
    found = await receive(survivor, 3)

    assert {each.body for each in found} == {body(0), body(1), body(2)}
    assert (await consumers(client, settings))[GHOST] == 0


async def test_a_consumer_that_lives_keeps_what_it_holds_however_long_it_takes(
    stack: AsyncExitStack, settings: QueueSettings
) -> None:
    publisher = await a_publisher(stack, settings)
    slow = await a_reader(stack, settings, abandoned_seconds=SHORT)
    await publisher.publish(body(1))
    [held] = await receive(slow, 1)
    other = await a_reader(stack, settings, abandoned_seconds=SHORT)

    is_kept = await is_silent(other, seconds=4 * SHORT)
    await held.ack()
    await publisher.publish(body(2))

    assert is_kept
    assert await everything(slow) | await everything(other) == {2}


@pytest.mark.parametrize("how", ["pause", "close"])
async def test_another_consumer_gets_what_is_given_back_without_waiting(
    stack: AsyncExitStack, settings: QueueSettings, how: str
) -> None:
    publisher, first = await a_publisher(stack, settings), await a_reader(stack, settings)
    for number in range(3):
        await publisher.publish(body(number))
    await receive(first, 2)
    second = await a_reader(stack, settings)

    began = time.monotonic()
    await (first.pause() if how == "pause" else first.close())
    found = await receive(second, 3)

    assert {each.body for each in found} == {body(0), body(1), body(2)}
    # Far below the time after which the entries of a dead consumer are taken over.
    assert time.monotonic() - began < LONG / 4


async def test_what_is_given_back_and_acknowledged_late_is_gone(
    stack: AsyncExitStack, settings: QueueSettings, client: Redis
) -> None:
    publisher, consumer = await a_publisher(stack, settings), await a_reader(stack, settings)
    await publisher.publish(body(1))
    [held] = await receive(consumer, 1)

    await consumer.pause()
    await held.ack()

    await becomes(lambda: client.xlen(key(settings.outbound)), 0)
    await consumer.resume()
    assert await is_silent(consumer, seconds=1)


async def test_only_what_was_acknowledged_is_deleted(
    stack: AsyncExitStack, settings: QueueSettings, client: Redis
) -> None:
    publisher, consumer = await a_publisher(stack, settings), await a_reader(stack, settings, prefetch=4)
    for number in range(8):
        await publisher.publish(body(number))
    deliveries = await receive(consumer, 4)

    for each in (deliveries[3], deliveries[1]):
        await each.ack()
    stream = key(settings.outbound)
    await becomes(lambda: client.xlen(stream), 6)
    left = cast("list[tuple[bytes, dict[bytes, bytes]]]", await client.xrange(stream))

    assert [entry[BODY.encode()] for _, entry in left] == [body(number) for number in (0, 2, 4, 5, 6, 7)]


async def test_no_more_than_the_prefetch_is_on_its_way(
    stack: AsyncExitStack, settings: QueueSettings, client: Redis
) -> None:
    publisher, consumer = await a_publisher(stack, settings), await a_reader(stack, settings, prefetch=4)
    for number in range(10):
        await publisher.publish(body(number))
    held = await receive(consumer, 4)

    is_bounded = await is_silent(consumer, seconds=0.6)
    pending = await client.xpending(key(settings.outbound), GROUP)
    await held[0].ack()
    more = await receive(consumer, 1)

    assert is_bounded
    assert pending["pending"] == 4
    assert [each.body for each in more] == [body(4)]


@pytest.mark.fault("F25", "I1 I11")
async def test_entries_whose_delivery_was_lost_on_the_way_are_delivered(
    stack: AsyncExitStack, settings: QueueSettings, redis_url: str
) -> None:
    """They are ours at Redis, and nobody here has ever seen them."""
    proxy, url = await stack.enter_async_context(proxied(redis_url))
    publisher = await a_publisher(stack, settings)
    consumer = await a_reader(stack, msgspec.structs.replace(settings, url=url))

    proxy.cut_on(b"number", "down")
    await publisher.publish(body(1))
    [delivery] = await receive(consumer, 1)

    assert delivery.body == body(1)
    assert proxy.connections >= 2


@pytest.mark.fault("F25", "I1 I11")
async def test_an_acknowledgement_whose_answer_was_lost_is_told_again_and_harms_nobody(
    stack: AsyncExitStack, settings: QueueSettings, client: Redis, redis_url: str
) -> None:
    proxy, url = await stack.enter_async_context(proxied(redis_url))
    publisher = await a_publisher(stack, settings)
    consumer = await a_reader(stack, msgspec.structs.replace(settings, url=url))
    await publisher.publish(body(1))
    [delivery] = await receive(consumer, 1)

    proxy.swallow("down")
    await delivery.ack()
    await becomes(lambda: client.xlen(key(settings.outbound)), 0)
    proxy.cut()
    proxy.heal()
    await until(consumer.is_ready)
    await publisher.publish(body(2))

    assert await everything(consumer) == {2}


async def test_consumers_that_are_gone_are_forgotten_unless_they_own_something(
    stack: AsyncExitStack, settings: QueueSettings, client: Redis
) -> None:
    publisher = await a_publisher(stack, settings)
    await publisher.publish(body(1))
    await take_and_die(client, settings, 1)
    stream, dead = key(settings.outbound), key(settings.dead)
    await raw(client, "XGROUP", "CREATECONSUMER", stream, GROUP, "idle")
    arguments = (GROUP, "me", "returned", 1, 10, 3_600_000, 10, DELIVERY_LIMIT, 1)

    async def is_forgotten() -> bool:
        await raw(client, "EVAL", ROUND.text, 2, stream, dead, *arguments)
        return "idle" not in await consumers(client, settings)

    await until(is_forgotten)

    assert (await consumers(client, settings))[GHOST] == 1


async def test_a_consumer_that_closes_leaves_the_group(
    stack: AsyncExitStack, settings: QueueSettings, client: Redis
) -> None:
    publisher, consumer = await a_publisher(stack, settings), await a_reader(stack, settings)
    await publisher.publish(body(1))
    await receive(consumer, 1)

    await consumer.close()

    assert await consumers(client, settings) == {"returned": 1}


@pytest.mark.fault("F27", "I1")
async def test_what_kills_is_buried_in_one_step_also_when_there_is_no_memory_for_it(
    stack: AsyncExitStack, own_redis: OwnRedis
) -> None:
    client = await stack.enter_async_context(Redis.from_url(own_redis.url))
    settings = own_names(own_redis.url)
    publisher, admin = await a_publisher(stack, settings), await opened(stack, RedisAdmin(settings, observer=ignore))
    await publisher.publish(body(1))
    await take_and_die(client, settings, 1)
    stream = key(settings.outbound)
    [pending] = await client.xpending_range(stream, GROUP, "-", "+", 1)
    often = ("IDLE", 3_600_000, "RETRYCOUNT", DELIVERY_LIMIT)
    await raw(client, "XCLAIM", stream, GROUP, GHOST, 0, pending["message_id"], *often)

    await client.config_set("maxmemory", "1")
    consumer = await a_reader(stack, settings, abandoned_seconds=SHORT)
    is_withheld = await is_silent(consumer, seconds=3 * SHORT)
    places = await client.xlen(stream) + await client.xlen(key(settings.dead))
    await client.config_set("maxmemory", "0")
    await becomes(admin.dead_depth, 1)

    [letter] = await admin.dead_letters(2)
    assert (is_withheld, places) == (True, 1)
    assert (letter.reason, letter.body) == ("delivery_limit", body(1))
    assert await client.xlen(stream) == 0


@pytest.mark.fault("F24", "I1 I11")
async def test_two_consumers_share_and_a_restart_gives_neither_the_others(
    stack: AsyncExitStack, own_redis: OwnRedis
) -> None:
    settings = own_names(own_redis.url)
    publisher = await a_publisher(stack, settings)
    pair = [await a_reader(stack, settings, prefetch=5) for _ in range(2)]
    for number in range(10):
        await publisher.publish(body(number))
    held = [await receive(each, 5) for each in pair]

    await asyncio.to_thread(own_redis.stop)
    await asyncio.to_thread(own_redis.start)
    for delivery in held[0]:
        await delivery.ack()
    for consumer in pair:
        await until(consumer.is_ready)
    is_quiet = [await is_silent(consumer, seconds=1) for consumer in pair]
    await pair[1].close()

    assert is_quiet == [True, True]
    assert {each.body for each in await receive(pair[0], 5)} == {each.body for each in held[1]}
