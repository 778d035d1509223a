"""One's own account: password, second factor, sessions. Whoever found an open browser gets no further without the
password."""

from collections.abc import Sequence
from typing import Any

import msgspec

from smsgw.core.people import People, Role, User
from smsgw.worker.console.answers import Answer, Page, Redirect
from smsgw.worker.console.console import Console
from smsgw.worker.console.guard import begin_session
from smsgw.worker.console.passwords import SHORTEST, problem_of_password
from smsgw.worker.console.qr import qr_code
from smsgw.worker.console.routes import Route, action, page
from smsgw.worker.console.sign_in import BUSY, MOST_OF_PAIR, WINDOW, with_password
from smsgw.worker.console.totp import address_of, is_secret, new_secret, step_of
from smsgw.worker.console.visit import Visit

ISSUER = "smsgw"
_ACCOUNT, _FACTOR = "/console/account", "/console/account/second-factor"
_TOO_MANY = "Too many attempts. Try again in 15 minutes."
_MEANWHILE = "Nothing was changed: your account was changed elsewhere meanwhile. Try again."


def routes(console: Console) -> Sequence[Route]:
    """Return the routes of one's own account."""
    pages = _Account(console)
    return [
        page(_ACCOUNT, Role.VIEWER, pages.show),
        action(f"{_ACCOUNT}/password", Role.VIEWER, pages.change_password),
        action(f"{_ACCOUNT}/sessions/end", Role.VIEWER, pages.end_sessions),
        action(f"{_FACTOR}/begin", Role.VIEWER, pages.begin_factor),
        action(f"{_FACTOR}/confirm", Role.VIEWER, pages.confirm_factor),
        action(f"{_FACTOR}/remove", Role.VIEWER, pages.remove_factor),
    ]


class _Account:
    """What the routes do."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def _people(self) -> People:
        return self._console.books.people

    async def show(self, visit: Visit) -> Answer:
        return _page(visit)

    async def change_password(self, visit: Visit) -> Answer:
        form, user = visit.form, visit.somebody
        if problem := problem_of_password(form.get("password", ""), name=user.name):
            form.refuse("password", problem)
        elif form.get("password") != form.get("password_again"):
            form.refuse("password_again", "is not the same")
        # Whose link signed him in, as `smsgw dev` does, has no password yet.
        if not form.problems and user.password_hash is not None:
            await self._check_password(visit, "old_password")
        if form.problems:
            return _page(visit, asked="password")
        changed = with_password(user, await self._console.passwords.hash(form["password"]), visit)
        return await self._change(visit, changed, "user.password", notice="password-set")

    async def end_sessions(self, visit: Visit) -> Answer:
        user = visit.somebody
        await self._people.end_sessions(user.name)
        await self._console.books.audit_log.note(visit.entry("session.end_all", user.name))
        cookies = await begin_session(self._console, user, is_secure=visit.is_secure, now=visit.now)
        return Redirect(to=_ACCOUNT, notice="sessions-ended", cookies=cookies)

    async def begin_factor(self, visit: Visit) -> Answer:
        if visit.somebody.password_hash is None or visit.somebody.totp_secret is not None:
            return _page(visit)
        return _factor_page(visit, new_secret())

    async def confirm_factor(self, visit: Visit) -> Answer:
        form, user, secret = visit.form, visit.somebody, visit.form.text("secret")
        if user.totp_secret is not None or user.password_hash is None or not is_secret(secret):
            form.refuse("", "Nothing was changed. Begin once more.")
            return _page(visit)
        step = await self._checked_step(visit, secret)
        if step is None:
            return _factor_page(visit, secret)
        changed = _next(visit, totp_secret=secret, totp_step=step)
        return await self._change(visit, changed, "user.second_factor_set", notice="second-factor-set")

    async def remove_factor(self, visit: Visit) -> Answer:
        user = visit.somebody
        if user.totp_secret is None:
            return Redirect(to=_ACCOUNT)
        if await self._checked_step(visit, user.totp_secret, after=user.totp_step) is None:
            return _page(visit, asked="second-factor")
        changed = _next(visit, totp_secret=None)
        return await self._change(visit, changed, "user.second_factor_remove", notice="second-factor-removed")

    async def _checked_step(self, visit: Visit, secret: str, *, after: int = 0) -> int | None:
        """Return the step of the code in the form; None, with a complaint, when code or password is wrong, or the code
        was used before."""
        if not await self._check_password(visit, "password"):
            return None
        step = step_of(secret, visit.form.text("code"), visit.now)
        if step is not None and step > after:
            return step
        visit.form.refuse("code", "is wrong or was used before: wait for the next one, and see that the clock is right")
        await self._people.note_failure(_mark(visit), at=visit.now)
        return None

    async def _check_password(self, visit: Visit, field: str) -> bool:
        """Whether the field is one's password; few guesses are free, whatever the field, also of those made at once."""
        async with self._console.passwords.turn() as has_turn:
            if not has_turn:
                visit.form.refuse("", BUSY)
                return False
            return await self._is_password(visit, field)

    async def _is_password(self, visit: Visit, field: str) -> bool:
        if await self._people.failures(_mark(visit), since=visit.now - WINDOW) >= MOST_OF_PAIR:
            visit.form.refuse("", _TOO_MANY)
            return False
        if await self._console.passwords.verify(visit.somebody.password_hash, visit.form.get(field, "")):
            return True
        visit.form.refuse(field, "is not your password")
        await self._people.note_failure(_mark(visit), at=visit.now)
        return False

    async def _change(self, visit: Visit, changed: User, what: str, *, notice: str) -> Answer:
        """Write the next version, which ends all sessions, and begin a new one in this browser."""
        if not await self._people.put_user(changed, visit.entry(what, changed.name)):
            visit.form.refuse("", _MEANWHILE)
            return _page(visit, status=409)
        await self._people.forget_failures(_mark(visit))
        await self._people.end_sessions(changed.name)
        cookies = await begin_session(self._console, changed, is_secure=visit.is_secure, now=visit.now)
        return Redirect(to=_ACCOUNT, notice=notice, cookies=cookies)


def _page(visit: Visit, *, asked: str = "", status: int | None = None) -> Page:
    """Return the account's page; `asked` is the form that was refused, whose fields say so."""
    context = {"user": visit.somebody, "form": visit.form, "asked": asked, "shortest": SHORTEST}
    return Page(template="account.html", context=context, status=status or _status(visit))


def _factor_page(visit: Visit, secret: str) -> Page:
    """Return the page with the secret. It counts only when its first code was typed; until then it is nowhere but in
    this page."""
    address = address_of(secret, name=visit.somebody.name, issuer=ISSUER)
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    context = {"form": visit.form, "secret": secret, "groups": groups, "picture": qr_code(address), "address": address}
    return Page(template="second_factor.html", context=context, status=_status(visit))


def _status(visit: Visit) -> int:
    if visit.form.problems.get("") in (_TOO_MANY, BUSY):
        return 429
    return 422 if visit.form.problems else 200


def _next(visit: Visit, **fields: Any) -> User:
    user = visit.somebody
    return msgspec.structs.replace(user, **fields, version=user.version + 1, updated_at=visit.now)


def _mark(visit: Visit) -> str:
    return f"account:{visit.somebody.name}"
