"""A TCP proxy that a test can break in every way that networks break and loopback does not."""

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

from anyio.from_thread import start_blocking_portal

CHUNK = 65536
TICK_SECONDS = 0.05
Part = TypeVar("Part")
Direction = Literal["up", "down"]
"""From the client to the server, and back."""
BOTH: tuple[Direction, ...] = ("up", "down")


class Way:
    """What happens to the bytes of one direction."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.heal()

    def heal(self) -> None:
        """Let everything pass at once."""
        self.delay_seconds = 0.0
        self.bytes_per_second: float | None = None
        self.cut_after: int | None = None
        self.cut_on: bytes | None = None
        self.open.set()

    def admitted(self, data: bytes) -> bytes:
        """Return what may pass before a cut: all of it, or less. The cut is disarmed by the connection that it hits."""
        if self.cut_on is not None and self.cut_on in data:
            self.cut_on = None
            return data[:0]
        if self.cut_after is None:
            return data
        passed = data[: self.cut_after]
        self.cut_after = self.cut_after - len(passed) if len(passed) == len(data) else None
        return passed

    async def carry(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        """Write at the pace of this direction."""
        await asyncio.sleep(self.delay_seconds)
        while data:
            rate = self.bytes_per_second
            size = max(1, int(rate * TICK_SECONDS)) if rate else len(data)
            writer.write(data[:size])
            await writer.drain()
            data = data[size:]
            if rate:
                await asyncio.sleep(size / rate)


class Link:
    """One client's connection and the one to the server that belongs to it."""

    def __init__(self, client: asyncio.StreamWriter, server: asyncio.StreamWriter) -> None:
        self.ends = {"client": client, "server": server}
        self.is_half_open = False

    def reset(self) -> None:
        """End both sides with RST."""
        for writer in self.ends.values():
            reset(writer)

    def lose(self, side: str) -> None:
        """End one side with RST and keep the other."""
        self.is_half_open = True
        reset(self.ends[side])


class Proxy:
    """Forwards every connection to one target. Its methods may be called from any thread; they are done on return."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()
        self._links: set[Link] = set()
        self._ways: dict[Direction, Way] = {"up": Way(), "down": Way()}
        self.port = 0
        self.connections = 0

    def cut(self) -> None:
        """Reset every connection; new ones work."""
        self._apply(Link.reset, self._links)

    def half_open(self, lost: Literal["client", "server"] = "server") -> None:
        """Reset one side of every connection; the other stays open, is read from and hears nothing ever again."""
        self._apply(lambda link: link.lose(lost), self._links)

    def swallow(self, *ways: Direction) -> None:
        """Become a black hole: stop forwarding and reading, on old and new connections, without closing anything."""
        self._to_ways(ways, lambda way: way.open.clear())

    def delay(self, seconds: float, *ways: Direction) -> None:
        """Hold every piece back so long."""
        self._to_ways(ways, lambda way: setattr(way, "delay_seconds", seconds))

    def throttle(self, bytes_per_second: float, *ways: Direction) -> None:
        """Let each connection have no more than this."""
        self._to_ways(ways, lambda way: setattr(way, "bytes_per_second", bytes_per_second))

    def cut_after(self, count: int, way: Direction) -> None:
        """Let so many bytes pass from now on, and reset the connection that brings the next one; once."""
        self._to_ways((way,), lambda each: setattr(each, "cut_after", count))

    def cut_on(self, pattern: bytes, way: Direction) -> None:
        """Reset the connection that brings a piece with this in it, which does not pass; once."""
        self._to_ways((way,), lambda each: setattr(each, "cut_on", pattern))

    def heal(self) -> None:
        """Forward again, what was held back first. What is half open stays so."""
        self._apply(Way.heal, self._ways.values())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection both ways until both sides end, or one is reset."""
        self.connections += 1
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            return reset(writer)
        link = Link(writer, far_writer)
        self._links.add(link)
        up = self._pump(self._ways["up"], link, reader, far_writer)
        try:
            await asyncio.gather(up, self._pump(self._ways["down"], link, far_reader, writer))
        except OSError:
            link.reset()
        finally:
            self._links.discard(link)
            writer.close()
            far_writer.close()

    async def _pump(self, way: Way, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(CHUNK):
            await way.open.wait()
            if link.is_half_open:
                continue
            passed = way.admitted(data)
            await way.carry(passed, writer)
            if len(passed) < len(data):
                raise ConnectionResetError
        await way.open.wait()
        if not link.is_half_open:
            writer.write_eof()

    def _to_ways(self, names: tuple[Direction, ...], change: Callable[[Way], None]) -> None:
        self._apply(change, [self._ways[name] for name in names or BOTH])

    def _apply(self, act: Callable[[Part], None], parts: Iterable[Part]) -> None:
        def act_on_all() -> None:
            for part in tuple(parts):
                act(part)

        async def on_loop() -> None:
            act_on_all()

        if threading.get_ident() == self._thread:
            act_on_all()
        else:
            asyncio.run_coroutine_threadsafe(on_loop(), self._loop).result()


def reset(writer: asyncio.StreamWriter) -> None:
    """End a connection with RST."""
    if not writer.transport.is_closing():
        raw = writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()


@asynccontextmanager
async def proxied(url: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy before the server of `url`, and the URL that leads through it."""
    parts = urlsplit(url)
    proxy = Proxy(parts.hostname or "127.0.0.1", parts.port or 0)
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(proxy.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    user, at, _ = parts.netloc.rpartition("@")
    try:
        yield proxy, urlunsplit(parts._replace(netloc=f"{user}{at}127.0.0.1:{proxy.port}"))
    finally:
        server.close()
        for task in tuple(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


@contextmanager
def proxy_thread(url: str) -> Iterator[tuple[Proxy, str]]:
    """`proxied` for a caller without an event loop; it runs in a thread of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(proxied(url)) as proxy_and_url:
        yield proxy_and_url
