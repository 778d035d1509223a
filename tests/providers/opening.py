"""Opening providers for a test, and transports that behave as the test wants."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec

from smsgw.core.ports import Provider
from smsgw.core.providers import Providers
from smsgw.providers.registry import open_providers

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAME = "The-Provider"
Handler = Callable[[httpx.Request], httpx.Response]


def open_one(
    kind: str,
    options: Any,
    transport: httpx.AsyncBaseTransport,
    *,
    environ: dict[str, str] | None = None,
    timeout: timedelta = timedelta(seconds=20),
) -> Provider:
    """Return the one provider of a configuration; a kind may name a variant behind a slash."""
    adapter = kind.partition("/")[0]
    entry = {"is_active": True, "is_operational": True, "kind": adapter, "options": dict(options)}
    providers = Providers.parse(msgspec.json.encode({NAME: entry}).decode())
    opened = open_providers(providers, timeout=timeout, transport=transport, environ=environ or {}, clock=lambda: NOW)
    return opened[NAME]


def answering(handler: Handler) -> httpx.MockTransport:
    """Return a transport that answers with what the handler returns, or raises what it raises."""
    return httpx.MockTransport(handler)


def failing(error: Exception) -> httpx.MockTransport:
    """Return a transport that fails."""

    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    return httpx.MockTransport(fail)


def fetching(found: Mapping[str, bytes]) -> httpx.MockTransport:
    """Return a transport that knows what a report may want to have read, and bears nothing else."""

    def answer(request: httpx.Request) -> httpx.Response:
        assert request.method == "GET", "nothing may be sent here"
        assert str(request.url) in found, "nothing may be fetched from there"
        return httpx.Response(200, content=found[str(request.url)])

    return httpx.MockTransport(answer)


class Stream(httpx.AsyncByteStream):
    """A body of parts; notes whether it was closed and how much was taken."""

    def __init__(self, part: bytes, count: int, *, error: Exception | None = None) -> None:
        self._part = part
        self._count = count
        self._error = error
        self.taken = 0
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for _ in range(self._count):
            self.taken += len(self._part)
            yield self._part
        if self._error:
            raise self._error

    async def aclose(self) -> None:
        self.is_closed = True
