"""What every keeper of sums promises: nothing is counted twice or lost, whoever adds at the same time."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from smsgw.core.books import Books
from smsgw.core.ports import StoreUnavailableError
from smsgw.core.rollup import HOUR, MINUTE, WAITS, Cell, Sums
from tests.contract.books import NOW, BooksPlace
from tests.contract.stores import together

START = NOW.replace(minute=0, second=0, microsecond=0)
MINUTES = timedelta(minutes=1)
ONES = tuple(range(len(WAITS) + 1))


async def test_a_cell_comes_back_as_it_was_added(books: Books, other_books: Books) -> None:
    cell = _cell(
        accepted=1, sent=2, delivered=3, failed=4, unknown=5, calls=6, bad_calls=7, call_ms=8 * 10**10, waits=ONES
    )

    await books.rollups.add([cell])

    assert await other_books.rollups.cells(MINUTE, since=START, until=START + MINUTES) == [cell]


async def test_adding_adds_also_within_one_call(books: Books) -> None:
    await books.rollups.add([_cell(sent=1, waits=ONES), _cell(sent=2, waits=ONES)])
    await books.rollups.add([_cell(sent=4, call_ms=5)])

    (found,) = await books.rollups.cells(MINUTE, since=START, until=START + MINUTES)

    assert found == _cell(sent=7, call_ms=5, waits=tuple(2 * each for each in ONES))


async def test_workers_that_add_at_once_lose_nothing(books: Books, other_books: Books) -> None:
    cells = [_cell(provider=str(number), accepted=1) for number in range(10)]

    await together(
        *((books, other_books)[number % 2].rollups.add(cells if number % 3 else cells[::-1]) for number in range(12))
    )

    found = await books.rollups.cells(MINUTE, since=START, until=START + MINUTES)
    assert [each.accepted for each in found] == [12] * 10


async def test_cells_come_of_one_grain_and_time_in_order(books: Books) -> None:
    wanted = [
        _cell(provider="", country=""),
        _cell(provider="B"),
        _cell(provider="a", country="BD"),
        _cell(provider="a", country="DE"),
        _cell(starts_at=START + MINUTES),
    ]
    others = [_cell(starts_at=START - MINUTES), _cell(starts_at=START + 2 * MINUTES), _cell(grain=HOUR)]
    await books.rollups.add([*reversed(wanted), *others])

    found = await books.rollups.cells(MINUTE, since=START, until=START + 2 * MINUTES)

    assert found == wanted


async def test_nothing_added_is_nothing_kept(books: Books) -> None:
    await books.rollups.add([])

    assert await books.rollups.cells(MINUTE, since=START, until=START + MINUTES) == []


async def test_pruning_forgets_what_began_before_over_any_time(books: Books) -> None:
    old = [_cell(starts_at=START - timedelta(days=days, minutes=1)) for days in (0, 1, 40)]
    await books.rollups.add([*old, _cell(grain=HOUR, starts_at=START - timedelta(days=9)), _cell(), _cell(grain=HOUR)])

    pruned = [await books.rollups.prune(grain, before=START) for grain in (MINUTE, HOUR)]
    again = [await books.rollups.prune(grain, before=START) for grain in (MINUTE, HOUR)]

    assert (pruned, again) == ([3, 1], [0, 0])
    for grain in (MINUTE, HOUR):
        found = await books.rollups.cells(grain, since=START - timedelta(days=99), until=START + MINUTES)
        assert found == [_cell(grain=grain)]


async def test_sums_come_by_steps_that_begin_at_round_times(books: Books, other_books: Books) -> None:
    minutes = {1: 1, 4: 2, 5: 4, 9: 8, 16: 16, 20: 32, -1: 64}
    cells = [_cell(starts_at=START + at * MINUTES, sent=sent, waits=ONES) for at, sent in minutes.items()]
    await books.rollups.add(
        [*cells, _cell(starts_at=START + MINUTES, provider="", accepted=5), _cell(grain=HOUR, sent=1)]
    )
    span: dict[str, Any] = {"since": START + MINUTES, "until": START + 20 * MINUTES, "step": 5 * MINUTES}

    found = await other_books.rollups.by_time(MINUTE, **span)
    mine = await other_books.rollups.by_time(MINUTE, **span, provider="Local-SMS")

    twice = tuple(2 * each for each in ONES)
    assert mine == {
        START: Sums(sent=3, waits=twice),
        START + 5 * MINUTES: Sums(sent=12, waits=twice),
        START + 15 * MINUTES: Sums(sent=16, waits=ONES),
    }
    assert found == {**mine, START: Sums(sent=3, accepted=5, waits=twice)}


async def test_sums_come_by_provider_and_by_country(books: Books, other_books: Books) -> None:
    big = 8 * 10**12
    await books.rollups.add(
        [
            _cell(grain=HOUR, country="DE", sent=1, call_ms=big, waits=ONES),
            _cell(grain=HOUR, country="FR", sent=2, call_ms=big, waits=ONES),
            _cell(grain=HOUR, provider="b", country="DE", sent=4),
            _cell(grain=HOUR, provider="", country="DE", failed=8),
            _cell(grain=HOUR, starts_at=START - MINUTES, country="DE", sent=16),
            _cell(country="DE", sent=32),
        ]
    )
    span: dict[str, Any] = {"since": START, "until": START + MINUTES}

    providers = await other_books.rollups.by_provider(HOUR, **span)
    countries = await other_books.rollups.by_country(HOUR, **span)

    twice = tuple(2 * each for each in ONES)
    assert providers == {
        "Local-SMS": Sums(sent=3, call_ms=2 * big, waits=twice),
        "b": Sums(sent=4),
        "": Sums(failed=8),
    }
    assert countries == {"DE": Sums(sent=5, call_ms=big, waits=ONES), "FR": Sums(sent=2, call_ms=big, waits=ONES)}


async def test_where_nothing_was_added_there_are_no_sums(books: Books) -> None:
    span: dict[str, Any] = {"since": START, "until": START + MINUTES}

    assert await books.rollups.by_time(MINUTE, **span, step=MINUTES) == {}
    assert await books.rollups.by_provider(MINUTE, **span) == {}
    assert await books.rollups.by_country(HOUR, **span) == {}


async def test_an_outage_is_said_as_such(books_place: BooksPlace) -> None:
    books = books_place.open_away()

    with pytest.raises(StoreUnavailableError):
        await books.rollups.add([_cell()])


def _cell(**fields: Any) -> Cell:
    return msgspec.structs.replace(Cell(grain=MINUTE, starts_at=START, provider="Local-SMS", country=""), **fields)
