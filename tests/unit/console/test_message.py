"""The page of one message, and what an operator may do there."""

import asyncio
import html
from typing import Any
from uuid import UUID, uuid4

import pytest

from smsgw.core.audit_log import AuditEntry, AuditFilter
from smsgw.core.events import AuditEntryLost, MessageMoved, OperatorActed
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, Timers, begin, fail, finish, sent, unknown
from smsgw.core.message import Event, EventType, Message, Reason, Status
from smsgw.core.operator_actions import copy_id
from smsgw.core.people import Role
from smsgw.core.ports import Arrival, StoreUnavailableError
from smsgw.transports.books.memory import MemoryAuditLog
from tests.unit.console.rig import Browser, Rig
from tests.unit.core.building import SECOND, message

TEXT = "Parcel 4711 waits"
NUMBER = "+989121234567"
TIMERS = Timers()


class AwayLog(MemoryAuditLog):
    """Takes nothing."""

    async def note(self, entry: AuditEntry) -> None:
        raise StoreUnavailableError(f"told to fail at {entry.action}")


def fresh(rig: Rig, **fields: Any) -> Message:
    standing = {
        "tracking_id": uuid4(),
        "text": TEXT,
        "created_at": rig.now,
        "updated_at": rig.now,
        "expires_at": rig.now + 600 * SECOND,
        "due_at": rig.now,
    }
    return message(**{**standing, **fields})


async def put(rig: Rig, *changes: Change) -> UUID:
    first, *others = changes
    await rig.store.take_in([Arrival(change=first)])
    for change in others:
        assert await rig.store.apply(change)
    return first.message.tracking_id


async def waiting(rig: Rig, **fields: Any) -> UUID:
    made = fresh(rig, **fields)
    return await put(rig, Change(message=made, events=(Event(EventType.QUEUED, rig.now),)))


async def in_doubt(rig: Rig) -> UUID:
    """Store a message whose first attempt nobody knows the end of."""
    begun = begin(fresh(rig), "Provider-A", rig.now, TIMERS)
    assert begun.started is not None
    ended = finish(begun.started, Outcome.UNKNOWN, rig.now, detail=f"no answer about {NUMBER}")
    return await put(rig, begun, unknown(begun.message, ended, rig.now, look_up=False, timers=TIMERS))


async def failed(rig: Rig, reason: Reason = Reason.EXPIRED, **fields: Any) -> UUID:
    return await put(rig, fail(fresh(rig, **fields), reason, rig.now))


async def taken(rig: Rig) -> UUID:
    begun = begin(fresh(rig), "Provider-A", rig.now, TIMERS)
    assert begun.started is not None
    ended = finish(begun.started, Outcome.ACCEPTED, rig.now, price="0.07", currency="EUR", segments=2)
    return await put(rig, begun, sent(begun.message, ended, rig.now, TIMERS))


async def act(rig: Rig, browser: Browser, tracking_id: UUID, what: str, **fields: Any) -> Any:
    at = f"/console/messages/{tracking_id}"
    return await browser.post(f"{at}/{what}", fields, page=at)


async def noted(rig: Rig) -> list[AuditEntry]:
    entries = await rig.books.audit_log.entries(AuditFilter(action="message."), before=None, limit=10)
    return list(entries)


async def test_an_operator_sees_everything_about_a_message() -> None:
    rig = Rig()
    tracking_id = await taken(rig)
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get(f"/console/messages/{tracking_id}")

    assert answer.status_code == 200
    for word in (TEXT, NUMBER, "Provider-A took it.", "0.07 EUR", "As stored", "an older release wrote it"):
        assert word in html.unescape(answer.text)


async def test_a_viewer_sees_no_number_no_text_and_no_button() -> None:
    rig = Rig()
    tracking_id = await in_doubt(rig)
    browser = await rig.browser(Role.VIEWER)

    answer = await browser.get(f"/console/messages/{tracking_id}")

    assert answer.status_code == 200
    assert TEXT not in answer.text
    assert NUMBER not in answer.text
    assert NUMBER[1:] not in answer.text
    assert "not shown to viewers" in answer.text
    assert "/resolve" not in answer.text


async def test_an_erased_text_is_said_to_be_erased() -> None:
    rig = Rig()
    tracking_id = await failed(rig, text="")
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get(f"/console/messages/{tracking_id}")

    assert ">erased<" in answer.text
    assert "It cannot be sent again: Its text or number was erased" in answer.text


