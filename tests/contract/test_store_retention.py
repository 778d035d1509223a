"""The contract of the store: what it forgets by age, and what about one number."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from smsgw.core.data_care import ERASED, SETTLED, Forgotten, Kept, Retired
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import fail, finish, step, unknown
from smsgw.core.message import Message, Reason, ReportStatus, Status
from smsgw.core.ports import RequestFilter, Store
from tests.contract import stores
from tests.contract.stores import CLIENT, NOW, SECOND, TIMERS, Place, accepted, queued, report, started, state

DAY = timedelta(days=1)
LATER = NOW + 10 * DAY
NUMBER, OTHER = "+4915112345678", "+4915187654321"


async def _final(store: Store, *, at: datetime = NOW, message_id: str | None = None, **fields: Any) -> UUID:
    """Store a message that was sent, and whose report deadline has passed."""
    change = accepted(await _taken(store, at=at, **fields), message_id=message_id, now=at + SECOND)
    assert await store.apply(change)
    over = step(change.message, at + SECOND, Status.SENT, reason=Reason.NO_REPORT, due_at=None)
    assert await store.apply(msgspec.structs.replace(change, message=over, finished=None, events=()))
    return over.tracking_id


async def _waiting(store: Store, *, at: datetime = NOW, **fields: Any) -> UUID:
    """Store a message that waits for its turn."""
    arrival = queued(created_at=at, updated_at=at, expires_at=at + DAY, due_at=at, **fields)
    return (await stores.take_in(store, arrival))[0].message.tracking_id


async def _taken(store: Store, *, at: datetime = NOW, **fields: Any) -> Any:
    arrival = started(created_at=at, updated_at=at, expires_at=at + timedelta(minutes=10), **fields)
    return (await stores.take_in(store, arrival))[0]


async def _retire(
    store: Store, what: Kept, *, age: timedelta = DAY, now: datetime = LATER, limit: int = 100
) -> Retired:
    retired = await store.retire(what, before=now - age, now=now, limit=limit)
    assert retired is not None
    return retired


async def _texts(store: Store, ids: Sequence[UUID]) -> list[str]:
    return [(await state(store, each)).text for each in ids]


async def _kept(store: Store, ids: Sequence[UUID]) -> list[bool]:
    missing = await store.missing(ids)
    return [each not in missing for each in ids]


# --- texts ------------------------------------------------------------------------------------------------------------


async def test_the_text_of_an_old_message_is_erased_and_the_rest_of_it_stays(store: Store) -> None:
    old, young = await _final(store), await _final(store, at=LATER - SECOND)
    before = await store.story(old, CLIENT)

    retired = await _retire(store, Kept.TEXTS)

    after = await store.story(old, CLIENT)
    assert before is not None
    assert after is not None
    assert after == msgspec.structs.replace(before, message=msgspec.structs.replace(before.message, text=""))
    assert await _texts(store, [young]) == ["Your code is 1234"]
    assert retired == Retired(rows=1, oldest=LATER - SECOND)


async def test_a_text_is_erased_while_the_message_waits_for_its_report(store: Store) -> None:
    change = accepted(await _taken(store))
    assert await store.apply(change)

    await _retire(store, Kept.TEXTS)

    after = await state(store, change.message.tracking_id)
    assert after == msgspec.structs.replace(change.message, text="")


async def test_what_may_still_be_sent_keeps_its_text_and_the_walk_waits_for_it(store: Store) -> None:
    first, waiting, behind = await _final(store), await _waiting(store), await _final(store)

    once = await _retire(store, Kept.TEXTS)
    again = await _retire(store, Kept.TEXTS)

    assert await _texts(store, [first, waiting, behind]) == ["", "Your code is 1234", "Your code is 1234"]
    assert [once.rows, again.rows] == [1, 0]
    assert again.oldest == NOW


async def test_the_walk_goes_on_when_what_it_waited_for_has_ended(store: Store) -> None:
    waiting, behind = await _waiting(store), await _final(store)
    await _retire(store, Kept.TEXTS)
    failed = fail(await state(store, waiting), Reason.EXPIRED, NOW + DAY)
    assert await store.apply(failed)

    retired = await _retire(store, Kept.TEXTS)

    assert await _texts(store, [waiting, behind]) == ["", ""]
    assert retired == Retired(rows=2)


async def test_an_unknown_outcome_keeps_its_text(store: Store) -> None:
    change = await _taken(store)
    ended = finish(change.started, Outcome.UNKNOWN, NOW)
    assert await store.apply(unknown(change.message, ended, NOW, look_up=False, timers=TIMERS))

    retired = await _retire(store, Kept.TEXTS)

    assert retired.rows == 0
    assert await _texts(store, [change.message.tracking_id]) == ["Your code is 1234"]


async def test_a_batch_is_as_large_as_it_may_be_and_the_next_goes_on(store: Store) -> None:
    ids = [await _final(store) for _ in range(5)]

    steps = [await _retire(store, Kept.TEXTS, limit=2) for _ in range(3)]

    assert [each.rows for each in steps] == [2, 2, 1]
    assert [each.is_behind for each in steps] == [True, True, False]
    assert await _texts(store, ids) == [""] * 5


async def test_what_was_touched_just_now_is_not_passed(store: Store) -> None:
    moved = await _final(store)
    again = step(await state(store, moved), LATER - SETTLED, Status.SENT)
    change = accepted(await _taken(store))
    assert await store.apply(msgspec.structs.replace(change, message=again, finished=None, events=(), started=None))

    retired = await _retire(store, Kept.TEXTS)

    assert retired.rows == 0
    assert await _texts(store, [moved]) == ["Your code is 1234"]


async def test_a_message_dated_into_the_future_does_not_hold_the_others_up(store: Store) -> None:
    ahead = await _final(store)
    dated = queued(created_at=NOW + 1000 * DAY, expires_at=NOW + 1001 * DAY, tracking_id=UUID(int=7))
    (change,) = await stores.take_in(store, dated)
    assert await store.apply(fail(change.message, Reason.REJECTED, NOW))
    behind = await _final(store)

    await _retire(store, Kept.TEXTS)

    assert await _texts(store, [ahead, UUID(int=7), behind]) == ["", "", ""]


# --- messages ---------------------------------------------------------------------------------------------------------


async def test_an_old_message_goes_with_everything_that_belongs_to_it(store: Store) -> None:
    old, newest = await _final(store, message_id="m-1"), await _final(store, at=LATER - SECOND)

    retired = await _retire(store, Kept.MESSAGES)

    assert retired == Retired(rows=1, oldest=LATER - SECOND)
    assert await store.story(old, CLIENT) is None
    assert await _kept(store, [old, newest]) == [False, True]


async def test_a_report_about_a_message_that_is_gone_is_nobodys(store: Store) -> None:
    old, _ = await _final(store, message_id="m-1"), await _final(store, at=LATER - SECOND)
    await _retire(store, Kept.MESSAGES)
    await store.store_reports([report(message_id="m-1", reference=old, received_at=LATER)])

    (applied,) = await store.apply_reports(now=LATER, limit=10, decide=stores.decide)

    assert applied.change is None


async def test_a_message_that_waits_for_its_report_is_not_deleted(store: Store) -> None:
    change = accepted(await _taken(store))
    assert await store.apply(change)
    behind, _ = await _final(store), await _final(store)

    retired = await _retire(store, Kept.MESSAGES)

    assert retired.rows == 0
    assert await _kept(store, [change.message.tracking_id, behind]) == [True, True]


async def test_the_newest_message_stays_however_old_it_is(store: Store) -> None:
    ids = [await _final(store) for _ in range(3)]

    once = await _retire(store, Kept.MESSAGES)
    again = await _retire(store, Kept.MESSAGES)

    assert await _kept(store, ids) == [False, False, True]
    assert [once.rows, again.rows] == [2, 0]


async def test_messages_that_come_after_everything_was_deleted_are_deleted_in_their_time(store: Store) -> None:
    for _ in range(3):
        await _final(store)
    await _retire(store, Kept.MESSAGES)
    ids = [await _final(store) for _ in range(4)]

    await _retire(store, Kept.MESSAGES)

    assert await _kept(store, ids) == [False, False, False, True]


async def test_the_parts_of_a_long_message_go_with_it(store: Store) -> None:
    change = await _taken(store)
    told = finish(change.started, Outcome.ACCEPTED, NOW, provider_message_id="p-1", part_ids=("p-1", "p-2"))
    sent = accepted(change)
    over = msgspec.structs.replace(sent.message, due_at=None)
    assert await store.apply(msgspec.structs.replace(sent, message=over, finished=told))
    await _final(store, at=LATER - SECOND)

    retired = await _retire(store, Kept.MESSAGES)
    await store.store_reports([report(message_id="p-2", received_at=LATER)])
    (applied,) = await store.apply_reports(now=LATER, limit=10, decide=stores.decide)

    assert retired.rows == 1
    assert applied.change is None


async def test_two_workers_delete_every_message_once(place: Place) -> None:
    store, other = place.open(), place.open()
    ids = [await _final(store) for _ in range(12)]

    for _ in range(8):
        both = [each.retire(Kept.MESSAGES, before=LATER - DAY, now=LATER, limit=2) for each in (store, other)]
        await stores.together(*both)

    assert await _kept(store, ids) == [False] * 11 + [True]


# --- reports ----------------------------------------------------------------------------------------------------------


async def test_applied_reports_go_when_they_are_old_and_what_waits_stays(store: Store) -> None:
    owner = await _final(store, message_id="m-1")
    for at in (NOW, NOW, LATER - SECOND):
        await store.store_reports([report(message_id="m-1", key=f"{at}-{owner}-{at == NOW}", received_at=at)])
        await store.apply_reports(now=at, limit=10, decide=stores.decide)
    await store.store_reports([report(message_id="nobody", received_at=NOW)])

    retired = await _retire(store, Kept.REPORTS)

    assert retired == Retired(rows=1, oldest=LATER - SECOND)


async def test_a_copy_of_a_report_that_is_gone_changes_nothing(store: Store) -> None:
    owner = await _final(store, message_id="m-1")
    told = report(ReportStatus.DELIVERED, message_id="m-1", key="one")
    for each in (told, report(message_id="other", key="two")):
        await store.store_reports([each])
    await store.apply_reports(now=NOW, limit=10, decide=stores.decide)
    before = await store.story(owner, CLIENT)
    retired = await _retire(store, Kept.REPORTS)

    again = await store.store_reports([msgspec.structs.replace(told, received_at=LATER)])
    await store.apply_reports(now=LATER, limit=10, decide=stores.decide)

    assert (retired.rows, again) == (1, 1)
    assert await store.story(owner, CLIENT) == before


# --- one number -------------------------------------------------------------------------------------------------------


async def _forget(store: Store, to: str = NUMBER, limit: int = 100) -> list[Forgotten]:
    done = [await store.forget(to, after=0, limit=limit)]
    while done[-1].next_after is not None:
        done.append(await store.forget(to, after=done[-1].next_after, limit=limit))
    return done


async def test_number_text_and_sender_are_erased_and_others_stay(store: Store) -> None:
    mine, others = await _final(store, to=NUMBER, sender="+49301"), await _final(store, to=OTHER, sender="Shop")

    done = await _forget(store)

    after = await state(store, mine)
    assert (after.to, after.text, after.sender) == (ERASED, "", None)
    assert after.status is Status.SENT
    kept = await state(store, others)
    assert (kept.to, kept.text, kept.sender) == (OTHER, "Your code is 1234", "Shop")
    assert done == [Forgotten(erased=1, waiting=0, next_after=None)]


async def test_what_a_provider_repeated_is_erased_from_attempts_and_story(store: Store) -> None:
    change = await _taken(store, to=NUMBER)
    ended = finish(change.started, Outcome.REJECTED, NOW, detail="4915112345678 is barred")
    details = {"detail": "0151 12345678 is barred", "outcome": "rejected", "echo": ["to 0151-12345678", 7]}
    assert await store.apply(fail(change.message, Reason.REJECTED, NOW, finished=ended, details=details))

    await _forget(store)

    story = await store.story(change.message.tracking_id, CLIENT)
    assert story is not None
    assert [each.detail for each in story.attempts] == [None]
    assert story.events[-1].details == {"reason": "rejected", "outcome": "rejected", "echo": [ERASED, 7]}
    assert "12345678" not in msgspec.json.encode(story).decode()


async def test_a_report_that_repeats_the_number_loses_its_error_text(store: Store) -> None:
    owner = await _final(store, to=NUMBER, message_id="m-1")
    told = report(ReportStatus.UNDELIVERED, message_id="m-1")
    told = msgspec.structs.replace(told, report=msgspec.structs.replace(told.report, error_code=f"no route {NUMBER}"))
    await store.store_reports([told])
    await store.apply_reports(now=NOW, limit=10, decide=stores.decide)

    await _forget(store)

    story = await store.story(owner, CLIENT)
    assert NUMBER[1:] not in msgspec.json.encode(story).decode()
    assert story is not None
    assert story.events[-2].details["error_code"] == ERASED


async def test_reports_still_find_a_message_whose_number_is_erased(store: Store) -> None:
    change = accepted(await _taken(store, to=NUMBER), message_id="m-1")
    assert await store.apply(change)
    await _forget(store)
    await store.store_reports([report(message_id="m-1", received_at=NOW + DAY)])

    (applied,) = await store.apply_reports(now=NOW + DAY, limit=10, decide=stores.decide)

    assert applied.change is not None
    after = await state(store, change.message.tracking_id)
    assert (after.status, after.to) == (Status.DELIVERED, ERASED)


async def test_what_may_still_be_sent_is_told_and_left(store: Store) -> None:
    waiting, final = await _waiting(store, to=NUMBER), await _final(store, to=NUMBER)
    counted = await store.addressed(NUMBER, limit=10)

    done = await _forget(store)

    assert (counted.final, counted.waiting) == (1, 1)
    assert done == [Forgotten(erased=1, waiting=1, next_after=None)]
    assert (await state(store, waiting)).to == NUMBER
    assert (await state(store, final)).to == ERASED


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
async def test_erasing_goes_on_batch_by_batch_past_what_waits(store: Store, limit: int) -> None:
    ids = [await (_waiting if place % 2 else _final)(store, to=NUMBER) for place in range(5)]

    done = await _forget(store, limit=limit)

    assert sum(each.erased for each in done) == 3
    assert sum(each.waiting for each in done) == 2
    assert [(await state(store, each)).to for each in ids] == [ERASED, NUMBER, ERASED, NUMBER, ERASED]


async def test_a_number_is_counted_no_further_than_asked(store: Store) -> None:
    for _ in range(3):
        await _final(store, to=NUMBER)

    counted = await store.addressed(NUMBER, limit=2)

    assert (counted.final, counted.waiting) == (2, 0)


async def test_lists_show_what_is_erased(store: Store) -> None:
    mine = await _final(store, to=NUMBER)
    await _forget(store)

    page = await store.requests(RequestFilter(to=NUMBER), before=None, limit=10)
    erased = await store.requests(RequestFilter(to=ERASED), before=None, limit=10)

    assert page.messages == ()
    assert [_id(each) for each in erased.messages] == [mine]


def _id(message: Message) -> UUID:
    return message.tracking_id
