"""Starting, being told to stop, and having too many connections."""

import asyncio
import signal
import socket
import sys

import pytest

from smsgw.web.server import serve
from tests.http.conftest import Server, make_server, start

NEXT = b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n"


@pytest.mark.fault("F15", "I12")
async def test_stopping_says_so_and_finishes_what_is_in_flight() -> None:
    server = make_server()
    await start(server, drain_seconds=2)
    busy = await server.connect()
    await busy.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(server.is_asked.wait(), 5)

    server.stop.set()
    await _until_draining(server)
    while_draining = await server.ask(NEXT)
    await _until_refused(server)
    server.may_answer.set()
    finished = await busy.answer()
    assert server.running is not None
    await asyncio.wait_for(server.running, 10)

    assert (while_draining.status, while_draining.json["details"]) == (503, {"draining": "stopping"})
    assert finished is not None
    assert (finished.status, finished.headers["connection"]) == (200, "close")
    assert await busy.is_ended()
    await server.stack.aclose()


async def test_stopping_ends_idle_connections_at_once() -> None:
    server = make_server()
    await start(server)
    idle = await server.connect()
    await idle.send(NEXT)
    assert (await idle.answer()) is not None
    silent = await server.connect()

    server.stop.set()
    assert server.running is not None
    await asyncio.wait_for(server.running, 3)

    assert await idle.is_ended()
    assert await silent.is_ended()
    await server.stack.aclose()


async def test_callers_that_come_while_it_stops_do_not_hold_it_up() -> None:
    """uvicorn tells connections to end once; one accepted just after kept the server for all of its 15 seconds. Whether
    a caller comes late enough is a matter of luck, so it is tried several times."""
    loop = asyncio.get_running_loop()
    longest = 0.0

    for _ in range(20):
        server = make_server()
        await start(server)
        server.stop.set()
        began = loop.time()
        held = await _callers_until_closed(server)
        assert server.running is not None
        await asyncio.wait_for(server.running, 20)
        longest = max(longest, loop.time() - began)
        for writer in held:
            writer.close()

    assert longest < 5


async def test_a_cancelled_server_leaves_nothing_behind() -> None:
    server = make_server()
    await start(server)
    connection = await server.connect()

    assert server.running is not None
    server.running.cancel()
    await asyncio.wait({server.running})

    assert await connection.is_ended()
    await _until_refused(server)
    await server.stack.aclose()


async def test_a_port_that_is_taken_is_an_os_error() -> None:
    server = make_server()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await serve(
            _nothing,
            host="127.0.0.1",
            port=taken.getsockname()[1],
            readiness=server.readiness,
            stop=server.stop,
            drain_seconds=0,
        )


async def test_connections_over_the_limit_get_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("smsgw.web.server.MAX_CONNECTIONS", 64)
    server = make_server()
    await start(server)
    first, *_ = [await server.connect() for _ in range(64)]

    refused = await server.connect()
    answer = await refused.answer()
    await first.send(NEXT)
    kept = await first.answer()

    assert answer is not None
    assert (answer.status, answer.error_code, answer.headers["retry-after"]) == (503, "OVERLOADED", "1")
    assert kept is not None
    assert kept.status == 200
    server.stop.set()
    assert server.running is not None
    await asyncio.wait_for(server.running, 5)
    await server.stack.aclose()


SCRIPT = """
import asyncio, sys
from smsgw.web.server import install_signals, run, tune_gc

async def main():
    stop = asyncio.Event()
    install_signals(stop)
    tune_gc()
    print(type(asyncio.get_running_loop()).__module__, flush=True)
    await stop.wait()
    print("stopping", flush=True)
    if "stubborn" in sys.argv:
        await asyncio.Event().wait()

run(main())
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_second_signal_ends_the_process_at_once(number: signal.Signals, code: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, "stubborn", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None

    loop_name = await asyncio.wait_for(process.stdout.readline(), 10)
    process.send_signal(number)
    stopping = await asyncio.wait_for(process.stdout.readline(), 10)
    process.send_signal(number)
    ended = await asyncio.wait_for(process.wait(), 10)

    assert (loop_name, stopping, ended) == (b"uvloop\n", b"stopping\n", code)


async def test_one_signal_ends_the_process_in_order() -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", SCRIPT, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 10)

    process.terminate()

    assert await asyncio.wait_for(process.wait(), 10) == 0


async def _nothing(*_: object) -> None:
    raise AssertionError("nobody asks")


async def _callers_until_closed(server: Server) -> list[asyncio.StreamWriter]:
    """Open kept connections that ask once, until no more are taken."""
    held: list[asyncio.StreamWriter] = []
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(server.host, server.port)
            except ConnectionError:
                return held
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            held.append(writer)
            await asyncio.sleep(0)


async def _until_draining(server: Server) -> None:
    async with asyncio.timeout(5):
        while not server.readiness.draining:
            await asyncio.sleep(0.01)


async def _until_refused(server: Server) -> None:
    async with asyncio.timeout(5):
        while True:
            try:
                _, writer = await asyncio.open_connection(server.host, server.port)
            except ConnectionRefusedError:
                return
            except ConnectionResetError:
                # It was in the backlog of the socket that was being closed; the next one is refused.
                continue
            writer.close()
            await asyncio.sleep(0.01)
