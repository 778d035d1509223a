"""What every keeper of accounts promises: versions, sessions, links that work once, codes that work once."""

from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from smsgw.core.books import Books
from smsgw.core.people import Link, Purpose, Role, Session, User
from smsgw.core.ports import StoreUnavailableError
from tests.contract.books import HOUR, NOW, SECOND, BooksPlace, actions, entry, user
from tests.contract.stores import together


async def test_a_user_is_kept_as_he_was_put(books: Books, other_books: Books) -> None:
    full = user(totp_secret="JBSWY3DPEHPK3PXP", totp_step=59_000_000, signed_in_at=NOW, is_active=False)

    is_put = await books.people.put_user(full, entry())

    assert is_put
    assert await other_books.people.user("ada") == full
    assert await other_books.people.user("Ada") is None
    assert await actions(books) == ["user.create"]


async def test_users_come_by_name_as_it_is_written(books: Books) -> None:
    for name in ("bob", "Zoe", "ada", "_x", "élan"):
        await books.people.put_user(user(name), None)

    found = await books.people.users()

    assert [each.name for each in found] == ["Zoe", "_x", "ada", "bob", "élan"]


async def test_a_second_user_of_a_name_is_refused_and_not_noted(books: Books) -> None:
    await books.people.put_user(user(), None)

    is_put = await books.people.put_user(user(role=Role.ADMIN), entry())

    assert not is_put
    assert await books.people.user("ada") == user()
    assert await actions(books) == []


async def test_a_user_is_replaced_by_his_next_version_only(books: Books) -> None:
    await books.people.put_user(user(), None)
    second, third = _version(2, role=Role.ADMIN), _version(3, role=Role.VIEWER)

    is_early = await books.people.put_user(third, entry("user.early"))
    is_put = await books.people.put_user(second, entry("user.role"))

    assert (is_early, is_put) == (False, True)
    assert await books.people.user("ada") == second
    assert await actions(books) == ["user.role"]


async def test_of_many_who_change_a_user_one_does(books: Books, other_books: Books) -> None:
    await books.people.put_user(user(), None)
    changes = [_version(2, updated_at=NOW + number * SECOND) for number in range(6)]

    done = await together(
        *(
            (books, other_books)[number % 2].people.put_user(each, entry(f"user.{number}"))
            for number, each in enumerate(changes)
        )
    )

    assert sorted(done) == [False] * 5 + [True]
    assert await books.people.user("ada") == changes[done.index(True)]
    assert await actions(books) == [f"user.{done.index(True)}"]


async def test_of_many_who_make_a_user_one_does(books: Books, other_books: Books) -> None:
    done = await together(*((books, other_books)[number % 2].people.put_user(user(), None) for number in range(6)))

    assert sorted(done) == [False] * 5 + [True]


async def test_the_last_active_admin_stays(books: Books) -> None:
    for each in (user(role=Role.ADMIN), user("off", role=Role.ADMIN, is_active=False), user("bob")):
        await books.people.put_user(each, None)

    is_done = [
        await books.people.put_user(each, entry())
        for each in (_version(2, role=Role.VIEWER), _version(2, role=Role.ADMIN, is_active=False))
    ]

    assert is_done == [False, False]
    assert await books.people.user("ada") == user(role=Role.ADMIN)
    assert await actions(books) == []
    assert await books.people.put_user(_version(2, role=Role.ADMIN, password_hash="$argon2id$y"), None)
    assert await books.people.put_user(_version(2, name="bob", is_active=False), None)


async def test_of_two_admins_who_disable_each_other_one_stays(books: Books, other_books: Books) -> None:
    for round_number in range(5):
        names = (f"ada-{round_number}", f"bob-{round_number}")
        for name in names:
            await books.people.put_user(user(name, role=Role.ADMIN), None)
        for each in await books.people.users():
            if each.name not in names and each.is_active:
                await books.people.put_user(msgspec.structs.replace(each, version=2, is_active=False), None)

        done = await together(
            *(
                each.people.put_user(_version(2, name=name, role=Role.ADMIN, is_active=False), None)
                for each, name in zip((books, other_books), names, strict=True)
            )
        )

        assert sorted(done) == [False, True]


