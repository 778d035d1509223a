"""What somebody tries who wants more than he may: many guesses at once, a link instead of a code, forms that are none,
markup in everything that others write, and a viewer who looks for numbers."""

import asyncio
import csv
import io
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID, uuid4

import httpx
import pytest

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, Timers, begin, finish, unknown
from smsgw.core.message import Event, EventType, Message
from smsgw.core.people import Link, Purpose, Role
from smsgw.core.ports import Arrival
from smsgw.worker.console.guard import hash_of
from smsgw.worker.console.messages_csv import cell
from smsgw.worker.console.passwords import AT_ONCE, MOST_WAITING
from smsgw.worker.console.routes import Route
from tests.unit.console.rig import CHEAP, ORIGIN, PASSWORD, Browser, Rig
from tests.unit.console.test_every_route import ACTIONS, ROUTES, address, named
from tests.unit.core.building import SECOND, message

NUMBER = "+989121234567"
SENDER = "+4915112345678"
MARKUP = "\"'><script>alert(1)</script><img src=x onerror=alert(1)>"
TOTP = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
URLENCODED = {"Origin": ORIGIN, "Content-Type": "application/x-www-form-urlencoded"}


async def test_guesses_that_come_at_once_are_as_few_as_those_that_come_one_by_one() -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN)
    browser = await rig.browser()
    token = await browser.csrf()

    answers = await asyncio.gather(*(_guess(browser, token, f"guess {index}") for index in range(40)))

    tried = [each.status_code for each in answers].count(401)
    assert tried < 5 + AT_ONCE
    assert {each.status_code for each in answers} == {401, 429}


async def test_guesses_of_an_open_browser_that_come_at_once_are_few_too() -> None:
    rig = Rig()
    browser = await rig.browser(Role.ADMIN)
    fields = {"password": "another sentence to keep", "password_again": "another sentence to keep"}
    token = await browser.csrf()

    answers = await asyncio.gather(
        *(
            browser.client.post(
                "/console/account/password",
                data={"csrf": token, "old_password": f"guess {index}", **fields},
                headers={"Origin": ORIGIN},
            )
            for index in range(40)
        )
    )

    assert [each.status_code for each in answers].count(422) < 5 + AT_ONCE
    assert {each.status_code for each in answers} == {422, 429}


async def test_who_comes_when_too_many_wait_is_told_so_and_nothing_is_computed_for_him() -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN)
    browser = await rig.browser()
    token = await browser.csrf()
    turns = [rig.console.passwords.turn() for _ in range(MOST_WAITING)]
    waiting = [asyncio.ensure_future(each.__aenter__()) for each in turns]
    await asyncio.gather(*waiting[:AT_ONCE])

    answer = await _guess(browser, token, PASSWORD)

    assert answer.status_code == 429
    assert "Too many people sign in just now" in answer.text
    for turn, at_door in zip(turns, waiting, strict=True):
        assert await at_door
        await turn.__aexit__(None, None, None)
    assert (await _guess(browser, token, PASSWORD)).status_code == 303


async def test_another_address_of_the_same_ipv6_network_is_no_other_guesser() -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN)

    answers = [(await _guess_from(rig, f"2001:db8::{index:x}")).status_code for index in range(1, 8)]
    elsewhere = await _guess_from(rig, "2001:db8:0:1::1")

    assert answers == [401] * 5 + [429] * 2
    assert elsewhere.status_code == 401


async def test_a_link_does_not_stand_for_the_second_factor() -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN, totp_secret=TOTP)
    token, new = "t" * 43, "another sentence to keep"
    expires_at = rig.now + timedelta(hours=1)
    link = Link(token_hash=hash_of(token), user="ada", purpose=Purpose.PASSWORD, expires_at=expires_at)
    await rig.books.people.give_link(link, None)
    browser = await rig.browser()
    at = f"/console/link/{token}"

    taken = await browser.post(at, {"password": new, "password_again": new}, page=at)
    inside = await browser.get("/console/users")

    assert taken.headers["location"] == "/console/sign-in?notice=password-set-sign-in"
    assert inside.headers["location"].startswith("/console/sign-in")
    user = await rig.books.people.user("ada")
    assert user is not None
    assert user.password_hash is not None
    assert CHEAP.verify(user.password_hash, new)


