"""The contract of the store about long messages and costs: the parts of a message are found by any of their ids."""

import random
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.lifecycle import Change, answered, sent, unknown
from smsgw.core.message import Part, Reason, ReceivedReport, ReportStatus, Status
from smsgw.core.ports import Store
from tests.contract import stores
from tests.contract.stores import NOW, SECOND, TIMERS, Place, attempts, decide, report, started, state, told

LONG = "Your parcel waits for you at the shop around the corner until Friday. " * 3
IDS = ("pm-1", "pm-2", "pm-3")
ANSWER = SendResult(
    outcome=Outcome.ACCEPTED,
    provider_message_id=IDS[0],
    part_ids=IDS,
    segments=3,
    price="0.0999",
    currency="EUR",
)


async def test_a_sender_is_kept(store: Store) -> None:
    named, plain = await stores.take_in(store, started(sender="Shop"), started())

    assert (await state(store, named.message.tracking_id)).sender == "Shop"
    assert (await state(store, plain.message.tracking_id)).sender is None


async def test_what_an_answer_tells_of_parts_and_costs_is_kept(store: Store) -> None:
    change = await _sent(store)

    (attempt,) = await attempts(store, change.message.tracking_id)

    assert attempt == change.finished
    assert (attempt.part_ids, attempt.segments, attempt.price, attempt.currency) == (IDS, 3, "0.0999", "EUR")


@pytest.mark.fault("F51", "I8")
@pytest.mark.parametrize("last", IDS)
async def test_a_report_with_the_id_of_any_part_finds_its_message(store: Store, last: str) -> None:
    await _sent(store, ids=("other-1", "other-2"))
    change = await _sent(store)
    seen = []
    for message_id in (*(each for each in IDS if each != last), last):
        await _tell(store, report(message_id=message_id))
        seen.append((await state(store, change.message.tracking_id)).status)

    assert seen == [Status.SENT, Status.SENT, Status.DELIVERED]
    assert (await told(store, change.message.tracking_id))[2:] == ["REPORT", "REPORT", "REPORT", "DELIVERED"]


async def test_the_ids_of_parts_count_at_their_own_provider_only(store: Store) -> None:
    change = await _sent(store)

    await _tell(store, *(report(message_id=each, provider="Local-SMS") for each in IDS))

    assert (await state(store, change.message.tracking_id)) == change.message


async def test_parts_under_one_id_are_put_together_over_time(store: Store) -> None:
    change = await _sent(store, ids=("pm-9",))
    words = [(1, ReportStatus.DELIVERED), (2, ReportStatus.FAILED), (1, ReportStatus.DELIVERED)]
    seen = []
    for number, status in [*words, (2, ReportStatus.DELIVERED)]:
        await _tell(store, _of_part(report(status, message_id="pm-9"), number, 2))
        found = await state(store, change.message.tracking_id)
        seen.append((found.status, found.reason))

    assert seen == [
        (Status.SENT, None),
        (Status.FAILED, Reason.REPORTED_FAILED),
        (Status.FAILED, Reason.REPORTED_FAILED),
        (Status.DELIVERED, None),
    ]


@pytest.mark.fault("F51", "I8")
@pytest.mark.parametrize("has_ids", [True, False], ids=["by id", "by part"])
@pytest.mark.parametrize("is_one_batch", [True, False])
@pytest.mark.parametrize(
    ("words", "end"),
    [
        ("1:sent 1:delivered 2:delivered 2:delivered 3:delivered", (Status.DELIVERED, None, ReportStatus.DELIVERED)),
        ("1:delivered 2:undelivered 3:failed", (Status.FAILED, Reason.UNDELIVERED, ReportStatus.UNDELIVERED)),
        ("1:delivered 3:undelivered", (Status.SENT, None, ReportStatus.SENT)),
        ("1:delivered 2:expired 2:delivered 3:delivered", (Status.DELIVERED, None, ReportStatus.DELIVERED)),
    ],
)
async def test_the_order_of_the_reports_of_parts_and_the_answer_does_not_matter(
    store: Store, words: str, end: object, is_one_batch: bool, has_ids: bool
) -> None:
    dice, ends = random.Random(words), set()
    for number in range(4):
        ids = tuple(f"{number}-{each}" for each in IDS)
        order = [*words.split(), "answer"]
        dice.shuffle(order)
        (change,) = await stores.take_in(store, started(text=LONG))
        for word in order:
            if word == "answer":
                await store.apply(_accepted(change, ids if has_ids else ids[:1]))
                continue
            await store.store_reports([_report(word, ids, change.message.tracking_id, has_ids=has_ids)])
            if not is_one_batch:
                await store.apply_reports(now=NOW, limit=100, decide=decide)
        await _apply_all(store)
        found = await state(store, change.message.tracking_id)
        (attempt,) = await attempts(store, change.message.tracking_id)
        ends.add((found.status, found.reason, attempt.report))
        assert (attempt.outcome, attempt.provider_message_id) == (Outcome.ACCEPTED, ids[0])
        assert attempt.part_ids == (ids if has_ids else ())
        assert (attempt.segments, attempt.price, attempt.currency) == (3, "0.0999", "EUR")

    assert ends == {end}


