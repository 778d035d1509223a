"""Traffic in sums: what is counted, by whom, in which minute and hour, and what an outage does to it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from smsgw.core.events import AttemptFinished, CopyDropped, MessageMoved
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, Message, Status
from smsgw.core.rollup import HOUR, MINUTE, WAITS, Cell, wait_class
from smsgw.transports.books.memory import MemoryBooks
from smsgw.worker import traffic_book
from smsgw.worker.traffic_book import FLUSH_SECONDS, KEPT, PRUNE_EVERY, TrafficBook

NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
THIS_MINUTE, THIS_HOUR = NOW.replace(second=0), NOW.replace(minute=0, second=0)
EVER = {"since": NOW - timedelta(days=400), "until": NOW + timedelta(days=1)}


class Desk:
    """A book, and what it writes into."""

    def __init__(self) -> None:
        self.now = NOW
        self.books = MemoryBooks()
        self.book = TrafficBook(self.books.rollups, clock=lambda: self.now)

    def move(self, status: Status, previous: Status | None, **fields: Any) -> None:
        """State a move of a message, 0.7 s after it was made."""
        finished = fields.pop("finished", None)
        seconds = fields.pop("seconds", None)
        change = Change(message=_message(status=status, **fields), finished=finished, previous=previous)
        self.book.observe(MessageMoved(change=change, seconds_in_flight=seconds))

    def call(self, outcome: Outcome = Outcome.ACCEPTED, *, seconds: float = 0.25, country: str = "DE") -> None:
        """State a call of provider A."""
        self.book.observe(
            AttemptFinished(
                tracking_id=UUID(int=1),
                client_key="shop",
                provider="A",
                number=1,
                outcome=outcome,
                seconds=seconds,
                country=country,
            )
        )

    async def cells(self, grain: int) -> Sequence[Cell]:
        """Return what was written."""
        return await self.books.rollups.cells(grain, **EVER)

    async def cell(self, grain: int = MINUTE) -> Cell:
        """Return the one that was written."""
        (cell,) = await self.cells(grain)
        return cell


def _message(**fields: Any) -> Message:
    plain = Message(
        tracking_id=uuid4(),
        client_key="shop",
        to="+4915112345678",
        text="Hello",
        ttl_seconds=600,
        providers=(),
        created_at=NOW - timedelta(seconds=0.7),
        expires_at=NOW + timedelta(seconds=600),
        updated_at=NOW,
        status=Status.QUEUED,
    )
    return msgspec.structs.replace(plain, **fields)


async def test_a_message_that_arrives_is_counted_by_minute_and_by_hour_and_country() -> None:
    desk = Desk()
    desk.move(Status.PROCESSING, None)
    desk.call()
    desk.move(Status.SENT, Status.PROCESSING, provider_final="A", seconds=0.7)
    desk.move(Status.DELIVERED, Status.SENT, provider_final="A")

    rest = await desk.book.run_once()

    waits = tuple(int(index == wait_class(0.7)) for index in range(len(WAITS) + 1))
    sums: dict[str, Any] = {"provider": "A", "sent": 1, "delivered": 1, "calls": 1, "call_ms": 250, "waits": waits}
    assert rest == FLUSH_SECONDS
    assert await desk.cells(MINUTE) == [
        Cell(grain=MINUTE, starts_at=THIS_MINUTE, provider="", country="", accepted=1),
        Cell(grain=MINUTE, starts_at=THIS_MINUTE, country="", **sums),
    ]
    assert await desk.cells(HOUR) == [
        Cell(grain=HOUR, starts_at=THIS_HOUR, provider="", country="", accepted=1),
        Cell(grain=HOUR, starts_at=THIS_HOUR, country="DE", **sums),
    ]


async def test_a_minute_is_one_sum_of_all_countries() -> None:
    desk = Desk()
    for to in ("+4915112345678", "+4915112345679", "+33612345678"):
        desk.move(Status.SENT, Status.PROCESSING, to=to, provider_final="A", seconds=0.1)

    await desk.book.run_once()

    assert (await desk.cell()).sent == 3
    assert [(each.country, each.sent) for each in await desk.cells(HOUR)] == [("DE", 2), ("FR", 1)]


async def test_a_message_counts_in_the_minute_in_which_the_gateway_accepted_it() -> None:
    desk = Desk()

    desk.move(Status.QUEUED, None, created_at=NOW - timedelta(minutes=10))
    await desk.book.run_once()

    assert (await desk.cell()).starts_at == THIS_MINUTE - timedelta(minutes=10)


@pytest.mark.parametrize("made", [NOW + timedelta(days=300), NOW - timedelta(days=300)])
async def test_a_clock_that_cannot_be_right_does_not_date_a_message(made: datetime) -> None:
    desk = Desk()

    desk.move(Status.QUEUED, None, created_at=made)
    await desk.book.run_once()

    assert (await desk.cell()).starts_at == THIS_MINUTE


async def test_a_failure_belongs_to_the_provider_that_refused_or_to_none() -> None:
    desk = Desk()
    refused = Attempt(number=1, provider="A", started_at=NOW, finished_at=NOW, outcome=Outcome.OPTED_OUT)

    desk.move(Status.FAILED, Status.PROCESSING, finished=refused)
    desk.move(Status.FAILED, None)
    desk.move(Status.FAILED, Status.SENT, provider_final="B")
    await desk.book.run_once()

    assert [(each.provider, each.failed, each.accepted) for each in await desk.cells(MINUTE)] == [
        ("", 1, 1),
        ("A", 1, 0),
        ("B", 1, 0),
    ]


async def test_an_unknown_outcome_is_counted_once_however_often_it_is_looked_at() -> None:
    desk = Desk()
    lost = Attempt(number=1, provider="A", started_at=NOW, finished_at=NOW, outcome=Outcome.UNKNOWN)

    desk.move(Status.UNKNOWN, Status.PROCESSING, finished=lost)
    desk.move(Status.UNKNOWN, Status.UNKNOWN)
    await desk.book.run_once()

    assert ((await desk.cell()).provider, (await desk.cell()).unknown) == ("A", 1)


async def test_a_report_that_overtakes_the_answer_tells_sent_and_delivered() -> None:
    desk = Desk()

    desk.move(Status.DELIVERED, Status.PROCESSING, provider_final="A")
    await desk.book.run_once()

    assert ((await desk.cell()).sent, (await desk.cell()).delivered) == (1, 1)


async def test_a_corrected_failure_was_sent_before() -> None:
    desk = Desk()

    desk.move(Status.DELIVERED, Status.FAILED, provider_final="A")
    await desk.book.run_once()

    assert ((await desk.cell()).sent, (await desk.cell()).delivered) == (0, 1)


async def test_calls_that_speak_against_the_provider_are_told_from_those_that_do_not() -> None:
    desk = Desk()
    for outcome in (Outcome.ACCEPTED, Outcome.INVALID_NUMBER, Outcome.UNREACHABLE, Outcome.CREDENTIALS):
        desk.call(outcome)

    await desk.book.run_once()

    assert ((await desk.cell()).calls, (await desk.cell()).bad_calls, (await desk.cell()).call_ms) == (4, 2, 1000)


async def test_what_is_none_of_its_facts_is_ignored() -> None:
    desk = Desk()

    desk.book.observe(CopyDropped(tracking_id=uuid4()))
    desk.move(Status.QUEUED, Status.PROCESSING)
    await desk.book.run_once()

    assert list(await desk.cells(MINUTE)) == []


async def test_nothing_is_lost_while_the_database_is_away() -> None:
    desk = Desk()
    desk.call()
    desk.books.fail = True

    await desk.book.run_once()
    desk.call()
    desk.books.fail = False
    await desk.book.run_once()
    await desk.book.run_once()

    assert (await desk.cell()).calls == 2
    assert [each.calls for each in await desk.cells(HOUR)] == [2]


async def test_of_what_cannot_be_written_for_days_the_oldest_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_book, "MOST_PENDING", 3)
    desk = Desk()
    desk.books.fail = True
    for minute in range(4):
        desk.now = NOW + timedelta(minutes=minute)
        desk.call()
        await desk.book.run_once()

    desk.books.fail = False
    await desk.book.close()

    assert [each.starts_at for each in await desk.cells(MINUTE)] == [
        THIS_MINUTE + timedelta(minutes=minute) for minute in (1, 2, 3)
    ]


async def test_a_great_pile_is_written_in_pieces_each_of_them_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traffic_book, "ADDED_AT_ONCE", 2)
    desk = Desk()
    for country in ("DE", "FR", "IR", "GB"):
        desk.call(country=country)

    await desk.book.run_once()

    assert (await desk.cell()).calls == 4
    assert [each.calls for each in await desk.cells(HOUR)] == [1, 1, 1, 1]


async def test_the_last_sums_are_written_when_the_worker_stops() -> None:
    desk = Desk()
    desk.call()

    await desk.book.close()

    assert (await desk.cell()).calls == 1


async def test_a_stop_does_not_fail_with_the_database() -> None:
    desk = Desk()
    desk.call()
    desk.books.fail = True

    await desk.book.close()

    desk.books.fail = False
    assert list(await desk.cells(MINUTE)) == []


async def test_sums_are_forgotten_when_nobody_draws_them_any_more() -> None:
    desk = Desk()
    desk.call()
    await desk.book.run_once()

    desk.now = NOW + KEPT[MINUTE] + timedelta(hours=1)
    await desk.book.run_once()
    minutes, hours = await desk.cells(MINUTE), await desk.cells(HOUR)
    desk.now = NOW + KEPT[HOUR] + PRUNE_EVERY + timedelta(hours=1)
    await desk.book.run_once()

    assert (len(minutes), len(hours), len(await desk.cells(HOUR))) == (0, 1, 0)
