"""CPU per provider call at 64 in flight: httpx.AsyncClient, httpx-aiohttp's transport, ours, bare aiohttp.

The server is another process. Run: .venv/bin/python bench/provider_http.py [calls] [rounds]
"""

import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import aiohttp
import httpx
import uvloop

from smsgw.core.ports import Submit
from smsgw.providers.base import HttpProvider
from smsgw.providers.provider_a import Config, ProviderA
from smsgw.providers.transport import AiohttpTransport

IN_FLIGHT = 64
ANSWER = b'HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: 22\r\n\r\n{"message_id": "m-12"}'
SUBMIT = Submit(
    reference=UUID(int=1),
    to="+4915112345678",
    text="Your code is 1234",
    validity_seconds=600,
    asked_at=datetime(2026, 3, 1, tzinfo=UTC),
)
Call = Callable[[], Awaitable[None]]


class Sink(asyncio.Protocol):
    """Answers every request at once; a request is whole when its JSON ends."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"}"):
            self.transport.write(ANSWER)  # type: ignore[attr-defined]


def serve(port: "multiprocessing.Queue[int]") -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0)
        port.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


async def measure(call: Call, calls: int) -> tuple[float, float]:
    """Return CPU milliseconds per call and calls per second."""
    left = iter(range(calls))

    async def one_after_another() -> None:
        for _ in left:
            await call()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(one_after_another() for _ in range(IN_FLIGHT)))
    return (time.process_time() - cpu) / calls * 1000, calls / (time.perf_counter() - wall)


def candidates(url: str) -> tuple[dict[str, Call], list[Callable[[], Awaitable[None]]]]:
    adapter = ProviderA(Config(base_url=url, api_key="k"))
    limits = httpx.Limits(max_connections=IN_FLIGHT, max_keepalive_connections=IN_FLIGHT)
    client = httpx.AsyncClient(limits=limits, trust_env=False)
    ours = AiohttpTransport(limit=IN_FLIGHT)
    provider = HttpProvider("A", adapter, transport=ours, timeout=timedelta(seconds=20))
    bare = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT))
    closers: list[Callable[[], Awaitable[None]]] = [client.aclose, ours.aclose, bare.close]

    async def through(transport: httpx.AsyncBaseTransport) -> None:
        response = await transport.handle_async_request(adapter.build_request(SUBMIT))
        await response.aread()
        await response.aclose()

    async def with_client() -> None:
        assert (await client.send(adapter.build_request(SUBMIT))).status_code == 202

    async def whole() -> None:
        assert (await provider.send(SUBMIT)).provider_message_id == "m-12"

    async def with_bare() -> None:
        body, key = adapter.build_request(SUBMIT).content, {"authorization": "Bearer k"}
        async with bare.post(f"{url}/messages", data=body, headers=key) as answer:
            assert await answer.read()

    calls: dict[str, Call] = {"httpx.AsyncClient": with_client}
    try:
        from httpx_aiohttp import AiohttpTransport as Theirs
    except ImportError:
        print("httpx-aiohttp is not installed: left out")
    else:
        theirs = Theirs(trust_env=False, limits=limits)
        closers.append(theirs.aclose)
        calls["httpx-aiohttp's transport"] = lambda: through(theirs)
    calls |= {
        "our transport": lambda: through(ours),
        "our transport in HttpProvider.send": whole,
        "aiohttp, bare": with_bare,
    }
    return calls, closers


async def main(url: str, calls: int, rounds: int) -> None:
    found, closers = candidates(url)
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in found}
    for number in range(rounds + 1):
        for name, call in found.items():
            result = await measure(call, calls)
            if number:  # the first round opens the connections
                results[name].append(result)
    for name, measured in results.items():
        cpu, rate = (statistics.median(column) for column in zip(*measured, strict=True))
        print(f"{name:36} {cpu:7.3f} ms CPU per call {rate:8.0f}/s")
    for close in closers:
        await close()


if __name__ == "__main__":
    amount = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    ports: "multiprocessing.Queue[int]" = multiprocessing.Queue()
    server = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    try:
        uvloop.run(main(f"http://127.0.0.1:{ports.get(timeout=10)}", amount, times))
    finally:
        server.terminate()
