"""The contract of the store: what is taken in, once, and given back to whom."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from smsgw.core.message import Status
from smsgw.core.ports import Arrival, Store, StoreUnavailableError
from tests.contract import stores
from tests.contract.stores import CLIENT, NOW, SECOND, TIMERS, Place, accepted, queued, started, state, told


async def test_a_new_message_comes_back_as_its_change_and_reads_as_it_was_written(store: Store) -> None:
    text = "שלום 👩‍👩‍👧 \u202eنص\u202c 'quoted' \\ % :name \n\t é"
    arrival = started(text=text, duplicate_risk=True, client_key=CLIENT, providers=("Ünï-\"code'",))

    made = await store.take_in([arrival])

    story = await store.story(arrival.change.message.tracking_id, CLIENT)
    assert made == [arrival.change]
    assert story is not None
    assert story.message == arrival.change.message
    assert story.attempts == (arrival.change.started,)
    assert story.events == arrival.change.events


async def test_times_keep_their_microseconds_and_come_back_in_utc(store: Store) -> None:
    east = NOW.astimezone(datetime.now(UTC).astimezone().tzinfo) + timedelta(microseconds=1)
    arrival = queued(created_at=east, due_at=None)

    await store.take_in([arrival])

    found = await state(store, arrival.change.message.tracking_id)
    assert found.created_at == east
    assert found.created_at.utcoffset() == timedelta(0)


async def test_a_copy_changes_nothing(store: Store) -> None:
    first = started()
    copy = Arrival(
        change=msgspec.structs.replace(first.change, message=stores.message(tracking_id=_id(first), text="x"))
    )
    await store.take_in([first])

    made = await store.take_in([copy, queued()])

    assert made[0] is None
    assert made[1] is not None
    assert await state(store, _id(first)) == first.change.message
    assert await told(store, _id(first)) == ["PROCESSING"]


async def test_a_copy_within_one_call_is_one_message(store: Store) -> None:
    arrival = started()

    made = await store.take_in([arrival, arrival])

    assert made == [arrival.change, None]


async def test_results_come_in_the_order_given(store: Store) -> None:
    arrivals = [queued() for _ in range(20)]

    made = await store.take_in(arrivals)

    assert made == [each.change for each in arrivals]


async def test_concurrent_calls_with_the_same_messages_store_each_exactly_once(place: Place) -> None:
    arrivals = [started(idempotency_hash=uuid4().hex) for _ in range(100)]
    backwards = arrivals[::-1]
    one, other = place.open(), place.open()

    results = await stores.together(one.take_in(arrivals), other.take_in(backwards), one.take_in(backwards))

    made = [change.message.tracking_id for result in results for change in result if change is not None]
    assert sorted(made) == sorted(map(_id, arrivals))
    assert await told(one, made[0]) == ["PROCESSING"]


async def test_a_second_id_for_an_idempotency_hash_fails_as_its_duplicate(store: Store) -> None:
    first, second = started(idempotency_hash="a" * 64), started(idempotency_hash="a" * 64)
    await store.take_in([first])

    made = await store.take_in([second])

    story = await store.story(_id(second), CLIENT)
    assert story is not None
    assert made[0] is not None
    assert made[0].message == story.message
    assert (story.message.status, story.message.reason) == (Status.FAILED, "duplicate_of")
    assert story.message.due_at is None
    assert story.attempts == ()
    assert story.events[-1].details["duplicate_of"] == str(_id(first))


async def test_an_idempotency_hash_is_free_again_after_48_hours(store: Store) -> None:
    later = NOW + timedelta(hours=48, seconds=1)
    await store.take_in([started(idempotency_hash="a" * 64)])

    made = await store.take_in([started(idempotency_hash="a" * 64, updated_at=later)])
    third = await store.take_in([started(idempotency_hash="a" * 64, updated_at=later + SECOND)])

    assert made[0] is not None
    assert made[0].message.status is Status.PROCESSING
    assert third[0] is not None
    assert third[0].message.status is Status.FAILED


async def test_a_copy_with_its_own_hash_is_a_copy(store: Store) -> None:
    first = started(idempotency_hash="a" * 64)
    await store.take_in([first])

    assert await store.take_in([first]) == [None]


@pytest.mark.fault("F43", "I3")
async def test_what_an_interrupted_call_had_committed_comes_back_as_its_own(place: Place) -> None:
    store = place.open()
    arrivals = [started(), queued()]
    place.forget_next_commit()
    with pytest.raises(StoreUnavailableError):
        await store.take_in(arrivals)

    made = await store.take_in(arrivals)

    assert made == [each.change for each in arrivals]
    assert await store.take_in(arrivals) == [None, None]


async def test_what_was_moved_since_an_interrupted_call_does_not_come_back(place: Place) -> None:
    store = place.open()
    moved, overslept = started(), started()
    place.forget_next_commit()
    with pytest.raises(StoreUnavailableError):
        await store.take_in([moved, overslept])
    await store.apply(accepted(moved.change))
    late = started(tracking_id=_id(overslept), updated_at=NOW + TIMERS.lease)

    assert await store.take_in([moved, late]) == [None, None]


def _id(arrival: Arrival) -> Any:
    return arrival.change.message.tracking_id
