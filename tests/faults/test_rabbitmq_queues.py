"""Queues that are missing, forgotten or of another shape on a broker that works."""

import asyncio
from contextlib import AsyncExitStack

import aiormq
import msgspec
import pytest
from aiormq.exceptions import ChannelNotFoundEntity

from smsgw.core.ports import QueueUnavailableError
from smsgw.transports.queues.rabbitmq import RabbitAdmin, RabbitConsumer, RabbitPublisher, TopologyError
from smsgw.transports.queues.rabbitmq.topology import arguments
from tests.contract.queue_ends import opened, ready, receive, until
from tests.faults.broker_ends import (
    CONFIRMED,
    REFUSED,
    a_consumer,
    a_publisher,
    body,
    ignore,
    is_confirmed,
    own_settings,
)


@pytest.mark.fault("F22", "I1 I11")
async def test_a_deleted_queue_refuses_and_is_declared_again(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    publisher = await a_publisher(stack, settings)
    async with aiormq.connect(settings.url) as connection:
        await (await connection.channel()).queue_delete(settings.outbound)

    first = await publisher.publish(body(1))
    second = await publisher.publish(body(2))

    assert (first, second) == (REFUSED, CONFIRMED)


@pytest.mark.fault("F22", "I11")
async def test_readiness_declares_a_deleted_queue_again(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    publisher = await a_publisher(stack, settings)
    async with aiormq.connect(settings.url) as connection:
        await (await connection.channel()).queue_delete(settings.outbound)

    is_ready_at_once = await publisher.is_ready()
    await until(publisher.is_ready)

    assert not is_ready_at_once
    assert await publisher.publish(body(1)) is CONFIRMED


@pytest.mark.fault("F22", "I11")
async def test_a_consumer_survives_the_deletion_of_its_queue(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    async with aiormq.connect(settings.url) as connection:
        await (await connection.channel()).queue_delete(settings.outbound)

    await until(lambda: is_confirmed(publisher))

    assert (await receive(consumer, 1))[0].body == body(0)


@pytest.mark.fault("F22", "I11")
async def test_a_consumer_that_the_broker_forgot_subscribes_again(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    """A quorum queue declared again at once delivers to nobody: no cancel comes, its messages are not even ready."""
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    publisher = await a_publisher(stack, settings)
    consumer = await ready(await opened(stack, RabbitConsumer(settings, observer=ignore, idle_seconds=1)))
    async with aiormq.connect(settings.url) as connection:
        channel = await connection.channel()
        await channel.queue_delete(settings.outbound)
        await channel.queue_declare(settings.outbound, durable=True, arguments=arguments(settings)[settings.outbound])

    outcome = await publisher.publish(body(1))

    assert outcome is CONFIRMED
    assert (await receive(consumer, 1))[0].body == body(1)


@pytest.mark.fault("F23", "I11")
@pytest.mark.parametrize(
    ("queue", "argument", "value"),
    [
        ("outbound", "x-delivery-limit", 3),
        ("outbound", "x-queue-type", "classic"),
        ("dead", "x-delivery-limit", None),
        ("heartbeat", "x-max-length", 7),
    ],
)
async def test_a_queue_with_other_arguments_stops_the_start_with_one_line(
    stack: AsyncExitStack, rabbitmq_url: str, queue: str, argument: str, value: str | int | None
) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    name = getattr(settings, queue)
    other = {key: each for key, each in (arguments(settings)[name] | {argument: value}).items() if each is not None}
    if value == "classic":
        del other["x-delivery-limit"], other["x-dead-letter-strategy"]
    async with aiormq.connect(settings.url) as connection:
        await (await connection.channel()).queue_declare(name, durable=True, arguments=other)
    publisher = await opened(stack, RabbitPublisher(settings, observer=ignore))
    ends: list[RabbitPublisher | RabbitConsumer] = [
        publisher,
        await opened(stack, RabbitConsumer(settings, observer=ignore)),
    ]

    lines = []
    for end in ends:
        async with asyncio.timeout(10):
            with pytest.raises(TopologyError) as stopped:
                await end.watch()
        lines.append(str(stopped.value))

    assert all(f"'{name}'" in line and f"'{argument}'" in line and "\n" not in line for line in lines)
    assert await publisher.publish(body(1)) is REFUSED


async def test_an_operator_who_names_a_wrong_queue_is_told_so_and_makes_none(
    stack: AsyncExitStack, rabbitmq_url: str
) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    admin = await opened(stack, RabbitAdmin(settings, observer=ignore))

    for look in (admin.depth(), admin.look(1)):
        with pytest.raises(QueueUnavailableError, match=f"^no queue '{settings.outbound}' on this broker$"):
            await look
    for look_at_dead in (admin.dead_depth(), admin.dead_letters(1), admin.replay("x")):
        with pytest.raises(QueueUnavailableError, match=f"^no queue '{settings.dead}' on this broker$"):
            await look_at_dead

    async with aiormq.connect(settings.url) as connection:
        for queue in (settings.outbound, settings.dead, settings.heartbeat):
            with pytest.raises(ChannelNotFoundEntity):
                await (await connection.channel()).queue_declare(queue, passive=True)


@pytest.mark.parametrize("queue", ["outbound", "heartbeat"])
async def test_a_name_that_the_broker_keeps_for_itself_stops_the_start_with_one_line(
    stack: AsyncExitStack, rabbitmq_url: str, queue: str
) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    reserved = msgspec.structs.replace(settings, **{queue: "amq.mine"})
    publisher = await opened(stack, RabbitPublisher(reserved, observer=ignore))

    async with asyncio.timeout(10):
        with pytest.raises(TopologyError, match="reserved") as stopped:
            await publisher.watch()

    assert "'amq.mine" in str(stopped.value)
    assert "\n" not in str(stopped.value)
