"""Signing in: who is let in, how often somebody may guess, and what ends a session."""

from datetime import timedelta

import pytest

from smsgw.core.people import Link, Purpose, Role
from smsgw.worker.console.console import ConsoleRules
from smsgw.worker.console.guard import hash_of
from tests.unit.console.rig import ORIGIN, PASSWORD, Rig


async def test_a_user_signs_in_and_sees_the_page_he_wanted() -> None:
    rig = Rig()
    await rig.user("ada", Role.VIEWER)
    browser = await rig.browser()

    wanted = await browser.get("/console/somewhere?x=1")
    answer = await browser.post(
        "/console/sign-in", {"name": "ada", "password": PASSWORD, "next": "/console/somewhere?x=1"}
    )

    assert wanted.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fsomewhere%3Fx%3D1"
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/somewhere?x=1")
    assert (await browser.get("/console/somewhere")).status_code == 404


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "ada", "password": "wrong"},
        {"name": "nobody", "password": PASSWORD},
        {"name": "", "password": ""},
        {"name": "off", "password": PASSWORD},
        {"name": "new", "password": ""},
    ],
    ids=["password", "name", "nothing", "inactive", "no password yet"],
)
async def test_everybody_else_is_told_the_same(fields: dict[str, str]) -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN)
    await rig.user("off", Role.ADMIN, is_active=False)
    browser = await rig.browser()

    answer = await browser.post("/console/sign-in", fields)

    assert answer.status_code == 401
    assert "Name, password or code is wrong." in answer.text
    assert PASSWORD not in answer.text


async def test_who_guesses_too_often_waits_even_with_the_right_password() -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN)
    browser = await rig.browser()
    for _ in range(5):
        assert (await browser.post("/console/sign-in", {"name": "ada", "password": "wrong"})).status_code == 401

    refused = await browser.post("/console/sign-in", {"name": "ada", "password": PASSWORD})
    rig.pass_time(minutes=15, seconds=1)
    later = await browser.post("/console/sign-in", {"name": "ada", "password": PASSWORD})

    assert refused.status_code == 429
    assert later.status_code == 303


async def test_a_session_ends_when_it_is_idle_or_too_old() -> None:
    rules = ConsoleRules(url=ORIGIN, idle=timedelta(minutes=10), longest=timedelta(minutes=25))
    rig = Rig(rules=rules)
    idle, busy = await rig.browser(Role.VIEWER), await rig.browser(Role.VIEWER)

    rig.pass_time(minutes=9)
    assert (await busy.get("/console/x")).status_code == 404
    rig.pass_time(minutes=2)

    assert (await idle.get("/console/x")).status_code == 303
    assert (await busy.get("/console/x")).status_code == 404
    for _ in range(2):
        rig.pass_time(minutes=7)
        last = await busy.get("/console/x")
    assert last.status_code == 303


async def test_signing_out_ends_the_session_at_the_server() -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)
    cookies = dict(browser.client.cookies)

    await browser.post("/console/sign-out", {})
    browser.client.cookies.update(cookies)

    assert (await browser.get("/console/x")).status_code == 303


async def test_the_token_is_another_one_after_signing_in() -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN)
    browser = await rig.browser()
    await browser.get("/console/sign-in")
    before = set(browser.client.cookies.values())

    answer = await browser.post("/console/sign-in", {"name": "ada", "password": PASSWORD})

    assert before.isdisjoint(browser.client.cookies.values())
    cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("__Host-smsgw="))
    assert all(word in cookie.lower() for word in ("httponly", "secure", "samesite=strict", "path=/"))


@pytest.mark.parametrize(
    "next_", ["https://evil.example", "//evil.example", "/console/../x//y", "javascript:1", "/api"]
)
async def test_nobody_is_sent_elsewhere_after_signing_in(next_: str) -> None:
    rig = Rig()
    await rig.user("ada", Role.ADMIN)
    browser = await rig.browser()

    answer = await browser.post("/console/sign-in", {"name": "ada", "password": PASSWORD, "next": next_})

    assert answer.headers["location"] == "/console"


async def test_a_link_sets_the_password_once() -> None:
    rig = Rig()
    user = await rig.user("ada", Role.ADMIN)
    token = "t" * 43
    link = Link(
        token_hash=hash_of(token), user=user.name, purpose=Purpose.PASSWORD, expires_at=rig.now + timedelta(hours=1)
    )
    await rig.books.people.give_link(link, None)
    browser, other = await rig.browser(), await rig.browser()
    address = f"/console/link/{token}"

    shown = await browser.get(address)
    refused = await browser.post(address, {"password": "short", "password_again": "short"}, page=address)
    new = "another sentence to keep"
    taken = await browser.post(address, {"password": new, "password_again": new}, page=address)
    again = await other.get(address)

    assert shown.status_code == 200
    assert refused.status_code == 422
    assert (taken.status_code, again.status_code) == (303, 404)
    assert (await other.post("/console/sign-in", {"name": "ada", "password": new})).status_code == 303
