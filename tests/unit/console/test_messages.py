"""The list of messages: what may be searched for and by whom, page by page, and the same as CSV."""

import csv
import io
import re
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from smsgw.core.message import Message, Status
from smsgw.core.people import Role
from smsgw.core.phone import Numbers, mask
from smsgw.core.ports import RequestFilter, RequestPage, StoreUnavailableError
from smsgw.worker.console import messages_csv
from smsgw.worker.console.messages_csv import CHUNK, cell, export
from smsgw.worker.http.operations import Rule
from tests.unit.console.rig import Rig
from tests.unit.worker_http import operating

NUMBER = "+4915112345678"
UNSAFE = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\uff1d1", " =1"]


def put(rig: Rig, **fields: Any) -> Message:
    """Put a message into the store as it is."""
    plain = Message(
        tracking_id=uuid4(),
        client_key="shop",
        to=NUMBER,
        text="Your code is 1234",
        ttl_seconds=600,
        providers=(),
        created_at=operating.NOW,
        expires_at=operating.NOW + timedelta(seconds=600),
        updated_at=operating.NOW,
        status=Status.DELIVERED,
        provider_final="Provider-A",
    )
    message = msgspec.structs.replace(plain, **fields)
    rig.store.messages[message.tracking_id] = message
    return message


async def test_the_newest_messages_come_first_and_lead_to_their_pages() -> None:
    rig = Rig()
    old, new = put(rig), put(rig, status=Status.FAILED, reason="rejected")
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get("/console/messages")

    assert answer.status_code == 200
    assert answer.text.index(f'"/console/messages/{new.tracking_id}"') < answer.text.index(str(old.tracking_id))
    assert NUMBER in answer.text
    assert "rejected" in answer.text
    assert old.text not in answer.text


async def test_a_viewer_sees_numbers_masked_and_may_not_search_by_one() -> None:
    rig = Rig()
    put(rig)
    browser = await rig.browser(Role.VIEWER)

    listed = await browser.get("/console/messages")
    asked = await browser.get("/console/messages?find=%2B4915112345678")

    assert NUMBER not in listed.text
    assert mask(NUMBER) in listed.text
    assert asked.status_code == 422
    assert "searching by number needs the role operator" in asked.text


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("find=%2B4930123456", ["other"]),
        ("find=%2B49+30+123-456", ["other"]),
        ("find=4930123456", ["other"]),
        ("client=bank", ["other"]),
        ("provider=FAST", ["plain", "failed"]),
        ("provider=Gone-Provider", ["other"]),
        ("status=FAILED", ["failed"]),
        ("status=pending", ["other"]),
        ("reason=rejected", ["failed"]),
        ("status=FAILED&client=bank", []),
        ("since=2026-11-21T12:30", ["failed"]),
        ("until=2026-11-21T12:30", ["plain", "other"]),
        ("since=2026-11-21T13:30&zone=Europe/Berlin", ["failed"]),
        ("status=&client=&find=&reason=&provider=&since=&until=&zone=UTC", ["plain", "other", "failed"]),
    ],
)
async def test_a_filter_shows_what_fits(query: str, shown: list[str]) -> None:
    rig = Rig()
    made = {
        "plain": put(rig),
        "other": put(rig, to="+4930123456", client_key="bank", provider_final="Gone-Provider", status=Status.QUEUED),
        "failed": put(rig, status=Status.FAILED, reason="rejected", created_at=operating.NOW + timedelta(hours=1)),
    }
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get(f"/console/messages?{query}")

    assert answer.status_code == 200
    assert [name for name, each in made.items() if str(each.tracking_id) in answer.text] == shown


async def test_a_number_may_be_typed_as_it_is_dialled_at_home() -> None:
    rig = Rig(rule=Rule(numbers=Numbers("DE")))
    wanted, other = put(rig), put(rig, to="+4915112345679")
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get("/console/messages?find=0151+12345678")

    assert str(wanted.tracking_id) in answer.text
    assert str(other.tracking_id) not in answer.text


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
async def test_an_id_leads_to_its_message(role: Role) -> None:
    rig = Rig()
    message = put(rig)
    browser = await rig.browser(role)

    answer = await browser.get(f"/console/messages?find=+{message.tracking_id}+")

    assert (answer.status_code, answer.headers["location"]) == (303, f"/console/messages/{message.tracking_id}")


