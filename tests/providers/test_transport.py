"""Our transport on real sockets: whatever breaks, is it known whether a byte of the request left?"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, cast

import aiohttp
import httpx
import pytest
import trustme

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.ports import Provider
from smsgw.providers.transport import LOOK_UP_CONNECTIONS, AiohttpTransport, bounded, translated
from tests.providers.certificates import YESTERDAY, server_context
from tests.providers.opening import open_one
from tests.providers.raw_server import ACCEPTED, Visit, raw_server, silent_port
from tests.providers.tables import REFERENCE, SUBMIT

NO_BYTE_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol)
SHORT = timedelta(seconds=1)


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(limit=4)
    yield made
    await made.aclose()


def provider_at(
    port: int, transport: httpx.AsyncBaseTransport, *, scheme: str = "http", timeout: timedelta = timedelta(seconds=10)
) -> Provider:
    options = {"base_url": f"{scheme}://127.0.0.1:{port}", "api_key": "key"}
    return open_one("provider_a", options, transport, timeout=timeout)


# --- before the request ----------------------------------------------------------------------------------------------


async def test_a_refused_connection_is_unreachable(transport: AiohttpTransport) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]

        result = await provider_at(port, transport).send(SUBMIT)

    assert result.outcome is Outcome.UNREACHABLE
    assert result.detail == "ConnectError (ClientConnectorError)"


async def test_a_connect_that_nobody_answers_is_unreachable(transport: AiohttpTransport) -> None:
    with silent_port() as port:
        result = await provider_at(port, transport, timeout=SHORT).send(SUBMIT)

    assert result.outcome is Outcome.UNREACHABLE
    assert result.detail == "ConnectTimeout (ConnectionTimeoutError)"


async def test_a_name_that_does_not_exist_is_unreachable(transport: AiohttpTransport) -> None:
    options = {"base_url": "http://nowhere.invalid", "api_key": "key"}

    result = await open_one("provider_a", options, transport).send(SUBMIT)

    assert result.outcome is Outcome.UNREACHABLE


async def test_a_full_pool_is_unreachable() -> None:
    transport = AiohttpTransport(limit=1)
    room = 1 + LOOK_UP_CONNECTIONS

    async with raw_server(Visit.hang) as server:
        provider = provider_at(server.port, transport, timeout=3 * SHORT)
        results = await asyncio.gather(*(provider.send(SUBMIT) for _ in range(room + 3)))
        await transport.aclose()

    outcomes = [result.outcome for result in results]
    assert outcomes.count(Outcome.UNREACHABLE) == 3
    assert outcomes.count(Outcome.UNKNOWN) == room


async def test_tls_with_a_server_that_speaks_none_is_unreachable(transport: AiohttpTransport) -> None:
    async def plain(visit: Visit) -> None:
        await visit.write(ACCEPTED)
        await visit.hang()

    async with raw_server(plain) as server:
        result = await provider_at(server.port, transport, scheme="https").send(SUBMIT)

    assert result.outcome is Outcome.UNREACHABLE


async def test_a_tls_handshake_that_breaks_off_is_unreachable(transport: AiohttpTransport) -> None:
    async def hang_up(visit: Visit) -> None:
        visit.reset()

    async with raw_server(hang_up) as server:
        result = await provider_at(server.port, transport, scheme="https").send(SUBMIT)

    assert result.outcome is Outcome.UNREACHABLE


async def accept_one(visit: Visit) -> None:
    await visit.request()
    await visit.write(ACCEPTED)
    await visit.hang()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
async def trusting(authority: trustme.CA) -> AsyncIterator[AiohttpTransport]:
    """A transport for which the authority is one of the system's."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    made = AiohttpTransport(verify=context)
    yield made
    await made.aclose()


@pytest.mark.fault("F34", "I3")
async def test_a_certificate_that_nobody_vouches_for_is_unreachable(
    transport: AiohttpTransport, authority: trustme.CA
) -> None:
    async with raw_server(accept_one, tls=server_context(authority)) as server:
        result = await provider_at(server.port, transport, scheme="https").send(SUBMIT)

    assert result.outcome is Outcome.UNREACHABLE
    assert result.detail == "ConnectError (ClientConnectorCertificateError)"
    assert server.requests == []


