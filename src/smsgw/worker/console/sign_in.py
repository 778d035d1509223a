"""Signing in and out: throttled by name and by address, the same words for every reason, a new session each time."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from ipaddress import IPv6Network

import msgspec

from smsgw.core.people import Purpose, User
from smsgw.worker.console.answers import Answer, Page, Redirect
from smsgw.worker.console.console import Console
from smsgw.worker.console.forms import Form
from smsgw.worker.console.guard import begin_session, end_cookies, hash_of
from smsgw.worker.console.passwords import SHORTEST, problem_of_password
from smsgw.worker.console.routes import Route, action, page
from smsgw.worker.console.totp import step_of
from smsgw.worker.console.visit import Visit

WINDOW = timedelta(minutes=15)
MOST_OF_PAIR, MOST_OF_PEER, MOST_OF_NAME = 5, 20, 100
"""Failures within the window, after which nobody is asked any more: of a name from one address, of an address, of a
name. The last is high, so that a stranger cannot lock somebody out with a few guesses."""
_WRONG = "Name, password or code is wrong."
_TOO_MANY = "Too many attempts. Try again in 15 minutes."
BUSY = "Too many people sign in just now. Try again in a moment."
_SIGN_IN, _LINK = "/console/sign-in", "/console/link/{token:str}"


def routes(console: Console) -> Sequence[Route]:
    """Return the routes of who is not signed in yet, and the way out."""

    async def show(visit: Visit) -> Answer:
        if visit.user is not None:
            return Redirect(to=_inside(visit.query.text("next")))
        return _form(visit.form, visit.query.text("next"))

    async def sign_in(visit: Visit) -> Answer:
        user = await _authenticated(console, visit)
        if user is None:
            status = 401 if visit.form.problems[""] == _WRONG else 429
            return _form(visit.form, visit.form.text("next"), status=status)
        await console.books.audit_log.note(visit.entry("session.begin", user.name))
        cookies = await begin_session(console, user, is_secure=visit.is_secure, now=visit.now)
        return Redirect(to=_inside(visit.form.text("next")), cookies=cookies)

    async def sign_out(visit: Visit) -> Answer:
        if visit.user is not None:
            await console.books.people.end_session(hash_of(visit.token))
        return Redirect(to=_SIGN_IN, notice="signed-out", cookies=end_cookies(is_secure=visit.is_secure))

    async def show_link(visit: Visit) -> Answer:
        link = await console.books.people.link(hash_of(visit.path["token"]), now=visit.now)
        return _link_page(visit, link, status=200 if link else 404)

    async def use_link(visit: Visit) -> Answer:
        return await _use_link(console, visit)

    return [
        page(_SIGN_IN, None, show),
        action(_SIGN_IN, None, sign_in),
        action("/console/sign-out", None, sign_out),
        page(_LINK, None, show_link),
        action(_LINK, None, use_link),
    ]


async def _authenticated(console: Console, visit: Visit) -> User | None:
    """Return whose name, password and code these are; None, with a complaint, when they are nobody's."""
    name = visit.form.text("name")[:64]
    told = (f"pair:{name}|{_place(visit.peer)}", f"peer:{_place(visit.peer)}", f"name:{name}")
    # Hashed: some type their password into the field of the name.
    marks = tuple(map(hash_of, told))
    # Asked once more when it is his turn: others may have failed meanwhile.
    if await _is_at_end(console, visit, marks):
        return None
    async with console.passwords.turn() as has_turn:
        if not has_turn:
            visit.form.refuse("", BUSY)
            return None
        return None if await _is_at_end(console, visit, marks) else await _tried(console, visit, name, marks)


async def _is_at_end(console: Console, visit: Visit, marks: Sequence[str]) -> bool:
    """Whether there were too many failures of these, which is then complained about."""
    since, people = visit.now - WINDOW, console.books.people
    failures = await asyncio.gather(*(people.failures(mark, since=since) for mark in marks))
    is_over = any(
        found >= most for found, most in zip(failures, (MOST_OF_PAIR, MOST_OF_PEER, MOST_OF_NAME), strict=True)
    )
    if is_over:
        visit.form.refuse("", _TOO_MANY)
    return is_over


