"""The broker stops, dies, freezes, fills up: what was confirmed is there, what is unknown is called so."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import aiormq
import pytest

from smsgw.core.admission import PublishOutcome
from smsgw.core.events import DependencyBack, DependencyLost
from smsgw.transports.queues.rabbitmq import RabbitConsumer, RabbitPublisher
from tests.contract.queue_ends import opened, rabbit_settings, receive, until
from tests.faults.rabbit_ends import (
    CONFIRMED,
    REFUSED,
    UNKNOWN,
    a_consumer,
    a_publisher,
    body,
    everything,
    ignore,
    is_confirmed,
    own_settings,
)
from tests.servers import OwnRabbitmq


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


async def settle(server: OwnRabbitmq) -> None:
    """Write the queues' registration to the disk: RabbitMQ 3.10 loses a quorum queue declared just before a SIGKILL."""
    await asyncio.to_thread(server.ctl, "eval", "dets:sync(ra_directory_reverse).")


@pytest.mark.fault("F18", "I11")
async def test_starting_without_a_broker_waits_for_it(stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq) -> None:
    own_rabbitmq.kill()
    settings = rabbit_settings(own_rabbitmq.url)
    facts: list[object] = []

    publisher = await opened(stack, RabbitPublisher(settings, observer=facts.append))
    consumer = await opened(stack, RabbitConsumer(settings, observer=ignore))
    while_away = await publisher.publish(body(1)), await publisher.is_ready(), await consumer.bury(b"x", "test")
    await asyncio.to_thread(own_rabbitmq.start)
    await until(lambda: is_confirmed(publisher))

    assert while_away == (REFUSED, False, False)
    assert [type(fact) for fact in facts] == [DependencyLost, DependencyBack]
    assert (await receive(consumer, 1))[0].body == body(0)


@pytest.mark.fault("F18", "I1")
async def test_a_kill_during_publishes_loses_nothing_that_was_confirmed(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq
) -> None:
    settings = rabbit_settings(own_rabbitmq.url)
    publisher = await a_publisher(stack, settings)
    await settle(own_rabbitmq)
    outcomes: dict[int, PublishOutcome] = {}

    async def publish(number: int) -> None:
        outcomes[number] = await publisher.publish(body(number))

    async with asyncio.TaskGroup() as group:
        for number in range(2000):
            group.create_task(publish(number))
            if number % 20 == 0:
                await asyncio.sleep(0.002)
            if number == 1000:
                own_rabbitmq.kill()
    await asyncio.to_thread(own_rabbitmq.start)
    consumer = await a_consumer(stack, settings)
    found = await everything(consumer, quiet_seconds=3)

    confirmed = {number for number, outcome in outcomes.items() if outcome is CONFIRMED}
    refused = {number for number, outcome in outcomes.items() if outcome is REFUSED}
    assert len(outcomes) == 2000
    assert confirmed
    assert refused
    assert confirmed <= found
    assert not refused & found


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


@pytest.mark.fault("F19", "I11 I12")
async def test_a_frozen_broker_is_unknown_or_refused_within_the_deadline(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq
) -> None:
    settings = rabbit_settings(own_rabbitmq.url)
    publisher = await a_publisher(stack, settings)
    seconds: list[float] = []

    async def publish(number: int) -> PublishOutcome:
        began = time.monotonic()
        outcome = await publisher.publish(body(number))
        seconds.append(time.monotonic() - began)
        return outcome

    own_rabbitmq.freeze()
    first = asyncio.gather(*(publish(number) for number in range(500)))
    readiness_began = time.monotonic()
    is_ready = await publisher.is_ready()
    readiness_seconds = time.monotonic() - readiness_began
    outcomes = await first
    later = await publish(1000)
    own_rabbitmq.thaw()

    await until(lambda: is_confirmed(publisher))
    consumer = await a_consumer(stack, settings)
    found = await everything(consumer)

    refused = {number for number, outcome in enumerate(outcomes) if outcome is REFUSED}
    assert UNKNOWN in outcomes
    assert CONFIRMED not in {*outcomes, later}
    assert max(seconds) < 3.5
    assert not is_ready
    assert readiness_seconds < 1.1
    assert not refused & found


@pytest.mark.fault("F24", "I1 I11")
async def test_a_restarted_broker_delivers_again(stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq) -> None:
    settings = rabbit_settings(own_rabbitmq.url)
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    for number in range(1, 4):
        assert await publisher.publish(body(number)) is CONFIRMED
    held = await receive(consumer, 1)

    await asyncio.to_thread(own_rabbitmq.stop)
    await held[0].ack()
    await asyncio.to_thread(own_rabbitmq.start)
    returned = time.monotonic()
    found: set[int] = set()
    while not found >= {1, 2, 3}:
        found |= await everything(consumer, quiet_seconds=0.2)
        assert time.monotonic() - returned < 15

    await until(publisher.is_ready)
    assert await publisher.publish(body(4)) is CONFIRMED


@pytest.mark.fault("F21", "I1")
async def test_a_full_queue_refuses_and_keeps_what_it_confirmed(
    stack: AsyncExitStack, own_rabbitmq: OwnRabbitmq
) -> None:
    settings = rabbit_settings(own_rabbitmq.url)
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
    settings = rabbit_settings(own_rabbitmq.url)
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


@pytest.mark.fault("F19", "I14")
async def test_closing_does_not_wait_for_a_frozen_broker(own_rabbitmq: OwnRabbitmq) -> None:
    settings = rabbit_settings(own_rabbitmq.url)
    before = asyncio.all_tasks()

    async def is_quiet() -> bool:
        return asyncio.all_tasks() <= before

    async with AsyncExitStack() as stack:
        publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
        await publisher.publish(body(1))
        await receive(consumer, 1)
        own_rabbitmq.freeze()
        began = time.monotonic()
    seconds = time.monotonic() - began

    own_rabbitmq.thaw()
    assert seconds < 20

    await until(is_quiet)
    assert asyncio.all_tasks() <= before
