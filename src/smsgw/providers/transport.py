"""httpx's transport interface over aiohttp, with the one distinction that matters: did a byte of the request leave?

Why not httpx-aiohttp's: docs/decisions/0002-provider-http-transport.md.
"""

import asyncio
import functools
import ssl
from collections.abc import AsyncIterator, Awaitable
from typing import Any

import aiohttp
import httpx
from aiohttp import ClientTimeout
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection

from smsgw import failpoints
from smsgw.providers.resolver import Resolver

KEEPALIVE_SECONDS = 4.0
"""Shorter than the 5 s that Apache, Node.js and uvicorn keep idle connections for, so that one is rarely closed under a
request."""
MAX_RECEIVED = 512 * 1024
"""Bytes that one answer may have on the wire: whatever is no body (interim answers, the framing of chunks) has no other
end than the deadline, and costs as much."""
LOOK_UP_CONNECTIONS = 200
_SKIPPED = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")

BEFORE_THE_REQUEST: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    # Waiting for a free connection, DNS, TCP and TLS have one deadline between them.
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    # DNS, refused, unreachable, TLS handshake, certificate. Its parent, ClientOSError, is also a reset after writing.
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
)
"""What aiohttp raises before the first byte is written, and at no other time."""
AMBIGUOUS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
    (aiohttp.ClientError, httpx.ReadError),
    (OSError, httpx.ReadError),
)
"""Everything else: the vendor may have the request."""
_FOREIGN = (aiohttp.ClientError, OSError, TimeoutError)


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Raises ConnectError, ConnectTimeout or UnsupportedProtocol only when no byte of the request left, ReadError,
    ReadTimeout or RemoteProtocolError whenever one may have.

    No proxies, cookies, redirects, retries of a POST or decompression. A request with the extension `once` is never
    written a second time, whatever its method. Of a request's `timeout` extension, `connect` covers waiting for a free
    connection, DNS, TCP and TLS together.
    """

    def __init__(self, *, limit: int = 200, verify: ssl.SSLContext | None = None) -> None:
        """Allow `limit` sends at a time, and some look-ups beside them."""
        self._limit = limit + LOOK_UP_CONNECTIONS
        self._verify = verify
        self._session: aiohttp.ClientSession | None = None
        self._once: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send the request and return the answer's head; its stream reads the body as it came."""
        session = self._session or self._open()
        if request.method != "POST" and request.extensions.get("once"):
            session = self._once or self._open_once(session)
        timeout = request.extensions.get("timeout", {})
        try:
            response = await session.request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=request.content or None,
                allow_redirects=False,
                timeout=ClientTimeout(connect=timeout.get("connect"), sock_read=timeout.get("read")),
            )
        except _FOREIGN as error:
            raise translated(error) from error
        answer = httpx.Response(response.status, headers=response.raw_headers, stream=_Body(response))
        # Else httpx finds out anew, at every look, which encoding all of the headers have.
        answer.headers.encoding = "latin-1"
        return answer

    async def aclose(self) -> None:
        """Close every connection."""
        for session in (self._once, self._session):
            if session is not None:
                await session.close()

    def _open_once(self, beside: aiohttp.ClientSession) -> aiohttp.ClientSession:
        """Return a session over the same connections that writes every request once: aiohttp takes a GET or PUT for
        harmless, and sends it again when a connection breaks. Raises RuntimeError when this aiohttp has no way to."""
        if not hasattr(beside, "_retry_connection"):
            raise RuntimeError(f"aiohttp {aiohttp.__version__} cannot be kept from sending a GET twice")
        self._once = self._new_session(beside.connector)
        self._once._retry_connection = False
        return self._once

    def _open(self) -> aiohttp.ClientSession:
        # Not in __init__: a session belongs to the loop that is running.
        connector = aiohttp.TCPConnector(
            limit=self._limit,
            keepalive_timeout=KEEPALIVE_SECONDS,
            ssl=self._verify or True,
            resolver=Resolver(),
        )
        self._session = self._new_session(bounded(connector))
        return self._session

    def _new_session(self, connector: aiohttp.BaseConnector | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            connector_owner=self._session is None,
            response_class=_Response,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            skip_auto_headers=_SKIPPED,
            timeout=ClientTimeout(),
        )


def bounded(connector: aiohttp.BaseConnector) -> aiohttp.BaseConnector:
    """Let a connector's connections hang up on endless answers; raises RuntimeError when this aiohttp has no way to."""
    if not hasattr(connector, "_factory"):
        raise RuntimeError(f"aiohttp {aiohttp.__version__} makes its connections otherwise: answers would have no end")
    protocol: type[ResponseHandler] = _Bounded
    connector._factory = functools.partial(protocol, loop=asyncio.get_running_loop())
    return connector


class _Response(aiohttp.ClientResponse):
    """An answer that is begun to be read when its request is written."""

    def start(self, connection: Connection) -> Awaitable[aiohttp.ClientResponse]:  # type: ignore[override]
        """Read the head of the answer."""
        return failpoints.under_way("W5", super().start(connection))


class _Bounded(ResponseHandler):
    """A connection that hangs up on an answer of more than MAX_RECEIVED bytes."""

    _received = 0

    def set_response_params(self, **params: Any) -> None:
        """Begin a request."""
        self._received = 0
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take what came from the socket."""
        self._received += len(data)
        if self._received <= MAX_RECEIVED:
            super().data_received(data)
        elif self.transport is not None:
            self.transport.abort()


class _Body(httpx.AsyncByteStream):
    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._response.content.iter_any():
                yield part
        except _FOREIGN as error:
            # The answer had begun, so the request was there.
            raise translated(error, after_writing=True) from error

    async def aclose(self) -> None:
        # An answer read to its end has given its connection back already; any other one must not be used again.
        self._response.close()


def translated(error: Exception, *, after_writing: bool = False) -> httpx.TransportError:
    """Return httpx's word for a failure of aiohttp, without its text, which may hold the address."""
    table = AMBIGUOUS if after_writing else (*BEFORE_THE_REQUEST, *AMBIGUOUS)
    kind = next((theirs for ours, theirs in table if isinstance(error, ours)), httpx.ReadError)
    return kind(type(error).__name__)