async def _tried(console: Console, visit: Visit, name: str, marks: Sequence[str]) -> User | None:
    form, people = visit.form, console.books.people
    user = await people.user(name)
    is_known = await console.passwords.verify(user.password_hash if user else None, form.text("password"))
    if user is not None and is_known and user.is_active and await _has_code(console, user, visit):
        await people.forget_failures(marks[0])
        return user
    for mark in marks:
        await people.note_failure(mark, at=visit.now)
    form.refuse("", _WRONG)
    return None


def _place(peer: str) -> str:
    """Return the address that failures are counted of: of IPv6 the network, within which anybody has any address."""
    return str(IPv6Network((peer.partition("%")[0], 64), strict=False)) if ":" in peer else peer


async def _has_code(console: Console, user: User, visit: Visit) -> bool:
    """Whether the second factor, if there is one, is right and was not used before."""
    step = 0
    if user.totp_secret is not None:
        found = step_of(user.totp_secret, visit.form.text("code"), visit.now)
        if found is None:
            return False
        step = found
    return await console.books.people.note_sign_in(user.name, at=visit.now, totp_step=step)


async def _use_link(console: Console, visit: Visit) -> Answer:
    people, token_hash = console.books.people, hash_of(visit.path["token"])
    link = await people.link(token_hash, now=visit.now)
    user = await people.user(link.user) if link else None
    if link is None or user is None or not user.is_active:
        return _link_page(visit, None, status=404)
    if link.purpose is Purpose.PASSWORD and not _is_good_password(visit.form, user.name):
        return _link_page(visit, link, status=422)
    if await people.use_link(token_hash, now=visit.now) is None:
        return _link_page(visit, None, status=404)
    if link.purpose is Purpose.PASSWORD:
        changed = with_password(user, await console.passwords.hash(visit.form["password"]), visit)
        entry = visit.entry("user.password", user.name)
        if not await people.put_user(changed, entry):
            return _link_page(visit, None, status=404)
        user = changed
        if user.totp_secret is not None:
            # A link makes up for the password that was lost, not for the second factor.
            return Redirect(to=_SIGN_IN, notice="password-set-sign-in")
    await people.note_sign_in(user.name, at=visit.now, totp_step=0)
    cookies = await begin_session(console, user, is_secure=visit.is_secure, now=visit.now)
    return Redirect(to="/console", cookies=cookies)


def with_password(user: User, password_hash: str, visit: Visit) -> User:
    """Return the user with another password: the next version, which ends all sessions."""
    return msgspec.structs.replace(user, password_hash=password_hash, version=user.version + 1, updated_at=visit.now)


def _is_good_password(form: Form, name: str) -> bool:
    if problem := problem_of_password(form.get("password", ""), name=name):
        form.refuse("password", problem)
    elif form.get("password") != form.get("password_again"):
        form.refuse("password_again", "is not the same")
    return not form.problems


def _form(form: Form, next_: str, *, status: int = 200) -> Page:
    return Page(template="sign_in.html", context={"form": form, "next": _inside(next_)}, status=status)


def _link_page(visit: Visit, link: object, *, status: int) -> Page:
    context = {"form": visit.form, "link": link, "address": visit.address, "shortest": SHORTEST}
    return Page(template="link.html", context=context, status=status)


def _inside(address: str) -> str:
    """Return an address if it leads into the console, else its first page: no link sends anybody elsewhere."""
    is_inside = address == "/console" or address.startswith(("/console/", "/console?"))
    is_plain = address.isascii() and address.isprintable() and "\\" not in address and "//" not in address
    return address if is_inside and is_plain and not address.startswith(_SIGN_IN) else "/console"
