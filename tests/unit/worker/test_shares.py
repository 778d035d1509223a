"""What share of the calls each provider gets, counted by several workers into one document."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from smsgw.core.events import AttemptFinished, CopyDropped
from smsgw.core.failure import Outcome
from smsgw.core.ports import LimitsUnavailableError
from smsgw.core.shares import Shares, Tally
from smsgw.core.traffic import Document
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.worker.shares import TRIES, ShareBook

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


class ContestedTraffic(MemoryTraffic):
    """Another worker writes first, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(clock=lambda: NOW)
        self.times = times

    async def write(self, name: str, body: bytes, *, version: int) -> bool:
        """Lose the race while it lasts."""
        if self.times:
            self.times -= 1
            return False
        return await super().write(name, body, version=version)


def _book(traffic: MemoryTraffic) -> ShareBook:
    book = ShareBook(traffic)
    book.use(["A", "B"])
    return book


def _call(book: ShareBook, provider: str = "A", outcome: Outcome = Outcome.ACCEPTED) -> None:
    book.observe(
        AttemptFinished(
            tracking_id=uuid4(), client_key="shop", provider=provider, number=1, outcome=outcome, seconds=0.1
        )
    )


async def test_two_workers_count_into_one_document() -> None:
    traffic = MemoryTraffic(clock=lambda: NOW)
    one, other = _book(traffic), _book(traffic)

    _call(one)
    _call(other, outcome=Outcome.UNREACHABLE)
    _call(other, "B")
    await one.run_once()
    await other.run_once()

    expected = Shares(since=NOW.timestamp(), tallies={"A": Tally(2, 1), "B": Tally(1, 1)})
    assert [await one.read(), await other.read()] == [expected, expected]


async def test_only_calls_of_configured_providers_count() -> None:
    book = _book(MemoryTraffic(clock=lambda: NOW))

    _call(book, "C")
    book.observe(CopyDropped(tracking_id=uuid4()))

    assert await book.read() == Shares()


async def test_what_could_not_be_written_is_added_the_next_time() -> None:
    traffic = MemoryTraffic(clock=lambda: NOW)
    book = _book(traffic)
    _call(book)

    traffic.fail = True
    await book.run_once()
    _call(book)
    traffic.fail = False
    await book.run_once()

    assert (await book.read()).tallies == {"A": Tally(2, 2)}


async def test_a_lost_race_is_run_again() -> None:
    book = _book(ContestedTraffic(times=TRIES - 1))
    _call(book)

    await book.run_once()

    assert (await book.read()).tallies == {"A": Tally(1, 1)}


async def test_nothing_is_lost_in_too_many_lost_races() -> None:
    traffic = ContestedTraffic(times=TRIES)
    book = _book(traffic)
    _call(book)

    await book.run_once()
    in_between = traffic.books.documents
    await book.run_once()

    assert (await book.read()).tallies == {"A": Tally(1, 1)}
    assert in_between is traffic.books.documents


async def test_a_reset_that_loses_every_race_says_so() -> None:
    book = _book(ContestedTraffic(times=TRIES))

    with pytest.raises(LimitsUnavailableError):
        await book.reset()


async def test_a_document_of_another_release_is_as_good_as_none() -> None:
    traffic = MemoryTraffic(clock=lambda: NOW)
    await traffic.write("shares", b"\xc1", version=0)
    book = _book(traffic)
    _call(book)

    told = await book.read()

    assert told == Shares(since=NOW.timestamp(), tallies={"A": Tally(1, 1)})
    assert (await traffic.read(["shares"]))[1] != [Document()]
