"""Who stands at the door: session, role, CSRF token, origin. Pages and actions are never asked before this said yes."""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import Request
from litestar.datastructures import Cookie

from smsgw.core.people import Role, Session, User
from smsgw.worker.console.console import Console
from smsgw.worker.console.forms import Form
from smsgw.worker.http.peer import peer_of

TOUCH_EVERY = timedelta(seconds=60)
_TOKEN_LENGTH = 43


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, as far as cookies and headers tell."""

    user: User | None
    token: str
    """Of the session; for a stranger, of the visitor that his CSRF token belongs to."""
    is_new: bool
    """Whether the token has to be given to the browser."""
    peer: str
    is_secure: bool


class Refused(msgspec.Struct, frozen=True):
    """Why a request goes no further: the status and the words of the page."""

    status: int
    why: str


SIGN_IN_FIRST = Refused(401, "Please sign in.")
NOT_ALLOWED = Refused(403, "Your role may not do that.")
FOREIGN = Refused(403, "This request did not come from a page of this console. Open the page again and repeat it.")


async def caller_of(console: Console, request: Request[Any, Any, Any]) -> Caller:
    """Return who asks. A session counts while it is neither idle nor too old; using it is noted now and then."""
    is_secure = _is_secure(console, request)
    token = _cookie(request, cookie_name(is_secure=is_secure))
    user = await _user_of(console, token) if token else None
    if user is None:
        token = _cookie(request, visitor_cookie_name(is_secure=is_secure))
    return Caller(
        user=user,
        token=token or secrets.token_urlsafe(32),
        is_new=user is None and not token,
        peer=_peer(console, request),
        is_secure=is_secure,
    )


def refusal(
    console: Console, request: Request[Any, Any, Any], caller: Caller, *, needed: Role | None, form: Form
) -> Refused | None:
    """Return why this caller may not do this, or None. In the order in which it helps nobody: who is he, may he, did he
    mean it."""
    if needed is not None and caller.user is None:
        return SIGN_IN_FIRST
    if needed is not None and caller.user is not None and not caller.user.role.may(needed):
        return NOT_ALLOWED
    if request.scope["method"] == "GET":
        return None
    is_meant = hmac.compare_digest(form.text("csrf").encode(), csrf_of(caller.token).encode())
    return None if is_meant and _is_own_origin(console, request) else FOREIGN


async def begin_session(console: Console, user: User, *, is_secure: bool, now: datetime) -> tuple[Cookie, ...]:
    """Begin a session under a new token, whatever the browser had before; return the cookies that say so."""
    token = secrets.token_urlsafe(32)
    session = Session(token_hash=hash_of(token), user=user.name, user_version=user.version, created_at=now, seen_at=now)
    await console.books.people.begin_session(session)
    seconds = int(console.rules.longest.total_seconds())
    return (
        _cookie_to_set(cookie_name(is_secure=is_secure), token, is_secure=is_secure, seconds=seconds),
        _cookie_to_set(visitor_cookie_name(is_secure=is_secure), "", is_secure=is_secure, seconds=0),
    )


def end_cookies(*, is_secure: bool) -> tuple[Cookie, ...]:
    """Return what takes the session from the browser."""
    return (_cookie_to_set(cookie_name(is_secure=is_secure), "", is_secure=is_secure, seconds=0),)


def visitor_cookie(caller: Caller) -> tuple[Cookie, ...]:
    """Return what gives a stranger the token that his forms are bound to."""
    if not caller.is_new:
        return ()
    name = visitor_cookie_name(is_secure=caller.is_secure)
    return (_cookie_to_set(name, caller.token, is_secure=caller.is_secure, seconds=3600),)


def csrf_of(token: str) -> str:
    """Return the CSRF token of a session: bound to it, and of no use to whoever reads it without the cookie."""
    return hmac.new(token.encode(), b"smsgw csrf", hashlib.sha256).hexdigest()


def hash_of(token: str) -> str:
    """Return what is stored of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def cookie_name(*, is_secure: bool) -> str:
    """Return the session cookie's name; `__Host-`: no subdomain and no plain HTTP page can set it."""
    return "__Host-smsgw" if is_secure else "smsgw"


def visitor_cookie_name(*, is_secure: bool) -> str:
    """Return the name of the cookie of who is not signed in."""
    return f"{cookie_name(is_secure=is_secure)}-visitor"


async def _user_of(console: Console, token: str) -> User | None:
    now = console.clock()
    found = await console.books.people.session(hash_of(token))
    if found is None:
        return None
    session, user = found
    is_over = now - session.seen_at >= console.rules.idle or now - session.created_at >= console.rules.longest
    if is_over or not user.is_active:
        await console.books.people.end_session(session.token_hash)
        return None
    if now - session.seen_at >= min(TOUCH_EVERY, console.rules.idle / 2):
        await console.books.people.touch_session(session.token_hash, seen_at=now)
    return user


def _cookie(request: Request[Any, Any, Any], name: str) -> str:
    """Return a token from a cookie; empty when there is none that we could have given out."""
    for key, value in request.scope["headers"]:
        if key != b"cookie":
            continue
        try:
            cookies = SimpleCookie(value.decode("latin-1"))
        except CookieError:
            continue
        if name in cookies and len(token := cookies[name].value) == _TOKEN_LENGTH and token.isascii():
            return token
    return ""


def _cookie_to_set(name: str, value: str, *, is_secure: bool, seconds: int) -> Cookie:
    return Cookie(key=name, value=value, path="/", max_age=seconds, httponly=True, samesite="strict", secure=is_secure)


def _is_own_origin(console: Console, request: Request[Any, Any, Any]) -> bool:
    """Whether the browser says that the page which sent this is ours. Every browser of today says so with a POST."""
    origins, hosts = _headers(request, b"origin"), _headers(request, b"host")
    if len(origins) != 1 or len(hosts) != 1:
        return False
    if console.rules.url:
        return origins[0] == console.rules.url
    try:
        origin = urlsplit(origins[0])
    except ValueError:
        return False
    return origin.scheme in ("http", "https") and origin.netloc.casefold() == hosts[0].casefold() != ""


def _is_secure(console: Console, request: Request[Any, Any, Any]) -> bool:
    if console.rules.url:
        return console.rules.url.startswith("https://")
    if request.scope["scheme"] == "https":
        return True
    client = request.scope["client"]
    said = _headers(request, b"x-forwarded-proto")
    is_proxied = client is not None and peer_of(client[0], ["192.0.2.1"], console.rules.trusted_proxies) == "192.0.2.1"
    return is_proxied and said == ["https"]


def _peer(console: Console, request: Request[Any, Any, Any]) -> str:
    client = request.scope["client"]
    if not client:
        return ""
    return peer_of(client[0], _headers(request, b"x-forwarded-for"), console.rules.trusted_proxies)


def _headers(request: Request[Any, Any, Any], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in request.scope["headers"] if key == name]
