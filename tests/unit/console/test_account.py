"""One's own account: another password, a second factor, an end to what is signed in elsewhere."""

import html
import re
from datetime import timedelta

import pyotp
import pytest

from smsgw.core.people import Link, Purpose, Role, User
from smsgw.worker.console.guard import hash_of
from tests.unit.console.rig import PASSWORD, Browser, Rig

NEW = "another sentence to keep"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
_ACCOUNT, _FACTOR = "/console/account", "/console/account/second-factor"


async def test_another_password_ends_other_sessions_and_keeps_this_browser() -> None:
    rig = Rig()
    here, there = await rig.browser(Role.VIEWER), await rig.browser()
    await there.post("/console/sign-in", {"name": "viewer-0", "password": PASSWORD})
    cookies = set(here.client.cookies.values())

    answer = await here.post(f"{_ACCOUNT}/password", {"old_password": PASSWORD, "password": NEW, "password_again": NEW})

    assert answer.headers["location"] == f"{_ACCOUNT}?notice=password-set"
    assert cookies.isdisjoint(here.client.cookies.values())
    assert (await here.get(_ACCOUNT)).status_code == 200
    assert (await there.get(_ACCOUNT)).status_code == 303
    assert [each.action for each in rig.books.audit_log.written][-1] == "user.password"
    assert (await there.post("/console/sign-in", {"name": "viewer-0", "password": NEW})).status_code == 303


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"old_password": "wrong", "password": NEW, "password_again": NEW}, "old_password"),
        ({"password": NEW, "password_again": NEW}, "old_password"),
        ({"old_password": PASSWORD + " ", "password": NEW, "password_again": NEW}, "old_password"),
        ({"old_password": PASSWORD, "password": "short", "password_again": "short"}, "new"),
        ({"old_password": PASSWORD, "password": "viewer-0 viewer-0", "password_again": "viewer-0 viewer-0"}, "new"),
        ({"old_password": PASSWORD, "password": NEW, "password_again": "else"}, "password_again"),
        ({}, "new"),
    ],
)
async def test_a_password_that_cannot_be_is_refused(fields: dict[str, str], field: str) -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)
    before = await rig.books.people.user("viewer-0")

    answer = await browser.post(f"{_ACCOUNT}/password", fields)

    assert answer.status_code == 422
    assert re.search(rf'id="f-{field}"[^>]*aria-invalid="true"', answer.text)
    assert PASSWORD not in answer.text
    assert await rig.books.people.user("viewer-0") == before


async def test_a_short_name_spoils_no_password() -> None:
    rig = Rig()
    await rig.user("e", Role.VIEWER)
    browser = await rig.browser()
    await browser.post("/console/sign-in", {"name": "e", "password": PASSWORD})

    answer = await browser.post(
        f"{_ACCOUNT}/password", {"old_password": PASSWORD, "password": NEW, "password_again": NEW}
    )

    assert answer.status_code == 303


async def test_guessing_the_password_of_an_open_browser_ends_soon() -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)
    for _ in range(5):
        await browser.post(f"{_ACCOUNT}/password", {"old_password": "guess", "password": NEW, "password_again": NEW})

    right = {"old_password": PASSWORD, "password": NEW, "password_again": NEW}
    refused = await browser.post(f"{_ACCOUNT}/password", right)
    rig.pass_time(minutes=15, seconds=1)
    later = await browser.post(f"{_ACCOUNT}/password", right)

    assert (refused.status_code, later.status_code) == (429, 303)


async def test_who_came_by_a_link_sets_a_first_password_without_an_old_one() -> None:
    rig = Rig()
    browser = await rig.browser()
    user = User(name="dev", role=Role.ADMIN, created_at=rig.now, updated_at=rig.now)
    await rig.books.people.put_user(user, None)
    link = Link(
        token_hash=hash_of("t" * 43), user="dev", purpose=Purpose.SIGN_IN, expires_at=rig.now + timedelta(hours=1)
    )
    await rig.books.people.give_link(link, None)
    path = f"/console/link/{'t' * 43}"
    await browser.post(path, {}, page=path)

    page = await browser.get(_ACCOUNT)
    answer = await browser.post(f"{_ACCOUNT}/password", {"password": NEW, "password_again": NEW})

    assert 'name="old_password"' not in page.text
    assert answer.status_code == 303
    assert (await (await rig.browser()).post("/console/sign-in", {"name": "dev", "password": NEW})).status_code == 303


async def test_a_second_factor_counts_once_its_first_code_was_typed() -> None:
    rig = Rig()
    here, there = await rig.browser(Role.OPERATOR), await rig.browser()
    secret = await _begin(here)
    step = int(rig.now.timestamp()) // 30

    before = await rig.books.people.user("operator-0")
    answer = await here.post(f"{_FACTOR}/confirm", {"secret": secret, "password": PASSWORD, "code": _code(rig, secret)})

    user = await rig.books.people.user("operator-0")
    assert before is not None
    assert before.totp_secret is None
    assert answer.headers["location"] == f"{_ACCOUNT}?notice=second-factor-set"
    assert user is not None
    assert (user.totp_secret, user.totp_step) == (secret, step)
    assert (await here.get(_ACCOUNT)).status_code == 200
    told = [(each.action, each.before, each.after) for each in rig.books.audit_log.written]
    assert told[-1] == ("user.second_factor_set", {}, {})
    fields = {"name": "operator-0", "password": PASSWORD}
    assert (await there.post("/console/sign-in", fields)).status_code == 401
    assert (await there.post("/console/sign-in", {**fields, "code": _code(rig, secret)})).status_code == 401
    rig.pass_time(seconds=30)
    assert (await there.post("/console/sign-in", {**fields, "code": _code(rig, secret)})).status_code == 303


