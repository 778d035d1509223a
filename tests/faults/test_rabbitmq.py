"""Faults F18 to F25: what was confirmed is there, what is unknown is called so, and everything comes back."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import aiormq
import msgspec
import pytest

from smsgw.core.admission import PublishOutcome
from smsgw.core.events import DependencyBack, DependencyLost
from smsgw.core.ports import Consumer, Publisher
from smsgw.settings import QueueSettings
from smsgw.transports.queues.rabbitmq import RabbitAdmin, RabbitConsumer, RabbitPublisher, TopologyError
from smsgw.transports.queues.rabbitmq.topology import arguments
from tests.contract.queue_ends import delete_queues, opened, rabbit_settings, ready, receive, until
from tests.faults.proxy import proxied
from tests.servers import OwnRabbitmq

CONFIRMED, REFUSED, UNKNOWN = PublishOutcome.CONFIRMED, PublishOutcome.REFUSED, PublishOutcome.UNKNOWN


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def body(number: int) -> bytes:
    return b'{"number":%d}' % number


async def a_publisher(stack: AsyncExitStack, settings: QueueSettings) -> RabbitPublisher:
    return await ready(await opened(stack, RabbitPublisher(settings, observer=ignore)))


async def a_consumer(stack: AsyncExitStack, settings: QueueSettings) -> RabbitConsumer:
    return await ready(await opened(stack, RabbitConsumer(settings, observer=ignore)))


def ignore(_fact: object) -> None:
    """Listen to nothing."""


@asynccontextmanager
async def own_settings(url: str) -> AsyncIterator[QueueSettings]:
    """Queue names on a shared broker, removed afterwards."""
    settings = rabbit_settings(url)
    yield settings
    await delete_queues(settings)


async def settle(server: OwnRabbitmq) -> None:
    """Write the queues' registration to the disk: RabbitMQ 3.10 loses a quorum queue declared just before a SIGKILL."""
    await asyncio.to_thread(server.ctl, "eval", "dets:sync(ra_directory_reverse).")


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


async def test_a_deleted_queue_refuses_and_is_declared_again(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    publisher = await a_publisher(stack, settings)
    async with aiormq.connect(settings.url) as connection:
        await (await connection.channel()).queue_delete(settings.outbound)

    first = await publisher.publish(body(1))
    second = await publisher.publish(body(2))

    assert (first, second) == (REFUSED, CONFIRMED)


async def test_readiness_declares_a_deleted_queue_again(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    publisher = await a_publisher(stack, settings)
    async with aiormq.connect(settings.url) as connection:
        await (await connection.channel()).queue_delete(settings.outbound)

    is_ready_at_once = await publisher.is_ready()
    await until(publisher.is_ready)

    assert not is_ready_at_once
    assert await publisher.publish(body(1)) is CONFIRMED


async def test_a_consumer_survives_the_deletion_of_its_queue(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    settings = await stack.enter_async_context(own_settings(rabbitmq_url))
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    async with aiormq.connect(settings.url) as connection:
        await (await connection.channel()).queue_delete(settings.outbound)

    await until(lambda: is_confirmed(publisher))

    assert (await receive(consumer, 1))[0].body == body(0)


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
    ends: list[RabbitPublisher | RabbitConsumer | RabbitAdmin] = [
        await opened(stack, RabbitConsumer(settings, observer=ignore)),
        await opened(stack, RabbitAdmin(settings, observer=ignore)),
    ]
    publisher = await opened(stack, RabbitPublisher(settings, observer=ignore))
    ends.append(publisher)

    lines = []
    for end in ends:
        async with asyncio.timeout(10):
            with pytest.raises(TopologyError) as stopped:
                await end.watch()
        lines.append(str(stopped.value))

    assert all(f"'{name}'" in line and f"'{argument}'" in line and "\n" not in line for line in lines)
    assert await publisher.publish(body(1)) is REFUSED


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


async def test_a_reset_connection_gives_no_wrong_answer_and_comes_back(
    stack: AsyncExitStack, rabbitmq_url: str
) -> None:
    direct = await stack.enter_async_context(own_settings(rabbitmq_url))
    proxy, url = await stack.enter_async_context(proxied(rabbitmq_url))
    publisher = await a_publisher(stack, msgspec.structs.replace(direct, url=url))
    consumer = await a_consumer(stack, msgspec.structs.replace(direct, url=url))
    held = await publisher.publish(body(1)), await receive(consumer, 1)

    proxy.swallow()
    publishing = asyncio.create_task(publisher.publish(body(2)))
    await asyncio.sleep(0.05)
    proxy.cut()
    proxy.heal()
    cut_outcome = await publishing
    await held[1][0].ack()
    await until(lambda: is_confirmed(publisher))

    assert cut_outcome is UNKNOWN
    assert {0, 1} <= await everything(consumer)


async def test_a_black_hole_is_left_for_a_new_connection(stack: AsyncExitStack, rabbitmq_url: str) -> None:
    direct = await stack.enter_async_context(own_settings(rabbitmq_url))
    proxy, url = await stack.enter_async_context(proxied(rabbitmq_url))
    publisher = await a_publisher(stack, msgspec.structs.replace(direct, url=url))

    async def has_connected_again() -> bool:
        return proxy.connections >= 2

    proxy.swallow()
    outcome = await publisher.publish(body(1))
    await until(has_connected_again)
    proxy.heal()

    await until(lambda: is_confirmed(publisher))
    assert outcome is UNKNOWN


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