async def test_a_code_works_once(books: Books, other_books: Books) -> None:
    await books.people.put_user(user(totp_step=10), None)

    done = await together(
        *((books, other_books)[number % 2].people.note_sign_in("ada", at=NOW, totp_step=11) for number in range(6))
    )
    older = await books.people.note_sign_in("ada", at=NOW, totp_step=10)

    assert sorted(done) == [False] * 5 + [True]
    assert not older


async def test_a_sign_in_without_a_code_leaves_version_and_step(books: Books) -> None:
    await books.people.put_user(user(totp_step=10), None)

    is_noted = await books.people.note_sign_in("ada", at=NOW + SECOND, totp_step=0)
    of_nobody = await books.people.note_sign_in("bob", at=NOW, totp_step=0)

    assert (is_noted, of_nobody) == (True, False)
    assert await books.people.user("ada") == user(totp_step=10, signed_in_at=NOW + SECOND)


async def test_a_change_that_was_read_before_a_sign_in_does_not_make_its_code_good_again(books: Books) -> None:
    await books.people.put_user(user(totp_step=10), None)
    await books.people.note_sign_in("ada", at=NOW + SECOND, totp_step=12)

    await books.people.put_user(_version(2, totp_step=10), None)

    assert await books.people.user("ada") == _version(2, totp_step=12, signed_in_at=NOW + SECOND)
    assert not await books.people.note_sign_in("ada", at=NOW, totp_step=12)


async def test_failures_are_counted_by_what_and_since(books: Books) -> None:
    for what, at in (("peer:1", NOW), ("peer:1", NOW + SECOND), ("peer:1", NOW - SECOND), ("peer:2", NOW)):
        await books.people.note_failure(what, at=at)

    before = await books.people.failures("peer:1", since=NOW)
    await books.people.forget_failures("peer:1")

    assert before == 2
    assert await books.people.failures("peer:1", since=NOW - HOUR) == 0
    assert await books.people.failures("peer:2", since=NOW - HOUR) == 1


async def test_a_session_belongs_to_a_version_of_its_user(books: Books, other_books: Books) -> None:
    await books.people.put_user(user(), None)
    await books.people.begin_session(_session("s1"))

    found = await other_books.people.session("s1")
    await books.people.put_user(_version(2), None)

    assert found == (_session("s1"), user())
    assert await other_books.people.session("s1") is None
    assert await books.people.session("s2") is None


async def test_a_session_is_touched_and_ended(books: Books) -> None:
    await books.people.put_user(user(), None)
    await books.people.begin_session(_session("s1"))

    await books.people.touch_session("s1", seen_at=NOW + SECOND)
    await books.people.touch_session("s2", seen_at=NOW)
    touched = await books.people.session("s1")
    await books.people.end_session("s1")
    await books.people.end_session("s1")

    assert touched == (_session("s1", seen_at=NOW + SECOND), user())
    assert await books.people.session("s1") is None


async def test_all_sessions_of_one_user_end_together(books: Books) -> None:
    for name in ("ada", "bob"):
        await books.people.put_user(user(name), None)
    for token_hash, name in (("s1", "ada"), ("s2", "ada"), ("s3", "bob")):
        await books.people.begin_session(_session(token_hash, name=name))

    ended = await books.people.end_sessions("ada")

    assert ended == 2
    assert await books.people.session("s2") is None
    assert await books.people.session("s3") is not None


async def test_a_link_is_used_once(books: Books, other_books: Books) -> None:
    await books.people.give_link(_link("l1"), entry("user.link"))

    looked_at = await books.people.link("l1", now=NOW)
    used = await together(*((books, other_books)[number % 2].people.use_link("l1", now=NOW) for number in range(6)))

    assert looked_at == _link("l1")
    assert [each for each in used if each is not None] == [_link("l1")]
    assert await books.people.link("l1", now=NOW) is None
    assert await actions(books) == ["user.link"]


