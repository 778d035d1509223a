"""What the rooms may rely on, whatever the queue is made of."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from smsgw.core.admission import PublishOutcome
from smsgw.core.ports import Delivery
from tests.contract.queue_ends import (
    DatabaseEnds,
    Ends,
    MemoryEnds,
    RabbitEnds,
    RedisEnds,
    becomes,
    is_silent,
    receive,
    until,
)


@pytest.fixture(params=["memory", "database", "rabbitmq", "redis"])
async def ends(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Ends]:
    async with AsyncExitStack() as stack:
        if request.param == "memory":
            yield MemoryEnds(stack)
        elif request.param == "database":
            yield DatabaseEnds(stack, f"sqlite:///{tmp_path}/queue.db")
        elif request.param == "redis":
            yield RedisEnds(stack, request.getfixturevalue("redis_url"))
        else:
            yield RabbitEnds(stack, request.getfixturevalue("rabbitmq_url"))


def body(number: int) -> bytes:
    return b'{"number":%d}' % number


def members(deliveries: list[Delivery]) -> list[int]:
    """Return the numbers of all envelopes, whether they came alone or in an array."""
    numbers: list[int] = []
    for delivery in deliveries:
        decoded = msgspec.json.decode(delivery.body)
        numbers += [each["number"] for each in (decoded if isinstance(decoded, list) else [decoded])]
    return numbers


async def test_what_is_published_is_received(ends: Ends) -> None:
    publisher, consumer = await ends.publisher(), await ends.consumer()

    outcome = await publisher.publish(body(1))
    [delivery] = await receive(consumer, 1)

    assert (outcome, delivery.body) == (PublishOutcome.CONFIRMED, body(1))


async def test_a_consumer_that_waits_gets_what_is_published_later(ends: Ends) -> None:
    publisher, consumer = await ends.publisher(), await ends.consumer()
    waiting = asyncio.create_task(receive(consumer, 1))

    await publisher.publish(body(1))

    assert members(await waiting) == [1]


async def test_a_confirmed_message_outlives_its_publisher(ends: Ends) -> None:
    publisher = await ends.publisher()
    await publisher.publish(body(1))
    await publisher.close()

    consumer = await ends.consumer()

    assert members(await receive(consumer, 1)) == [1]


async def test_a_thousand_concurrent_publishes_arrive_exactly_once(ends: Ends) -> None:
    publisher, consumer = await ends.publisher(), await ends.consumer()

    outcomes = await asyncio.gather(*(publisher.publish(body(number)) for number in range(1000)))
    seen: Counter[int] = Counter()
    async with asyncio.timeout(20):
        while len(seen) < 1000:
            deliveries = list(await consumer.receive(50))
            seen.update(members(deliveries))
            await asyncio.gather(*(delivery.ack() for delivery in deliveries))

    assert set(outcomes) == {PublishOutcome.CONFIRMED}
    assert seen == Counter(range(1000))
    assert await is_silent(consumer)


async def test_receive_returns_at_most_its_limit(ends: Ends) -> None:
    publisher, consumer = await ends.publisher(), await ends.consumer()
    for number in range(5):
        await publisher.publish(body(number))

    received: list[list[Delivery]] = []
    async with asyncio.timeout(15):
        while sum(map(len, received)) < 5:
            received.append(list(await consumer.receive(2)))

    assert max(map(len, received)) <= 2
    assert sorted(members([delivery for each in received for delivery in each])) == [0, 1, 2, 3, 4]


@pytest.mark.fault("F25", "I1")
async def test_what_is_not_acknowledged_comes_back_when_the_consumer_closes(ends: Ends) -> None:
    publisher, first = await ends.publisher(), await ends.consumer()
    for number in range(3):
        await publisher.publish(body(number))
    deliveries = await receive(first, 3)
    # Out of order, so that a run of acknowledgements has a gap.
    await deliveries[2].ack()
    kept = set(range(3)) - set(members([deliveries[2]]))

    await first.close()
    second = await ends.consumer()

    assert set(members(await receive(second, 2))) == kept
    assert await is_silent(second)


async def test_an_acknowledged_message_is_gone(ends: Ends) -> None:
    publisher, consumer, admin = await ends.publisher(), await ends.consumer(), await ends.admin()
    await publisher.publish(body(1))
    [delivery] = await receive(consumer, 1)

    await delivery.ack()
    await consumer.close()

    assert await admin.depth() == 0


async def test_acknowledging_twice_or_late_harms_nobody(ends: Ends) -> None:
    publisher, consumer = await ends.publisher(), await ends.consumer()
    await publisher.publish(body(1))
    [delivery] = await receive(consumer, 1)
    await delivery.ack()

    await delivery.ack()
    await publisher.publish(body(2))

    assert members(await receive(consumer, 1)) == [2]


async def test_a_pause_gives_back_and_a_resume_delivers_again(ends: Ends) -> None:
    publisher, consumer, admin = await ends.publisher(), await ends.consumer(), await ends.admin()
    for number in range(3):
        await publisher.publish(body(number))
    await receive(consumer, 2)

    await consumer.pause()

    await becomes(admin.depth, 3)
    assert await is_silent(consumer)

    await consumer.resume()

    assert sorted(members(await receive(consumer, 3))) == [0, 1, 2]


async def test_a_paused_consumer_is_ready(ends: Ends) -> None:
    consumer = await ends.consumer()

    await consumer.pause()

    await until(consumer.is_ready)
    assert await consumer.is_ready()


@pytest.mark.fault("F26", "I1")
async def test_a_buried_body_lies_among_the_dead_letters_with_its_reason(ends: Ends) -> None:
    consumer, admin = await ends.consumer(), await ends.admin()

    is_buried = await consumer.bury(b"\xff garbage", "undecodable: invalid UTF-8")

    await becomes(admin.dead_depth, 1)
    [letter] = await admin.dead_letters(10)
    [again] = await admin.dead_letters(10)
    assert is_buried
    assert letter.died_at is not None
    assert abs(datetime.now(UTC) - letter.died_at) < timedelta(seconds=60)
    assert (letter.reason, letter.body) == ("undecodable: invalid UTF-8", b"\xff garbage")
    assert again.id == letter.id


@pytest.mark.fault("F27", "I1")
async def test_a_replayed_dead_letter_is_delivered_and_no_longer_dead(ends: Ends) -> None:
    consumer, admin = await ends.consumer(), await ends.admin()
    for number in range(3):
        assert await consumer.bury(body(number), "test")
    letters = {letter.body: letter.id for letter in await admin.dead_letters(10)}

    is_replayed = await admin.replay(letters[body(1)])

    assert is_replayed
    assert members(await receive(consumer, 1)) == [1]
    await becomes(admin.dead_depth, 2)
    assert not await admin.replay(letters[body(1)])
    assert {letter.body for letter in await admin.dead_letters(10)} == {body(0), body(2)}


async def test_dead_letters_are_limited_and_the_oldest_first(ends: Ends) -> None:
    consumer, admin = await ends.consumer(), await ends.admin()
    for number in range(4):
        assert await consumer.bury(body(number), "test")

    letters = await admin.dead_letters(2)

    assert [letter.body for letter in letters] == [body(0), body(1)]


@pytest.mark.fault("F27", "I1")
async def test_a_message_that_no_consumer_survives_becomes_a_dead_letter(ends: Ends) -> None:
    publisher, consumer, admin = await ends.publisher(), await ends.consumer(), await ends.admin()
    await publisher.publish(body(1))

    for _ in range(11):
        if await is_silent(consumer, seconds=1.0):
            break
        await consumer.pause()
        await consumer.resume()

    await becomes(admin.dead_depth, 1)
    [letter] = await admin.dead_letters(1)
    assert (letter.reason, letter.body) == ("delivery_limit", body(1))


async def test_depth_counts_what_waits(ends: Ends) -> None:
    publisher, admin = await ends.publisher(), await ends.admin()

    for number in range(3):
        await publisher.publish(body(number))

    await becomes(admin.depth, 3)
    assert await admin.dead_depth() == 0


async def test_waiting_bodies_can_be_looked_at_often_and_stay(ends: Ends) -> None:
    publisher, admin = await ends.publisher(), await ends.admin()
    for number in range(3):
        await publisher.publish(body(number))

    async def has_three() -> bool:
        found = (await admin.look(3)).bodies
        return found is not None and sorted(found) == [body(0), body(1), body(2)]

    for _ in range(25):
        await until(has_three)
    consumer = await ends.consumer()

    assert sorted(members(await receive(consumer, 3))) == [0, 1, 2]
    assert await admin.dead_depth() == 0


async def test_a_look_shows_no_bodies_when_there_are_more_than_it_may_look_at(ends: Ends) -> None:
    publisher, admin = await ends.publisher(), await ends.admin()
    assert (await admin.look(2)).bodies == []
    for number in range(3):
        await publisher.publish(body(number))

    async def is_too_much() -> bool:
        return (await admin.look(2)).bodies is None

    await until(is_too_much)
    assert (await admin.look(2)).bodies is None


async def test_what_a_consumer_holds_can_be_seen_or_has_holders(ends: Ends) -> None:
    publisher, admin = await ends.publisher(), await ends.admin()
    assert (await admin.look(3)).holders == 0
    await publisher.publish(body(1))
    consumer = await ends.consumer()

    held = await receive(consumer, 1)

    seen = await admin.look(3)
    assert members(held) == [1]
    assert seen.bodies == [body(1)] or seen.holders == 1


async def test_heartbeats_go_to_a_queue_of_their_own(ends: Ends) -> None:
    publisher, consumer = await ends.publisher(), await ends.consumer(ends.settings.heartbeat)

    is_confirmed = await publisher.publish_heartbeat(body(1))
    [delivery] = await receive(consumer, 1)

    assert is_confirmed
    assert delivery.body == body(1)


async def test_only_the_last_thousand_heartbeats_are_kept(ends: Ends) -> None:
    publisher = await ends.publisher()

    for first in range(0, 1005, 67):
        await asyncio.gather(*(publisher.publish_heartbeat(body(number)) for number in range(first, first + 67)))
    consumer = await ends.consumer(ends.settings.heartbeat)
    seen: list[int] = []
    async with asyncio.timeout(20):
        while 1004 not in seen:
            deliveries = list(await consumer.receive(100))
            seen += members(deliveries)
            await asyncio.gather(*(delivery.ack() for delivery in deliveries))

    assert len(seen) == 1000
    assert 0 not in seen


async def test_both_ends_are_ready(ends: Ends) -> None:
    publisher, consumer = await ends.publisher(), await ends.consumer()

    assert (await publisher.is_ready(), await consumer.is_ready()) == (True, True)


async def test_a_closed_consumer_ends_the_wait(ends: Ends) -> None:
    consumer = await ends.consumer()
    waiting = asyncio.create_task(consumer.receive(1))
    await asyncio.sleep(0)

    await consumer.close()

    assert list(await waiting) == []


async def test_closing_leaves_no_task_behind(ends: Ends) -> None:
    before = asyncio.all_tasks()
    publisher, consumer, admin = await ends.publisher(), await ends.consumer(), await ends.admin()
    await publisher.publish(body(1))
    await receive(consumer, 1)
    await consumer.bury(body(2), "test")
    await admin.depth()

    for end in (publisher, consumer, admin):
        await end.close()

    async def is_quiet() -> bool:
        return asyncio.all_tasks() <= before

    await until(is_quiet)
    assert asyncio.all_tasks() <= before
