"""`smsgw user`: who may use the console, from the command line; and the first user of `smsgw dev`."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from smsgw.core.books import Books
from smsgw.core.people import NAME, Link, Purpose, Role, User
from smsgw.settings import SettingsError, console_address
from smsgw.wiring.books import ask_books, operator_entry
from smsgw.wiring.process import utc_now
from smsgw.worker.console.guard import hash_of
from smsgw.worker.console.users import LINK_LIFE

FIRST_USER = "admin"
_MEANWHILE = "nothing was changed: somebody else has changed this user meanwhile, or no active admin would be left"


def create_user(environ: Mapping[str, str], name: str, role: str) -> str:
    """Create a user and return a link by which the password is set, once. Raises SettingsError."""
    if not NAME.fullmatch(name):
        raise SettingsError(f"user {name!r}: 1 to 64 letters, digits or . _ @ -, beginning with a letter or digit")
    wanted = _role(role)

    async def create(books: Books) -> str:
        user = User(name=name, role=wanted, created_at=utc_now(), updated_at=utc_now())
        entry = operator_entry("user.create", name, after={"role": wanted.value})
        if not await books.people.put_user(user, entry):
            raise SettingsError(f"user {name}: there is one of this name")
        return await _give_link(books, user, Purpose.PASSWORD)

    return _link_address(environ, ask_books(environ, create))


def link_user(environ: Mapping[str, str], name: str) -> str:
    """Return a link by which a user sets the password, once; earlier links are void. Raises SettingsError."""

    async def link(books: Books) -> str:
        user = await _named(books, name)
        if not user.is_active:
            raise SettingsError(f"user {name}: is disabled, and could use no link; `smsgw user enable {name}`")
        return await _give_link(books, user, Purpose.PASSWORD)

    return _link_address(environ, ask_books(environ, link))


def list_users(environ: Mapping[str, str]) -> Sequence[User]:
    """Return all users, by name. Raises SettingsError."""

    async def read(books: Books) -> Sequence[User]:
        return await books.people.users()

    return ask_books(environ, read)


def change_role(environ: Mapping[str, str], name: str, role: str) -> None:
    """Give a user another role, which ends the user's sessions. Raises SettingsError."""
    _change(environ, name, "user.role", role=_role(role))


def set_active(environ: Mapping[str, str], name: str, *, is_active: bool) -> None:
    """Enable or disable a user, which ends the user's sessions. Raises SettingsError."""
    _change(environ, name, "user.enable" if is_active else "user.disable", is_active=is_active)


async def first_link(books: Books) -> str:
    """Return the token of a link that signs the first user in; the user is made if there is none yet."""
    user = await books.people.user(FIRST_USER)
    if user is None:
        user = User(name=FIRST_USER, role=Role.ADMIN, created_at=utc_now(), updated_at=utc_now())
        await books.people.put_user(user, operator_entry("user.create", FIRST_USER, after={"role": user.role.value}))
    return await _give_link(books, user, Purpose.SIGN_IN)


def _change(environ: Mapping[str, str], name: str, action: str, **fields: Any) -> None:
    async def change(books: Books) -> None:
        user = await _named(books, name)
        before = {field: getattr(user, field) for field in fields}
        if before == fields:
            return
        changed = msgspec.structs.replace(user, **fields, version=user.version + 1, updated_at=utc_now())
        entry = operator_entry(action, name, before=msgspec.to_builtins(before), after=msgspec.to_builtins(fields))
        if not await books.people.put_user(changed, entry):
            raise SettingsError(f"user {name}: {_MEANWHILE}")

    ask_books(environ, change)


async def _named(books: Books, name: str) -> User:
    user = await books.people.user(name)
    if user is None:
        raise SettingsError(f"user {name}: there is none of this name; `smsgw user list`")
    return user


async def _give_link(books: Books, user: User, purpose: Purpose) -> str:
    token = secrets.token_urlsafe(32)
    link = Link(token_hash=hash_of(token), user=user.name, purpose=purpose, expires_at=utc_now() + LINK_LIFE)
    await books.people.give_link(link, operator_entry("user.link", user.name))
    return token


def _link_address(environ: Mapping[str, str], token: str) -> str:
    return f"{console_address(environ)}/console/link/{token}"


def _role(role: str) -> Role:
    try:
        return Role(role)
    except ValueError:
        raise SettingsError(f"role {role!r} does not exist; one of {', '.join(Role)}") from None
