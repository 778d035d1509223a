"""The page of the users: who there is, who may do what, and the links by which they set their passwords."""

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec

from smsgw.core.people import NAME, Link, People, Purpose, Role, User
from smsgw.worker.console.answers import Answer, NoSuchPageError, Page, Redirect
from smsgw.worker.console.console import Console
from smsgw.worker.console.guard import hash_of
from smsgw.worker.console.routes import Route, action, page
from smsgw.worker.console.visit import Visit

LINK_LIFE = timedelta(hours=24)
ROLES = frozenset(role.value for role in Role)
_ALL, _ONE = "/console/users", "/console/users/{name:str}"
_OWN = "is not possible for yourself: another admin has to do it"
_MEANWHILE = "Nothing was changed: somebody else has changed this user meanwhile, or no active admin would be left."


def routes(console: Console) -> Sequence[Route]:
    """Return the routes of the users."""
    pages = _Users(console)
    return [
        page(_ALL, Role.ADMIN, pages.show_all),
        action(_ALL, Role.ADMIN, pages.create),
        page(_ONE, Role.ADMIN, pages.show),
        action(f"{_ONE}/role", Role.ADMIN, pages.change_role),
        action(f"{_ONE}/enable", Role.ADMIN, pages.enable),
        action(f"{_ONE}/disable", Role.ADMIN, pages.disable),
        action(f"{_ONE}/link", Role.ADMIN, pages.give_link),
        action(f"{_ONE}/second-factor/remove", Role.ADMIN, pages.remove_second_factor),
    ]


class _Users:
    """What the routes do."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def _people(self) -> People:
        return self._console.books.people

    async def show_all(self, visit: Visit) -> Answer:
        return await self._list(visit)

    async def create(self, visit: Visit) -> Answer:
        form = visit.form
        name, role = form.text("name"), form.one_of("role", ROLES)
        if not NAME.fullmatch(name):
            form.refuse("name", "must be 1 to 64 letters, digits or . _ @ -, and begin with a letter or digit")
        if role is None or form.problems:
            return await self._list(visit, status=422)
        user = User(name=name, role=Role(role), created_at=visit.now, updated_at=visit.now)
        if not await self._people.put_user(user, visit.entry("user.create", name, after={"role": role})):
            form.refuse("name", "is taken")
            return await self._list(visit, status=422)
        return await self._with_link(visit, user)

    async def show(self, visit: Visit) -> Answer:
        return _one(await self._named(visit), visit)

    async def change_role(self, visit: Visit) -> Answer:
        user = await self._named(visit)
        role = visit.form.one_of("role", ROLES)
        if _is_self(visit, user):
            visit.form.refuse("role", _OWN)
        if role is None or visit.form.problems:
            return _one(user, visit, status=422)
        return await self._change(visit, user, "user.role", role=Role(role))

    async def enable(self, visit: Visit) -> Answer:
        return await self._change(visit, await self._named(visit), "user.enable", is_active=True)

    async def disable(self, visit: Visit) -> Answer:
        user = await self._named(visit)
        if _is_self(visit, user):
            visit.form.refuse("", f"Disabling {_OWN}.")
            return _one(user, visit, status=422)
        return await self._change(visit, user, "user.disable", is_active=False)

    async def remove_second_factor(self, visit: Visit) -> Answer:
        user = await self._named(visit)
        if _is_self(visit, user):
            visit.form.refuse("", "Your own second factor is removed on the page of your account.")
            return _one(user, visit, status=422)
        return await self._change(visit, user, "user.second_factor_remove", totp_secret=None)

    async def give_link(self, visit: Visit) -> Answer:
        user = await self._named(visit)
        if not user.is_active:
            visit.form.refuse("", "A disabled user can use no link. Enable the user first.")
            return _one(user, visit, status=422)
        return await self._with_link(visit, user)

    async def _change(self, visit: Visit, user: User, what: str, **fields: Any) -> Answer:
        """Write the next version, which ends the user's sessions, unless nothing would differ."""
        if all(getattr(user, name) == value for name, value in fields.items()):
            return Redirect(to=_address(user))
        changed = msgspec.structs.replace(user, **fields, version=user.version + 1, updated_at=visit.now)
        entry = visit.entry(what, user.name, before=_told(user, fields), after=_told(changed, fields))
        if not await self._people.put_user(changed, entry):
            visit.form.refuse("", _MEANWHILE)
            return _one(await self._named(visit), visit, status=409)
        return Redirect(to=_address(user), notice="user-changed")

    async def _with_link(self, visit: Visit, user: User) -> Answer:
        """Give a new link and show it, this once: only its hash is stored."""
        token = secrets.token_urlsafe(32)
        link = Link(
            token_hash=hash_of(token), user=user.name, purpose=Purpose.PASSWORD, expires_at=visit.now + LINK_LIFE
        )
        await self._people.give_link(link, visit.entry("user.link", user.name))
        address = f"{self._console.rules.url}/console/link/{token}"
        return Page(template="user_link.html", context={"user": user, "link": link, "address": address})

    async def _named(self, visit: Visit) -> User:
        user = await self._people.user(visit.path["name"])
        if user is None:
            raise NoSuchPageError
        return user

    async def _list(self, visit: Visit, *, status: int = 200) -> Page:
        context = {"users": await self._people.users(), "form": visit.form, "roles": _choices()}
        return Page(template="users.html", context=context, status=status)


def _one(user: User, visit: Visit, *, status: int = 200) -> Page:
    context = {"user": user, "form": visit.form, "roles": _choices(), "is_self": _is_self(visit, user)}
    return Page(template="user.html", context=context, status=status)


def _choices() -> list[tuple[str, str]]:
    return [(role.value, role.value) for role in Role]


def _is_self(visit: Visit, user: User) -> bool:
    return user.name == visit.somebody.name


def _address(user: User) -> str:
    return f"{_ALL}/{user.name}"


def _told(user: User, fields: dict[str, Any]) -> dict[str, Any]:
    """Return what the audit log may hold of these fields: of a secret only whether there is one."""
    told = {name: getattr(user, name) for name in fields if name != "totp_secret"}
    if "totp_secret" in fields:
        told["has_second_factor"] = user.totp_secret is not None
    return {name: str(value) if isinstance(value, Role) else value for name, value in told.items()}