@pytest.mark.parametrize("method", ["HEAD", "GET", "OPTIONS"])
async def test_who_only_looks_at_a_link_does_not_use_it(method: str) -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN)
    token, new = "t" * 43, "another sentence to keep"
    link = Link(
        token_hash=hash_of(token), user="ada", purpose=Purpose.PASSWORD, expires_at=rig.now + timedelta(hours=1)
    )
    await rig.books.people.give_link(link, None)
    browsers = [await rig.browser() for _ in range(3)]
    at = f"/console/link/{token}"

    await browsers[0].client.request(method, at)
    tokens = [await each.csrf(at) for each in browsers]
    fields = {"password": new, "password_again": new}
    answers = await asyncio.gather(
        *(
            each.client.post(at, data={"csrf": csrf, **fields}, headers={"Origin": ORIGIN})
            for each, csrf in zip(browsers, tokens, strict=True)
        )
    )

    assert sorted(each.status_code for each in answers) == [303, 404, 404]


BROKEN: dict[str, bytes] = {
    "NUL": b"name=a%00b",
    "NUL in a name": b"na%00me=ab",
    "lone surrogate": b"name=%ED%A0%80",
    "not UTF-8": b"name=%ff",
    "raw bytes": b"name=\xff",
    "too many fields": b"&".join(b"a%d=1" % index for index in range(101)),
    "too long": b"name=" + b"a" * 4001,
}
FIELDS = [
    "name",
    "password",
    "password_again",
    "old_password",
    "code",
    "secret",
    "number",
    "to",
    "text",
    "mark",
    "version",
    "priority",
    "weight",
    "rate_limit",
    "role",
    "verdict",
    "attempt",
    "fence",
    "next",
    "id",
    "senders",
    "scopes",
    "state",
    "daily_quota",
    "overlap",
    "others",
    "what",
    "confirmed",
    "cancel",
    "zone",
]
ODD = ["", MARKUP, "\u202e\ufffe\U0001f600\u0663\x01\x1b\x85\n", "a" * 1500, "nan", "1e308", "../.."]


@pytest.mark.parametrize("route", ACTIONS, ids=named)
async def test_a_form_that_is_none_does_nothing(route: Route) -> None:
    rig = Rig()
    browser = await rig.browser(Role.ADMIN)
    token = (await browser.csrf()).encode()
    before = list(rig.books.audit_log.written)

    answers = {
        name: (await _raw(browser, route, b"csrf=" + token + b"&" + body)).status_code for name, body in BROKEN.items()
    }
    other = [
        (await _raw(browser, route, b"csrf=" + token, content_type)).status_code
        for content_type in ("application/json", "multipart/form-data; boundary=x", "text/plain", "")
    ]

    assert answers == dict.fromkeys(BROKEN, 400)
    assert other == [400] * 4
    assert rig.books.audit_log.written == before


@pytest.mark.parametrize("route", ACTIONS, ids=named)
async def test_odd_words_in_every_field_are_no_bug_and_never_markup(route: Route) -> None:
    rig = Rig()
    for word in ODD:
        browser = await rig.browser(Role.ADMIN)
        token = await browser.csrf()
        body = urlencode({"csrf": token, **dict.fromkeys(FIELDS, word)}).encode()

        answer = await _raw(browser, route, body)

        assert answer.status_code in (200, 303, 401, 404, 409, 422, 429), word
        assert "<script>alert" not in answer.text
        assert "<img" not in answer.text.partition("<main")[2]
    assert [each for each in rig.facts if type(each).__name__ == "Crashed"] == []


QUERIES = [
    *(urlencode(dict.fromkeys(("find", "client", "provider", "status", "reason"), word)) for word in ODD),
    *(urlencode(dict.fromkeys(("who", "action", "subject", "range", "notice", "next"), word)) for word in ODD),
    *(f"{name}=0001-01-01T00:00&zone=Asia/Tokyo" for name in ("since", "until")),
    *(
        urlencode({"since": "2026-01-01T00:00", "zone": zone})
        for zone in ("../../etc/passwd", "America", "a" * 3000, "\U0001f600", "/etc/passwd")
    ),
    "until=9999-12-31T23:59&zone=America/New_York",
    "before=9999999999999999999",
    "before=4611686018427387904",
    "cursor=____________",
    "cursor=AQAAAAAAAAAB&trail=" + "AQAAAAAAAAAB." * 300,
]


@pytest.mark.parametrize("route", [each for each in ROUTES if each.method == "GET"], ids=named)
async def test_odd_words_in_every_address_are_no_bug_and_never_markup(route: Route) -> None:
    rig = Rig()
    browser = await rig.browser(Role.ADMIN)

    answers = [await browser.get(f"{address(route)}?{query}") for query in QUERIES]

    assert [each.status_code for each in answers if each.status_code >= 500] == []
    assert [each.url for each in answers if "<script>alert" in each.text] == []
    assert [each for each in rig.facts if type(each).__name__ == "Crashed"] == []


