"""The contract of the store: an operator's act and a worker's claim, at the same time, never both."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, Message, Reason, Status
from smsgw.core.operator_actions import Resend, cancel, copy_id, resend
from smsgw.core.ports import Arrival, Store
from tests.contract import stores
from tests.contract.stores import CLIENT, NOW, SECOND, Place, parked, queued, state, told

QUEUED = frozenset({Status.QUEUED})
LANE = "Local-SMS"
MANY = 20


def cancelled(message: Message) -> Change:
    change = cancel(message, NOW + SECOND)
    assert isinstance(change, Change)
    return change


def resent(message: Message, copy: UUID) -> Resend:
    made = resend(message, copy, NOW + SECOND)
    assert isinstance(made, Resend)
    return made


async def test_a_cancelled_message_is_claimed_by_nobody(store: Store) -> None:
    due, waiting = await stores.take_in(store, queued(), parked(LANE))

    assert await store.apply(cancelled(due.message)) is True
    assert await store.apply(cancelled(waiting.message)) is True

    assert await store.claim(QUEUED, now=waiting.message.expires_at, limit=10, plan=stores.restart) == []
    assert await store.claim_lane(LANE, limit=10, plan=stores.restart) == []
    assert await store.lanes() == []
    ended = await state(store, due.message.tracking_id)
    assert (ended.status, ended.reason, ended.due_at) == (Status.FAILED, Reason.CANCELLED, None)
    assert await told(store, due.message.tracking_id) == ["QUEUED", "FAILED"]


async def test_a_message_that_was_claimed_meanwhile_is_not_cancelled(store: Store) -> None:
    (change,) = await stores.take_in(store, queued())
    late = cancelled(change.message)
    ((_, claimed),) = await store.claim(QUEUED, now=NOW, limit=10, plan=stores.restart)

    assert await store.apply(late) is False

    assert await state(store, change.message.tracking_id) == claimed.message


@pytest.mark.parametrize("lane", [None, LANE], ids=["due", "in a lane"])
async def test_of_a_cancel_and_a_claim_at_the_same_time_one_wins(place: Place, lane: str | None) -> None:
    worker, operator = place.open(), place.open()
    arrivals = [parked(lane) if lane else queued() for _ in range(MANY)]
    waiting = [change.message for change in await stores.take_in(worker, *arrivals)]

    async def claim() -> Sequence[tuple[Message, Any]]:
        if lane:
            return await worker.claim_lane(lane, limit=MANY // 4, plan=restarted)
        return await worker.claim(QUEUED, now=NOW, limit=MANY // 4, plan=restarted)

    def restarted(message: Message, newest: Attempt | None) -> Change:
        return stores.restart(message, newest)

    claims, answers = await asyncio.gather(
        asyncio.gather(*(claim() for _ in range(6))),
        asyncio.gather(*(operator.apply(cancelled(each)) for each in waiting)),
    )

    begun = {before.tracking_id for found in claims for before, _ in found}
    ended = {each.tracking_id for each, is_applied in zip(waiting, answers, strict=True) if is_applied}
    assert begun & ended == set()
    for each in waiting:
        story = await worker.story(each.tracking_id, CLIENT)
        assert story is not None
        assert (story.message.reason == Reason.CANCELLED) is (each.tracking_id in ended)
        assert len(story.attempts) == (each.tracking_id in begun)


async def test_of_two_resends_at_the_same_time_one_is_let_through(place: Place) -> None:
    first, second = place.open(), place.open()
    (change,) = await stores.take_in(first, queued())
    ended = cancelled(change.message)
    assert await first.apply(ended) is True
    marks = [resent(ended.message, uuid4()).mark for _ in range(2)]

    answers = await asyncio.gather(first.apply(marks[0]), second.apply(marks[1]))

    # Equal but for the id that they name, they may be taken for one commit whose answer was lost.
    assert any(answers)
    assert (await told(first, change.message.tracking_id)).count("RESENT") == 1


async def test_a_resend_reads_as_it_was_written_and_its_copy_is_due(store: Store) -> None:
    (change,) = await stores.take_in(store, queued())
    ended = cancelled(change.message)
    await store.apply(ended)
    made = resent(ended.message, copy_id(ended.message.tracking_id, ended.message.fence))

    assert await store.apply(made.mark) is True
    taken = [await store.take_in([Arrival(change=made.copy)]) for _ in range(2)]

    assert taken == [[made.copy], [None]]
    original = await store.story(ended.message.tracking_id, CLIENT)
    assert original is not None
    assert original.events[-1] == made.mark.events[0]
    ((before, _),) = await store.claim(QUEUED, now=NOW + SECOND, limit=10, plan=stores.restart)
    assert before == made.copy.message


async def test_what_a_newer_release_tells_is_left_out_of_the_story(place: Place) -> None:
    if place.url is None:
        pytest.skip("memory is of one release")
    store = place.open()
    (change,) = await stores.take_in(store, queued())
    insert = "INSERT INTO message_events (tracking_id, event_type, details, created_at) "
    insert += "SELECT tracking_id, 'MOON', details, created_at FROM message_events"
    async with place.databases[-1].engine.begin() as connection:
        await connection.exec_driver_sql(insert)

    events = await told(store, change.message.tracking_id)

    assert ["QUEUED"] == events
