"""The console's page that erases a number: it looks first, asks, and says what it has left."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from smsgw.core.audit_log import AuditFilter
from smsgw.core.data_care import ERASED
from smsgw.core.events import MessageMoved, NumberErased
from smsgw.core.lifecycle import fail
from smsgw.core.message import Reason, Status
from smsgw.core.people import Role
from smsgw.worker.console import erasure
from tests.contract import stores
from tests.contract.stores import NOW
from tests.unit.console.rig import Browser, Rig

NUMBER, OTHER = "+4915112345678", "+4915187654321"
PAGE, LOOK = "/console/erasure", "/console/erasure/look"


async def _final(rig: Rig, to: str = NUMBER) -> UUID:
    change = (await stores.take_in(rig.store, stores.queued(to=to)))[0]
    assert await rig.store.apply(fail(change.message, Reason.EXPIRED, NOW))
    return change.message.tracking_id


async def _waiting(rig: Rig, arrival: Any = None) -> UUID:
    return (await stores.take_in(rig.store, arrival or stores.queued(to=NUMBER)))[0].message.tracking_id


async def _send(browser: Browser, path: str, **fields: str) -> httpx.Response:
    return await browser.post(path, fields, page=PAGE)


async def test_a_look_tells_how_many_messages_there_are_and_changes_nothing() -> None:
    rig = Rig()
    mine, _, _ = await _final(rig), await _waiting(rig), await _final(rig, OTHER)
    browser = await rig.browser(Role.ADMIN)

    answer = await _send(browser, LOOK, number=NUMBER)

    assert answer.status_code == 200
    assert "<dt>Would be erased</dt><dd>1</dd>" in answer.text
    assert "<dt>May still be sent</dt><dd>1</dd>" in answer.text
    assert rig.store.messages[mine].to == NUMBER
    assert [each for each in await _entries(rig) if each.action.startswith("number.")] == []


async def test_a_confirmed_form_erases_and_the_audit_log_has_no_whole_number() -> None:
    rig = Rig()
    mine, other = await _final(rig), await _final(rig, OTHER)
    browser = await rig.browser(Role.ADMIN)

    answer = await _send(browser, PAGE, number=NUMBER, confirmed="yes")

    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?notice=number-erased")
    erased = rig.store.messages[mine]
    assert (erased.to, erased.text, rig.store.messages[other].to) == (ERASED, "", OTHER)
    done, asked = [each for each in await _entries(rig) if each.action.startswith("number.")]
    assert (asked.action, asked.after) == ("number.erase", {"messages": 1, "waiting": 0, "cancel": False})
    assert (done.action, done.after) == ("number.erased", {"messages": 1, "left": 0, "cancelled": 0})
    assert {done.subject, asked.subject} == {"+49151***5678"}
    assert done.who.startswith("admin")
    assert NumberErased(to=NUMBER, who=done.who, messages=1, left=0) in rig.facts


async def test_what_may_still_be_sent_is_left_and_told() -> None:
    rig = Rig()
    waiting = await _waiting(rig)
    browser = await rig.browser(Role.ADMIN)

    answer = await _send(browser, PAGE, number=NUMBER, confirmed="yes")

    assert answer.headers["location"] == f"{PAGE}?notice=number-erased-partly"
    assert rig.store.messages[waiting].to == NUMBER
    assert "may still be sent" in (await browser.get(answer.headers["location"])).text


async def test_what_waits_in_the_queue_is_cancelled_first_when_that_is_ticked() -> None:
    rig = Rig()
    waiting = await _waiting(rig)
    in_flight = await _waiting(rig, stores.started(to=NUMBER))
    browser = await rig.browser(Role.ADMIN)

    answer = await _send(browser, PAGE, number=NUMBER, confirmed="yes", cancel="yes")

    assert answer.headers["location"] == f"{PAGE}?notice=number-erased-partly"
    assert (rig.store.messages[waiting].status, rig.store.messages[waiting].to) == (Status.FAILED, ERASED)
    assert (rig.store.messages[in_flight].status, rig.store.messages[in_flight].to) == (Status.PROCESSING, NUMBER)
    assert [each.change.message.tracking_id for each in rig.facts if isinstance(each, MessageMoved)] == [waiting]


@pytest.mark.parametrize("path", [LOOK, PAGE])
@pytest.mark.parametrize("number", ["", "0151 12345678", "+49", "erased", "+49151x2345678", "<b>"])
async def test_what_is_no_number_is_refused_with_the_reason_and_kept(path: str, number: str) -> None:
    rig = Rig()
    mine = await _final(rig)
    browser = await rig.browser(Role.ADMIN)

    answer = await _send(browser, path, number=number, confirmed="yes")

    assert answer.status_code == 422
    assert "must be E.164" in answer.text
    assert f'value="{number.replace("<", "&lt;").replace(">", "&gt;")}"' in answer.text
    assert rig.store.messages[mine].to == NUMBER


async def test_without_the_tick_nothing_is_erased() -> None:
    rig = Rig()
    mine = await _final(rig)
    browser = await rig.browser(Role.ADMIN)

    answer = await _send(browser, PAGE, number=NUMBER)

    assert answer.status_code == 422
    assert "has to be ticked" in answer.text
    assert rig.store.messages[mine].to == NUMBER


async def test_too_many_messages_for_one_click_are_left_to_the_command() -> None:
    rig = Rig()
    mine = await _final(rig)
    await stores.take_in(rig.store, *(stores.queued(to=NUMBER) for _ in range(erasure.MOST)))
    browser = await rig.browser(Role.ADMIN)

    looked = await _send(browser, LOOK, number=NUMBER)
    answer = await _send(browser, PAGE, number=NUMBER, confirmed="yes")

    assert "smsgw erase" in looked.text
    assert answer.status_code == 422
    assert "Run smsgw erase" in answer.text
    assert rig.store.messages[mine].to == NUMBER


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_nobody_but_an_administrator_may_look_or_erase(role: Role) -> None:
    rig = Rig()
    mine = await _final(rig)
    browser = await rig.browser(role)

    answers = [
        await browser.get(PAGE),
        await browser.post(LOOK, {"number": NUMBER}),
        await browser.post(PAGE, {"number": NUMBER, "confirmed": "yes"}),
    ]

    assert [each.status_code for each in answers] == [403, 403, 403]
    assert rig.store.messages[mine].to == NUMBER


async def _entries(rig: Rig) -> Any:
    return await rig.books.audit_log.entries(AuditFilter(), before=None, limit=50)
