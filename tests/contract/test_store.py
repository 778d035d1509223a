"""The contract of the store: what every implementation promises about claiming messages and telling of them."""

from collections.abc import Awaitable
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from smsgw.core.backlog import Oldest
from smsgw.core.lifecycle import Change, unknown
from smsgw.core.message import Attempt, Event, EventType, Message, Status
from smsgw.core.ports import Arrival, GatewayBeat, Store
from tests.contract import stores
from tests.contract.stores import CLIENT, NOW, SECOND, TIMERS, Place, accepted, attempts, queued, started, state

QUEUED = frozenset({Status.QUEUED})
TIMED = frozenset({Status.PROCESSING, Status.UNKNOWN, Status.SENT})


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

    def drain(store: Store) -> Awaitable[list[UUID]]:
        return stores.drained(lambda: store.claim(QUEUED, now=NOW, limit=40, plan=stores.restart))

    results = await stores.together(drain(one), drain(other), drain(one), drain(other))

    claimed = [each for result in results for each in result]
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


async def test_the_oldest_timers_are_told(store: Store) -> None:
    nothing = await store.oldest()
    later = [queued(due_at=NOW - SECOND * offset) for offset in (3, 9, -5)]
    lanes = [(NOW - SECOND * 40, "b"), (NOW - SECOND * 50, "a"), (NOW - SECOND * 45, "a")]
    parked = [stores.parked(lane, created_at=made, expires_at=NOW + SECOND * 60) for made, lane in lanes]
    changes = await stores.take_in(store, started(), started(), *later, *parked)
    await store.apply(accepted(changes[0]))

    found = await store.oldest()

    assert nothing == Oldest()
    assert found == Oldest(due_at=NOW - SECOND * 9, in_lane=NOW - SECOND * 50, report_due_at=None)


async def test_the_report_that_waits_longest_for_its_turn_is_told(store: Store) -> None:
    moments = [NOW + SECOND * number for number in (2, 1, 3)]
    reports = [stores.report(key=str(each), message_id="m-1", received_at=each) for each in moments]
    await store.store_reports(reports)

    assert (await store.oldest()).report_due_at == NOW + SECOND


async def test_oldest_waiting_is_the_oldest_that_waits_for_us(store: Store) -> None:
    assert await store.oldest_waiting() is None

    oldest = queued(created_at=NOW - SECOND * 90, due_at=NOW + SECOND * 60)
    changes = await stores.take_in(
        store,
        queued(created_at=NOW - SECOND * 5),
        oldest,
        queued(created_at=NOW - SECOND * 500, due_at=None),
        started(created_at=NOW - SECOND * 400),
    )
    await store.apply(accepted(changes[3]))

    assert await store.oldest_waiting() == NOW - SECOND * 90


async def test_missing_names_the_ids_without_a_row(store: Store) -> None:
    there = [each.message.tracking_id for each in await stores.take_in(store, queued(), queued())]
    absent = [uuid4() for _ in range(1500)]

    assert await store.missing([*absent, *there]) == set(absent)
    assert await store.missing([]) == set()


async def test_created_names_what_is_of_this_time_newest_first(store: Store) -> None:
    moments = [NOW + SECOND * offset for offset in (-1, 0, 5, 10, 11)]
    arrivals = [queued(created_at=each) for each in moments]
    for arrival in arrivals:
        await store.take_in([arrival])
    inside = [_id(each) for each in arrivals[3:0:-1]]

    assert await store.created(NOW, NOW + SECOND * 10, limit=10) == inside
    assert await store.created(NOW, NOW + SECOND * 10, limit=2) == inside[:2]
    assert await store.created(NOW + SECOND * 20, NOW, limit=2) == []


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