@pytest.mark.parametrize(
    ("query", "field", "why"),
    [
        ("find=nonsense", "find", "a whole tracking id or a number"),
        (f"find={UUID(int=1)}", "find", "no message has this id"),
        ("find=%2B49", "find", "a whole tracking id or a number"),
        ("client=%3Cscript%3E", "client", "the public id of a client"),
        ("provider=a+b", "provider", "name or alias"),
        ("status=GONE", "status", "must be one of"),
        ("reason=because", "reason", "must be one of"),
        ("since=yesterday", "since", "must be a time such as"),
        ("until=9999-99-99T00:00", "until", "must be a time such as"),
        ("since=0001-01-01T00:00&zone=Asia/Tokyo", "since", "must be a time such as"),
        ("since=2026-01-01T00:00&zone=Nowhere", "since", "must be a time such as"),
        ("since=2026-01-02T00:00&until=2026-01-01T00:00", "until", "must be after the beginning"),
        ("cursor=nonsense", "", "Search again"),
    ],
)
@pytest.mark.parametrize("path", ["/console/messages", "/console/messages.csv"])
async def test_a_wrong_field_is_named_and_what_was_typed_is_kept(path: str, query: str, field: str, why: str) -> None:
    rig = Rig()
    message = put(rig)
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get(f"{path}?{query}&client=kept-as-typed" if field != "client" else f"{path}?{query}")

    assert answer.status_code == 422
    assert why.replace("'", "&#39;") in answer.text
    assert "kept-as-typed" in answer.text or field == "client"
    assert "<script>" not in answer.text
    assert str(message.tracking_id) not in answer.text
    assert [each.action for each in rig.books.audit_log.written] == ["session.begin"]


async def test_pages_lead_back_and_forth() -> None:
    rig = Rig()
    made = [put(rig, client_key="bank") for _ in range(120)][::-1]
    browser = await rig.browser(Role.OPERATOR)

    first = await browser.get("/console/messages?client=bank")
    second = await browser.get(_link(first.text, "Older"))
    third = await browser.get(_link(second.text, "Older"))
    back = await browser.get(_link(third.text, "Newer"))
    newest = await browser.get(_link(third.text, "Newest"))

    assert [_shown(each.text, made) for each in (first, second, third)] == [
        list(range(50)),
        list(range(50, 100)),
        list(range(100, 120)),
    ]
    assert _shown(back.text, made) == list(range(50, 100))
    assert _shown(newest.text, made) == list(range(50))
    assert ">Older<" not in third.text
    assert ">Newer<" not in second.text


async def test_a_search_that_had_to_stop_says_so_and_goes_on() -> None:
    rig = Rig()
    found = put(rig)
    rig.store.requests = _answers(RequestPage(messages=(found,), next_before=7, looked_at=10_000))  # type: ignore[method-assign]
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get("/console/messages?provider=Provider-B")

    assert "Looked at 10\u2009000 messages; 1 of them fits." in answer.text
    assert "cursor=" in _link(answer.text, "Look further")


@pytest.mark.parametrize("path", ["/console/messages", "/console/messages.csv"])
async def test_an_outage_is_told(path: str) -> None:
    rig = Rig()
    browser = await rig.browser(Role.OPERATOR)
    rig.store.fail = True

    answer = await browser.get(path)

    assert answer.status_code == 503
    assert "The database does not answer." in answer.text


# --- the export -------------------------------------------------------------------------------------------------------


async def test_an_export_has_every_message_that_fits_and_is_noted() -> None:
    rig = Rig()
    wanted = [put(rig, status=Status.FAILED, reason="rejected", sender="Shop") for _ in range(CHUNK + 3)]
    put(rig)
    browser = await rig.browser(Role.OPERATOR)

    answer = await browser.get(f"/console/messages.csv?status=FAILED&find=%2B{NUMBER[1:]}")

    header, *rows = _read(answer)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="messages-20261121T120000Z.csv"'
    assert header == list(messages_csv.COLUMNS)
    assert [row[0] for row in rows] == [str(each.tracking_id) for each in wanted[::-1]]
    assert rows[0][1:] == [
        "2026-11-21T12:00:00.123+00:00",
        "2026-11-21T12:00:00.123+00:00",
        "shop",
        "Shop",
        f"'{NUMBER}",
        "FAILED",
        "rejected",
        "Provider-A",
    ]
    entry = rig.books.audit_log.written[-1]
    assert (entry.action, entry.who) == ("messages.export", "operator-0")
    assert entry.after == {"status": ["FAILED"], "by_number": True, "texts": False, "is_masked": False}


