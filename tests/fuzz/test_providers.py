"""Whatever a vendor answers or reports: never a raise, never an acceptance out of garbage, never more than a row holds.

Every adapter that the registry finds is fuzzed, from the documents of its own table (`tests/providers/cases`).
"""

import asyncio
import json
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Forged, Provider, ReportRequest, Unreadable
from smsgw.providers.reading import Answer, by_status
from tests.fuzz.spoiling import looking, noise, spoiled, spoiled_fields
from tests.providers.opening import NOW, answering, fetching, open_one
from tests.providers.tables import REFERENCE, SUBMIT, Reply, ReportCase, ReportsAs, Table, content, signer, tables

T = TypeVar("T")
TABLES = tables()
ONLINE = [kind for kind, table in TABLES.items() if table.is_online]
REPORTING = [kind for kind, table in TABLES.items() if any(not case.refused for case in table.reports)]
STATUSES = st.sampled_from([200, 201, 202, 204, 299, 301, 400, 401, 403, 404, 422, 429, 500, 502, 503, 599, 600, 999])
WAITS = st.sampled_from(
    ["0", "5", "-1", "9" * 8, "9" * 18, "9" * 30, "1e9", "Fri, 31 Dec 9999 23:59:59 GMT", "\x00"]
) | st.text("0123456789 ,:GMT-+abc", max_size=40)


def documents(replies: Sequence[Reply]) -> list[dict[str, Any]]:
    """Return the objects that a vendor's table answers with."""
    return [reply.body for reply in replies if isinstance(reply.body, dict) and reply.body] or [{}]


def answers_of(table: Table) -> st.SearchStrategy[bytes]:
    """Return bodies made of everything the table knows the vendor to answer."""
    replies = [*(case.reply for case in table.answers), *(case.reply for case in table.look_ups)]
    return spoiled(documents(replies))


class Vendor:
    """A provider opened once, whose vendor answers as it is told to."""

    def __init__(self, kind: str) -> None:
        self._answer = httpx.Response(500)
        self._provider = open_one(kind, TABLES[kind].options, answering(lambda _: self._answer))

    def answering(self, status: int, headers: dict[str, str], body: bytes) -> Provider:
        """Return the provider, whose vendor answers so from now on."""
        raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
        self._answer = httpx.Response(status, headers=raw, content=body)
        return self._provider


def is_said(message_id: str | None, body: bytes, *, in_json: bool = True) -> bool:
    """Whether the answer is a JSON document that does name this id, or a text with it."""
    if not in_json:
        return message_id is not None and message_id.encode() in body
    try:
        said = json.dumps(json.loads(body, parse_int=str, parse_float=str))
    except ValueError:
        return False
    return message_id is not None and json.dumps(message_id) in said


@pytest.mark.fault("F35", "I3 I13")
@pytest.mark.parametrize("kind", ONLINE)
def test_no_answer_is_taken_for_more_than_it_says(kind: str) -> None:
    table, vendor = TABLES[kind], Vendor(kind)

    @given(status=STATUSES, wait=st.none() | WAITS, body=answers_of(table))
    @looking(200)
    def fuzz(status: int, wait: str | None, body: bytes) -> None:
        provider = vendor.answering(status, {"retry-after": wait} if wait else {}, body)

        result = asyncio.run(provider.send(SUBMIT))

        if result.outcome is Outcome.ACCEPTED:
            assert 200 <= status < 300
            is_anonymous = table.accepts_any_2xx and result.provider_message_id is None
            assert is_anonymous or is_said(result.provider_message_id, body, in_json=table.answers_in_json)
        assert len(result.provider_message_id or "") <= 128
        assert all(0 < len(each) <= 128 for each in result.part_ids)
        assert result.segments is None or 0 < result.segments < 256
        assert len(result.price or "") <= 32
        assert len(result.currency or "") <= 3
        assert len(result.detail or "") <= 200
        assert not any(secret in (result.detail or "") for secret in (*table.secrets, SUBMIT.text, SUBMIT.to))
        assert timedelta(0) <= (result.retry_after or timedelta(0)) <= timedelta(days=1)

    fuzz()


@pytest.mark.parametrize("kind", [kind for kind in ONLINE if TABLES[kind].look_up])
def test_no_look_up_finds_what_is_not_there(kind: str) -> None:
    vendor = Vendor(kind)

    @given(status=STATUSES, body=answers_of(TABLES[kind]))
    @looking(200)
    def fuzz(status: int, body: bytes) -> None:
        result = asyncio.run(vendor.answering(status, {}, body).look_up(REFERENCE))

        if result.answer is LookUp.FOUND:
            assert 200 <= status < 300
            assert is_said(result.provider_message_id, body, in_json=TABLES[kind].answers_in_json)
        assert result.answer is not LookUp.ABSENT or status not in range(500, 600)
        assert len(result.provider_message_id or "") <= 128
        assert len(result.detail or "") <= 200

    fuzz()