async def test_the_secret_comes_as_a_picture_and_as_text_without_styles() -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)

    answer = await browser.post(f"{_FACTOR}/begin", {})

    (secret,) = re.findall(r'name="secret" value="([A-Z2-7]{32})"', answer.text)
    (picture,) = re.findall(r'<svg role="img".*?</svg>', answer.text, re.DOTALL)
    assert " ".join(re.findall("....", secret)) in answer.text
    assert f"secret={secret}" in html.unescape(answer.text)
    assert "<title>" in picture
    assert not re.search(r'style=|<style|<script(?! src="/console/assets/)', answer.text)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"password": PASSWORD, "code": "000000"}, "code"),
        ({"password": PASSWORD, "code": ""}, "code"),
        ({"password": PASSWORD, "code": "é"}, "code"),
        ({"password": "wrong", "code": "right"}, "password"),
    ],
)
async def test_a_wrong_code_or_password_sets_nothing_up_and_keeps_the_secret(
    fields: dict[str, str], field: str
) -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)
    secret = await _begin(browser)
    code = _code(rig, secret) if fields["code"] == "right" else fields["code"]

    answer = await browser.post(f"{_FACTOR}/confirm", {**fields, "secret": secret, "code": code})

    user = await rig.books.people.user("viewer-0")
    assert answer.status_code == 422
    assert re.search(rf'id="f-{field}"[^>]*aria-invalid="true"', answer.text)
    assert f'value="{secret}"' in answer.text
    assert user is not None
    assert user.totp_secret is None


@pytest.mark.parametrize("secret", ["", "short", "a" * 32, "A" * 33, '"><script>'])
async def test_a_secret_that_we_did_not_make_is_refused(secret: str) -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)

    answer = await browser.post(f"{_FACTOR}/confirm", {"secret": secret, "password": PASSWORD, "code": "000000"})

    assert answer.status_code == 422
    assert "<script>" not in answer.text


async def test_a_second_factor_is_removed_by_password_and_a_fresh_code() -> None:
    rig = Rig()
    browser = await _with_factor(rig)
    used = _code(rig, SECRET)

    refused = [
        await browser.post(f"{_FACTOR}/remove", fields)
        for fields in (
            {"password": "wrong", "code": used},
            {"password": PASSWORD, "code": "000000"},
            {"password": PASSWORD, "code": used},
        )
    ]
    rig.pass_time(seconds=30)
    removed = await browser.post(f"{_FACTOR}/remove", {"password": PASSWORD, "code": _code(rig, SECRET)})

    user = await rig.books.people.user("ada")
    assert [each.status_code for each in refused] == [422] * 3
    assert removed.headers["location"] == f"{_ACCOUNT}?notice=second-factor-removed"
    assert user is not None
    assert user.totp_secret is None
    assert (await browser.get(_ACCOUNT)).status_code == 200


async def test_a_second_factor_is_not_replaced_without_being_removed() -> None:
    rig = Rig()
    browser = await _with_factor(rig)
    other = "A" * 32

    begun = await browser.post(f"{_FACTOR}/begin", {})
    answer = await browser.post(
        f"{_FACTOR}/confirm", {"secret": other, "password": PASSWORD, "code": _code(rig, other)}
    )

    user = await rig.books.people.user("ada")
    assert "<svg" not in begun.text
    assert answer.status_code == 422
    assert user is not None
    assert user.totp_secret == SECRET


async def test_other_sessions_end_and_this_one_goes_on() -> None:
    rig = Rig()
    here, there = await rig.browser(Role.VIEWER), await rig.browser()
    await there.post("/console/sign-in", {"name": "viewer-0", "password": PASSWORD})

    answer = await here.post(f"{_ACCOUNT}/sessions/end", {})

    assert answer.headers["location"] == f"{_ACCOUNT}?notice=sessions-ended"
    assert (await here.get(_ACCOUNT)).status_code == 200
    assert (await there.get(_ACCOUNT)).status_code == 303


async def _begin(browser: Browser) -> str:
    answer = await browser.post(f"{_FACTOR}/begin", {})
    (secret,) = re.findall(r'name="secret" value="([A-Z2-7]{32})"', answer.text)
    return str(secret)


async def _with_factor(rig: Rig) -> Browser:
    """Return a browser of ada's, signed in with a code."""
    await rig.user("ada", Role.VIEWER, totp_secret=SECRET)
    browser = await rig.browser()
    fields = {"name": "ada", "password": PASSWORD, "code": _code(rig, SECRET)}
    assert (await browser.post("/console/sign-in", fields)).status_code == 303
    return browser


def _code(rig: Rig, secret: str) -> str:
    return pyotp.TOTP(secret).at(rig.now)
