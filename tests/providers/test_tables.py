"""The tables: every provider file's requests, answers, look-ups, reports and options."""

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

import httpx
import msgspec
import pytest

from smsgw.core.failure import Outcome
from smsgw.core.ports import Forged, Submit, Unreadable
from smsgw.providers.registry import ProviderSetupError, kinds
from tests.providers.opening import answering, failing, fetching, open_one
from tests.providers.tables import (
    REFERENCE,
    SUBMIT,
    SUBMIT_WITHOUT_SENDER,
    AnswerCase,
    Fields,
    LookUpCase,
    ReportCase,
    Sent,
    Table,
    tables,
)

TABLES = tables()
NOTHING = failing(AssertionError("nothing may be sent here"))


def rows(attribute: str) -> list[Any]:
    """Return (kind, case) for every case of every table."""
    return [
        pytest.param(kind, case, id=f"{kind}-{getattr(case, 'name', number)}"[:80])
        for kind, table in TABLES.items()
        for number, case in enumerate(getattr(table, attribute))
    ]


@pytest.mark.skipif("SMSGW_TEST_KINDS" in os.environ, reason="only some of the kinds are looked at")
def test_every_provider_file_has_a_table() -> None:
    assert set(kinds()) == {kind for kind in TABLES if "/" not in kind}


@pytest.mark.parametrize("kind", [kind for kind, table in TABLES.items() if table.is_offline])
async def test_an_offline_provider_accepts_and_asks_nobody(kind: str) -> None:
    provider = open_one(kind, TABLES[kind].options, NOTHING)

    first, second = await provider.send(SUBMIT), await provider.send(SUBMIT)

    assert first == second
    assert first.outcome is Outcome.ACCEPTED
    assert first.provider_message_id
    assert not provider.can_look_up


@pytest.mark.parametrize("kind", [kind for kind, table in TABLES.items() if table.send])
async def test_a_send_becomes_the_documented_request(kind: str) -> None:
    table = TABLES[kind]
    assert table.send

    assert_request(await request_of(kind, table, SUBMIT), table.send)


@pytest.mark.parametrize("kind", [kind for kind, table in TABLES.items() if table.send_without_sender])
async def test_a_send_without_a_sender_becomes_the_documented_request(kind: str) -> None:
    table = TABLES[kind]
    assert table.send_without_sender

    assert_request(await request_of(kind, table, SUBMIT_WITHOUT_SENDER), table.send_without_sender)


async def request_of(kind: str, table: Table, submit: Submit) -> httpx.Request:
    """Return the request of a send that the vendor accepts."""
    assert table.accepted
    reply, seen = table.accepted, list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(reply.status, content=reply.content)

    result = await open_one(kind, table.options, answering(answer)).send(submit)

    assert result.outcome is Outcome.ACCEPTED
    assert len(seen) == 1
    return seen[0]


@pytest.mark.parametrize("kind", [kind for kind, table in TABLES.items() if table.look_up])
async def test_a_look_up_becomes_the_documented_request(kind: str) -> None:
    table = TABLES[kind]
    assert table.look_up
    seen = list[httpx.Request]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(404)

    provider = open_one(kind, table.options, answering(answer))
    await provider.look_up(REFERENCE)

    assert provider.can_look_up
    assert_request(seen[0], table.look_up)


@pytest.mark.parametrize(("kind", "case"), rows("answers"))
async def test_answers(kind: str, case: AnswerCase) -> None:
    transport = answering(
        lambda _: httpx.Response(case.reply.status, headers=case.reply.headers, content=case.reply.content)
    )
    provider = open_one(kind, TABLES[kind].options, transport)

    result = await provider.send(case.submit)

    assert result.outcome is case.outcome
    assert result.provider_message_id == case.message_id
    assert (case.segments, case.price, case.currency) == (result.segments, result.price, result.currency)
    assert case.part_ids == result.part_ids
    assert case.detail in (None, result.detail)
    assert case.wait_seconds == (result.retry_after.total_seconds() if result.retry_after else None)


@pytest.mark.parametrize(("kind", "case"), rows("look_ups"))
async def test_look_ups(kind: str, case: LookUpCase) -> None:
    transport = answering(lambda _: httpx.Response(case.reply.status, content=case.reply.content))
    provider = open_one(kind, TABLES[kind].options, transport)

    result = await provider.look_up(REFERENCE)

    assert result.answer is case.answer
    assert result.provider_message_id == case.message_id


@pytest.mark.parametrize(("kind", "case"), rows("reports"))
async def test_reports(kind: str, case: ReportCase) -> None:
    provider = open_one(kind, TABLES[kind].options, fetching(TABLES[kind].fetches))

    read = await provider.read_report(case.request)

    if case.refused:
        assert isinstance(read, Forged if case.refused == "forged" else Unreadable)
        return
    assert not isinstance(read, Forged | Unreadable)
    assert list(case.reports) == [msgspec.structs.replace(each, dedupe_key="") for each in read]
    assert all(0 < len(each.dedupe_key) <= 128 for each in read)
    assert read == await provider.read_report(case.request)


@pytest.mark.parametrize(("kind", "case"), rows("bad_options"))
def test_wrong_options_stop_the_start_with_one_line(kind: str, case: dict[str, Any]) -> None:
    with pytest.raises(ProviderSetupError) as caught:
        open_one(kind, case, NOTHING)

    line = str(caught.value)
    assert line.startswith("PROVIDERS_CONFIG: 'The-Provider': options: ")
    assert "\n" not in line
    assert "hunter2" not in line
    assert "two words" not in line


def assert_request(request: httpx.Request, expected: Sent) -> None:
    """Compare a request with the documented one, and with what every request has."""
    url, _, query = str(request.url).partition("?")
    if expected.query is not None:
        assert_fields(query, expected.query)
    assert (expected.method, expected.url) == (request.method, str(request.url) if expected.query is None else url)
    assert {**expected.headers} == {name: request.headers.get(name) for name in expected.headers}
    assert request.headers["accept-encoding"] == "identity"
    assert "cookie" not in request.headers
    if expected.json is not None:
        assert expected.json == msgspec.json.decode(request.content)
    if expected.form is not None:
        assert_fields(request.content.decode(), expected.form)
    if expected.json is None and expected.form is None and request.method == "GET":
        assert request.content == b""


def assert_fields(text: str, expected: Fields) -> None:
    """Compare a form or a query; their order counts where a list is expected."""
    given = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    if isinstance(expected, Mapping):
        assert (dict(expected), len(expected)) == (dict(given), len(given))
    else:
        assert list(expected) == given
