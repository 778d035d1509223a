"""Answers that no vendor should give, as scripts to run after the request was read: nobody can know what they mean."""

import asyncio
import gzip
import itertools

from tests.providers.raw_server import ACCEPTED, Script, Visit

_HEAD = b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n"
_CHUNKED = _HEAD + b"transfer-encoding: chunked\r\n\r\n"
_BODY = ACCEPTED.partition(b"\r\n\r\n")[2]
GIGABYTE = 1 << 30
BOMB = gzip.compress(bytes(64 << 20))
"""64 KiB that become 64 MiB."""


def says(status: int, body: bytes = b"", *headers: str) -> Script:
    """Answer with a status and a body, and keep the connection."""
    lines = [f"HTTP/1.1 {status} Said", f"content-length: {len(body)}", *headers, "", ""]
    answer = "\r\n".join(lines).encode() + body

    async def say(visit: Visit) -> None:
        await visit.write(answer)

    return say


def endless(start: bytes, part: bytes, *, pause: float = 0, most: int = GIGABYTE) -> Script:
    """Begin an answer and go on with one part for ever, or for a gigabyte."""

    async def go_on(visit: Visit) -> None:
        await visit.write(start)
        for _ in range(most // len(part)):
            await visit.write(part)
            if pause:
                await asyncio.sleep(pause)
        await visit.hang()

    return go_on


async def _ten_thousand_headers(visit: Visit) -> None:
    headers = b"".join(b"x-%d: y\r\n" % number for number in range(10_000))
    await visit.write(_HEAD + headers + b"content-length: 21\r\n\r\n" + _BODY)


async def _endless_headers(visit: Visit) -> None:
    await visit.write(_HEAD)
    for number in itertools.count():
        await visit.write(b"x-%d: y\r\n" % number * 100)


async def _bomb(visit: Visit) -> None:
    head = b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(BOMB)
    await visit.write(_HEAD + head + BOMB)


async def _bomb_as_transfer_coding(visit: Visit) -> None:
    head = b"transfer-encoding: gzip, chunked\r\n\r\n%x\r\n" % len(BOMB)
    await visit.write(_HEAD + head + BOMB + b"\r\n0\r\n\r\n")


USELESS: dict[str, Script] = {
    "html": says(200, b"<!DOCTYPE html><html><body>Service is being maintained</body></html>"),
    "empty": says(200),
    "no-content": says(204),
    "no-id": says(202, b'{"status": "ok"}'),
    "null-id": says(202, b'{"message_id": null}'),
    "number-for-an-id": says(200, b'{"message_id": 17}'),
    "long-id": says(200, b'{"message_id": "%s"}' % (b"x" * 10_000)),
    "half-an-object": says(200, b'{"message_id": "m-1"'),
    "noise": says(200, bytes(range(256)) * 4),
    "deep": says(200, b"[" * 100_000),
    "redirect": says(307, b"", "location: /elsewhere"),
}
"""A good status, or a redirect, with nothing in it that says what became of the message."""

FAILURES: dict[str, Script] = {
    "500": says(500, b'{"error_code": "INTERNAL"}'),
    "502": says(502, b"<html>Bad Gateway</html>"),
    "503": says(503),
    "504": says(504, b"upstream timed out", "retry-after: 5"),
    "599": says(599),
}
"""A proxy may have passed the message on."""

UNBOUNDED: dict[str, Script] = {
    "drip": endless(_HEAD + b"content-length: 100000\r\n\r\n", b" ", pause=0.25),
    "dripping-head": endless(b"HTTP/1.1 202 Accepted\r\n", b"x-y: z\r\n", pause=0.25),
    "gigabyte": endless(_HEAD + b"content-length: %d\r\n\r\n" % GIGABYTE, b" " * 65536),
    "gigabyte-in-chunks": endless(_CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n"),
    "endless-chunk-extension": endless(_CHUNKED + b"5;x=", b"y" * 65536),
    "endless-trailers": endless(_CHUNKED + b"0\r\n", b"x-y: z\r\n" * 8192),
    "endless-status-line": endless(b"HTTP/1.1 202 ", b"y" * 65536),
    "endless-header": endless(_HEAD + b"x-y: ", b"z" * 65536),
    "endless-headers": _endless_headers,
    "ten-thousand-headers": _ten_thousand_headers,
    "endless-interim-answers": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000),
    "bomb": _bomb,
    "bomb-as-transfer-coding": _bomb_as_transfer_coding,
}
"""More than anybody should read, or slower than anybody should wait."""


async def silence(visit: Visit) -> None:
    """Take the message and never answer."""
    await visit.hang()
