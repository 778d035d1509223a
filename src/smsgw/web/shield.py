"""What stands before the application: only whole, small, timely requests pass (reliability.md, sections 3.1 and 4)."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from litestar.types import ASGIApp, Receive, Send

from smsgw.core.events import Crashed
from smsgw.core.ports import Clock, Observer
from smsgw.web.errors import standard_body
from smsgw.web.peek import peek

MAX_BODY: Final = 64 * 1024
MAX_URL: Final = 8 * 1024
BODY_SECONDS: Final = 5.0
ASKED: Final = "smsgw.asked"
"""Where in the scope the method stands that was asked for, when another one is carried out."""
_METHODS: Final = {
    # Litestar answers OPTIONS on every route, before authentication; a method that it does not know is a 405.
    "OPTIONS": "NONE",
    # Load balancers ask so whether we are well; the server leaves the body out.
    "HEAD": "GET",
}


class Shield:
    """A pure ASGI wrapper. The application is called once the body is complete, and gets it in one message; a request
    that breaks a rule is answered here, with the connection closed behind it, and one whose client left is dropped."""

    def __init__(self, app: ASGIApp, *, observer: Observer, clock: Clock, body_seconds: float = BODY_SECONDS) -> None:
        self._app = app
        self._observer = observer
        self._clock = clock
        self._body_seconds = body_seconds

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # An int is the status to refuse with, None a client that is gone.
        body = _refusal(scope) or await self._read(receive)
        if isinstance(body, bytes):
            await self._run(scope, _Replay(body, receive), send)
        elif body is not None:
            await self._refuse(body, send)

    async def _read(self, receive: Any) -> bytes | int | None:
        first: Coroutine[Any, Any, Any] = receive()
        message, waiting = peek(first)
        if message is not None and not message.get("more_body"):
            # The usual case, a body that came with its head: no timer, no task.
            return _whole(message)
        try:
            async with asyncio.timeout(self._body_seconds):
                return await _gather(message if waiting is None else await waiting, receive)
        except TimeoutError:
            return 408

    async def _run(self, scope: Any, receive: "_Replay", send: Send) -> None:
        method = _METHODS.get(scope["method"])
        if method is not None:
            scope = {**scope, "method": method, ASKED: scope["method"]}
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001  (the last line of defence: whatever it is, it is a bug)
            self._observer(Crashed(where="http", error=error))
            await self._refuse(500, send)

    async def _refuse(self, status: int, send: Send) -> None:
        body = standard_body(status, self._clock())
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"x-content-type-options", b"nosniff"),
            # Bytes that were not read may follow: this connection cannot carry another request.
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})


class _Replay:
    """The application's `receive`: the body once, then the real disconnect."""

    __slots__ = ("_body", "_receive")

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Any:
        body = self._body
        if body is None:
            return await self._receive()
        self._body = None
        return {"type": "http.request", "body": body, "more_body": False}


def _refusal(scope: Any) -> int:
    """Return the status that the head alone already earns, or 0."""
    raw_path = scope["raw_path"]
    if len(raw_path) + len(scope["query_string"]) > MAX_URL:
        return 414
    if b"%" in raw_path or b"//" in raw_path:
        # No address of ours needs either; the router would undo them, and a proxy's rule for a prefix be walked round.
        return 404
    if scope["http_version"] not in ("1.1", "1.0"):
        return 400
    return _refusal_of_headers(scope)


def _refusal_of_headers(scope: Any) -> int:
    hosts = 0
    for name, value in scope["headers"]:
        if name == b"host":
            hosts += 1
        elif name == b"content-length" and int(value) > MAX_BODY:
            return 413
        elif name == b"content-encoding" and value.strip().lower() != b"identity":
            return 415
        elif name == b"transfer-encoding" and value.strip().lower() != b"chunked":
            # The parser takes `gzip, chunked` for chunked, and the body would be taken for what it is not.
            return 400
    # HTTP/1.0 has no Host, and health probes speak it.
    return 0 if hosts == 1 or (hosts == 0 and scope["http_version"] == "1.0") else 400


def _whole(message: Any) -> bytes | int | None:
    if message["type"] != "http.request":
        return None
    body: bytes = message.get("body", b"")
    return body if len(body) <= MAX_BODY else 413


async def _gather(message: Any, receive: Receive) -> bytes | int | None:
    body = bytearray()
    while message["type"] == "http.request":
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return 413
        if not message.get("more_body"):
            return bytes(body)
        message = await receive()
    return None
