"""The contract of the store: Changes apply once, in the order of their fences, and leave evidence when late."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from smsgw.core.events import StoreCalled
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, begin, finish, unknown
from smsgw.core.message import EventType, Reason, Status
from smsgw.core.ports import Arrival, Store, StoreUnavailableError
from tests.contract import stores
from tests.contract.stores import CLIENT, NOW, SECOND, TIMERS, Place, accepted, attempts, queued, started, state, told

QUEUED = frozenset({Status.QUEUED})


async def test_a_change_writes_state_attempt_and_story_together(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    outcome = accepted(change, message_id="pm-1")

    assert await store.apply(outcome) is True

    story = await store.story(outcome.message.tracking_id, CLIENT)
    assert story is not None
    assert story.message == outcome.message
    assert story.attempts == (outcome.finished,)
    assert [event.event_type for event in story.events] == [EventType.PROCESSING, EventType.SENT]


async def test_a_change_may_end_one_attempt_and_start_the_next(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    assert change.started is not None
    ended = finish(change.started, Outcome.REJECTED, NOW, detail="E1")
    change_over = msgspec.structs.replace(begin(change.message, "Local-SMS", NOW, TIMERS), finished=ended)

    assert await store.apply(change_over) is True

    assert await attempts(store, change.message.tracking_id) == (ended, change_over.started)


async def test_the_fence_stops_who_comes_too_late_and_keeps_the_evidence(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    assert change.started is not None
    lost = finish(change.started, Outcome.UNKNOWN, NOW)
    swept = unknown(change.message, lost, NOW, look_up=False, timers=TIMERS)
    assert await store.apply(swept) is True

    assert await store.apply(stores.refused(change)) is False

    (attempt,) = await attempts(store, change.message.tracking_id)
    assert await state(store, change.message.tracking_id) == swept.message
    assert (attempt.outcome, attempt.detail) == (Outcome.REJECTED, "E12")
    assert await told(store, change.message.tracking_id) == ["PROCESSING", "UNKNOWN"]


async def test_evidence_never_overwrites_a_settled_attempt(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    settled = accepted(change, message_id="pm-1")
    await store.apply(settled)

    assert await store.apply(stores.refused(change)) is False

    assert await attempts(store, change.message.tracking_id) == (settled.finished,)


async def test_a_late_acceptance_is_applied_like_a_report(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    assert change.started is not None
    lost = finish(change.started, Outcome.UNKNOWN, NOW)
    await store.apply(unknown(change.message, lost, NOW, look_up=False, timers=TIMERS))
    late = accepted(change, message_id="pm-late")

    assert await store.apply(late) is False
    assert await store.apply(late) is False

    applied = await store.apply_reports(now=NOW + SECOND, limit=10, decide=stores.decide)
    (attempt,) = await attempts(store, change.message.tracking_id)
    assert len(applied) == 1
    assert (await state(store, change.message.tracking_id)).status is Status.SENT
    assert (attempt.outcome, attempt.provider_message_id) == (Outcome.ACCEPTED, "pm-late")


@pytest.mark.fault("F43", "I3 I7")
async def test_a_change_whose_commit_was_not_heard_of_is_known_again_and_written_once(place: Place) -> None:
    store = place.open()
    (change,) = await stores.take_in(store, started())
    outcome = accepted(change, message_id="pm-1")
    place.forget_next_commit()
    with pytest.raises(StoreUnavailableError):
        await store.apply(outcome)
    first = await store.story(change.message.tracking_id, CLIENT)

    results = [await store.apply(outcome), *await stores.together(store.apply(outcome), store.apply(outcome))]

    assert results == [True, True, True]
    assert first is not None
    assert first.message == outcome.message
    assert await store.story(change.message.tracking_id, CLIENT) == first
    assert await store.apply(stores.refused(change)) is False


@pytest.mark.parametrize("end", [accepted, stores.refused])
async def test_the_same_change_twice_is_applied_once_and_ours_both_times(
    store: Store, end: Callable[[Change], Change]
) -> None:
    (change,) = await stores.take_in(store, started())
    outcome = end(change)

    assert await store.apply(outcome) is True
    first = await store.story(change.message.tracking_id, CLIENT)
    assert await store.apply(outcome) is True

    assert await store.story(change.message.tracking_id, CLIENT) == first


@pytest.mark.parametrize("field", ["due_at", "updated_at", "reason", "status"])
async def test_another_change_with_the_same_fence_comes_too_late(store: Store, field: str) -> None:
    (change,) = await stores.take_in(store, started())
    outcome = stores.refused(change)
    others = {"due_at": NOW, "updated_at": NOW, "reason": Reason.EXPIRED, "status": Status.UNKNOWN}
    other = msgspec.structs.replace(outcome.message, **{field: others[field]})
    await store.apply(outcome)

    assert await store.apply(msgspec.structs.replace(outcome, message=other)) is False

    assert await state(store, change.message.tracking_id) == outcome.message


async def test_a_change_of_an_unknown_message_is_refused(store: Store) -> None:
    assert await store.apply(accepted(started().change)) is False


async def test_concurrent_changes_share_commits_and_each_gets_its_answer(place: Place) -> None:
    store = place.open()
    changes = await stores.take_in(store, *(started() for _ in range(150)))
    others = [stores.refused(change) for change in changes[:5]]
    for change in others:
        await store.apply(change)
    place.facts.clear()

    results = await stores.together(*(store.apply(accepted(change)) for change in changes))

    assert results == [False] * 5 + [True] * 145
    applies = [fact for fact in place.facts if isinstance(fact, StoreCalled)]
    assert sum(fact.rows for fact in applies) == (150 if place.url else 0)
    assert len(applies) <= 3


async def test_a_claim_states_how_many_rows_it_served(place: Place) -> None:
    store = place.open()
    await stores.take_in(store, *(queued() for _ in range(3)))
    place.facts.clear()

    claimed = await store.claim(QUEUED, now=NOW, limit=50, plan=stores.restart)

    assert len(claimed) == 3
    stated = [fact.rows for fact in place.facts if isinstance(fact, StoreCalled) and fact.operation == "claim"]
    assert stated == ([3] if place.url else [])


async def test_two_changes_of_one_message_in_one_batch_follow_their_fences(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    first = stores.refused(change)
    second = stores.restart(first.message)

    results = await stores.together(store.apply(first), store.apply(second))

    assert results == [True, True]
    assert await state(store, change.message.tracking_id) == second.message
    assert await told(store, change.message.tracking_id) == ["PROCESSING", "RETRY_SCHEDULED", "PROCESSING"]


async def test_a_batch_holds_only_one_winner_per_fence(store: Store) -> None:
    (change,) = await stores.take_in(store, started())

    results = await stores.together(store.apply(accepted(change)), store.apply(stores.refused(change)))

    assert results == [True, False]


def _id(arrival: Arrival) -> Any:
    return arrival.change.message.tracking_id
