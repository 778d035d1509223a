"""The contract of the store's inbox: reports come twice, early, out of order, and for messages that are not there."""

import asyncio
import random
from datetime import timedelta
from itertools import pairwise, permutations
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from smsgw.core.events import StoreCalled
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, finish, requeue, unknown
from smsgw.core.message import Attempt, Message, NotApplied, Reason, ReportStatus, Status, Told
from smsgw.core.ports import Store
from smsgw.core.reports import MOST_TOLD
from tests.contract import stores
from tests.contract.stores import NOW, SECOND, TIMERS, Place, accepted, attempts, decide, report, started, state, told


async def test_a_report_is_new_once(store: Store) -> None:
    first, other = report(key="k1", reference="x"), report(key="k2", reference="x")
    elsewhere = report(key="k1", reference="x", provider="Local-SMS")

    assert await store.store_reports([first]) == 1
    assert await store.store_reports([first, other, elsewhere, other]) == 2
    assert await store.store_reports([]) == 0


async def test_applying_reports_states_how_many_rows_it_served(place: Place) -> None:
    store = place.open()
    await store.store_reports([report(key="k1", reference="x"), report(key="k2", reference="x")])
    place.facts.clear()

    applied = await store.apply_reports(now=NOW, limit=50, decide=decide)

    assert len(applied) == 2
    stated = [fact.rows for fact in place.facts if isinstance(fact, StoreCalled)]
    assert stated == ([2] if place.url else [])


@pytest.mark.parametrize("by_message_id", [True, False])
async def test_a_report_moves_its_message(store: Store, by_message_id: bool) -> None:
    change = await _sent(store, "pm-1")
    named = {"message_id": "pm-1"} if by_message_id else {"reference": change.message.tracking_id}
    received = report(**named)
    await store.store_reports([received])

    (applied,) = await store.apply_reports(now=NOW, limit=10, decide=decide)

    assert applied.received == received
    assert applied.change is not None
    found = await state(store, change.message.tracking_id)
    assert found == applied.change.message
    assert found.status is Status.DELIVERED
    assert (await attempts(store, found.tracking_id))[0].report is ReportStatus.DELIVERED
    assert (await told(store, found.tracking_id))[-2:] == ["REPORT", "DELIVERED"]
    assert await store.apply_reports(now=NOW + SECOND * 9999, limit=10, decide=decide) == []


async def test_a_message_id_counts_at_its_own_provider_only(store: Store) -> None:
    await _sent(store, "pm-1")
    await store.store_reports([report(message_id="pm-1", provider="Local-SMS")])

    (applied,) = await store.apply_reports(now=NOW, limit=10, decide=decide)

    assert applied.change is None


@pytest.mark.fault("F50", "I11")
async def test_an_unmatched_report_is_tried_again_on_schedule_and_given_up_after_a_day(store: Store) -> None:
    await store.store_reports([report(reference=uuid4())])
    tries = [0]

    async def next_try(before: float, after: float) -> bool:
        early = await store.apply_reports(now=NOW + SECOND * before, limit=10, decide=decide)
        (due,) = await store.apply_reports(now=NOW + SECOND * after, limit=10, decide=decide)
        tries[0] += 1
        return early == [] and due.change is None and not due.is_given_up

    first = await next_try(-0.001, 0)
    rest = [await next_try(at - 0.001, at) for at in (1, 6, 36, 336, 636, 936)]
    (last,) = await store.apply_reports(now=NOW + timedelta(hours=24), limit=10, decide=decide)

    assert [first, *rest] == [True] * 7
    assert last.is_given_up
    assert await store.apply_reports(now=NOW + timedelta(hours=99), limit=10, decide=decide) == []


@pytest.mark.fault("F48", "I1 I8")
async def test_a_report_before_its_message_is_applied_once_that_is_there(store: Store) -> None:
    arrival = started()
    await store.store_reports([report(reference=arrival.change.message.tracking_id)])
    await store.apply_reports(now=NOW, limit=10, decide=decide)
    await store.take_in([arrival])

    (applied,) = await store.apply_reports(now=NOW + SECOND, limit=10, decide=decide)

    assert applied.change is not None
    assert (await state(store, arrival.change.message.tracking_id)).status is Status.DELIVERED


