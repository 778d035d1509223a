"""The contract of the store: what every implementation promises about taking in, changing and claiming messages."""

from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from smsgw.core.events import StoreCalled
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, begin, finish, unknown
from smsgw.core.message import Attempt, Event, EventType, Message, Reason, Status
from smsgw.core.ports import Arrival, GatewayBeat, Store, StoreUnavailableError
from tests.contract import stores
from tests.contract.stores import CLIENT, NOW, SECOND, TIMERS, Place, accepted, attempts, queued, started, state, told

QUEUED = frozenset({Status.QUEUED})
TIMED = frozenset({Status.PROCESSING, Status.UNKNOWN, Status.SENT})


@pytest.fixture(scope="module", params=["memory", "sqlite", "postgres"])
def url(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    with stores.place_url(request.param, request, tmp_path_factory.mktemp("store")) as found:
        yield found


@pytest.fixture
async def place(url: str | None) -> AsyncIterator[Place]:
    await stores.empty(url)
    place = Place(url, [])
    yield place
    await place.close()


@pytest.fixture
def store(place: Place) -> Store:
    return place.open()


# --- taking in --------------------------------------------------------------------------------------------------------


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


# --- applying ---------------------------------------------------------------------------------------------------------


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


# --- claiming ---------------------------------------------------------------------------------------------------------


async def test_claim_takes_what_is_due_oldest_first(store: Store) -> None:
    arrivals = [queued(due_at=NOW - SECOND * offset) for offset in (1, 3, 2, 0, -1)]
    await store.take_in(arrivals)

    taken = await store.claim(QUEUED, now=NOW, limit=3, plan=stores.restart)

    assert [before.tracking_id for before, _ in taken] == [_id(arrivals[index]) for index in (1, 2, 0)]
    before, plan = taken[0]
    assert before == arrivals[1].change.message
    assert isinstance(plan, Change)
    assert await state(store, before.tracking_id) == plan.message
    assert await attempts(store, before.tracking_id) == (plan.started,)


async def test_claim_shows_the_newest_attempt_and_accepts_plans_that_carry_a_change(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    refused = stores.refused(change)
    again = stores.restart(refused.message)
    await store.apply(refused)
    await store.apply(again)
    seen: list[Attempt | None] = []

    class Plan(msgspec.Struct):
        change: Change

    def plan(message: Message, newest: Attempt | None) -> Plan:
        seen.append(newest)
        return Plan(Change(message=msgspec.structs.replace(message, fence=message.fence + 1, due_at=None)))

    taken = await store.claim(TIMED, now=NOW + TIMERS.lease, limit=10, plan=plan)

    assert seen == [again.started]
    assert [type(each) for _, each in taken] == [Plan]
    assert (await state(store, change.message.tracking_id)).due_at is None


async def test_claim_leaves_other_states_and_the_future_alone(store: Store) -> None:
    await stores.take_in(store, queued(due_at=NOW + SECOND), started(), queued(due_at=None))

    assert await store.claim(QUEUED, now=NOW, limit=10, plan=stores.restart) == []


async def test_a_plan_that_raises_leaves_everything_as_it_was(store: Store) -> None:
    changes = await stores.take_in(store, queued(), queued())

    def plan(message: Message, newest: Attempt | None) -> Change:
        if message.tracking_id == max(each.message.tracking_id for each in changes):
            raise RuntimeError("a bug")
        return stores.restart(message, newest)

    with pytest.raises(RuntimeError, match="a bug"):
        await store.claim(QUEUED, now=NOW, limit=10, plan=plan)

    assert [await state(store, each.message.tracking_id) for each in changes] == [each.message for each in changes]


async def test_two_workers_never_claim_the_same_message(place: Place) -> None:
    one, other = place.open(), place.open()
    for _ in range(10):
        await one.take_in([queued() for _ in range(100)])

    async def drain(store: Store) -> list[Message]:
        mine: list[Message] = []
        while taken := await store.claim(QUEUED, now=NOW, limit=40, plan=stores.restart):
            mine.extend(before for before, _ in taken)
        return mine

    results = await stores.together(drain(one), drain(other), drain(one), drain(other))

    claimed = [each.tracking_id for result in results for each in result]
    assert len(claimed) == 1000
    assert len(set(claimed)) == 1000


# --- telling ----------------------------------------------------------------------------------------------------------


async def test_a_story_is_for_its_own_client_only(store: Store) -> None:
    (change,) = await stores.take_in(store, started())

    assert await store.story(change.message.tracking_id, "client-b") is None
    assert await store.story(uuid4(), CLIENT) is None


async def test_a_story_is_told_oldest_first_and_keeps_its_details(store: Store) -> None:
    details = {"n": 1, "list": [1, "zwei", None], "escape": "\\u0000", "emoji": "👍", "nested": {"x": True}}
    events = tuple(Event(EventType.LOOKED_UP, NOW - SECOND * index, "P", details) for index in range(5))
    change = Change(message=stores.message(), events=events)

    await store.take_in([Arrival(change=change)])

    story = await store.story(change.message.tracking_id, CLIENT)
    assert story is not None
    assert story.events == events


async def test_a_nul_that_a_provider_brought_into_a_story_stops_nothing(store: Store) -> None:
    change = Change(message=stores.message(), events=(Event(EventType.LOOKED_UP, NOW, "P", {"a": ["x\x00y"]}),))

    await store.take_in([Arrival(change=change)])

    story = await store.story(change.message.tracking_id, CLIENT)
    assert story is not None
    assert story.events[0].details["a"][0] in ("x\x00y", "x\ufffdy")


async def test_counts_say_what_waits_for_us(store: Store) -> None:
    changes = await stores.take_in(store, queued(), queued(), started(), started(), started(), queued(due_at=None))
    await store.apply(accepted(changes[2]))

    assert await store.counts() == {Status.QUEUED: 2, Status.PROCESSING: 2, Status.UNKNOWN: 0}


async def test_missing_names_the_ids_without_a_row(store: Store) -> None:
    there = [each.message.tracking_id for each in await stores.take_in(store, queued(), queued())]
    absent = [uuid4() for _ in range(1500)]

    assert await store.missing([*absent, *there]) == set(absent)
    assert await store.missing([]) == set()


async def test_stuck_lists_what_waits_too_long_or_is_unknown(store: Store) -> None:
    late, unknown_, *_ = await stores.take_in(
        store, queued(due_at=NOW - SECOND * 61), started(), queued(due_at=NOW - SECOND * 59), queued()
    )
    assert unknown_.started is not None
    lost = unknown(unknown_.message, unknown_.started, NOW, look_up=False, timers=TIMERS)
    await store.apply(lost)

    found = await store.stuck(now=NOW, limit=10)

    assert [each.tracking_id for each in found] == [late.message.tracking_id, lost.message.tracking_id]
    assert len(await store.stuck(now=NOW, limit=1)) == 1


async def test_end_leases_makes_calls_of_a_dead_process_due(store: Store) -> None:
    changes = await stores.take_in(store, started(), queued(due_at=NOW + SECOND * 50))

    assert await store.end_leases(NOW) == 1

    taken = await store.claim(TIMED, now=NOW, limit=10, plan=_drop)
    assert [before.tracking_id for before, _ in taken] == [changes[0].message.tracking_id]


async def test_prune_forgets_hashes_older_than_48_hours(store: Store) -> None:
    later = NOW + timedelta(hours=48, seconds=1)
    await store.take_in([started(idempotency_hash="a" * 64), started(idempotency_hash="b" * 64, updated_at=later)])

    assert await store.prune(later) == 1
    assert await store.prune(later) == 0


async def test_beats_keep_the_last_one_of_each_instance(store: Store) -> None:
    beats = [_beat(instance, second) for instance, second in (("b", 1), ("a", 2), ("a", 3), ("a", 1))]

    for beat in beats:
        await store.store_beat(beat)

    assert await store.beats() == [beats[2], beats[0]]


async def test_problem_is_none_when_the_store_is_fit(store: Store) -> None:
    assert await store.problem() is None


async def test_fences_only_grow(store: Store) -> None:
    (change,) = await stores.take_in(store, queued())
    fences = [change.message.fence]
    for _ in range(3):
        ((_, plan),) = await store.claim(QUEUED, now=NOW + SECOND * 9, limit=1, plan=stores.restart)
        back = stores.refused(plan)
        await store.apply(back)
        fences += [plan.message.fence, back.message.fence]

    assert all(after == before + 1 for before, after in pairwise(fences))


def _id(arrival: Arrival) -> Any:
    return arrival.change.message.tracking_id


def _drop(message: Message, _newest: Attempt | None) -> Change:
    return Change(message=msgspec.structs.replace(message, fence=message.fence + 1, due_at=None))


def _beat(instance: str, second: int) -> GatewayBeat:
    return GatewayBeat(
        service="server-a",
        instance=instance,
        interval_seconds=60,
        ts=NOW + SECOND * second,
        clients_fingerprint="c" * 64,
        providers_fingerprint="p" * 64,
    )
