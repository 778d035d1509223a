"""The contract of the store: who waits in a lane is taken out in order, once, and is nowhere else until it expires."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from smsgw.core.events import StoreCalled
from smsgw.core.lifecycle import Change, fail, park
from smsgw.core.message import Attempt, Message, Reason, ReportStatus, Status
from smsgw.core.ports import Arrival, Store, StoreUnavailableError
from tests.contract import stores
from tests.contract.stores import CLIENT, NOW, SECOND, Place, accepted, parked, queued, refused, started, state

QUEUED = frozenset({Status.QUEUED})
LANE = "Local-SMS"
OTHER_LANE = "Local-SMS,Provider-A@DE"


async def test_a_message_that_arrives_in_a_lane_reads_as_it_was_written(store: Store) -> None:
    arrival = parked(OTHER_LANE)

    made = await store.take_in([arrival])

    story = await store.story(_id(arrival), CLIENT)
    assert made == [arrival.change]
    assert story is not None
    assert story.message == arrival.change.message
    assert (story.message.lane, story.message.due_at) == (OTHER_LANE, story.message.expires_at)
    assert story.events == arrival.change.events


async def test_a_lane_is_taken_oldest_first_whatever_its_timers(store: Store) -> None:
    arrivals = [parked(LANE, created_at=NOW - SECOND * age) for age in (1, 3, 2, 0)]
    await stores.take_in(store, *arrivals, parked(OTHER_LANE, created_at=NOW - SECOND * 9), queued())

    taken = await store.claim_lane(LANE, limit=3, plan=stores.restart)

    assert [before for before, _ in taken] == [arrivals[index].change.message for index in (1, 2, 0)]
    assert [await state(store, before.tracking_id) for before, _ in taken] == [plan.message for _, plan in taken]
    assert await _waiting(store, LANE) == [_id(arrivals[3])]


async def test_a_message_in_a_lane_is_due_only_when_it_expires(store: Store) -> None:
    (change,) = await stores.take_in(store, parked())
    expires_at = change.message.expires_at

    before = await store.claim(QUEUED, now=expires_at - SECOND, limit=10, plan=stores.restart)
    after = await store.claim(QUEUED, now=expires_at, limit=10, plan=_expire)

    assert before == []
    assert [message for message, _ in after] == [change.message]
    assert await store.lanes() == []


async def test_whoever_leaves_a_lane_is_not_found_there_again(store: Store) -> None:
    (change,) = await stores.take_in(store, parked())
    ((_, plan),) = await store.claim_lane(LANE, limit=10, plan=stores.restart)

    assert await store.claim_lane(LANE, limit=10, plan=stores.restart) == []
    assert (await state(store, change.message.tracking_id)).lane is None
    assert await store.apply(accepted(plan)) is True


async def test_a_change_may_move_a_message_into_a_lane_and_from_one_to_another(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    back = refused(change)
    await store.apply(back)

    await store.apply(park(back.message, LANE, Reason.PROVIDER_AT_LIMIT, NOW + SECOND))
    ((_, moved),) = await store.claim_lane(LANE, limit=10, plan=_to_the_other_lane)

    assert await state(store, change.message.tracking_id) == moved.message
    assert await store.lanes() == [OTHER_LANE]


async def test_a_change_with_another_lane_is_another_change(store: Store) -> None:
    (change,) = await stores.take_in(store, queued())
    mine, other = (park(change.message, lane, Reason.PROVIDER_AT_LIMIT, NOW) for lane in (LANE, OTHER_LANE))

    assert await store.apply(mine) is True
    assert await store.apply(mine) is True
    assert await store.apply(other) is False
    assert await store.lanes() == [LANE]


async def test_a_plan_that_is_none_leaves_the_message_as_it_is(store: Store) -> None:
    changes = await stores.take_in(store, *(parked(created_at=NOW + SECOND * index) for index in range(4)))
    skipped = {changes[0].message.tracking_id, changes[2].message.tracking_id}

    def plan(message: Message, newest: Attempt | None) -> Change | None:
        return None if message.tracking_id in skipped else stores.restart(message, newest)

    taken = await store.claim_lane(LANE, limit=4, plan=plan)
    nobody = await store.claim_lane(LANE, limit=4, plan=lambda *_: None)
    due = await store.claim(QUEUED, now=changes[0].message.expires_at, limit=4, plan=lambda *_: None)

    assert [before for before, _ in taken] == [changes[1].message, changes[3].message]
    assert (nobody, due) == ([], [])
    assert [await state(store, each) for each in sorted(skipped)] == sorted(
        (each.message for each in changes if each.message.tracking_id in skipped), key=lambda each: each.tracking_id
    )


async def test_claims_state_how_many_messages_they_took(place: Place) -> None:
    store = place.open()
    await stores.take_in(store, *(parked() for _ in range(3)))
    place.facts.clear()

    await store.claim_lane(LANE, limit=2, plan=stores.restart)

    stated = [fact.rows for fact in place.facts if isinstance(fact, StoreCalled) and fact.operation == "claim_lane"]
    assert stated == ([2] if place.url else [])


async def test_the_newest_attempt_is_shown_to_the_plan(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    back = refused(change)
    await store.apply(back)
    await store.apply(park(back.message, LANE, Reason.PROVIDER_AT_LIMIT, NOW + SECOND))
    seen: list[Attempt | None] = []

    def plan(_message: Message, newest: Attempt | None) -> None:
        seen.append(newest)

    await store.claim_lane(LANE, limit=1, plan=plan)

    assert seen == [back.finished]


async def test_two_workers_never_take_the_same_message_out_of_a_lane(place: Place) -> None:
    one, other = place.open(), place.open()
    for _ in range(5):
        await one.take_in([parked() for _ in range(100)])

    def drain(store: Store) -> Awaitable[list[UUID]]:
        return stores.drained(lambda: store.claim_lane(LANE, limit=20, plan=stores.restart))

    results = await stores.together(drain(one), drain(other), drain(one), drain(other))

    claimed = [each for result in results for each in result]
    assert len(claimed) == 500
    assert len(set(claimed)) == 500


async def test_lanes_are_those_in_which_somebody_waits(store: Store) -> None:
    assert await store.lanes() == []
    await stores.take_in(store, *(parked(lane) for lane in ("*", LANE, OTHER_LANE, LANE, "Ünï'")), queued(), started())

    assert sorted(await store.lanes()) == sorted(["*", LANE, OTHER_LANE, "Ünï'"])


async def test_a_copy_of_a_message_in_a_lane_changes_nothing(store: Store) -> None:
    arrival = parked()
    await store.take_in([arrival])
    again = started(tracking_id=_id(arrival))

    assert await store.take_in([again]) == [None]
    assert await _waiting(store, LANE) == [_id(arrival)]


async def test_a_second_id_for_an_idempotency_hash_does_not_wait_in_a_lane(store: Store) -> None:
    await store.take_in([parked(idempotency_hash="a" * 64)])

    (made,) = await store.take_in([parked(OTHER_LANE, idempotency_hash="a" * 64)])

    assert made is not None
    assert (made.message.status, made.message.lane) == (Status.FAILED, None)
    assert await store.lanes() == [LANE]


@pytest.mark.fault("F43", "I3")
async def test_what_an_interrupted_call_had_put_into_a_lane_comes_back_as_its_own(place: Place) -> None:
    store = place.open()
    arrivals = [parked(), parked(OTHER_LANE)]
    place.forget_next_commit()
    with pytest.raises(StoreUnavailableError):
        await store.take_in(arrivals)
    await store.claim_lane(OTHER_LANE, limit=1, plan=stores.restart)

    assert await store.take_in(arrivals) == [arrivals[0].change, None]


async def test_a_positive_report_takes_a_message_out_of_its_lane(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    back = refused(change)
    await store.apply(back)
    await store.apply(park(back.message, LANE, Reason.PROVIDER_AT_LIMIT, NOW + SECOND))
    await store.store_reports([stores.report(ReportStatus.DELIVERED, reference=change.message.tracking_id)])

    await store.apply_reports(now=NOW + SECOND, limit=10, decide=stores.decide)

    assert (await state(store, change.message.tracking_id)).status is Status.DELIVERED
    assert await store.lanes() == []


async def test_what_the_release_before_moved_on_waits_in_no_lane(store: Store) -> None:
    """Its workers know no lanes: what they leave in one is a word in a column."""
    (change,) = await stores.take_in(store, parked())
    sent = msgspec.structs.replace(
        change.message, status=Status.SENT, fence=change.message.fence + 1, due_at=NOW + timedelta(days=3)
    )

    await store.apply(Change(message=sent, previous=Status.QUEUED))

    assert (await state(store, sent.tracking_id)).lane == LANE
    assert await store.lanes() == []
    assert await store.claim_lane(LANE, limit=10, plan=stores.restart) == []


def _id(arrival: Arrival) -> UUID:
    return arrival.change.message.tracking_id


def _expire(message: Message, _newest: Attempt | None) -> Change:
    return fail(message, Reason.EXPIRED, message.expires_at)


def _to_the_other_lane(message: Message, _newest: Attempt | None) -> Change:
    return park(message, OTHER_LANE, Reason.CIRCUIT_OPEN, NOW + SECOND)


async def _waiting(store: Store, lane: str) -> list[Any]:
    seen: list[UUID] = []

    def look(message: Message, _newest: Attempt | None) -> None:
        seen.append(message.tracking_id)

    await store.claim_lane(lane, limit=1000, plan=look)
    return seen
