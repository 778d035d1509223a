"""What the simulator answers, as the cheapest ASGI application that there is."""

from typing import Any

import msgspec
from litestar.types import Receive, Scope, Send

_JSON = ((b"content-type", b"application/json"),)
_HTML = ((b"content-type", b"text/html; charset=utf-8"),)


class Reply(msgspec.Struct, frozen=True):
    """Status, body and headers; an ASGI application that sends them."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = _JSON

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [*self.headers, (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


def json_reply(status: int, body: Any) -> Reply:
    """Return a JSON answer."""
    return Reply(status, msgspec.json.encode(body))


def refusal(status: int, error_code: str, message: str, *, retry_after: str | None = None) -> Reply:
    """Return a refusal in the form of `provider_a`."""
    headers = (*_JSON, (b"retry-after", retry_after.encode())) if retry_after else _JSON
    return Reply(status, msgspec.json.encode({"error_code": error_code, "message": message}), headers)


GARBAGE = Reply(200, b"<html>It works!", _HTML)
NAMELESS = Reply(200, b'{"accepted":true}')
