"""Vendors that sign nothing: addresses that follow from options, a key that is a part of one and stands nowhere else;
no token, no belief."""

import logging
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import httpx
import pytest

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.ports import Forged, ReportRequest
from smsgw.providers.kavenegar import Config, Kavenegar
from smsgw.providers.redaction import Redactor
from smsgw.providers.transport import AiohttpTransport
from tests.providers.cases import africastalking, bulksms, kavenegar
from tests.providers.opening import NOW, answering, failing, open_one
from tests.providers.raw_server import Visit, raw_server
from tests.providers.tables import REFERENCE, SUBMIT, SUBMIT_WITHOUT_SENDER

PLUS_KEY = "AbC+d=12-345678-secret"


async def request_of(kind: str, options: dict[str, Any]) -> httpx.Request:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(500)

    await open_one(kind, options, answering(answer)).send(SUBMIT_WITHOUT_SENDER)
    return seen[0]


async def test_the_sandbox_has_an_address_of_its_own_and_no_sender() -> None:
    options = {"username": "sandbox", "api_key": africastalking.API_KEY, "enqueue": True}

    request = await request_of("africastalking", options)

    assert str(request.url) == "https://api.sandbox.africastalking.com/version1/messaging"
    assert dict(parse_qsl(request.content.decode())) == {**africastalking.FORM, "username": "sandbox", "enqueue": "1"}


async def test_a_key_is_escaped_in_the_address_and_the_account_chooses_the_line() -> None:
    request = await request_of("kavenegar", {"api_key": "AbC+d=12-345", "base_url": "http://127.0.0.1:9100/"})

    assert str(request.url) == "http://127.0.0.1:9100/v1/AbC%2Bd%3D12-345/sms/send.json"
    assert dict(parse_qsl(request.content.decode())) == kavenegar.FORM


@pytest.mark.parametrize(
    ("kind", "options", "call"),
    [
        (
            "africastalking",
            {"username": "u", "api_key": "k"},
            africastalking.signed(urlencode(africastalking.REPORT).encode()),
        ),
        ("kavenegar", {"api_key": kavenegar.API_KEY}, kavenegar.signed(urlencode(kavenegar.REPORT).encode())),
        ("bulksms", {"token_id": "i", "token_secret": "s"}, bulksms.signed(b"[]")),
    ],
)
async def test_without_a_token_no_report_is_believed(kind: str, options: dict[str, Any], call: ReportRequest) -> None:
    provider = open_one(kind, options, failing(AssertionError("nothing may be sent here")))

    empty = ReportRequest(received_at=NOW, headers=(), body=call.body, query=call.query)
    assert isinstance(await provider.read_report(call), Forged)
    assert isinstance(await provider.read_report(empty), Forged)


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(limit=4)
    yield made
    await made.aclose()


@pytest.mark.parametrize("ending", ["refused", "reset", "garbage", "broken", "echo"])
async def test_a_key_in_the_address_is_in_no_result_and_no_log(
    transport: AiohttpTransport, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    caplog.set_level(logging.NOTSET)

    async def answer(visit: Visit) -> None:
        request = await visit.request()
        line = request.split(b"\r\n")[0]
        bodies = {"garbage": b"<html>", "broken": b"", "echo": b'{"return":{"status":403,"message":"%s"}}' % line}
        if ending == "reset":
            visit.reset()
            return
        body = bodies[ending]
        length = len(body) + (5 if ending == "broken" else 0)
        await visit.write(b"HTTP/1.1 403 %b\r\ncontent-length: %d\r\n\r\n%b" % (line, length, body))

    async with raw_server(answer) as server:
        port = 1 if ending == "refused" else server.port
        options = {"api_key": PLUS_KEY, "base_url": f"http://127.0.0.1:{port}"}
        provider = open_one("kavenegar", options, transport)
        sent, looked_up = await provider.send(SUBMIT), await provider.look_up(REFERENCE)

    told = f"{sent!r}{looked_up!r}{caplog.text}"
    assert sent.outcome is not Outcome.ACCEPTED
    assert looked_up.answer is LookUp.CANNOT_SAY
    assert [each for each in (PLUS_KEY, quote(PLUS_KEY, safe=""), "12-345678-secret") if each in told] == []


def test_a_key_in_the_address_is_not_shown_with_the_request_or_the_options() -> None:
    config = Config(api_key=PLUS_KEY, webhook_token="a-token-of-the-address")
    adapter = Kavenegar(config)

    shown = Redactor(adapter.secrets()).request(adapter.build_request(SUBMIT))

    assert shown.url == "https://api.kavenegar.com/v1/***/sms/send.json"
    assert "12-345678" not in f"{config!r}{shown!r}"
    assert "a-token" not in repr(config)
