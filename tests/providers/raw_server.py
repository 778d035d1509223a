"""A server without manners: what it does with a connection is a script, and it counts what reached it."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

ACCEPTED = b'HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{"message_id": "m-1"}'
Script = Callable[["Visit"], Awaitable[None]]


class Visit:
    """One connection: read whole requests, write bytes, end it politely or with a reset."""

    def __init__(self, server: "RawServer", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Read one whole request and count it."""
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        whole = head + await self._reader.readexactly(length)
        self._server.requests.append(whole)
        self._server.arrived.set()
        return whole

    async def some(self) -> bytes:
        """Read whatever comes next; nothing when the other side is gone."""
        return await self._reader.read(65536)

    async def write(self, data: bytes) -> None:
        """Write, as fast as the other side reads."""
        self._writer.write(data)
        await self._writer.drain()
        self._server.written += len(data)

    async def hang(self) -> None:
        """Do nothing until the other side goes."""
        while await self._reader.read(65536):
            continue

    def reset(self) -> None:
        """End the connection with a RST."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


class RawServer:
    """Runs one script per connection on a free loopback port."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.requests: list[bytes] = []
        self.connections = 0
        self.written = 0
        self.arrived = asyncio.Event()
        self.port = 0
        self._ended = asyncio.Condition()
        self._endings = 0

    async def all_ended(self) -> None:
        """Wait until every connection so far is closed on this side."""
        async with self._ended:
            await self._ended.wait_for(lambda: self._endings == self.connections)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._script(Visit(self, reader, writer))
            writer.close()
            await _closed(writer)
        finally:
            # The test is over before the script is.
            writer.transport.abort()
            await _closed(writer)
            self._endings += 1
            async with self._ended:
                self._ended.notify_all()


async def _closed(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        await writer.wait_closed()


@contextlib.asynccontextmanager
async def raw_server(script: Script, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Give a running server; every connection is gone at the end."""
    state = RawServer(script)
    tasks: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(state.handle(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    state.port = server.sockets[0].getsockname()[1]
    try:
        yield state
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@contextlib.contextmanager
def silent_port() -> Iterator[int]:
    """Give a port whose queue of connections is full: the kernel drops every further SYN."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]
