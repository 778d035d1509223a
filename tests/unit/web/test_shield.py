"""The Shield alone, without a server."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from smsgw.core.events import Crashed
from smsgw.web.shield import MAX_BODY, Shield

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class Wire:
    """Both ends of one ASGI call: messages to receive, a wait once they are used up, and what was sent."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)
        self.sent: list[dict[str, Any]] = []

    async def receive(self) -> dict[str, Any]:
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)

    async def send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


class App:
    """An application that keeps what it receives and answers 200, or fails."""

    def __init__(self, *, error: Exception | None = None, receives: int = 1) -> None:
        self.received: list[dict[str, Any]] = []
        self.scopes: list[Any] = []
        self._error = error
        self._receives = receives

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        for _ in range(self._receives):
            self.received.append(await receive())
        if self._error:
            raise self._error
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def scope(
    *,
    method: str = "POST",
    headers: Sequence[tuple[bytes, bytes]] = ((b"host", b"a"),),
    path: bytes = b"/x",
    version: str = "1.1",
) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": version,
        "method": method,
        "raw_path": path,
        "query_string": b"",
        "headers": list(headers),
    }


def part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


GONE = {"type": "http.disconnect"}


async def call(app: App, wire: Wire, request: dict[str, Any], facts: list[Any] | None = None) -> None:
    observer = facts.append if facts is not None else [].append
    shield = Shield(app, observer=observer, clock=lambda: NOW, body_seconds=0.05)
    await shield(request, wire.receive, wire.send)  # type: ignore[arg-type]


async def test_a_body_in_parts_reaches_the_application_in_one_message_and_then_the_disconnect() -> None:
    app = App(receives=2)
    wire = Wire(part(b"a", more=True), part(b"b", more=True), part(b"c"), GONE)

    await call(app, wire, scope())

    assert app.received == [part(b"abc"), GONE]


async def test_a_body_that_is_there_costs_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    app, wire = App(), Wire(part(b"abc"))

    def no_timer(*_: Any, **__: Any) -> Any:
        raise AssertionError("a timer was made")

    monkeypatch.setattr(asyncio.get_running_loop(), "call_at", no_timer)
    await call(app, wire, scope())

    assert app.received == [part(b"abc")]


@pytest.mark.parametrize(
    ("headers", "messages", "status"),
    [
        ([(b"content-length", b"65537")], [], 413),
        ([], [part(b"a" * (MAX_BODY + 1))], 413),
        ([], [part(b"a" * MAX_BODY, more=True), part(b"a", more=True)], 413),
        ([(b"content-encoding", b"gzip")], [part(b"")], 415),
        ([(b"content-encoding", b"identity")], [part(b"")], 200),
        ([(b"host", b"b")], [part(b"")], 400),
        ([(b"transfer-encoding", b"Chunked")], [part(b"")], 200),
        ([(b"transfer-encoding", b"gzip, chunked")], [part(b"")], 400),
        ([(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"identity")], [part(b"")], 400),
        ([], [part(b"a", more=True)], 408),
        ([], [], 408),
    ],
)
async def test_rules_of_a_request(headers: list[Any], messages: list[Any], status: int) -> None:
    app, wire = App(), Wire(*messages)

    await call(app, wire, scope(headers=[(b"host", b"a"), *headers]))

    assert wire.status == status
    assert len(app.scopes) == (status == 200)
    if status != 200:
        assert (b"connection", b"close") in wire.sent[0]["headers"]
        assert msgspec.json.decode(wire.sent[1]["body"])["timestamp"] == "2026-01-02T00:00:00Z"


async def test_a_long_url_is_refused() -> None:
    wire = Wire(part(b""))

    await call(App(), wire, scope(path=b"/" + b"a" * 8192))

    assert wire.status == 414


@pytest.mark.parametrize("path", [b"//x", b"/x//y", b"/%78", b"/a%2fb", b"/x%00"])
async def test_an_address_in_disguise_is_no_address(path: bytes) -> None:
    app, wire = App(), Wire(part(b""))

    await call(app, wire, scope(path=path))

    assert (wire.status, app.scopes) == (404, [])


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        ("1.1", 0, 400),
        ("1.1", 1, 200),
        ("1.0", 0, 200),
        ("1.0", 1, 200),
        ("1.0", 2, 400),
        ("0.9", 0, 400),
        ("2.0", 1, 400),
    ],
)
async def test_only_http_1_0_may_leave_the_host_out(version: str, hosts: int, status: int) -> None:
    wire = Wire(part(b""))

    await call(App(), wire, scope(version=version, headers=[(b"host", b"a")] * hosts))

    assert wire.status == status


@pytest.mark.parametrize("messages", [[GONE], [part(b"a", more=True), GONE]])
async def test_a_client_that_left_is_not_answered(messages: list[Any]) -> None:
    app, wire, facts = App(), Wire(*messages), list[Any]()

    await call(app, wire, scope(), facts)

    assert (app.scopes, wire.sent, facts) == ([], [], [])


async def test_a_failing_application_is_stated_and_answered() -> None:
    wire, facts = Wire(part(b"")), list[Any]()
    error = RuntimeError("secret")

    await call(App(error=error), wire, scope(), facts)

    assert wire.status == 500
    assert b"secret" not in wire.sent[1]["body"]
    assert facts == [Crashed(where="http", error=error)]


@pytest.mark.parametrize(("asked", "seen"), [("OPTIONS", "NONE"), ("HEAD", "GET"), ("GET", "GET"), ("POST", "POST")])
async def test_what_the_application_sees_of_a_method(asked: str, seen: str) -> None:
    app = App()

    await call(app, Wire(part(b"")), scope(method=asked))

    assert app.scopes[0]["method"] == seen


async def test_a_cancelled_wait_reaches_the_server() -> None:
    wire = Wire()
    running = asyncio.create_task(call(App(), wire, scope()))
    await asyncio.sleep(0)

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert wire.sent == []
