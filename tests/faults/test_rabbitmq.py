"""What only RabbitMQ does: an alarm, a queue that is full, a message that is written to the disk."""

import asyncio
from contextlib import AsyncExitStack

import aiormq
import pytest

from tests.contract.queue_ends import own_names, receive, until
from tests.faults.broker_ends import (
    CONFIRMED,
    REFUSED,
    UNKNOWN,
    a_consumer,
    a_publisher,
    body,
    everything,
    own_settings,
)
from tests.servers import OwnRabbitmq


async def test_what_is_published_or_buried_is_written_to_the_disk(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    await consumer.pause()
    connection = await stack.enter_async_context(aiormq.connect(rabbitmq_url))
    channel = await connection.channel()

    confirmed = await publisher.publish(body(1)), await consumer.bury(b"x", "test")
    found = [await channel.basic_get(queue, no_ack=True) for queue in (settings.outbound, settings.dead)]

    assert confirmed == (CONFIRMED, True)
    assert [each.body for each in found] == [body(1), b"x"]
    assert [each.header.properties.delivery_mode for each in found] == [2, 2]


@pytest.mark.fault("F21", "I1")
async def test_a_full_queue_refuses_and_keeps_what_it_confirmed(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq
) -> None:
    settings = own_names(own_rabbitmq.url)
    publisher = await a_publisher(stack, settings)
    limit = f"^{settings.outbound}$".replace(".", "[.]")
    await asyncio.to_thread(own_rabbitmq.ctl, "set_policy", "full", limit, '{"max-length":10}', "--apply-to", "queues")

    outcomes = [await publisher.publish(body(number)) for number in range(40)]
    await asyncio.to_thread(own_rabbitmq.ctl, "clear_policy", "full")
    found = await everything(await a_consumer(stack, settings))

    confirmed = {number for number, outcome in enumerate(outcomes) if outcome is CONFIRMED}
    assert REFUSED in outcomes
    assert UNKNOWN not in outcomes
    assert found == confirmed


@pytest.mark.fault("F20", "I1 I11 I12")
async def test_a_memory_alarm_is_unknown_then_refused_then_over(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq
) -> None:
    settings = own_names(own_rabbitmq.url)
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    await publisher.publish(body(1))

    await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0")
    first = await publisher.publish(body(2))
    is_ready = await publisher.is_ready()
    second = await publisher.publish(body(3))
    while_blocked = (await receive(consumer, 1))[0]
    await while_blocked.ack()
    await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0.6")
    await until(publisher.is_ready)

    assert (first, is_ready, second) == (UNKNOWN, False, REFUSED)
    assert while_blocked.body == body(1)
    assert await publisher.publish(body(4)) is CONFIRMED
    # The publish that timed out was delivered after all: that is why it is called unknown.
    assert await everything(consumer) == {2, 4}
