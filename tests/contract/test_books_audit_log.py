"""What every audit log promises: entries as they were noted, newest first, page after page."""

from typing import Any

import msgspec
import pytest

from smsgw.core.audit_log import AuditEntry, AuditFilter
from smsgw.core.books import Books
from smsgw.core.ports import StoreUnavailableError
from tests.contract.books import NOW, SECOND, BooksPlace, entry
from tests.contract.stores import together


async def test_an_entry_comes_back_as_it_was_noted(books: Books, other_books: Books) -> None:
    noted = entry(before={"role": "viewer", "n": 1}, after={"role": "admin", "list": ["a", None, True]})

    await books.audit_log.note(noted)

    (found,) = await _all(other_books)
    assert found.id > 0
    assert msgspec.structs.replace(found, id=0) == noted


async def test_pages_hold_each_entry_once_newest_first(books: Books) -> None:
    for number in range(7):
        await books.audit_log.note(entry(subject=str(number)))

    first = await books.audit_log.entries(AuditFilter(), before=None, limit=3)
    second = await books.audit_log.entries(AuditFilter(), before=first[-1].id, limit=3)
    third = await books.audit_log.entries(AuditFilter(), before=second[-1].id, limit=3)

    assert [[each.subject for each in page] for page in (first, second, third)] == [
        ["6", "5", "4"],
        ["3", "2", "1"],
        ["0"],
    ]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, "edcba"),
        ({"who": "root"}, "cba"),
        ({"who": "ROOT"}, ""),
        ({"action": "user.create"}, "ba"),
        ({"action": "user."}, "dba"),
        ({"action": "user"}, "c"),
        ({"action": "us%."}, ""),
        ({"subject": "ada"}, "ba"),
        ({"since": NOW}, "edc"),
        ({"until": NOW}, "ba"),
        ({"since": NOW, "until": NOW + SECOND}, "dc"),
        ({"who": "root", "subject": "ada", "action": "user.", "until": NOW}, "ba"),
    ],
    ids=str,
)
async def test_a_filter_means_all_of_its_words(books: Books, wanted: dict[str, Any], expected: str) -> None:
    for noted in (
        entry("user.create", "ada", peer="a", at=NOW - 2 * SECOND),
        entry("user.create", "ada", peer="b", at=NOW - SECOND),
        entry("user", "bob", peer="c"),
        entry("user.link", "bob", peer="d", who="eve"),
        entry("User.create", "zoe", peer="e", who="eve", at=NOW + SECOND),
    ):
        await books.audit_log.note(noted)

    found = await books.audit_log.entries(AuditFilter(**wanted), before=None, limit=10)

    assert "".join(each.peer for each in found) == expected


async def test_entries_noted_at_once_have_ids_of_their_own(books: Books, other_books: Books) -> None:
    await together(*((books, other_books)[number % 2].audit_log.note(entry()) for number in range(8)))

    assert len({each.id for each in await _all(books)}) == 8


@pytest.mark.parametrize("word", ["a\x00b", "x" * 5000, "\ud800"], ids=["nul", "long", "lone surrogate"])
async def test_words_of_strangers_are_taken_as_they_come(books: Books, word: str) -> None:
    await books.audit_log.note(entry(word, word, who=word, peer=word, before={"x": word}, after={word: [word]}))

    found = await books.audit_log.entries(AuditFilter(who=word, subject=word, action=word), before=None, limit=10)

    assert len(found) == 1


async def test_an_outage_is_said_as_such(books_place: BooksPlace) -> None:
    books = books_place.open_away()

    with pytest.raises(StoreUnavailableError):
        await books.audit_log.note(entry())
    with pytest.raises(StoreUnavailableError):
        await _all(books)


async def _all(books: Books) -> list[AuditEntry]:
    return list(await books.audit_log.entries(AuditFilter(), before=None, limit=100))