def at_once(reading: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns that has nothing to wait for."""
    try:
        reading.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    raise AssertionError("it waited for something")


def read(provider: Provider, table: Table, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
    """Return what a call says; who fetches something for it needs a loop."""
    reading = provider.read_report(request)
    return asyncio.run(reading) if table.fetches else at_once(reading)


def reports_of(table: Table) -> list[ReportCase]:
    """Return the reports of a table that are authentic and readable."""
    return [case for case in table.reports if not case.refused]


@pytest.mark.fault("F50", "I13")
@pytest.mark.parametrize("kind", REPORTING)
def test_an_authentic_report_is_read_or_unreadable(kind: str) -> None:
    table = TABLES[kind]
    sign = signer(kind, table)
    provider = open_one(kind, table.options, fetching(table.fetches))
    contents = [said for case in reports_of(table) if (said := content(case, table))]
    spoil = spoiled if table.reports_as is ReportsAs.JSON else spoiled_fields

    @given(body=spoil(contents))
    @looking(200)
    def fuzz(body: bytes) -> None:
        said = read(provider, table, sign(body))

        assert not isinstance(said, Forged)
        if not isinstance(said, Unreadable):
            assert len(said) <= len(body)
            assert all(map(is_bounded, said))

    fuzz()


def is_bounded(report: DeliveryReport) -> bool:
    """Whether a report names something, in words that a row and a log line can hold."""
    words = [report.provider_message_id, report.reference, report.error_code]
    is_storable = all(
        word is None or (0 < len(word) <= 128 and word.isprintable() and word.isascii()) for word in words
    )
    names_something = bool(report.provider_message_id or report.reference)
    is_priced = len(report.price or "") <= 32 and len(report.currency or "") <= 3
    is_counted = report.segments is None or 0 < report.segments < 256
    is_utc = report.reported_at is None or report.reported_at.utcoffset() == timedelta(0)
    return is_storable and names_something and is_utc and is_priced and is_counted and 0 < len(report.dedupe_key) <= 128


def tampered(table: Table) -> st.SearchStrategy[ReportRequest]:
    """Return authentic calls of which something that proves them was replaced, doubled or lost."""
    genuine = [case.request for case in reports_of(table)] or [ReportRequest(received_at=NOW, headers=(), body=b"{}")]
    names = table.proof_headers
    if names is None:
        names = sorted({name for request in genuine for name, _ in request.headers})
    calls, values = st.sampled_from(genuine), st.text(max_size=80) | noise().map(lambda raw: raw.decode("latin-1"))
    ways = list[st.SearchStrategy[ReportRequest]]()
    if names:
        ways.append(st.builds(_with_header, calls, st.sampled_from(names), values, doubled=st.booleans()))
    if table.has_token:
        ways.append(st.builds(lambda call, token: msgspec.structs.replace(call, token=token), calls, values))
    if table.proves_content or not ways:
        field = "query" if table.reports_as is ReportsAs.QUERY else "body"
        contents = values if field == "query" else noise()
        ways.append(st.builds(lambda call, said: msgspec.structs.replace(call, **{field: said}), calls, contents))
    return st.one_of(ways)


def _with_header(call: ReportRequest, name: str, value: str, *, doubled: bool) -> ReportRequest:
    kept = call.headers if doubled else [each for each in call.headers if each[0] != name]
    return msgspec.structs.replace(call, headers=(*kept, (name, value)))


@pytest.mark.fault("F50", "I13")
@pytest.mark.parametrize("kind", TABLES)
def test_a_forged_report_is_never_read(kind: str) -> None:
    """Bodies that nobody signed, and signatures that were tampered with."""
    table = TABLES[kind]
    provider = open_one(kind, table.options, fetching(table.fetches))

    @given(forged=tampered(table))
    @looking(200)
    def fuzz(forged: ReportRequest) -> None:
        assert isinstance(read(provider, table, forged), Forged)

    fuzz()


@given(status=STATUSES, wait=WAITS, body=noise())
@looking(500)
def test_a_status_alone_never_accepts(status: int, wait: str, body: bytes) -> None:
    raw = [(b"retry-after", wait.encode())]

    result = by_status(Answer(status, httpx.Headers(raw), body), NOW)

    assert result.outcome is not Outcome.ACCEPTED
    assert timedelta(0) <= (result.retry_after or timedelta(0)) <= timedelta(days=1)
