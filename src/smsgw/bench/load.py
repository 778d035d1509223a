"""One process of the load generator: `python -m smsgw.bench.load` reads its orders from stdin, answers on stdout."""

import asyncio
import sys
import time
from collections.abc import Callable
from itertools import count

import msgspec

from smsgw.bench.client import Caller, Tally
from smsgw.bench.loop import run

LAST_ANSWERS_SECONDS = 10.0
RECONNECT_SECONDS = 0.05
TEXT = "Your one time code is 123456. It expires in 5 minutes."


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What one generator process is to do."""

    host: str
    port: int
    api_key: str
    tag: str
    """Makes Idempotency-Keys unique among runs and processes."""
    connections: int
    seconds: float


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What one generator process saw."""

    accepted: int
    refused: dict[int, int]
    broken: int
    seconds: float
    latencies: dict[int, int]
    largest: int
    cpu_seconds: float
    """What the generator itself used, its start included."""


async def generate(orders: Orders) -> Findings:
    """Send for the time ordered, each request under a key of its own; wait for the last answers."""
    tally, numbers = Tally(), count(1)
    began = time.perf_counter()
    deadline = began + orders.seconds

    def next_request() -> bytes | None:
        return _request(orders, next(numbers)) if time.perf_counter() < deadline else None

    def caller() -> Caller:
        return Caller(next_request, tally)

    await asyncio.gather(*(_keep_calling(orders, caller, deadline) for _ in range(orders.connections)))
    return Findings(
        accepted=tally.accepted,
        refused=dict(tally.refused),
        broken=tally.broken,
        seconds=min(time.perf_counter() - began, orders.seconds),
        latencies=dict(tally.latencies.counts),
        largest=tally.latencies.largest,
        cpu_seconds=time.process_time(),
    )


async def _keep_calling(orders: Orders, new_caller: Callable[[], Caller], deadline: float) -> None:
    """Keep one connection busy until the deadline; a lost one is made again."""
    loop = asyncio.get_running_loop()
    while time.perf_counter() < deadline:
        try:
            _, caller = await loop.create_connection(new_caller, orders.host, orders.port)
        except OSError:
            await asyncio.sleep(RECONNECT_SECONDS)
            continue
        await asyncio.wait({caller.ended}, timeout=deadline - time.perf_counter() + LAST_ANSWERS_SECONDS)
        if not caller.ended.done():
            caller.abort()


def _request(orders: Orders, number: int) -> bytes:
    body = b'{"to":"+9891200%05d","text":"%s"}' % (number % 100_000, TEXT.encode())
    head = (
        f"POST /api/v1/sms/send HTTP/1.1\r\nHost: {orders.host}:{orders.port}\r\nContent-Type: application/json\r\n"
        f"API-Key: {orders.api_key}\r\nIdempotency-Key: {orders.tag}-{number}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def main() -> None:
    """Run one generator process."""
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    sys.stdout.buffer.write(msgspec.json.encode(run(generate(orders))) + b"\n")


if __name__ == "__main__":
    main()