async def test_what_stands_in_a_story_cannot_become_markup() -> None:
    rig = Rig()
    tracking_id = await waiting(rig, text="<script>alert(1)</script>", client_key="<b>shop</b>")
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get(f"/console/messages/{tracking_id}")

    assert "<script>alert" not in answer.text
    assert "<b>shop" not in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text


@pytest.mark.parametrize(
    "address", ["9e1651e5-536d-454c-b29a-7d372699c07c", "nonsense", "{00000000-0000-4000-8000-000000000001}"]
)
async def test_there_is_no_page_of_a_message_that_is_not_there(address: str) -> None:
    rig = Rig()
    browser = await rig.browser(Role.OPERATOR)

    shown = await browser.get(f"/console/messages/{address}")
    acted = [
        await browser.post(f"/console/messages/{address}/cancel", {}, page=None),
        await browser.post(f"/console/messages/{address}/resend", {"fence": 1}, page=None),
    ]

    assert [shown.status_code, *(each.status_code for each in acted)] == [404, 404, 404]


async def test_a_message_that_waits_is_cancelled_and_the_audit_log_knows() -> None:
    rig = Rig()
    tracking_id = await waiting(rig)
    browser = await rig.browser(Role.OPERATOR)

    answer = await act(rig, browser, tracking_id, "cancel")

    assert answer.status_code == 303
    assert answer.headers["location"] == f"/console/messages/{tracking_id}?notice=message-cancelled"
    stored = rig.store.messages[tracking_id]
    assert (stored.status, stored.reason) == (Status.FAILED, Reason.CANCELLED)
    (entry,) = await noted(rig)
    assert (entry.who, entry.action, entry.subject) == ("operator-0", "message.cancel", str(tracking_id))
    assert entry.before == {"status": "QUEUED", "reason": None}
    assert entry.after == {"status": "FAILED", "reason": "cancelled"}
    assert OperatorActed(action="message.cancel", user="operator-0", tracking_id=tracking_id) in rig.facts
    assert any(isinstance(fact, MessageMoved) for fact in rig.facts)
    shown = await browser.get(answer.headers["location"])
    assert "The message is cancelled." in shown.text
    assert "operator-0, <code>message.cancel</code>" in shown.text


async def test_what_is_being_sent_is_not_cancelled_and_the_page_says_why() -> None:
    rig = Rig()
    tracking_id = await put(rig, begin(fresh(rig), "Provider-A", rig.now, TIMERS))
    browser = await rig.browser(Role.OPERATOR)
    before = rig.store.messages[tracking_id]

    answer = await act(rig, browser, tracking_id, "cancel")

    assert answer.status_code == 422
    assert "A provider is being asked just now" in answer.text
    assert "Nothing was changed." in answer.text
    assert rig.store.messages[tracking_id] == before
    assert await noted(rig) == []


@pytest.mark.parametrize(
    ("verdict", "status"),
    [("sent", Status.SENT), ("not_sent", Status.QUEUED), ("give_up", Status.FAILED)],
)
async def test_an_unknown_outcome_is_resolved(verdict: str, status: Status) -> None:
    rig = Rig()
    tracking_id = await in_doubt(rig)
    browser = await rig.browser(Role.OPERATOR)

    answer = await act(rig, browser, tracking_id, "resolve", verdict=verdict, attempt=1)

    assert answer.status_code == 303
    assert rig.store.messages[tracking_id].status is status
    (entry,) = await noted(rig)
    assert entry.action == "message.resolve"
    assert entry.after["verdict"] == verdict


@pytest.mark.parametrize(
    "fields",
    [
        {"verdict": "sent"},
        {"verdict": "maybe", "attempt": 1},
        {"verdict": "sent", "attempt": "one"},
        {"verdict": "sent", "attempt": 2},
        {},
    ],
)
async def test_a_verdict_about_nothing_changes_nothing(fields: dict[str, Any]) -> None:
    rig = Rig()
    tracking_id = await in_doubt(rig)
    browser = await rig.browser(Role.OPERATOR)

    answer = await act(rig, browser, tracking_id, "resolve", **fields)

    assert answer.status_code == 422
    assert rig.store.messages[tracking_id].status is Status.UNKNOWN
    assert await noted(rig) == []