@pytest.mark.parametrize("is_lost", [True, False], ids=["unknown", "settled by a report"])
async def test_an_answer_that_comes_too_late_still_names_the_parts(store: Store, is_lost: bool) -> None:
    (change,) = await stores.take_in(store, started(text=LONG))
    tracking_id = change.message.tracking_id
    if is_lost:
        assert change.started is not None
        lost = msgspec.structs.replace(change.started, outcome=Outcome.UNKNOWN, finished_at=NOW)
        assert await store.apply(unknown(change.message, lost, NOW, look_up=False, timers=TIMERS))
    else:
        # Without an id it is about the whole message and has nothing to wait for.
        await _tell(store, _costing(report(ReportStatus.SENT, reference=tracking_id), price="0.12"))

    assert await store.apply(_accepted(change, IDS)) is False
    await _apply_all(store)
    settled = await state(store, tracking_id)
    await _tell(store, *(report(message_id=each) for each in IDS))

    (attempt,) = await attempts(store, tracking_id)
    assert settled.status is Status.SENT
    assert (await state(store, tracking_id)).status is Status.DELIVERED
    assert (attempt.part_ids, attempt.provider_message_id, attempt.segments) == (IDS, IDS[0], 3)
    assert attempt.price == ("0.0999" if is_lost else "0.12")


async def test_a_report_tells_a_price_and_one_without_does_not_erase_it(store: Store) -> None:
    (change,) = await stores.take_in(store, started())
    await store.apply(stores.accepted(change, message_id="pm-9"))
    prices = ["0.05", None, "0.06"]
    seen = []
    for price in prices:
        await _tell(store, _costing(report(ReportStatus.SENT, message_id="pm-9"), price=price, currency="USD"))
        (attempt,) = await attempts(store, change.message.tracking_id)
        seen.append((attempt.price, attempt.currency))

    assert seen == [("0.05", "USD"), ("0.05", "USD"), ("0.06", "USD")]


async def test_hostile_parts_and_prices_are_stored_and_do_no_harm(store: Store) -> None:
    hostile = ("\x00'; DROP TABLE attempt_parts;--" + "é" * 5000, "\ud800x", "pm-3")
    change = await _sent(store, ids=hostile)
    odd = _of_part(_costing(report(ReportStatus.SENT, message_id="pm-3"), price="\x00" * 99, currency="\ud800"), 9, -9)
    huge = msgspec.structs.replace(odd.report, part=Part(10**30, 10**30), segments=10**30, dedupe_key="huge")

    await _tell(store, odd, msgspec.structs.replace(odd, report=huge))
    await _tell(store, *(report(message_id=each) for each in hostile))

    (attempt,) = await attempts(store, change.message.tracking_id)
    assert (await state(store, change.message.tracking_id)).status is Status.DELIVERED
    assert (attempt.segments, attempt.price) == (3, "0.0999")


async def test_two_messages_with_the_same_ids_are_told_apart_by_their_references(store: Store) -> None:
    """A provider whose counter went round."""
    older, newer = await _sent(store), await _sent(store)

    await _tell(store, *(report(message_id=each, reference=older.message.tracking_id) for each in IDS))

    assert (await state(store, older.message.tracking_id)).status is Status.DELIVERED
    assert (await state(store, newer.message.tracking_id)).status is Status.SENT


async def test_messages_in_one_part_pay_nothing_for_those_in_several(place: Place) -> None:
    store = place.open()
    changes = await stores.take_in(store, *(started() for _ in range(5)))
    plain = await _statements(place, store, [stores.accepted(each, message_id="pm-9") for each in changes[:3]])
    priced = await _statements(place, store, [_accepted(changes[3], ("pm-8",))])
    parted = await _statements(place, store, [_accepted(changes[4], IDS)])

    assert [each for each in (*plain, *priced) if "attempt_parts" in each] == []
    assert len(plain) == len(priced)
    assert len(parted) == (len(plain) + 1 if place.url else 0)


async def _statements(place: Place, store: Store, changes: Sequence[Change]) -> list[str]:
    """Return what these Changes send to the database, together."""
    if place.url is None:
        await stores.together(*(store.apply(each) for each in changes))
        return []
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    engine = place.databases[-1].engine.sync_engine
    sa.event.listen(engine, "before_cursor_execute", note)
    await stores.together(*(store.apply(each) for each in changes))
    sa.event.remove(engine, "before_cursor_execute", note)
    return seen


def _accepted(change: Change, ids: tuple[str, ...]) -> Change:
    assert change.started is not None
    result = msgspec.structs.replace(ANSWER, provider_message_id=ids[0], part_ids=ids)
    return sent(change.message, answered(change.started, result, NOW + SECOND), NOW + SECOND, TIMERS)


async def _sent(store: Store, ids: tuple[str, ...] = IDS) -> Change:
    (change,) = await stores.take_in(store, started(text=LONG))
    outcome = _accepted(change, ids)
    assert await store.apply(outcome)
    return outcome


def _report(word: str, ids: tuple[str, ...], tracking_id: UUID, *, has_ids: bool) -> ReceivedReport:
    number, status = int(word[0]), ReportStatus[word[2:].upper()]
    if has_ids:
        return report(status, message_id=ids[number - 1], reference=tracking_id)
    return _of_part(report(status, message_id=ids[0], reference=tracking_id), number, 3)


def _of_part(received: ReceivedReport, number: int, total: int) -> ReceivedReport:
    return _with(received, part=Part(number, total))


def _costing(received: ReceivedReport, **costs: str | None) -> ReceivedReport:
    return _with(received, **costs)


def _with(received: ReceivedReport, **fields: Any) -> ReceivedReport:
    return msgspec.structs.replace(received, report=msgspec.structs.replace(received.report, **fields))


async def _tell(store: Store, *reports: ReceivedReport) -> None:
    await store.store_reports(reports)
    await store.apply_reports(now=NOW + SECOND, limit=100, decide=decide)


async def _apply_all(store: Store) -> None:
    """Apply what is in the inbox, and what came into it meanwhile."""
    while await store.apply_reports(now=NOW + SECOND * 10, limit=100, decide=decide):
        continue
