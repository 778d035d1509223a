"""A client that sends exactly the bytes it is given, and reads what comes back."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

DEADLINE = 20.0


@dataclass(frozen=True)
class Answer:
    """One response as it came over the wire."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def error_code(self) -> str:
        """The error code of a common error body; fails for any other body."""
        error = self.json
        assert {"error_code", "message", "timestamp"} <= set(error), error
        assert self.headers["content-type"].startswith("application/json")
        return str(error["error_code"])


class Connection:
    """One TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Write; a server that is gone already is no error here."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except ConnectionError:
            return

    def end(self) -> None:
        """End our side only."""
        self._writer.write_eof()

    async def answer(self) -> Answer | None:
        """Read one response; None when the connection ended instead."""
        async with asyncio.timeout(DEADLINE):
            try:
                head = await self._reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            status_line, *lines = head.decode("latin-1").split("\r\n")[:-2]
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            body = await self._reader.readexactly(int(headers.get("content-length", "0")))
            return Answer(int(status_line.split(" ")[1]), headers, body)

    async def everything(self) -> tuple[bytes, bytes]:
        """Read until the server ends the connection: the first head, and all that follows it."""
        async with asyncio.timeout(DEADLINE):
            head, _, rest = (await self._reader.read()).partition(b"\r\n\r\n")
            return head + b"\r\n", rest

    async def is_ended(self) -> bool:
        """Wait for the server to end the connection."""
        async with asyncio.timeout(DEADLINE):
            try:
                return await self._reader.read() == b""
            except ConnectionError:
                return True

    async def close(self) -> None:
        """Close, whatever state it is in."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return

    def reset(self) -> None:
        """Vanish."""
        self._writer.transport.abort()