async def test_what_decide_refuses_is_put_off(store: Store) -> None:
    change = await _sent(store, "pm-1")
    await store.store_reports([report(message_id="pm-1")])

    (applied,) = await store.apply_reports(now=NOW, limit=10, decide=lambda *_: NotApplied.UNMATCHED)

    assert applied.change is None
    assert (await state(store, change.message.tracking_id)) == change.message


async def test_a_decide_that_raises_leaves_the_inbox_as_it_was(store: Store) -> None:
    await _sent(store, "pm-1")
    await store.store_reports([report(message_id="pm-1")])

    def bug(*_: object) -> Change:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        await store.apply_reports(now=NOW, limit=10, decide=bug)

    assert len(await store.apply_reports(now=NOW, limit=10, decide=decide)) == 1


async def test_the_limit_holds_and_the_oldest_comes_first(store: Store) -> None:
    reports = [report(reference=uuid4(), received_at=NOW - SECOND * age) for age in (1, 3, 2)]
    await store.store_reports(reports)

    applied = await store.apply_reports(now=NOW, limit=2, decide=decide)

    assert [each.received for each in applied] == [reports[1], reports[2]]


async def test_what_is_only_told_keeps_the_fence_for_the_call_in_flight(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    first = stores.refused(change)
    again = stores.restart(first.message)
    for each in (first, again):
        await store.apply(each)
    # The provider refuses by report what it had refused already: told, and nothing moves.
    await store.store_reports([report(ReportStatus.REJECTED, reference=change.message.tracking_id, message_id="pm-0")])
    await store.apply_reports(now=NOW, limit=10, decide=_tell)

    assert await store.apply(accepted(again, message_id="pm-2")) is True

    found = await attempts(store, change.message.tracking_id)
    assert [(each.outcome, each.report) for each in found][-1] == (Outcome.ACCEPTED, ReportStatus.QUEUED)
    assert (await told(store, change.message.tracking_id))[-2:] == ["REPORT", "SENT"]


@pytest.mark.fault("F49", "I8")
@pytest.mark.parametrize("is_one_batch", [True, False])
@pytest.mark.parametrize(
    ("words", "end"),
    [
        ("sent undelivered delivered queued delivered", (Status.DELIVERED, None, ReportStatus.DELIVERED)),
        ("rejected failed expired undelivered", (Status.FAILED, Reason.UNDELIVERED, ReportStatus.UNDELIVERED)),
        ("queued sent", (Status.SENT, None, ReportStatus.SENT)),
    ],
)
async def test_the_order_of_reports_and_outcome_does_not_matter(
    store: Store, words: str, end: object, is_one_batch: bool
) -> None:
    dice, ends = random.Random(words), set()
    # Six orders are enough here: tests/unit/core tries them all.
    for number in range(6):
        order = [*words.split(), "outcome"]
        dice.shuffle(order)
        (change,) = await stores.take_in(store, started())
        for word in order:
            if word == "outcome":
                await store.apply(accepted(change, message_id=f"pm-{number}"))
                continue
            twin = report(ReportStatus[word.upper()], message_id=f"pm-{number}", reference=change.message.tracking_id)
            await store.store_reports([twin, twin])
            if not is_one_batch:
                await store.apply_reports(now=NOW, limit=100, decide=decide)
        await _apply_all(store)
        found = await state(store, change.message.tracking_id)
        (attempt,) = await attempts(store, change.message.tracking_id)
        ends.add((found.status, found.reason, attempt.report))
        assert (attempt.outcome, attempt.provider_message_id) == (Outcome.ACCEPTED, f"pm-{number}")

    assert ends == {end}


@pytest.mark.fault("F48", "I1 I8")
async def test_a_report_before_the_outcome_is_committed_and_the_outcome_after_it_agree(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    await store.store_reports([report(message_id="pm-1", reference=change.message.tracking_id)])
    await store.apply_reports(now=NOW, limit=10, decide=decide)

    is_ours = await store.apply(accepted(change, message_id="pm-1"))
    await _apply_all(store)

    (attempt,) = await attempts(store, change.message.tracking_id)
    assert not is_ours
    assert (await state(store, change.message.tracking_id)).status is Status.DELIVERED
    assert (attempt.outcome, attempt.provider_message_id) == (Outcome.ACCEPTED, "pm-1")


async def test_a_report_that_two_calls_bring_at_once_is_new_in_one_of_them(place: Place) -> None:
    store, reports = place.open(), [report(key=f"k{number}", reference="x") for number in range(50)]
    place.facts.clear()

    counts = await stores.together(*(store.store_reports([one, other]) for one, other in pairwise(reports)))

    assert sum(counts) == 50
    assert len([fact for fact in place.facts if isinstance(fact, StoreCalled)]) <= 2


@pytest.mark.fault("F49", "I8")
@pytest.mark.parametrize("is_one_batch", [True, False])
async def test_the_order_does_not_matter_where_ids_name_no_attempt(store: Store, is_one_batch: bool) -> None:
    """A provider asked twice, of unknown outcome both times: what was told before has to be read back."""
    told = [("h", ReportStatus.REJECTED), (None, ReportStatus.EXPIRED), ("t", ReportStatus.SENT)]
    ends = set()
    for order in permutations(told):
        tracking_id = await _asked_twice(store)
        received = [report(status, message_id=id_, reference=tracking_id) for id_, status in order]
        for batch in [received] if is_one_batch else [[each] for each in received]:
            await store.store_reports(batch)
            await store.apply_reports(now=NOW + SECOND, limit=10, decide=decide)
        end = await state(store, tracking_id)
        ends.add((end.status, end.reason, *(each.outcome for each in await attempts(store, tracking_id))))

    assert ends == {(Status.SENT, None, Outcome.UNKNOWN, Outcome.ACCEPTED)}


async def test_two_ids_of_two_failures_fail_a_message_that_was_sent_twice(store: Store) -> None:
    tracking_id = await _asked_twice(store)
    seen = []
    for message_id in ("h", "t"):
        await store.store_reports([report(ReportStatus.FAILED, message_id=message_id, reference=tracking_id)])
        await store.apply_reports(now=NOW, limit=10, decide=decide)
        seen.append((await state(store, tracking_id)).status)

    assert seen == [Status.UNKNOWN, Status.FAILED]


async def test_a_report_with_a_message_id_alone_follows_the_earlier_ones_with_that_id(store: Store) -> None:
    """Where a provider was asked twice, its id is written down at no attempt."""
    tracking_id = await _asked_twice(store)
    await store.store_reports([report(ReportStatus.SENT, message_id="x", reference=tracking_id)])
    await store.apply_reports(now=NOW, limit=10, decide=decide)
    elsewhere = report(message_id="x", provider="Local-SMS")
    await store.store_reports([report(message_id="x"), elsewhere, report(message_id="y")])

    applied = await store.apply_reports(now=NOW, limit=10, decide=decide)

    assert [each.received.report.provider_message_id for each in applied if each.change is not None] == ["x"]
    assert (await state(store, tracking_id)).status is Status.DELIVERED


async def test_a_report_that_waits_for_a_call_is_tried_again_every_second(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    failed = report(ReportStatus.FAILED, message_id="x", reference=change.message.tracking_id)
    await store.store_reports([failed])
    waits = [await store.apply_reports(now=NOW + at * SECOND, limit=10, decide=decide) for at in range(40)]
    lost = unknown(change.message, _lost(change), NOW + 40 * SECOND, look_up=False, timers=TIMERS)
    assert await store.apply(lost)

    (applied,) = await store.apply_reports(now=NOW + 40 * SECOND, limit=10, decide=decide)

    assert [(each.change, each.is_waiting, each.is_given_up) for (each,) in waits] == [(None, True, False)] * 40
    assert applied.change is not None
    assert (await state(store, change.message.tracking_id)).status is Status.FAILED


async def test_no_number_of_reports_makes_the_story_of_a_message_long(store: Store) -> None:
    """Repeats tell nothing new, and what is new has an end: no batch gets slower than the one before."""
    (change,) = await stores.take_in(store, started())
    tracking_id = change.message.tracking_id
    await store.store_reports([report(ReportStatus.SENT, message_id="x", reference=tracking_id) for _ in range(300)])
    strange = [report(ReportStatus.QUEUED, message_id=f"id-{n}", reference=tracking_id) for n in range(300)]
    await store.store_reports([*strange, report(message_id="x", reference=tracking_id, received_at=NOW + SECOND)])

    await _apply_all(store)

    assert (await told(store, tracking_id)).count("REPORT") == MOST_TOLD + 1
    assert (await state(store, tracking_id)).status is Status.DELIVERED


async def test_a_row_that_the_database_refuses_fails_no_other_call(place: Place) -> None:
    store, reports = place.open(), [report(key=f"k{number}", reference="x") for number in range(3)]
    refused: Any = msgspec.structs.replace(reports[1], received_at=None)

    calls = [store.store_reports([each]) for each in (reports[0], refused, reports[2])]
    stored = await asyncio.gather(*calls, return_exceptions=True)

    assert [stored[0], stored[2]] == [1, 1]
    assert place.url is None or isinstance(stored[1], Exception)


async def test_an_early_report_settles_an_unknown_attempt(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    assert change.started is not None
    lost = finish(change.started, Outcome.UNKNOWN, NOW)
    await store.apply(unknown(change.message, lost, NOW, look_up=False, timers=TIMERS))
    await store.store_reports([report(ReportStatus.SENT, reference=change.message.tracking_id, message_id="pm-9")])

    await store.apply_reports(now=NOW, limit=10, decide=decide)

    (attempt,) = await attempts(store, change.message.tracking_id)
    assert (await state(store, change.message.tracking_id)).status is Status.SENT
    assert (attempt.outcome, attempt.provider_message_id) == (Outcome.ACCEPTED, "pm-9")


async def test_hostile_ids_are_stored_and_still_match(store: Store) -> None:
    hostile = "\x00'; DROP TABLE messages;--" + "é" * 5000
    change = await _sent(store, hostile)

    stored = await store.store_reports([report(message_id=hostile, key=hostile), report(reference="\x00" * 9999)])
    applied = await store.apply_reports(now=NOW, limit=10, decide=decide)

    assert stored == 2
    assert sorted(each.change is not None for each in applied) == [False, True]
    assert (await state(store, change.message.tracking_id)).status is Status.DELIVERED


async def test_concurrent_workers_apply_each_report_once(place: Place) -> None:
    one, other = place.open(), place.open()
    changes = await stores.take_in(one, *(started() for _ in range(100)))
    reports = [report(ReportStatus.SENT, reference=each.message.tracking_id) for each in changes for _ in range(3)]
    await one.store_reports(reports)

    async def drain(store: Store) -> int:
        count = 0
        while applied := await store.apply_reports(now=NOW, limit=20, decide=decide):
            count += len(applied)
        return count

    counts = await stores.together(
        drain(one), drain(other), drain(one), *(one.apply(accepted(each)) for each in changes)
    )

    assert sum(counts[:3]) == 300
    story = await one.story(changes[0].message.tracking_id, stores.CLIENT)
    assert story is not None
    assert [str(event.event_type) for event in story.events].count("REPORT") == 1
    assert story.message.status is Status.SENT


async def _apply_all(store: Store) -> None:
    """Apply what is in the inbox, and what came into it meanwhile."""
    while await store.apply_reports(now=NOW + SECOND * 10, limit=100, decide=decide):
        continue


async def _sent(store: Store, message_id: str) -> Change:
    (change,) = await stores.take_in(store, started())
    outcome = accepted(change, message_id=message_id)
    assert await store.apply(outcome)
    return outcome


async def _asked_twice(store: Store) -> UUID:
    """Return a message whose two calls to one provider both ended unknown."""
    (change,) = await stores.take_in(store, started())
    for is_last in (False, True):
        open_ = unknown(change.message, _lost(change), NOW, look_up=False, timers=TIMERS)
        assert await store.apply(open_)
        if not is_last:
            again = requeue(open_.message, NOW, due_at=NOW, rounds=0, details={})
            change = stores.restart(again.message)
            assert await store.apply(again)
            assert await store.apply(change)
    return change.message.tracking_id


def _lost(change: Change) -> Attempt:
    assert change.started is not None
    return finish(change.started, Outcome.UNKNOWN, NOW)


def _tell(message: Message, known: Any, told_before: frozenset[Told], _received: object) -> Change:
    """Only tell: the newest attempt gets a report, the message stays as it is."""
    change = decide(message, known, told_before, report(ReportStatus.QUEUED, reference=message.tracking_id))
    assert isinstance(change, Change)
    assert change.finished is not None
    undecided = stores.without_outcome(change.finished)
    return Change(message=message, finished=undecided, events=change.events[:1], previous=message.status)
