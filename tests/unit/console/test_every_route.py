"""The walk over every route of the console: without session, role, CSRF token or our own origin nothing happens.

A route that is added is walked over at once: the list is the product's own.
"""

import re
from typing import Any

import msgspec
import pytest
from litestar import Litestar

from smsgw.core.people import Role
from smsgw.worker.console.handlers import console_routes
from smsgw.worker.console.routes import HEADERS, Route
from tests.unit.console.rig import ORIGIN, Browser, Rig

FOR_STRANGERS = {
    ("GET", "/console/sign-in"),
    ("POST", "/console/sign-in"),
    ("POST", "/console/sign-out"),
    ("GET", "/console/link/{token:str}"),
    ("POST", "/console/link/{token:str}"),
}
"""Who wants to sign in cannot have signed in before; all else needs a session."""
FILLED = {"tracking_id": "3f0c5b1e-6f0a-4c59-9d0f-4c4f0f6a2f11", "rest": "nothing/here"}
ROUTES = sorted(console_routes(Rig().console), key=lambda route: (route.path, route.method))
GUARDED = [route for route in ROUTES if route.role is not None]
ACTIONS = [route for route in ROUTES if route.method == "POST"]
BELOW = [(route, role) for route in GUARDED for role in Role if route.role and not role.may(route.role)]
ALLOWED = [(route, role) for route in ACTIONS for role in Role if route.role and role.may(route.role)]


def named(value: Any) -> str:
    return f"{value.method} {value.path}" if isinstance(value, Route) else str(value.value)


def address(route: Route) -> str:
    return re.sub(r"\{(\w+):\w+\}", lambda found: FILLED.get(found[1], "Provider-A"), route.path)


async def ask(browser: Browser, route: Route, **arguments: Any) -> Any:
    return await browser.client.request(route.method, address(route), **arguments)


def test_only_the_ways_in_and_out_are_for_strangers() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.role is None} == FOR_STRANGERS


def test_nothing_of_the_console_is_beside_the_list() -> None:
    shield: Any = Rig().app
    application = shield._app
    assert isinstance(application, Litestar)
    served = {
        (method, route.path_format.replace("{rest}", "{rest:path}") if "{rest" in route.path_format else route.path)
        for route in application.routes
        if route.path.startswith("/console")
        for method in getattr(route, "methods", ())
        if method not in ("HEAD", "OPTIONS")
    }

    declared = {(route.method, route.path) for route in ROUTES}

    assert served - declared == {("GET", "/console/assets/{name:str}")}


def test_every_change_needs_more_than_looking() -> None:
    changing = [route for route in ACTIONS if (route.method, route.path) not in FOR_STRANGERS]

    assert changing
    own = [route for route in changing if route.role is Role.VIEWER]
    assert [route.path for route in own if not route.path.startswith("/console/account")] == []


@pytest.mark.parametrize("route", GUARDED, ids=named)
async def test_a_stranger_is_sent_to_the_sign_in_or_refused(route: Route) -> None:
    rig = Rig()
    browser = await rig.browser()
    token = await browser.csrf()

    answer = await ask(browser, route, headers={"Origin": ORIGIN}, data={"csrf": token})

    if route.method == "GET" and answer.status_code == 303:
        assert answer.headers["location"].startswith("/console/sign-in?next=")
    else:
        assert answer.status_code == 401
    assert rig.books.audit_log.written == []


@pytest.mark.parametrize(("route", "role"), BELOW, ids=named)
async def test_a_role_that_is_too_low_is_refused(route: Route, role: Role) -> None:
    rig = Rig()
    browser = await rig.browser(role)
    token = await browser.csrf()
    before = list(rig.books.audit_log.written)

    answer = await ask(browser, route, headers={"Origin": ORIGIN}, data={"csrf": token})

    assert answer.status_code == 403
    assert rig.books.audit_log.written == before


NOT_MEANT: list[tuple[str, dict[str, str]]] = [
    ("none", {"Origin": ORIGIN}),
    ("wrong", {"Origin": ORIGIN}),
    ("of another", {"Origin": ORIGIN}),
    ("own", {}),
    ("own", {"Origin": "https://evil.example"}),
    ("own", {"Origin": "null"}),
    ("own", {"Origin": ORIGIN.replace("https", "http")}),
    ("own", {"Referer": f"{ORIGIN}/console"}),
]
"""Whose token comes with a request, and with which headers."""


@pytest.mark.parametrize(("route", "role"), ALLOWED, ids=named)
async def test_what_was_not_meant_does_not_happen(route: Route, role: Role) -> None:
    rig = Rig()
    browser, other = await rig.browser(role), await rig.browser(role)
    tokens = {"none": "", "wrong": "0" * 64, "of another": await other.csrf(), "own": await browser.csrf()}
    before = list(rig.books.audit_log.written)

    answers = [
        (token, headers, (await ask(browser, route, headers=headers, data={"csrf": tokens[token]})).status_code)
        for token, headers in NOT_MEANT
    ]

    assert answers == [(token, headers, 403) for token, headers in NOT_MEANT]
    assert rig.books.audit_log.written == before


@pytest.mark.parametrize(("route", "role"), ALLOWED, ids=named)
async def test_who_may_and_means_it_gets_past_the_door(route: Route, role: Role) -> None:
    browser = await Rig().browser(role)
    token = await browser.csrf()

    answer = await ask(browser, route, headers={"Origin": ORIGIN}, data={"csrf": token})

    assert answer.status_code in (200, 303, 404, 409, 422)


@pytest.mark.parametrize("route", ROUTES, ids=named)
async def test_every_answer_has_the_headers_and_is_never_json(route: Route) -> None:
    rig = Rig()
    browsers = [await rig.browser(role) for role in (None, *Role)]

    answers = [
        await ask(browser, route, headers={"Origin": "https://evil.example"}, data={"csrf": "0" * 64})
        for browser in browsers
    ]

    for answer in answers:
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS
        assert "json" not in answer.headers.get("content-type", "")
        assert answer.status_code < 500
    assert not [fact for fact in rig.facts if type(fact).__name__ == "Crashed"]


@pytest.mark.parametrize("route", [each for each in ROUTES if each.role is not None], ids=named)
async def test_a_session_of_an_older_version_of_its_user_is_over(route: Route) -> None:
    rig = Rig()
    browser = await rig.browser(Role.ADMIN)
    (user,) = await rig.books.people.users()
    await rig.user("the last admin stays", Role.ADMIN)
    disabled = msgspec.structs.replace(user, version=user.version + 1, is_active=False)

    assert await rig.books.people.put_user(disabled, None)
    answer = await ask(browser, route, headers={"Origin": ORIGIN}, data={"csrf": "0" * 64})

    assert answer.status_code in (303, 401)
    assert answer.status_code == 401 or "/console/sign-in" in answer.headers["location"]