async def test_a_failed_message_is_sent_again_as_another_one_however_often_the_form_is_sent() -> None:
    rig = Rig()
    tracking_id = await failed(rig)
    browser = await rig.browser(Role.OPERATOR)
    fence = rig.store.messages[tracking_id].fence

    first = await act(rig, browser, tracking_id, "resend", fence=fence)
    second = await act(rig, browser, tracking_id, "resend", fence=fence)

    copy = copy_id(tracking_id, fence)
    assert first.headers["location"] == second.headers["location"] == f"/console/messages/{copy}?notice=message-resent"
    assert len(rig.store.messages) == 2
    again = rig.store.messages[copy]
    assert (again.status, again.text, again.to, again.due_at) == (Status.QUEUED, TEXT, NUMBER, rig.now)
    shown = await browser.get(f"/console/messages/{copy}")
    assert f'href="/console/messages/{tracking_id}"' in shown.text
    original = await browser.get(f"/console/messages/{tracking_id}")
    assert f'href="/console/messages/{copy}"' in original.text


async def test_two_operators_who_resend_from_the_same_page_make_one_copy() -> None:
    rig = Rig()
    tracking_id = await failed(rig)
    browsers = [await rig.browser(Role.OPERATOR), await rig.browser(Role.OPERATOR)]
    fence = rig.store.messages[tracking_id].fence

    answers = await asyncio.gather(*(act(rig, each, tracking_id, "resend", fence=fence) for each in browsers))

    assert [each.status_code for each in answers] == [303, 303]
    assert len(rig.store.messages) == 2


async def test_a_page_that_is_too_old_sends_nothing_again() -> None:
    rig = Rig()
    tracking_id = await failed(rig)
    browser = await rig.browser(Role.OPERATOR)
    fence = rig.store.messages[tracking_id].fence

    answer = await act(rig, browser, tracking_id, "resend", fence=fence + 7)

    assert answer.status_code == 422
    assert "It moved meanwhile" in answer.text
    assert len(rig.store.messages) == 1


async def test_an_interrupted_resend_is_seen_and_made_up_for() -> None:
    rig = Rig()
    tracking_id = await failed(rig)
    browser = await rig.browser(Role.OPERATOR)
    fence = rig.store.messages[tracking_id].fence
    copy = copy_id(tracking_id, fence)
    assert (await act(rig, browser, tracking_id, "resend", fence=fence)).status_code == 303
    del rig.store.messages[copy]

    shown = await browser.get(f"/console/messages/{tracking_id}")
    again = await act(rig, browser, tracking_id, "resend", fence=fence)

    assert f"A resend as {copy} was begun and never stored" in shown.text
    assert again.status_code == 303
    assert rig.store.messages[copy].status is Status.QUEUED


async def test_who_may_get_it_twice_is_said_before_it_is_sent_again() -> None:
    rig = Rig()
    tracking_id = await failed(rig, Reason.OUTCOME_UNKNOWN)
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get(f"/console/messages/{tracking_id}")

    assert "it may have arrived. Send it again all the same?" in answer.text


@pytest.mark.parametrize("what", ["cancel", "resolve", "resend"])
async def test_a_viewer_does_nothing(what: str) -> None:
    rig = Rig()
    tracking_id = await in_doubt(rig)
    browser = await rig.browser(Role.VIEWER)
    before = rig.store.messages[tracking_id]

    answer = await act(rig, browser, tracking_id, what, verdict="sent", attempt=1, fence=2)

    assert answer.status_code == 403
    assert rig.store.messages[tracking_id] == before


async def test_an_entry_that_the_audit_log_does_not_take_is_told_in_the_log() -> None:
    rig = Rig()
    tracking_id = await waiting(rig)
    browser = await rig.browser(Role.OPERATOR)

    rig.books.audit_log = AwayLog(rig.books)
    answer = await act(rig, browser, tracking_id, "cancel")

    assert answer.status_code == 303
    assert AuditEntryLost(who="operator-0", action="message.cancel", subject=str(tracking_id)) in rig.facts


async def test_a_commit_of_which_nobody_knows_is_told_in_the_log_too() -> None:
    rig = Rig()
    tracking_id = await waiting(rig)
    browser = await rig.browser(Role.OPERATOR)
    at = f"/console/messages/{tracking_id}"
    token = await browser.csrf(at)
    rig.store.fail_after_commit = True

    answer = await browser.client.post(
        f"{at}/cancel", data={"csrf": token}, headers={"Origin": "https://console.example"}
    )

    assert answer.status_code == 503
    assert AuditEntryLost(who="operator-0", action="message.cancel", subject=str(tracking_id)) in rig.facts
