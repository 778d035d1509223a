"""The storm: whatever a vendor or the network does, every provider answers with the right value, without secrets."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import msgspec
import pytest

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.ports import Forged, ReportRequest
from smsgw.providers.base import MAX_ANSWER
from tests.providers.opening import NOW, Stream, answering, failing, open_one
from tests.providers.tables import REFERENCE, SUBMIT, Table, tables

TABLES = tables()
ONLINE = [kind for kind, table in TABLES.items() if table.is_online]
HTML = b"<!DOCTYPE html><html><body>Service is being maintained</body></html>"
HTTP_DATE = "Sun, 01 Mar 2026 12:00:30 GMT"
PAST_DATE = "Sun, 01 Mar 2026 11:00:00 GMT"

STATUSES = [
    # status, Retry-After, outcome, seconds to wait
    (429, None, Outcome.THROTTLED, None),
    (429, "5", Outcome.THROTTLED, 5),
    (429, "-1", Outcome.THROTTLED, None),
    (429, "soon", Outcome.THROTTLED, None),
    (429, "999999999", Outcome.THROTTLED, 86400),
    (503, "5", Outcome.THROTTLED, 5),
    (503, "0", Outcome.THROTTLED, 0),
    (503, "86400", Outcome.THROTTLED, 86400),
    (503, HTTP_DATE, Outcome.THROTTLED, 30),
    (503, PAST_DATE, Outcome.THROTTLED, 0),
    (503, "Fri, 31 Dec 9999 23:59:59 GMT", Outcome.THROTTLED, 86400),
    # Who says when to come again did not take it, however badly it is said.
    (503, "-1", Outcome.THROTTLED, None),
    (503, "1.5", Outcome.THROTTLED, None),
    (503, "garbage garbage garbage", Outcome.THROTTLED, None),
    (503, "9" * 5000, Outcome.THROTTLED, None),
    (503, " ", Outcome.UNKNOWN, None),
    (503, None, Outcome.UNKNOWN, None),
    (500, None, Outcome.UNKNOWN, None),
    (500, "5", Outcome.UNKNOWN, None),
    (502, None, Outcome.UNKNOWN, None),
    (504, None, Outcome.UNKNOWN, None),
    (301, None, Outcome.UNKNOWN, None),
    (302, None, Outcome.UNKNOWN, None),
    (307, None, Outcome.UNKNOWN, None),
    (401, None, Outcome.CREDENTIALS, None),
    (402, "60", Outcome.CREDENTIALS, None),
    (403, None, Outcome.CREDENTIALS, None),
    (404, None, Outcome.REJECTED, None),
    (418, None, Outcome.REJECTED, None),
    (600, None, Outcome.UNKNOWN, None),
]
ERRORS = [
    (httpx.ConnectError("refused"), Outcome.UNREACHABLE),
    (httpx.ConnectTimeout(""), Outcome.UNREACHABLE),
    (httpx.PoolTimeout(""), Outcome.UNREACHABLE),
    (httpx.ReadTimeout(""), Outcome.UNKNOWN),
    (httpx.WriteTimeout(""), Outcome.UNKNOWN),
    (httpx.ReadError("reset"), Outcome.UNKNOWN),
    (httpx.WriteError("reset"), Outcome.UNKNOWN),
    (httpx.CloseError(""), Outcome.UNKNOWN),
    (httpx.RemoteProtocolError("disconnected"), Outcome.UNKNOWN),
    (httpx.LocalProtocolError(""), Outcome.UNKNOWN),
    (httpx.ProxyError(""), Outcome.UNKNOWN),
    (TimeoutError(), Outcome.UNKNOWN),
]
BODIES = [
    b"",
    b"null",
    b"{",
    b"[]",
    b'""',
    b"\xff\xfe",
    b"\x00" * 100,
    HTML,
    b"[" * 100_000,
    b'{"a":' * 10_000,
    b"1" * 5000,
]


def private(table: Table) -> list[str]:
    """Return what may stand in no result."""
    return [*table.secrets, SUBMIT.text, SUBMIT.to, SUBMIT.to.lstrip("+"), "987654"]


def assert_nothing_private(table: Table, result: msgspec.Struct) -> None:
    """Look for secrets, the text and the number."""
    assert [each for each in private(table) if each in repr(result)] == []


@pytest.mark.parametrize("kind", ONLINE)
@pytest.mark.parametrize("body", [b"", HTML], ids=["empty", "html"])
@pytest.mark.parametrize(("status", "wait", "outcome", "seconds"), STATUSES)
async def test_statuses(
    kind: str, body: bytes, status: int, wait: str | None, outcome: Outcome, seconds: float | None
) -> None:
    headers = {"retry-after": wait} if wait else {}
    provider = open_one(
        kind, TABLES[kind].options, answering(lambda _: httpx.Response(status, headers=headers, content=body))
    )

    result = await provider.send(SUBMIT)

    outcome = TABLES[kind].statuses.get(status, outcome)
    seconds = seconds if outcome is Outcome.THROTTLED else None
    assert result.outcome is outcome
    assert seconds == (None if result.retry_after is None else result.retry_after.total_seconds())
    assert str(status) in (result.detail or "")


@pytest.mark.parametrize("kind", ONLINE)
@pytest.mark.parametrize("body", [b"", HTML], ids=["empty", "html"])
@pytest.mark.parametrize("status", [200, 204])
async def test_a_good_status_alone_is_enough_only_where_the_vendor_says_so(kind: str, body: bytes, status: int) -> None:
    provider = open_one(kind, TABLES[kind].options, answering(lambda _: httpx.Response(status, content=body)))

    result = await provider.send(SUBMIT)

    assert result.outcome is TABLES[kind].spoiled
    assert result.retry_after is None
    assert str(status) in (result.detail or "")


@pytest.mark.parametrize("kind", ONLINE)
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:12]))
async def test_garbage_with_a_good_status_is_unknown(kind: str, body: bytes) -> None:
    provider = open_one(kind, TABLES[kind].options, answering(lambda _: httpx.Response(200, content=body)))

    result = await provider.send(SUBMIT)
    looked_up = await provider.look_up(REFERENCE)

    assert result.outcome is TABLES[kind].spoiled
    assert looked_up.answer is (LookUp.ABSENT if body == TABLES[kind].absent else LookUp.CANNOT_SAY)


@pytest.mark.parametrize("kind", ONLINE)
@pytest.mark.parametrize(("error", "outcome"), ERRORS, ids=lambda value: repr(value))
async def test_transport_errors(kind: str, error: Exception, outcome: Outcome) -> None:
    table = TABLES[kind]
    provider = open_one(kind, table.options, failing(error))

    result = await provider.send(SUBMIT)
    looked_up = await provider.look_up(REFERENCE)

    assert result.outcome is outcome
    assert result.detail
    assert looked_up.answer is LookUp.CANNOT_SAY
    assert_nothing_private(table, result)


@pytest.mark.parametrize("kind", ONLINE)
async def test_a_failure_that_quotes_the_request_is_not_quoted(kind: str) -> None:
    table = TABLES[kind]
    error = httpx.ReadError(" ".join(private(table)))

    result = await open_one(kind, table.options, failing(error)).send(SUBMIT)

    assert_nothing_private(table, result)


@pytest.mark.parametrize("kind", ONLINE)
@pytest.mark.parametrize("status", [400, 401, 429, 500])
@pytest.mark.parametrize("field", ["error_code", "code", "error", "message", "status", "errors"])
async def test_a_vendor_that_echoes_everything_is_not_quoted(kind: str, status: int, field: str) -> None:
    table = TABLES[kind]

    for echo in private(table):
        body = msgspec.json.encode({field: echo})
        result = await open_one(
            kind,
            table.options,
            answering(lambda _, body=body: httpx.Response(status, content=body)),  # type: ignore[misc]
        ).send(SUBMIT)
        assert_nothing_private(table, result)


@pytest.mark.parametrize("kind", ONLINE)
async def test_an_answer_over_the_cap_is_read_no_further_and_closed(kind: str) -> None:
    body = Stream(b" " * 65536, 16_384)
    provider = open_one(kind, TABLES[kind].options, answering(lambda _: httpx.Response(202, stream=body)))

    result = await provider.send(SUBMIT)

    assert result.outcome is TABLES[kind].spoiled
    assert body.is_closed
    assert body.taken <= MAX_ANSWER + 65536


@pytest.mark.parametrize("kind", ONLINE)
async def test_an_answer_that_breaks_off_is_unknown(kind: str) -> None:
    table = TABLES[kind]
    assert table.accepted
    body = Stream(table.accepted.content, 1, error=httpx.ReadError("reset"))
    provider = open_one(kind, table.options, answering(lambda _: httpx.Response(202, stream=body)))

    result = await provider.send(SUBMIT)

    assert result.outcome is TABLES[kind].spoiled
    assert body.is_closed


@pytest.mark.parametrize("kind", ONLINE)
@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "identity, gzip"])
async def test_a_compressed_answer_is_unknown(kind: str, encoding: str) -> None:
    table = TABLES[kind]
    assert table.accepted
    body = Stream(table.accepted.content, 1)
    response = httpx.Response(202, headers={"content-encoding": encoding}, stream=body)
    provider = open_one(kind, table.options, answering(lambda _: response))

    result = await provider.send(SUBMIT)

    assert result.outcome is TABLES[kind].spoiled
    assert body.is_closed


@pytest.mark.parametrize("kind", ONLINE)
async def test_ten_thousand_headers_change_nothing(kind: str) -> None:
    table = TABLES[kind]
    assert table.accepted
    reply = table.accepted
    headers = [(f"x-{number}", "y" * 20) for number in range(10_000)]
    transport = answering(lambda _: httpx.Response(reply.status, headers=headers, content=reply.content))

    result = await open_one(kind, table.options, transport).send(SUBMIT)

    assert result.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("kind", ONLINE)
async def test_the_whole_call_has_a_deadline(kind: str) -> None:
    provider = open_one(kind, TABLES[kind].options, Endless(), timeout=timedelta(milliseconds=50))

    result = await provider.send(SUBMIT)

    assert result.outcome is TABLES[kind].spoiled
    assert result.detail == ("HTTP 202, no message id" if TABLES[kind].accepts_any_2xx else "no answer within 0.05 s")


BODIES_OF_REPORTS = [
    b"{}",
    b"",
    b"\xff",
    b"[" * 100_000,
    b'{"status": "delivered", "message_id": "m-1"}',
    b"status=delivered&message_id=m-1",
    b"&" * 1000,
]
HEADERS_OF_REPORTS = [
    (),
    (("x-signature", "0" * 64),),
    (("authorization", "Bearer x"),),
    (("authorization", "Basic eDp4"),),
]


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("token", ["", "0" * 48, "\udcff\u00e9", "../" * 20])
@pytest.mark.parametrize("headers", HEADERS_OF_REPORTS)
async def test_a_forged_report_is_forged(
    kind: str, headers: tuple[tuple[str, str], ...], token: str, method: str
) -> None:
    provider = open_one(kind, TABLES[kind].options, failing(AssertionError()))

    for body in BODIES_OF_REPORTS:
        query = body.decode("latin-1") if method == "GET" else ""
        request = ReportRequest(
            received_at=NOW, headers=headers, body=body, method=method, query=query, token=token, peer="192.0.2.1"
        )
        assert isinstance(await provider.read_report(request), Forged)


class Endless(httpx.AsyncBaseTransport):
    """Answers at once, and goes on answering."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(202, stream=_Drip())


class _Drip(Stream):
    def __init__(self) -> None:
        super().__init__(b" ", 0)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.005)
