"""Whatever a vendor answers or reports: never a raise, never an acceptance out of garbage, never more than a row holds.

Every adapter that the registry finds is fuzzed, from the documents of its own table (`tests/providers/cases`).
"""

import asyncio
import importlib
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Forged, Provider, ReportRequest, Unreadable
from smsgw.providers.reading import Answer, by_status
from smsgw.providers.registry import kinds
from tests.fuzz.spoiling import looking, noise, spoiled
from tests.providers.opening import NOW, answering, failing, open_one
from tests.providers.tables import REFERENCE, SUBMIT, Reply, ReportCase, Table, tables

TABLES = tables()
ONLINE = [kind for kind in kinds() if not TABLES[kind].is_offline]
REPORTING = [kind for kind in kinds() if any(not case.refused for case in TABLES[kind].reports)]
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


def answering_with(kind: str, status: int, headers: dict[str, str], body: bytes) -> Provider:
    """Return the provider whose vendor answers so."""
    raw = [(name.encode(), value.encode("latin-1", "replace")) for name, value in headers.items()]
    return open_one(kind, TABLES[kind].options, answering(lambda _: httpx.Response(status, headers=raw, content=body)))


def is_said(message_id: str | None, body: bytes) -> bool:
    """Whether the answer is a JSON document that does name this id."""
    try:
        return message_id is not None and json.dumps(message_id) in json.dumps(json.loads(body))
    except ValueError:
        return False


@pytest.mark.fault("F35", "I3 I13")
@pytest.mark.parametrize("kind", ONLINE)
def test_no_answer_is_taken_for_more_than_it_says(kind: str) -> None:
    table = TABLES[kind]

    @given(status=STATUSES, wait=st.none() | WAITS, body=answers_of(table))
    @looking(1500)
    def fuzz(status: int, wait: str | None, body: bytes) -> None:
        provider = answering_with(kind, status, {"retry-after": wait} if wait else {}, body)

        result = asyncio.run(provider.send(SUBMIT))

        if result.outcome is Outcome.ACCEPTED:
            assert 200 <= status < 300
            assert is_said(result.provider_message_id, body)
        assert len(result.provider_message_id or "") <= 128
        assert len(result.detail or "") <= 200
        assert not any(secret in (result.detail or "") for secret in (*table.secrets, SUBMIT.text, SUBMIT.to))
        assert timedelta(0) <= (result.retry_after or timedelta(0)) <= timedelta(days=1)

    fuzz()


@pytest.mark.parametrize("kind", [kind for kind in ONLINE if TABLES[kind].look_up])
def test_no_look_up_finds_what_is_not_there(kind: str) -> None:
    @given(status=STATUSES, body=answers_of(TABLES[kind]))
    @looking(1000)
    def fuzz(status: int, body: bytes) -> None:
        result = asyncio.run(answering_with(kind, status, {}, body).look_up(REFERENCE))

        if result.answer is LookUp.FOUND:
            assert 200 <= status < 300
            assert is_said(result.provider_message_id, body)
        assert result.answer is not LookUp.ABSENT or status not in range(500, 600)
        assert len(result.provider_message_id or "") <= 128
        assert len(result.detail or "") <= 200

    fuzz()


def signer(kind: str) -> Callable[[bytes], ReportRequest]:
    """Return how this vendor signs a body: `signed` of its table's module, which every vendor that reports needs."""
    made: Callable[[bytes], ReportRequest] = importlib.import_module(f"tests.providers.cases.{kind}").signed
    return made


def reports_of(table: Table) -> list[ReportCase]:
    """Return the reports of a table that are authentic and readable."""
    return [case for case in table.reports if not case.refused]


@pytest.mark.fault("F50", "I13")
@pytest.mark.parametrize("kind", REPORTING)
def test_an_authentic_report_is_read_or_unreadable(kind: str) -> None:
    table, sign = TABLES[kind], signer(kind)
    provider = open_one(kind, table.options, failing(AssertionError("nothing may be sent here")))

    @given(body=spoiled([json.loads(case.request.body) for case in reports_of(table)]))
    @looking(3000)
    def fuzz(body: bytes) -> None:
        read = provider.read_report(sign(body))

        assert not isinstance(read, Forged)
        if not isinstance(read, Unreadable):
            assert len(read) <= len(body)
            assert all(map(is_bounded, read))

    fuzz()


def is_bounded(report: DeliveryReport) -> bool:
    """Whether a report names something, in words that a row and a log line can hold."""
    words = [report.provider_message_id, report.reference, report.error_code]
    is_storable = all(
        word is None or (0 < len(word) <= 128 and word.isprintable() and word.isascii()) for word in words
    )
    names_something = bool(report.provider_message_id or report.reference)
    is_utc = report.reported_at is None or report.reported_at.utcoffset() == timedelta(0)
    return is_storable and names_something and is_utc and 0 < len(report.dedupe_key) <= 128


@pytest.mark.fault("F50", "I13")
@pytest.mark.parametrize("kind", kinds())
def test_a_forged_report_is_never_read(kind: str) -> None:
    """Bodies that nobody signed, and signatures that were tampered with."""
    table = TABLES[kind]
    provider = open_one(kind, table.options, failing(AssertionError("nothing may be sent here")))
    genuine = [case.request for case in reports_of(table)] or [ReportRequest(headers=(), body=b"{}")]
    headers = {name for request in genuine for name, _ in request.headers} or {"x-signature"}

    @given(
        request=st.sampled_from(genuine),
        name=st.sampled_from(sorted(headers)),
        value=st.text(max_size=80) | noise().map(lambda raw: raw.decode("latin-1")),
        body=st.none() | noise(),
        doubled=st.booleans(),
    )
    @looking(1500)
    def fuzz(request: ReportRequest, name: str, value: str, body: bytes | None, doubled: bool) -> None:
        kept = request.headers if doubled else [each for each in request.headers if each[0] != name]
        forged = ReportRequest(headers=(*kept, (name, value)), body=request.body if body is None else body)

        assert isinstance(provider.read_report(forged), Forged)

    fuzz()


@given(status=STATUSES, wait=WAITS, body=noise())
@looking(1000)
def test_a_status_alone_never_accepts(status: int, wait: str, body: bytes) -> None:
    raw = [(b"retry-after", wait.encode())]

    result = by_status(Answer(status, httpx.Headers(raw), body), NOW)

    assert result.outcome is not Outcome.ACCEPTED
    assert timedelta(0) <= (result.retry_after or timedelta(0)) <= timedelta(days=1)
