"""A real server on loopback, on both event loops."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import uvloop
from litestar import Request, Response, get, post
from litestar.params import FromQuery

from smsgw.core.events import Crashed, Fact
from smsgw.web.app import build_app
from smsgw.web.errors import ApiError
from smsgw.web.readiness import Readiness
from smsgw.web.server import serve
from tests.http.raw import Answer, Connection


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run every test here on asyncio's loop and on uvloop."""
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@dataclass
class Server:
    """A running server and what it was asked and stated."""

    readiness: Readiness
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    facts: list[Fact] = field(default_factory=list)
    handled: list[bytes] = field(default_factory=list)
    problem: str | None = None
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    host: str = ""
    port: int = 0
    running: "asyncio.Task[None] | None" = None
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def connect(self) -> Connection:
        """Open a connection that is closed with the test."""
        connection = Connection(*await asyncio.open_connection(self.host, self.port))
        self.stack.push_async_callback(connection.close)
        return connection

    async def ask(self, data: bytes) -> Answer:
        """Send bytes on a connection of their own and return the response."""
        connection = await self.connect()
        await connection.send(data)
        answer = await connection.answer()
        assert answer is not None, "the connection ended without an answer"
        return answer

    async def get(self, path: str, *lines: str) -> Answer:
        """Ask for a path."""
        head = "\r\n".join([f"GET {path} HTTP/1.1", "Host: a", *lines, "", ""])
        return await self.ask(head.encode())

    @property
    def crashes(self) -> list[Fact]:
        """The bugs that were stated."""
        return [fact for fact in self.facts if isinstance(fact, Crashed)]


def _handlers(server: Server) -> list[Any]:
    @post("/echo", status_code=200)
    async def echo(request: Request[Any, Any, Any]) -> Response[bytes]:
        body = await request.body()
        server.handled.append(body)
        return Response(body, media_type="application/octet-stream")

    @get("/headers", sync_to_thread=False)
    def headers(request: Request[Any, Any, Any]) -> list[str]:
        return sorted(request.headers)

    @post("/headers", status_code=200, sync_to_thread=False)
    def posted_headers(request: Request[Any, Any, Any]) -> list[str]:
        return sorted(request.headers)

    @get("/slow")
    async def slow() -> dict[str, str]:
        server.is_asked.set()
        await server.may_answer.wait()
        return {"status": "done"}

    @get("/crash", sync_to_thread=False)
    def crash() -> None:
        raise ZeroDivisionError("a secret")

    @get("/refuse", sync_to_thread=False)
    def refuse() -> None:
        raise ApiError(
            409, "IN_USE", "It is in use.", details={"a": 1}, tracking_id="t-1", headers={"Retry-After": "1"}
        )

    @get("/bounded", sync_to_thread=False)
    def bounded(limit: FromQuery[int]) -> int:
        return limit

    return [echo, headers, posted_headers, slow, crash, refuse, bounded]


async def start(server: Server, *, drain_seconds: float = 0.0) -> None:
    """Start serving and wait until connections are taken."""
    listening: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
    app = build_app(
        title="A title",
        description="A description",
        route_handlers=_handlers(server),
        readiness=server.readiness,
        metrics_page=lambda: (b"a_metric 1\n", "text/plain; version=0.0.4; charset=utf-8"),
        observer=server.facts.append,
        clock=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    serving = serve(
        app,
        host="127.0.0.1",
        port=0,
        readiness=server.readiness,
        stop=server.stop,
        drain_seconds=drain_seconds,
        on_listening=lambda host, port: listening.set_result((host, port)),
    )
    server.running = asyncio.create_task(serving)
    server.host, server.port = await asyncio.wait_for(listening, 10)


def make_server() -> Server:
    """Return a server that is not started; `problem` is what its only dependency answers."""
    made = Server(readiness=Readiness({"broker": lambda: _check(made)}))
    return made


async def _check(server: Server) -> str | None:
    return server.problem


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """A server that runs for one test."""
    server = make_server()
    await start(server)
    yield server
    server.may_answer.set()
    await server.stack.aclose()
    server.stop.set()
    assert server.running is not None
    await asyncio.wait_for(server.running, 20)
