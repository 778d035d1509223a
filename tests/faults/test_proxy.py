"""The fault proxy does what it says, for each way in which a network can break."""

import asyncio
import socket
import socketserver
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest

from tests.faults.proxy import Proxy, proxied, proxy_thread

SECONDS = 10


class Line(NamedTuple):
    """A connection through the proxy, seen from both of its ends."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server_reader: asyncio.StreamReader
    server_writer: asyncio.StreamWriter

    async def up(self, data: bytes) -> None:
        """Send from the client and wait until the server has it."""
        self.writer.write(data)
        assert await asyncio.wait_for(self.server_reader.readexactly(len(data)), SECONDS) == data

    async def down(self, data: bytes) -> None:
        """Send from the server and wait until the client has it."""
        self.server_writer.write(data)
        assert await asyncio.wait_for(self.reader.readexactly(len(data)), SECONDS) == data


@asynccontextmanager
async def _line(
    proxy: Proxy, arrivals: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"
) -> AsyncIterator[Line]:
    client = await asyncio.open_connection("127.0.0.1", proxy.port)
    server = await asyncio.wait_for(arrivals.get(), SECONDS)
    try:
        yield Line(*client, *server)
    finally:
        client[1].close()
        server[1].close()


class World(NamedTuple):
    """A server that a test plays, the proxy before it and one connection."""

    proxy: Proxy
    arrivals: "asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]"
    line: Line


@pytest.fixture
async def world() -> AsyncIterator[World]:
    arrivals: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    server = await asyncio.start_server(lambda *ends: arrivals.put_nowait(ends), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with proxied(f"tcp://127.0.0.1:{port}") as (proxy, _), _line(proxy, arrivals) as line:
        yield World(proxy, arrivals, line)
    server.close()
    await server.wait_closed()


async def _is_reset(reader: asyncio.StreamReader) -> bool:
    """Wait for the end of a connection and say whether it was RST."""
    try:
        return await asyncio.wait_for(reader.read(), SECONDS) is None
    except ConnectionResetError:
        return True


async def _is_silent(reader: asyncio.StreamReader, seconds: float = 0.2) -> bool:
    """Say whether nothing comes for a while, not even an end."""
    try:
        await asyncio.wait_for(reader.read(1), seconds)
    except TimeoutError:
        return True
    return False


async def test_bytes_pass_both_ways_and_each_end_is_passed_on(world: World) -> None:
    line = world.line

    await line.up(b"request" * 50_000)
    line.writer.write_eof()
    at_server = await asyncio.wait_for(line.server_reader.read(), SECONDS)
    await line.down(b"answer" * 50_000)
    line.server_writer.close()

    assert at_server == b""
    assert await asyncio.wait_for(line.reader.read(), SECONDS) == b""


async def test_the_address_leads_through_the_proxy_and_keeps_its_user() -> None:
    async with proxied("amqp://me:secret@127.0.0.1:5/%2f") as (proxy, url):
        assert url == f"amqp://me:secret@127.0.0.1:{proxy.port}/%2f"
    async with proxied("redis://127.0.0.1:5/0") as (proxy, url):
        assert url == f"redis://127.0.0.1:{proxy.port}/0"


async def test_a_target_that_is_away_is_a_reset() -> None:
    async with proxied("tcp://127.0.0.1:1") as (proxy, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)

        assert await _is_reset(reader)
        writer.close()


async def test_a_cut_resets_both_ends_and_new_connections_work(world: World) -> None:
    world.proxy.cut()

    assert await _is_reset(world.line.reader)
    assert await _is_reset(world.line.server_reader)
    async with _line(world.proxy, world.arrivals) as another:
        await another.up(b"again")
    assert world.proxy.connections == 2


@pytest.mark.parametrize("lost", ["client", "server"])
async def test_a_half_open_connection_is_reset_at_one_side_and_silent_at_the_other(world: World, lost: str) -> None:
    line = world.line
    lost_reader, left_reader, left_writer = (
        (line.server_reader, line.reader, line.writer)
        if lost == "server"
        else (line.reader, line.server_reader, line.server_writer)
    )

    world.proxy.half_open("server" if lost == "server" else "client")
    left_writer.write(b"x" * 1_000_000)
    await asyncio.wait_for(left_writer.drain(), SECONDS)

    assert await _is_reset(lost_reader)
    assert await _is_silent(left_reader)


async def test_a_black_hole_reads_no_more_and_forwards_in_order_after_it_heals(world: World) -> None:
    line, flood = world.line, b"0123456789" * 2_000_000

    world.proxy.swallow()
    line.writer.write(flood)
    line.server_writer.write(b"answer")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(line.writer.drain(), 0.2)
    is_answer_held = await _is_silent(line.reader)
    world.proxy.heal()

    assert is_answer_held
    assert await asyncio.wait_for(line.reader.readexactly(6), SECONDS) == b"answer"
    assert await asyncio.wait_for(line.server_reader.readexactly(len(flood)), SECONDS) == flood


async def test_a_black_hole_of_one_direction_leaves_the_other(world: World) -> None:
    world.proxy.swallow("down")

    await world.line.up(b"request")
    world.line.server_writer.write(b"answer")

    assert await _is_silent(world.line.reader)


async def test_a_delay_holds_its_direction_back(world: World) -> None:
    world.proxy.delay(0.3, "up")
    began = time.monotonic()

    await world.line.down(b"answer")
    after_down = time.monotonic() - began
    await world.line.up(b"request")

    assert after_down < 0.3 <= time.monotonic() - began


async def test_a_throttle_gives_so_many_bytes_a_second_until_it_heals(world: World) -> None:
    world.proxy.throttle(1000, "down")
    began = time.monotonic()

    await world.line.down(b"x" * 400)
    throttled = time.monotonic() - began
    world.line.server_writer.write(b"y" * 1_000_000)
    await world.line.reader.readexactly(1)
    world.proxy.heal()
    await asyncio.wait_for(world.line.reader.readexactly(999_999), SECONDS)

    assert throttled >= 0.3


@pytest.mark.parametrize("count", [0, 5])
async def test_a_cut_after_some_bytes_lets_those_pass_and_is_done_once(world: World, count: int) -> None:
    line = world.line
    await line.up(b"request")

    world.proxy.cut_after(count, "down")
    await line.up(b"more")
    line.server_writer.write(b"an answer")
    passed = await asyncio.wait_for(line.reader.readexactly(count), SECONDS)

    assert passed == b"an answer"[:count]
    assert await _is_reset(line.reader)
    assert await _is_reset(line.server_reader)
    async with _line(world.proxy, world.arrivals) as another:
        await another.down(b"whole")


async def test_a_cut_counts_the_bytes_of_all_pieces(world: World) -> None:
    world.proxy.cut_after(6, "up")

    await world.line.up(b"abc")
    await world.line.up(b"def")
    world.line.writer.write(b"g")

    assert await _is_reset(world.line.server_reader)


async def test_a_cut_on_a_pattern_keeps_it_from_passing(world: World) -> None:
    world.proxy.cut_on(b"COMMIT", "up")

    await world.line.up(b"INSERT")
    world.line.writer.write(b"COMMIT;")

    assert await _is_reset(world.line.server_reader)
    assert await _is_reset(world.line.reader)
    async with _line(world.proxy, world.arrivals) as another:
        await another.up(b"COMMIT;")


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(100):
            self.request.sendall(data)


@pytest.fixture
def echo_url() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        serving.join()


def test_a_caller_without_a_loop_has_it_in_a_thread(echo_url: str) -> None:
    with proxy_thread(echo_url) as (proxy, _), socket.create_connection(("127.0.0.1", proxy.port), SECONDS) as client:
        client.sendall(b"one")
        first = client.recv(100)
        proxy.swallow()
        client.sendall(b"two")
        client.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.recv(100)
        client.settimeout(SECONDS)
        proxy.heal()
        second = client.recv(100)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            client.recv(100)

    assert (first, second) == (b"one", b"two")