async def test_a_link_is_good_until_its_time(books: Books) -> None:
    await books.people.give_link(_link("l1"), None)

    late = await books.people.use_link("l1", now=NOW + HOUR)
    in_time = await books.people.use_link("l1", now=NOW + HOUR - SECOND)

    assert (late, in_time) == (None, _link("l1"))


async def test_a_new_link_voids_the_one_before(books: Books) -> None:
    await books.people.give_link(_link("l1"), None)
    await books.people.give_link(_link("other", name="bob"), None)

    await books.people.give_link(_link("l2", purpose=Purpose.SIGN_IN), None)

    assert await books.people.use_link("l1", now=NOW) is None
    assert await books.people.use_link("l2", now=NOW) == _link("l2", purpose=Purpose.SIGN_IN)
    assert await books.people.link("other", now=NOW) is not None


@pytest.mark.parametrize(
    ("change", "is_void"),
    [({"password_hash": "$other"}, True), ({"is_active": False}, True), ({"role": Role.OPERATOR}, False)],
    ids=["password", "disabled", "role"],
)
async def test_another_password_and_being_disabled_void_a_link(
    books: Books, change: dict[str, Any], is_void: bool
) -> None:
    before = user(role=Role.VIEWER)
    assert await books.people.put_user(before, None)
    await books.people.give_link(_link("l1"), None)
    await books.people.give_link(_link("other", name="bob"), None)
    changed = msgspec.structs.replace(before, **change)

    refused = await books.people.put_user(msgspec.structs.replace(changed, version=3), None)
    kept = await books.people.link("l1", now=NOW)
    taken = await books.people.put_user(msgspec.structs.replace(changed, version=2), None)

    assert (refused, taken) == (False, True)
    assert kept is not None
    assert (await books.people.link("l1", now=NOW) is None) is is_void
    assert await books.people.link("other", now=NOW) is not None


async def test_pruning_forgets_what_is_over_and_nothing_else(books: Books) -> None:
    await books.people.put_user(user(), None)
    for token_hash, seen_at in (("old", NOW - HOUR), ("new", NOW)):
        await books.people.begin_session(_session(token_hash, seen_at=seen_at))
    for at in (NOW - HOUR, NOW):
        await books.people.note_failure("peer:1", at=at)
    await books.people.give_link(_link("over", name="bob", expires_at=NOW), None)
    await books.people.give_link(_link("good"), None)

    pruned = await books.people.prune(sessions_before=NOW, failures_before=NOW, now=NOW)

    assert pruned == 3
    assert await books.people.session("new") is not None
    assert await books.people.failures("peer:1", since=NOW - 2 * HOUR) == 1
    assert await books.people.link("good", now=NOW) is not None


@pytest.mark.parametrize("name", ["a\x00b", "x" * 5000, "\ud800"], ids=["nul", "long", "lone surrogate"])
async def test_words_of_strangers_are_taken_as_they_come(books: Books, name: str) -> None:
    await books.people.note_failure(f"name:{name}", at=NOW)

    assert await books.people.failures(f"name:{name}", since=NOW) == 1
    assert await books.people.user(name) is None


async def test_an_outage_is_said_as_such(books_place: BooksPlace) -> None:
    books = books_place.open_away()

    with pytest.raises(StoreUnavailableError):
        await books.people.users()
    with pytest.raises(StoreUnavailableError):
        await books.people.put_user(user(), None)


def _version(version: int, **fields: object) -> User:
    return msgspec.structs.replace(user(), version=version, **fields)


def _session(token_hash: str, *, name: str = "ada", seen_at: datetime = NOW) -> Session:
    return Session(token_hash=token_hash, user=name, user_version=1, created_at=NOW, seen_at=seen_at)


def _link(
    token_hash: str,
    *,
    name: str = "ada",
    purpose: Purpose = Purpose.PASSWORD,
    expires_at: datetime = NOW + timedelta(hours=1),
) -> Link:
    return Link(token_hash=token_hash, user=name, purpose=purpose, expires_at=expires_at)
