"""From a declared route to a handler of the HTTP kit: guarded, rendered, with the headers that every page has."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from litestar import Request, Response, get, post
from litestar.datastructures import Cookie
from litestar.handlers import HTTPRouteHandler
from litestar.response import Stream

from smsgw.core.events import Crashed
from smsgw.core.people import Role
from smsgw.core.ports import LimitsUnavailableError, StoreUnavailableError
from smsgw.worker.console.answers import Answer, Download, NoSuchPageError, Page, Redirect
from smsgw.worker.console.console import Console
from smsgw.worker.console.forms import Form, read_form
from smsgw.worker.console.guard import SIGN_IN_FIRST, Caller, Refused, caller_of, csrf_of, refusal, visitor_cookie
from smsgw.worker.console.rendering import render
from smsgw.worker.console.visit import Visit

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not `no-referrer`: browsers would then send `Origin: null` with our own forms (Fetch, section 3.2).
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "cache-control": "no-store",
}
OVER_TLS = {"strict-transport-security": "max-age=31536000"}
_FORM_TYPE = "application/x-www-form-urlencoded"
_FRAGMENTS = frozenset({"/console/live/dashboard"})
"""What a script asks for: it is told, not sent elsewhere."""

Handle = Callable[[Visit], Awaitable[Answer]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One address of the console. `role` None: also for strangers, who are given a CSRF token of their own."""

    method: Literal["GET", "POST"]
    path: str
    """As Litestar writes it, with parameters of type str."""
    role: Role | None
    handle: Handle


def page(path: str, role: Role | None, handle: Handle) -> Route:
    """Return the route of something to look at: it changes nothing."""
    return Route(method="GET", path=path, role=role, handle=handle)


def action(path: str, role: Role | None, handle: Handle) -> Route:
    """Return the route of something to do: it needs the CSRF token and our own origin as well."""
    return Route(method="POST", path=path, role=role, handle=handle)


def route_handlers(console: Console, routes: Sequence[Route]) -> list[HTTPRouteHandler]:
    """Return the handlers of these routes."""
    return [_handler(console, route) for route in routes]


def _handler(console: Console, route: Route) -> HTTPRouteHandler:
    method: Callable[..., Callable[[Any], HTTPRouteHandler]] = get if route.method == "GET" else post

    def problem(request: Request[Any, Any, Any], status: int, why: str) -> Response[Any]:
        return _problem(status, why, _stranger(console, request))

    @method(route.path, include_in_schema=False, status_code=200)
    async def handler(request: Request[Any, Any, Any]) -> Response[Any]:
        try:
            return await _answer(console, route, request)
        except StoreUnavailableError:
            return problem(request, 503, "The database does not answer. Try again in a moment.")
        except LimitsUnavailableError:
            return problem(request, 503, "The limits store does not answer. Try again in a moment.")
        except Exception as error:  # noqa: BLE001  (a bug is stated; its caller gets a page, not JSON)
            console.observer(Crashed(where=f"{route.method} {route.path}", error=error))
            return problem(request, 500, "Something went wrong on our side. The log says what.")

    return handler


async def _answer(console: Console, route: Route, request: Request[Any, Any, Any]) -> Response[Any]:
    form, query = await _form(request), read_form(request.scope["query_string"])
    if form is None or query is None:
        return _problem(400, "This form or address cannot be read.", _stranger(console, request))
    caller = await caller_of(console, request)
    visit = _visit(console, request, caller, query=query, form=form)
    if (refused := refusal(console, request, caller, needed=route.role, form=form)) is not None:
        return _refuse(refused, request, visit)
    try:
        answer = await route.handle(visit)
    except NoSuchPageError:
        return _problem(404, "There is nothing at this address.", visit)
    return _response(answer, visit, cookies=visitor_cookie(caller))


async def _form(request: Request[Any, Any, Any]) -> Form | None:
    if request.scope["method"] == "GET":
        return Form()
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return read_form(await request.body()) if content_type == _FORM_TYPE else None


def _visit(console: Console, request: Request[Any, Any, Any], caller: Caller, *, query: Form, form: Form) -> Visit:
    return Visit(
        user=caller.user,
        path={name: str(value) for name, value in request.path_params.items()},
        query=query,
        form=form,
        now=console.clock(),
        peer=caller.peer,
        csrf=csrf_of(caller.token),
        token=caller.token,
        address=_address(request),
        is_secure=caller.is_secure,
    )


def _stranger(console: Console, request: Request[Any, Any, Any]) -> Visit:
    """Return a visit of nobody, for pages that only say what went wrong."""
    nothing = Form()
    return Visit(
        user=None,
        path={},
        query=nothing,
        form=nothing,
        now=console.clock(),
        peer="",
        csrf="",
        token="",
        address=_address(request),
    )


def _address(request: Request[Any, Any, Any]) -> str:
    path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path


def _refuse(refused: Refused, request: Request[Any, Any, Any], visit: Visit) -> Response[Any]:
    """Send a stranger who wants to see something to the sign-in, and from there back; everybody else is told why."""
    if refused is SIGN_IN_FIRST and request.scope["method"] == "GET" and request.scope["path"] not in _FRAGMENTS:
        return _redirect(Redirect(to=f"/console/sign-in?{urlencode({'next': visit.address})}"), visit, ())
    return _problem(refused.status, refused.why, visit)


def _problem(status: int, why: str, visit: Visit) -> Response[Any]:
    return _response(Page(template="problem.html", context={"status": status, "why": why}, status=status), visit)


def _response(answer: Answer, visit: Visit, *, cookies: tuple[Cookie, ...] = ()) -> Response[Any]:
    if isinstance(answer, Redirect):
        return _redirect(answer, visit, cookies)
    if isinstance(answer, Download):
        headers = {**_headers(visit), "content-disposition": f'attachment; filename="{answer.filename}"'}
        return Stream(answer.parts, media_type=answer.content_type, headers=headers)
    return Response(
        render(answer.template, answer.context, visit).encode(),
        status_code=answer.status,
        media_type="text/html",
        headers=_headers(visit),
        cookies=cookies,
    )


def _redirect(answer: Redirect, visit: Visit, cookies: tuple[Cookie, ...]) -> Response[Any]:
    separator = "&" if "?" in answer.to else "?"
    to = f"{answer.to}{separator}notice={answer.notice}" if answer.notice else answer.to
    headers = {**_headers(visit), "location": to}
    return Response(b"", status_code=303, media_type="text/html", headers=headers, cookies=(*cookies, *answer.cookies))


def _headers(visit: Visit) -> dict[str, str]:
    return {**HEADERS, **OVER_TLS} if visit.is_secure else HEADERS