async def test_a_viewers_export_is_masked_and_never_has_texts() -> None:
    rig = Rig()
    put(rig)
    browser = await rig.browser(Role.VIEWER)

    plain = await browser.get("/console/messages.csv")
    texts = await browser.get("/console/messages.csv?texts=1")

    assert NUMBER not in plain.text
    assert "Your code" not in plain.text
    assert f"'{mask(NUMBER)}" in plain.text
    assert texts.status_code == 422
    assert "texts need the role operator" in texts.text


async def test_texts_are_exported_when_an_operator_asks_for_them() -> None:
    rig = Rig()
    put(rig, text='first line\r\n=HYPERLINK("http://evil.example";"click"),\t=1')
    browser = await rig.browser(Role.OPERATOR)

    without = await browser.get("/console/messages.csv")
    answer = await browser.get("/console/messages.csv?texts=1")

    header, row = _read(answer)
    assert header[-1] == "text"
    assert row[-1] == 'first line\r\n\'=HYPERLINK("http://evil.example";"click"),\'\t\'=1'
    assert "first line" not in without.text
    assert rig.books.audit_log.written[-1].after["texts"] is True


@pytest.mark.parametrize("text", UNSAFE)
@pytest.mark.parametrize("before", ["", "a;", "a,", "a|", "a\n", "a\t"], ids=["start", ";", ",", "|", "line", "tab"])
def test_no_cell_begins_a_formula_wherever_it_is_cut(text: str, before: str) -> None:
    safe = cell(before + text)

    pieces = re.split(r"[,;|\t\r\n]", safe)
    assert [each for each in pieces if each.lstrip(" ").startswith(("=", "+", "-", "@", "\uff1d"))] == []
    assert safe[0] not in "\t\r\n"
    assert safe.replace("'", "") == before + text


@pytest.mark.parametrize("text", ["", "plain", "a-b", "1+1=2", "mail@example.com", "50 - 3", "'=quoted"])
def test_plain_words_stay_as_they_are(text: str) -> None:
    assert cell(text) == text


async def test_an_outage_in_the_middle_ends_the_file_with_a_line_that_says_so() -> None:
    rig = Rig()
    page = RequestPage(messages=(put(rig),), next_before=9)
    rig.store.requests = _answers(StoreUnavailableError("gone"))  # type: ignore[method-assign]

    parts = [each async for each in export(rig.store, RequestFilter(), page, is_masked=False, has_texts=False)]

    assert parts[-1] == b'"# Not whole: the database went away after 1 messages. Export again."\r\n'
    assert len(parts) == 3


@pytest.mark.parametrize("more", [0, 1], ids=["as many", "one more"])
async def test_an_export_ends_at_its_bound_and_says_so(monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    monkeypatch.setattr(messages_csv, "MOST", 4)
    rig = Rig()
    for _ in range(4 + more):
        put(rig)
    first = await rig.store.requests(RequestFilter(), before=None, limit=3)

    parts = [each async for each in export(rig.store, RequestFilter(), first, is_masked=False, has_texts=False)]

    rows = list(csv.reader(io.StringIO(b"".join(parts).decode("utf-8-sig"))))
    assert len(rows) == 1 + 4 + more
    assert rows[-1][0].startswith("# Not whole: only the newest 4") is bool(more)


async def test_a_window_without_a_fitting_message_does_not_end_the_file() -> None:
    rig = Rig()
    first, last = RequestPage(messages=(), next_before=9, looked_at=10_000), RequestPage(messages=(put(rig),))
    rig.store.requests = _answers(first, last)  # type: ignore[method-assign]

    parts = [each async for each in export(rig.store, RequestFilter(), first, is_masked=False, has_texts=False)]

    assert b"".join(parts).count(b"\r\n") == 2


def _answers(*answers: Any) -> Any:
    """Return a `requests` that gives these answers in turn."""
    left = list(answers)

    async def requests(_wanted: object, **_rest: object) -> Any:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return requests


def _link(text: str, words: str) -> str:
    (found,) = (part.rpartition('href="')[2].partition('"')[0] for part in text.split(f">{words}<")[:-1])
    return found.replace("&amp;", "&")


def _shown(text: str, made: list[Message]) -> list[int]:
    return [index for index, each in enumerate(made) if str(each.tracking_id) in text]


def _read(answer: Any) -> list[list[str]]:
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
