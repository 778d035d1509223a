"""Running an application until it is told to stop, and stopping so that nobody notices."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import uvicorn
from litestar.types import ASGIApp

from smsgw.web.protocol import HardenedProtocol
from smsgw.web.readiness import Readiness
from smsgw.web.stopping import StoppableState

BACKLOG = 2048
MAX_CONNECTIONS = 8192
_FILES_FOR_OTHERS = 256


class _Server(uvicorn.Server):
    """uvicorn's server without its signals, on a socket that is bound already."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started
        self.server_state: StoppableState = StoppableState()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.server_state.is_stopping = True
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    readiness: Readiness,
    stop: asyncio.Event,
    drain_seconds: float,
    on_listening: Callable[[str, int], None] | None = None,
) -> None:
    """Serve until `stop`: then say "not ready", wait for the load balancer, stop accepting, finish what is in flight.

    Raises OSError when the address cannot be had.
    """
    listener = _bind(host, port)

    def started() -> None:
        if on_listening:
            on_listening(*listener.getsockname()[:2])

    server = _Server(_config(app), started)
    running = asyncio.create_task(server.serve(sockets=[listener]), name="http server")
    stopping = asyncio.create_task(stop.wait(), name="http stop")
    try:
        await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
        readiness.draining = True
        if not running.done():
            await asyncio.wait({running}, timeout=drain_seconds)
        server.should_exit = True
        await running
    finally:
        stopping.cancel()
        await _abandon(server, running)
        listener.close()


def install_signals(stop: asyncio.Event) -> None:
    """Let SIGTERM and SIGINT set `stop`; a second one ends the process at once."""
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a role's main coroutine on uvloop where it can be had, else on asyncio."""
    try:
        from uvloop import new_event_loop
    except ImportError:
        new_event_loop = asyncio.new_event_loop  # type: ignore[assignment]
    _raise_file_limit()
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        runner.run(main)


def tune_gc() -> None:
    """Take everything that lives since start out of the collector's sight; called once when a role is up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _bind(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=HardenedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        limit_concurrency=_max_connections(),
        timeout_keep_alive=75,
        timeout_graceful_shutdown=15,
    )


def _max_connections() -> int:
    """Return how many connections the process has file descriptors for; accepting more would break everything else."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(64, min(MAX_CONNECTIONS, allowed - _FILES_FOR_OTHERS))


def _raise_file_limit() -> None:
    """Take as many file descriptors as the machine's owner lets us have."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + 2 * _FILES_FOR_OTHERS
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        soft = wanted if most == resource.RLIM_INFINITY else min(wanted, most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))


async def _abandon(server: _Server, running: "asyncio.Task[None]") -> None:
    """Leave nothing behind when the server was cancelled or its last connections would not end."""
    if not running.done():
        running.cancel()
        await asyncio.wait({running})
    for listening in getattr(server, "servers", []):
        listening.close()
    for connection in list(server.server_state.connections):
        connection.transport.abort()
