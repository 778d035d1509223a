"""The broker stops, dies, freezes, restarts: what was confirmed is there, what is unknown is called so."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from smsgw.core.admission import PublishOutcome
from smsgw.core.events import DependencyBack, DependencyLost
from tests.contract.queue_ends import opened, own_names, receive, until
from tests.faults.broker_ends import (
    CONFIRMED,
    REFUSED,
    UNKNOWN,
    a_consumer,
    a_publisher,
    body,
    consumer_of,
    everything,
    ignore,
    is_confirmed,
    is_redis,
    publisher_of,
)
from tests.servers import OwnRabbitmq, OwnServer


@pytest.fixture(params=["rabbitmq", "redis"])
def server(request: pytest.FixtureRequest) -> OwnServer:
    """Each broker in turn, to be broken."""
    server = request.getfixturevalue(f"own_{request.param}")
    assert isinstance(server, OwnServer)
    return server


async def settle(server: OwnServer) -> None:
    """Write the queues' registration to the disk: RabbitMQ 3.10 loses a quorum queue declared just before a SIGKILL."""
    if isinstance(server, OwnRabbitmq):
        await asyncio.to_thread(server.ctl, "eval", "dets:sync(ra_directory_reverse).")


@pytest.mark.fault("F18", "I11")
async def test_starting_without_a_broker_waits_for_it(stack: AsyncExitStack, server: OwnServer) -> None:
    server.kill()
    settings = own_names(server.url)
    facts: list[object] = []

    publisher = await opened(stack, publisher_of(settings, facts.append))
    consumer = await opened(stack, consumer_of(settings, ignore))
    while_away = await publisher.publish(body(1)), await publisher.is_ready(), await consumer.bury(b"x", "test")
    await asyncio.to_thread(server.start)
    await until(lambda: is_confirmed(publisher))

    assert while_away == (REFUSED, False, False)
    assert [type(fact) for fact in facts] == [DependencyLost, DependencyBack]
    assert (await receive(consumer, 1))[0].body == body(0)


@pytest.mark.fault("F18", "I1")
async def test_a_kill_during_publishes_loses_nothing_that_was_confirmed(
    stack: AsyncExitStack, server: OwnServer
) -> None:
    settings = own_names(server.url)
    publisher = await a_publisher(stack, settings)
    await settle(server)
    outcomes: dict[int, PublishOutcome] = {}

    async def publish(number: int) -> None:
        outcomes[number] = await publisher.publish(body(number))

    async with asyncio.TaskGroup() as group:
        for number in range(2000):
            group.create_task(publish(number))
            if number % 20 == 0:
                await asyncio.sleep(0.002)
            if number == 1000:
                server.kill()
    await asyncio.to_thread(server.start)
    consumer = await a_consumer(stack, settings)
    found = await everything(consumer, quiet_seconds=3)

    confirmed = {number for number, outcome in outcomes.items() if outcome is CONFIRMED}
    refused = {number for number, outcome in outcomes.items() if outcome is REFUSED}
    assert len(outcomes) == 2000
    assert confirmed
    assert refused
    assert confirmed <= found
    assert not refused & found


@pytest.mark.fault("F19", "I11 I12")
async def test_a_frozen_broker_is_unknown_or_refused_within_the_deadline(
    stack: AsyncExitStack, server: OwnServer
) -> None:
    settings = own_names(server.url)
    publisher = await a_publisher(stack, settings)
    seconds: list[float] = []

    async def publish(number: int) -> PublishOutcome:
        began = time.monotonic()
        outcome = await publisher.publish(body(number))
        seconds.append(time.monotonic() - began)
        return outcome

    server.freeze()
    first = asyncio.gather(*(publish(number) for number in range(500)))
    readiness_began = time.monotonic()
    is_ready = await publisher.is_ready()
    readiness_seconds = time.monotonic() - readiness_began
    outcomes = await first
    later = await publish(1000)
    server.thaw()

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
async def test_a_restarted_broker_delivers_again(stack: AsyncExitStack, server: OwnServer) -> None:
    settings = own_names(server.url)
    publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
    for number in range(1, 4):
        assert await publisher.publish(body(number)) is CONFIRMED
    held = await receive(consumer, 1)

    await asyncio.to_thread(server.stop)
    await held[0].ack()
    await asyncio.to_thread(server.start)
    returned = time.monotonic()
    # RabbitMQ has not heard of the acknowledgement and delivers again; Redis is told when it is back.
    found: set[int] = {1} if is_redis(settings) else set()
    while not found >= {1, 2, 3}:
        found |= await everything(consumer, quiet_seconds=0.2)
        assert time.monotonic() - returned < 15

    await until(publisher.is_ready)
    assert await publisher.publish(body(4)) is CONFIRMED


@pytest.mark.fault("F19", "I14")
async def test_closing_does_not_wait_for_a_frozen_broker(server: OwnServer) -> None:
    settings = own_names(server.url)
    before = asyncio.all_tasks()

    async def is_quiet() -> bool:
        return asyncio.all_tasks() <= before

    async with AsyncExitStack() as stack:
        publisher, consumer = await a_publisher(stack, settings), await a_consumer(stack, settings)
        await publisher.publish(body(1))
        await receive(consumer, 1)
        server.freeze()
        began = time.monotonic()
    seconds = time.monotonic() - began

    server.thaw()
    assert seconds < 20

    await until(is_quiet)
    assert asyncio.all_tasks() <= before