@pytest.mark.fault("F34", "I3")
@pytest.mark.parametrize("wrong", [{"name": "127.0.0.2"}, {"not_after": YESTERDAY}], ids=["other-name", "expired"])
async def test_a_wrong_certificate_of_a_trusted_authority_is_unreachable(
    trusting: AiohttpTransport, authority: trustme.CA, wrong: dict[str, Any]
) -> None:
    async with raw_server(accept_one, tls=server_context(authority, **wrong)) as server:
        result = await provider_at(server.port, trusting, scheme="https").send(SUBMIT)

    assert result.outcome is Outcome.UNREACHABLE
    assert result.detail == "ConnectError (ClientConnectorCertificateError)"
    assert server.requests == []


@pytest.mark.fault("F39", "I3")
async def test_a_trusted_certificate_serves_and_a_reset_behind_it_is_unknown(
    trusting: AiohttpTransport, authority: trustme.CA
) -> None:
    async def accept_then_reset(visit: Visit) -> None:
        await visit.request()
        await visit.write(ACCEPTED)
        await visit.request()
        visit.reset()

    async with raw_server(accept_then_reset, tls=server_context(authority)) as server:
        provider = provider_at(server.port, trusting, scheme="https")
        first, second = await provider.send(SUBMIT), await provider.send(SUBMIT)

    assert first.outcome is Outcome.ACCEPTED
    assert second.outcome is Outcome.UNKNOWN
    assert len(server.requests) == 2


# --- after it --------------------------------------------------------------------------------------------------------


async def close_unread(visit: Visit) -> None:
    return


async def reset_unread(visit: Visit) -> None:
    visit.reset()


async def close_after_request(visit: Visit) -> None:
    await visit.request()


async def reset_after_request(visit: Visit) -> None:
    await visit.request()
    visit.reset()


async def half_a_head(visit: Visit) -> None:
    await visit.request()
    await visit.write(ACCEPTED[:20])


async def half_a_body(visit: Visit) -> None:
    await visit.request()
    await visit.write(ACCEPTED[:-5])


async def half_a_body_then_reset(visit: Visit) -> None:
    await visit.request()
    await visit.write(ACCEPTED[:-5])
    visit.reset()


async def no_http(visit: Visit) -> None:
    await visit.request()
    await visit.write(b"220 smtp.example.org ESMTP\r\n\r\n")


async def ten_thousand_headers(visit: Visit) -> None:
    await visit.request()
    headers = b"".join(b"x-%d: y\r\n" % number for number in range(10_000))
    await visit.write(ACCEPTED.replace(b"\r\n\r\n", b"\r\n" + headers + b"\r\n"))


async def huge_header(visit: Visit) -> None:
    await visit.request()
    await visit.write(ACCEPTED.replace(b"\r\n\r\n", b"\r\nx-big: " + b"y" * 1_000_000 + b"\r\n\r\n"))


async def endless_body(visit: Visit) -> None:
    await visit.request()
    await visit.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 1073741824\r\n\r\n")
    while True:
        await visit.write(b" " * 65536)


