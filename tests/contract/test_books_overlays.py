"""What every keeper of the overlay promises: one version, one change at a time, all of it or nothing."""

from typing import Any

import pytest

from smsgw.core.books import Books
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.core.ports import StoreUnavailableError
from smsgw.transports.sql import open_database
from tests.contract.books import NOW, SECOND, BooksPlace, actions, entry
from tests.contract.stores import together


async def test_nothing_is_changed_at_first(books: Books) -> None:
    assert await books.overlays.version() == 0
    assert await books.overlays.overlay() == Overlay()


async def test_a_change_is_seen_by_everybody_in_order_of_kind_and_name(books: Books, other_books: Books) -> None:
    rows = [_row(Kind.PROVIDER, "b"), _row(Kind.PROVIDER, "B"), _row(Kind.KEY, "c0ffee"), _row(Kind.CLIENT, "x")]

    is_done = await books.overlays.change(rows, expected=0, entry=entry("provider.change"))

    ordered = (rows[3], rows[2], rows[1], rows[0])
    assert is_done
    assert await other_books.overlays.version() == 1
    assert await other_books.overlays.overlay() == Overlay(version=1, rows=ordered)
    assert await actions(books) == ["provider.change"]


async def test_a_row_is_replaced_and_another_removed_in_one_change(books: Books) -> None:
    await books.overlays.change([_row(), _row(name="gone")], expected=0, entry=entry())
    newer = OverlayRow(
        kind=Kind.PROVIDER, name="Local-SMS", body={"weight": 7}, changed_at=NOW + SECOND, changed_by="bob"
    )

    is_done = await books.overlays.change(
        [newer], remove=[(Kind.PROVIDER, "gone"), (Kind.CLIENT, "never was")], expected=1, entry=entry()
    )

    assert is_done
    assert await books.overlays.overlay() == Overlay(version=2, rows=(newer,))


@pytest.mark.parametrize("expected", [0, 2])
async def test_a_change_of_another_version_changes_nothing(books: Books, expected: int) -> None:
    await books.overlays.change([_row()], expected=0, entry=entry("first"))

    is_done = await books.overlays.change(
        [_row(name="other")], remove=[(Kind.PROVIDER, "Local-SMS")], expected=expected, entry=entry("second")
    )

    assert not is_done
    assert await books.overlays.overlay() == Overlay(version=1, rows=(_row(),))
    assert await actions(books) == ["first"]


async def test_of_many_changes_of_one_version_one_is_made(books: Books, other_books: Books) -> None:
    for version in range(3):
        done = await together(
            *(
                (books, other_books)[number % 2].overlays.change(
                    [_row(name=f"{version}-{number}")], expected=version, entry=entry(f"change.{version}")
                )
                for number in range(6)
            )
        )
        assert sorted(done) == [False] * 5 + [True]

    overlay = await books.overlays.overlay()
    assert (overlay.version, len(overlay.rows)) == (3, 3)
    assert await actions(books) == ["change.2", "change.1", "change.0"]


async def test_a_body_is_kept_as_it_is(books: Books) -> None:
    body = {"text": 'ü "\\', "no": None, "list": ["a", 1, 2.5, True], "deep": {"x": {"y": 10**15}}}

    await books.overlays.change([_row(body=body)], expected=0, entry=entry())

    (kept,) = (await books.overlays.overlay()).rows
    assert kept.body == body


async def test_nul_in_a_name_or_body_is_taken(books: Books) -> None:
    is_done = await books.overlays.change(
        [_row(name="a\x00b", body={"hint": "\x00"})], expected=0, entry=entry(subject="a\x00b", after={"x": "\x00"})
    )

    assert is_done
    assert len((await books.overlays.overlay()).rows) == 1


async def test_rows_of_a_newer_release_are_left_out(books: Books, books_place: BooksPlace) -> None:
    if books_place.url is None:
        pytest.skip("memory is of one release")
    await books.overlays.change([_row()], expected=0, entry=entry())
    database = open_database(books_place.url)
    insert = "INSERT INTO config_overlay SELECT 'moon', name, body, changed_at, changed_by FROM config_overlay"
    async with database.engine.begin() as connection:
        await connection.exec_driver_sql(insert)
    await database.close()

    overlay = await books.overlays.overlay()

    assert (_row(),) == overlay.rows


async def test_an_outage_is_said_as_such(books_place: BooksPlace) -> None:
    books = books_place.open_away()

    with pytest.raises(StoreUnavailableError):
        await books.overlays.version()
    with pytest.raises(StoreUnavailableError):
        await books.overlays.change([_row()], expected=0, entry=entry())


def _row(kind: Kind = Kind.PROVIDER, name: str = "Local-SMS", *, body: dict[str, Any] | None = None) -> OverlayRow:
    return OverlayRow(kind=kind, name=name, body=body or {"is_active": False}, changed_at=NOW, changed_by="ada")
