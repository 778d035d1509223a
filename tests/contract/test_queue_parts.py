"""What single queue implementations promise beyond the common suite."""

import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from smsgw.core.admission import PublishOutcome
from smsgw.settings import QueueSettings
from smsgw.transports.queues.database import DatabaseConsumer, DatabasePublisher, DatabaseQueue
from smsgw.transports.queues.memory import MemoryConsumer, MemoryPublisher, MemoryQueue
from smsgw.transports.queues.outgoing import Outgoing
from smsgw.transports.queues.rabbitmq.acks import AckRuns
from smsgw.transports.queues.rabbitmq.topology import explain
from smsgw.transports.sql import open_database
from tests.contract.queue_ends import is_silent, opened, receive


class Watch:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def embedded(stack: AsyncExitStack, tmp_path: Path, watch: Watch) -> DatabaseQueue:
    """One process's view of a queue in a file; call it twice for two processes."""
    url = f"sqlite:///{tmp_path}/queue.db"
    database = open_database(url)
    stack.push_async_callback(database.close)
    return DatabaseQueue(QueueSettings(url=url), database, clock=watch)


async def test_a_crashed_consumers_rows_come_back_after_their_lease(stack: AsyncExitStack, tmp_path: Path) -> None:
    watch = Watch()
    queue, other = embedded(stack, tmp_path, watch), embedded(stack, tmp_path, watch)
    publisher = await opened(stack, DatabasePublisher(queue))
    crashed = await opened(stack, DatabaseConsumer(queue, lease_seconds=30))
    survivor = await opened(stack, DatabaseConsumer(other))
    await publisher.publish(b"1")
    await receive(crashed, 1)

    is_leased = await is_silent(survivor)
    watch.now += timedelta(seconds=31)

    assert is_leased
    assert [each.body for each in await receive(survivor, 1)] == [b"1"]


async def test_ending_leases_makes_them_due_at_once(stack: AsyncExitStack, tmp_path: Path) -> None:
    queue = embedded(stack, tmp_path, Watch())
    publisher = await opened(stack, DatabasePublisher(queue))
    crashed = await opened(stack, DatabaseConsumer(queue))
    survivor = await opened(stack, DatabaseConsumer(queue))
    await publisher.publish(b"1")
    await receive(crashed, 1)

    freed = await queue.end_leases()

    assert freed == 1
    assert [each.body for each in await receive(survivor, 1)] == [b"1"]


async def test_another_process_hears_of_a_publish_without_a_signal(stack: AsyncExitStack, tmp_path: Path) -> None:
    publisher = await opened(stack, DatabasePublisher(embedded(stack, tmp_path, Watch())))
    consumer = await opened(stack, DatabaseConsumer(embedded(stack, tmp_path, Watch())))

    outcome = await publisher.publish(b"1")

    assert outcome is PublishOutcome.CONFIRMED
    assert [each.body for each in await receive(consumer, 1)] == [b"1"]


async def test_the_double_plays_the_outcomes_it_was_given(stack: AsyncExitStack) -> None:
    queue = MemoryQueue()
    queue.outcomes = [PublishOutcome.REFUSED, PublishOutcome.UNKNOWN]
    publisher, consumer = MemoryPublisher(queue), MemoryConsumer(queue)

    outcomes = [await publisher.publish(body) for body in (b"refused", b"unknown", b"confirmed")]
    queue.is_available = False
    away = await publisher.publish(b"away"), await publisher.publish_heartbeat(b"away"), await consumer.bury(b"x", "y")
    queue.is_available = True

    assert outcomes == [PublishOutcome.REFUSED, PublishOutcome.UNKNOWN, PublishOutcome.CONFIRMED]
    assert away == (PublishOutcome.REFUSED, False, False)
    assert [each.body for each in await receive(consumer, 2)] == [b"unknown", b"confirmed"]


@pytest.mark.parametrize("seed", range(20))
def test_acks_in_any_order_name_every_tag_once_and_none_that_was_not_asked(seed: int) -> None:
    dice = random.Random(seed)
    tags = list(range(1, 60))
    dice.shuffle(tags)
    runs, asked, outstanding = AckRuns(), set[int](), set(range(1, 60))

    for tag in tags:
        runs.add(tag)
        asked.add(tag)
        if dice.random() < 0.3 or tag == tags[-1]:
            for last, is_multiple in runs.take():
                named = {each for each in outstanding if each <= last} if is_multiple else {last}
                assert last in outstanding
                assert named <= asked
                outstanding -= named

    assert outstanding == set()


def test_what_was_given_up_is_never_written() -> None:
    outgoing = Outgoing(b"{}", deadline=0)
    outgoing.is_given_up = True

    is_started = outgoing.start()

    assert not is_started
    assert not outgoing.is_written


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (
            (
                "PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': "
                "received 'quorum' but current is 'classic'"
            ),
            (
                "RabbitMQ queue 'q' exists with another 'x-queue-type' (received 'quorum' but current is 'classic'); "
                "delete it or use another queue name"
            ),
        ),
        (
            "PRECONDITION_FAILED - something\nelse",
            "RabbitMQ queue 'q' cannot be declared: PRECONDITION_FAILED - something else",
        ),
    ],
)
def test_a_refused_declaration_is_explained_in_one_line(reply: str, line: str) -> None:
    explained = explain("q", reply)

    assert explained == line