async def test_what_a_provider_and_a_client_write_is_never_markup() -> None:
    rig = Rig()
    tracking_id = await _hostile(rig)
    browsers = [await rig.browser(role) for role in Role]

    pages = [await each.get(f"/console/messages/{tracking_id}") for each in browsers]
    lists = [await each.get("/console/messages") for each in browsers]

    for answer in [*pages, *lists]:
        assert answer.status_code == 200
        assert "<script>alert" not in answer.text
        assert "onerror=alert(1)>" not in answer.text
    assert "&lt;script&gt;alert(1)" in pages[-1].text


async def test_a_viewer_finds_no_number_on_any_page_however_it_is_written() -> None:
    rig = Rig()
    tracking_id = await _hostile(rig)
    viewer, operator = await rig.browser(Role.VIEWER), await rig.browser(Role.OPERATOR)
    own = [address(each) for each in ROUTES if each.method == "GET" and each.role is Role.VIEWER]

    seen = [(await viewer.get(path)).text for path in (*own, f"/console/messages/{tracking_id}")]
    seen_by_operator = (await operator.get(f"/console/messages/{tracking_id}")).text

    digits = [re.sub(r"[^0-9]", "", page) for page in seen]
    assert [page for page in digits if NUMBER[1:] in page or SENDER[1:] in page] == []
    assert str(tracking_id) in seen[-1]
    assert NUMBER in seen_by_operator
    assert SENDER in seen_by_operator


async def test_a_viewers_export_has_no_sender_that_is_a_number() -> None:
    rig = Rig()
    await _hostile(rig)
    viewer, operator = await rig.browser(Role.VIEWER), await rig.browser(Role.OPERATOR)

    masked, whole = [await each.get("/console/messages.csv") for each in (viewer, operator)]

    assert SENDER not in masked.text
    assert SENDER in whole.text


@pytest.mark.parametrize("text", ['"=1+1', '""=1', ' "+1', '"" -1', '"@SUM(A1)', "\u00a0=1"])
@pytest.mark.parametrize("before", ["", "a;", "a,", "a|", "a\n", "a\t"])
def test_a_quote_does_not_hide_a_formula_from_who_cuts_cells_elsewhere(before: str, text: str) -> None:
    written = io.StringIO()
    csv.writer(written, quoting=csv.QUOTE_ALL).writerow([cell(before + text)])
    line = written.getvalue().strip()

    pieces = [each.replace('"', "").strip(" \u00a0") for each in re.split(r"[,;|\t\r\n]", line)]

    assert [each for each in pieces if each[:1] in ("=", "+", "-", "@")] == []


def _guess(browser: Browser, token: str, password: str) -> Any:
    fields = {"csrf": token, "name": "ada", "password": password}
    return browser.client.post("/console/sign-in", data=fields, headers={"Origin": ORIGIN})


async def _guess_from(rig: Rig, peer: str) -> httpx.Response:
    app: Any = rig.app
    browser = Browser(app)
    browser.client = httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(peer, 4711)), base_url=ORIGIN)
    return await browser.post("/console/sign-in", {"name": "ada", "password": "wrong"})


async def _raw(
    browser: Browser, route: Route, body: bytes, content_type: str = URLENCODED["Content-Type"]
) -> httpx.Response:
    return await browser.client.post(address(route), content=body, headers={**URLENCODED, "Content-Type": content_type})


async def _hostile(rig: Rig) -> UUID:
    """Store a message of which everybody wrote what hurts most."""
    made: Message = message(
        tracking_id=uuid4(),
        to=NUMBER,
        text=MARKUP,
        sender=SENDER,
        client_key=MARKUP,
        created_at=rig.now,
        updated_at=rig.now,
        expires_at=rig.now + 600 * SECOND,
        due_at=rig.now,
    )
    begun = begin(made, "Provider-A", rig.now, Timers())
    assert begun.started is not None
    told = f"{MARKUP} about +98 912 123-4567 and 98.912.1234567 from (49) 151 12 34 56 78 or {NUMBER}"
    ended = finish(begun.started, Outcome.UNKNOWN, rig.now, detail=told, provider_message_id=f"{MARKUP}-{NUMBER[1:]}")
    doubtful = unknown(begun.message, ended, rig.now, look_up=False, timers=Timers())
    details = {"status": told, "error_code": told, "resent_as": MARKUP, MARKUP: MARKUP}
    reported = Event(EventType.REPORT, rig.now, provider=MARKUP, details=details)
    first = Change(message=begun.message, events=(*begun.events, reported), started=begun.started)
    await rig.store.take_in([Arrival(change=first)])
    assert await rig.store.apply(doubtful)
    return made.tracking_id