async def gzip_body(visit: Visit) -> None:
    await visit.request()
    await visit.write(ACCEPTED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"))


@pytest.mark.parametrize(
    "script",
    [
        close_unread,
        reset_unread,
        close_after_request,
        reset_after_request,
        half_a_head,
        half_a_body,
        half_a_body_then_reset,
        no_http,
        ten_thousand_headers,
        huge_header,
        endless_body,
        gzip_body,
    ],
)
async def test_whatever_breaks_after_the_connection_is_unknown_and_sent_once(
    transport: AiohttpTransport, script: object
) -> None:
    assert callable(script)

    async with raw_server(script) as server:
        result = await provider_at(server.port, transport).send(SUBMIT)

    assert result.outcome is Outcome.UNKNOWN
    assert server.connections == 1
    assert len(server.requests) <= 1


async def test_an_answer_that_never_comes_is_unknown_at_the_deadline(transport: AiohttpTransport) -> None:
    async with raw_server(Visit.hang) as server:
        result = await provider_at(server.port, transport, timeout=timedelta(milliseconds=200)).send(SUBMIT)

    assert result.outcome is Outcome.UNKNOWN
    assert result.detail == "no answer within 0.2 s"


async def test_an_answer_that_drips_is_unknown_at_the_deadline(transport: AiohttpTransport) -> None:
    async def drip(visit: Visit) -> None:
        await visit.request()
        await visit.write(b"HTTP/1.1 202 Accepted\r\ncontent-length: 100000\r\n\r\n")
        while True:
            await visit.write(b" ")
            await asyncio.sleep(0.01)

    async with raw_server(drip) as server:
        result = await provider_at(server.port, transport, timeout=timedelta(milliseconds=200)).send(SUBMIT)

    assert result.outcome is Outcome.UNKNOWN


@pytest.mark.fault("F39", "I3")
@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_a_reused_connection_that_breaks_is_unknown_and_never_retried(
    transport: AiohttpTransport, ending: str
) -> None:
    async def once(visit: Visit) -> None:
        await visit.request()
        await visit.write(ACCEPTED)
        await visit.request()
        if ending == "reset":
            visit.reset()

    async with raw_server(once) as server:
        provider = provider_at(server.port, transport)
        first, second = await provider.send(SUBMIT), await provider.send(SUBMIT)

    assert first.outcome is Outcome.ACCEPTED
    assert second.outcome is Outcome.UNKNOWN
    assert server.connections == 1
    assert len(server.requests) == 2


async def test_a_look_up_on_a_broken_connection_is_asked_once_more(transport: AiohttpTransport) -> None:
    """aiohttp retries a GET; that is welcome, for a look-up changes nothing."""

    async def once(visit: Visit) -> None:
        await visit.request()
        await visit.write(ACCEPTED)
        await visit.request()

    async with raw_server(once) as server:
        provider = provider_at(server.port, transport)
        await provider.send(SUBMIT)
        result = await provider.look_up(REFERENCE)

    assert result.answer is LookUp.CANNOT_SAY  # 202 is no answer to a look-up
    assert [request[:4] for request in server.requests] == [b"POST", b"GET ", b"GET "]


async def test_connections_are_reused_without_cookies_and_redirects_are_not_followed(
    transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def answer(visit: Visit) -> None:
        await visit.request()
        await visit.write(ACCEPTED.replace(b"\r\n\r\n", b"\r\nset-cookie: a=b; path=/\r\n\r\n"))
        await visit.request()
        await visit.write(b"HTTP/1.1 307 Go\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n")
        await visit.hang()

    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with raw_server(answer) as server:
        provider = provider_at(server.port, transport)
        results = [await provider.send(SUBMIT), await provider.send(SUBMIT)]

    assert [each.outcome for each in results] == [Outcome.ACCEPTED, Outcome.UNKNOWN]
    assert server.connections == 1
    assert len(server.requests) == 2
    assert b"cookie" not in server.requests[1].lower()
    assert server.requests[0].count(b"\r\nuser-agent: smsgw/") == 1


async def test_a_cancelled_call_leaves_no_connection_behind(transport: AiohttpTransport) -> None:
    gone = asyncio.Event()

    async def wait(visit: Visit) -> None:
        await visit.request()
        await visit.hang()
        gone.set()

    async with raw_server(wait) as server:
        call = asyncio.create_task(provider_at(server.port, transport).send(SUBMIT))
        await asyncio.wait_for(server.arrived.wait(), 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(gone.wait(), 5)

    assert gone.is_set()


async def test_an_aiohttp_that_gives_answers_no_bound_is_refused() -> None:
    another = cast("aiohttp.BaseConnector", object())

    with pytest.raises(RuntimeError, match="answers would have no end"):
        bounded(another)


# --- the table -------------------------------------------------------------------------------------------------------


def descendants(kind: type[BaseException]) -> set[type[BaseException]]:
    return {kind, *(found for child in kind.__subclasses__() for found in descendants(child))}


def test_only_what_aiohttp_raises_before_writing_says_that_no_byte_left() -> None:
    """A new class of aiohttp's that is not in this list fails here, and has to be looked at."""
    before = {
        kind.__name__
        for kind in descendants(aiohttp.ClientError)
        if kind.__module__.startswith("aiohttp") and isinstance(translated(kind.__new__(kind)), NO_BYTE_LEFT)  # type: ignore[arg-type]
    }

    assert before == {
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ClientConnectorSSLError",
        "ClientConnectorCertificateError",
        "ClientSSLError",
        "ClientProxyConnectionError",
        "UnixClientConnectorError",
        "ConnectionTimeoutError",
        "InvalidURL",
        "InvalidUrlClientError",
        "InvalidUrlRedirectClientError",
        "NonHttpUrlClientError",
        "NonHttpUrlRedirectClientError",
    }


@pytest.mark.parametrize("error", [aiohttp.ConnectionTimeoutError(), aiohttp.InvalidURL("x")])
def test_the_same_error_in_the_middle_of_an_answer_is_ambiguous(error: Exception) -> None:
    assert not isinstance(translated(error, after_writing=True), NO_BYTE_LEFT)
