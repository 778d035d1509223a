"""Slow clients by the thousand, a stop at full speed, a process that stands still: those who behave notice little."""

import asyncio
import math
import os
import resource
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from itertools import count
from typing import NamedTuple

import aiohttp
import httpx
import psutil
import pytest

from tests.invariants import Call, Caller
from tests.journey.async_calling import ask, many_connections
from tests.journey.calling import Load
from tests.journey.process import Process, until
from tests.journey.product import Product, running
from tests.journey.promises import kept

SLACK = float(os.environ.get("SMSGW_TEST_SLACK", "1"))

SLOW_CLIENTS = 2000
BODY_SECONDS = 5.0
OWN_SECONDS = 0.25
"""What 2,000 answers 408, all within two seconds, may take from the one processor that the others share with them."""
HEAD = b"POST /api/v1/sms/send HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n"

RATE = 500
TURN_SECONDS = 0.02
IN_FLIGHT = 64
EXIT_SECONDS = 25
REFUSED = 50
"""So many callers find nobody before the load ends."""

STALL_SECONDS = 10


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("load"), {**services, "LOG_LEVEL": "info"}) as product:
        product.add_provider("Provider-A")
        yield product.start(gateways=0)


@pytest.fixture
def many_files() -> Iterator[int]:
    """Let this process have as many connections as the test wants; how many those can be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield min(SLOW_CLIENTS, hard - 500)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- F14 ------------------------------------------------------------------------------------------------------------


class SlowClient(asyncio.Protocol):
    """Sends the head or the body of a request a byte at a time, and notes what it is told and when it is ended."""

    def __init__(self, *, is_in_body: bool) -> None:
        self.head = HEAD + b"\r\n" if is_in_body else HEAD
        self.told = b""
        self.seconds = 0.0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._began = time.monotonic()
        transport.write(self.head)

    def drip(self) -> None:
        """Send one more byte."""
        if not self._transport.is_closing():
            self._transport.write(b"a")

    def data_received(self, data: bytes) -> None:
        self.told += data

    def connection_lost(self, _error: Exception | None) -> None:
        self.seconds = time.monotonic() - self._began
        self.ended.set_result(None)


@pytest.mark.fault("F14", "I12 I14")
async def test_two_thousand_slow_clients_are_ended_and_the_others_keep_their_latency(
    product: Product, many_files: int
) -> None:
    """A gateway that nobody molests, asked in turn with the other, says what this machine can do at the moment."""
    gateway, quiet = product.gateway().wait_ready(), product.gateway().wait_ready()
    process = psutil.Process(gateway.popen.pid)
    async with many_connections() as session:
        for each in (gateway, quiet):
            await ask(session, product, each)
        files = process.num_fds()

        slow = asyncio.create_task(_slow_clients(gateway, many_files))
        molested, unmolested = await _latencies(session, product, [gateway, quiet], until=slow)
    clients = await slow
    until(lambda: process.num_fds() <= files * 1.05, what=lambda: f"{files} open files, not {process.num_fds()}")

    assert Counter(client.told.split(b" ")[1] for client in clients) == {b"408": many_files}
    assert max(client.seconds for client in clients) < BODY_SECONDS + 2 * SLACK
    assert len(molested) > 100
    assert _p99(molested) < 2 * _p99(unmolested) + OWN_SECONDS * SLACK


async def _slow_clients(gateway: Process, how_many: int) -> list[SlowClient]:
    """Let so many come, a thousand each second, and drip until the last one has been ended."""
    loop, url = asyncio.get_running_loop(), httpx.URL(gateway.url)
    clients: list[SlowClient] = []
    for number in range(how_many):
        new_client = partial(SlowClient, is_in_body=number % 2 == 0)
        _, client = await loop.create_connection(new_client, url.host, url.port or 0)
        clients.append(client)
        if number % 10 == 0:
            await asyncio.sleep(0.01)
    while not all(client.ended.done() for client in clients):
        for client in clients:
            client.drip()
        await asyncio.sleep(1)
    return clients


async def _latencies(
    session: aiohttp.ClientSession,
    product: Product,
    gateways: Sequence[Process],
    *,
    until: "asyncio.Task[list[SlowClient]]",
) -> list[list[float]]:
    """Send good requests to one gateway after the other until a task is done; return how long each took."""
    found: list[list[float]] = [[] for _ in gateways]
    while not until.done():
        for gateway, seconds in zip(gateways, found, strict=True):
            call = await ask(session, product, gateway)
            assert call.status == 202
            seconds.append(call.seconds)
            await asyncio.sleep(0.005)
    return found


def _p99(seconds: list[float]) -> float:
    return sorted(seconds)[math.ceil(len(seconds) * 0.99) - 1]


# --- F15 ------------------------------------------------------------------------------------------------------------


class Stop(NamedTuple):
    """A stop, as its callers saw it."""

    calls: list[Call]
    unready_at: datetime
    code: int
    seconds: float


@pytest.mark.fault("F15", "I1 I2 I3 I4 I12")
def test_a_stop_at_full_speed_ends_what_is_in_flight_and_loses_nothing(product: Product) -> None:
    """A load balancer sees "not ready" while requests are still served; then connections are refused, and callers go
    elsewhere with the same key."""
    gateway, other = product.gateway(DRAIN_SECONDS="1").wait_ready(), product.gateway().wait_ready()
    caller = Caller(product.clients, other)

    calls, unready_at, code, seconds = asyncio.run(_stopped_at_speed(product, gateway))
    unanswered = [str(call.idempotency_key) for call in calls if call.status is None]
    Load(len(unanswered), lambda number: caller.insist(unanswered[number])).results()
    gateway.restart().wait_ready()

    assert (code, seconds < EXIT_SECONDS) == (0, True)
    assert {call.status for call in calls} == {202, None}
    assert unready_at < min(call.began_at for call in calls if call.status is None)
    assert kept(product, [*calls, *caller.calls])


async def _stopped_at_speed(product: Product, gateway: Process) -> Stop:
    calls: list[Call] = []
    async with many_connections() as session:
        load = asyncio.create_task(_offer(session, product, gateway, calls))
        await _at_speed(calls, load)
        gateway.popen.send_signal(signal.SIGTERM)
        began = time.monotonic()
        unready_at = await _unready_at(session, gateway)
        code = await asyncio.to_thread(gateway.popen.wait, EXIT_SECONDS)
        seconds = time.monotonic() - began
        await load
    return Stop(calls, unready_at, code, seconds)


async def _offer(session: aiohttp.ClientSession, product: Product, gateway: Process, calls: list[Call]) -> None:
    """Begin requests at a steady rate, as far as the machine can, until some find nobody."""
    loop = asyncio.get_running_loop()
    began, numbers = loop.time(), count()
    in_flight: set[asyncio.Task[Call]] = set()

    def ended(task: asyncio.Task[Call]) -> None:
        in_flight.discard(task)
        calls.append(task.result())

    while sum(call.status is None for call in calls) < REFUSED:
        while len(in_flight) < IN_FLIGHT and len(calls) + len(in_flight) < (loop.time() - began) * RATE:
            task = loop.create_task(ask(session, product, gateway, f"stopped-{next(numbers)}"))
            in_flight.add(task)
            task.add_done_callback(ended)
        await asyncio.sleep(TURN_SECONDS)
    await asyncio.gather(*in_flight)


async def _at_speed(calls: list[Call], load: "asyncio.Task[None]") -> None:
    """Wait until a second's worth of calls has been answered."""
    async with asyncio.timeout(20 * SLACK):
        while len(calls) < RATE:
            assert not load.done()
            await asyncio.sleep(TURN_SECONDS)


async def _unready_at(session: aiohttp.ClientSession, gateway: Process) -> datetime:
    """Return when /readyz said that it is stopping."""
    async with asyncio.timeout(EXIT_SECONDS):
        while True:
            async with session.get(gateway.url + "/readyz") as answer:
                if answer.status == 503 and "draining" in (await answer.json())["details"]:
                    return datetime.now(UTC)


# --- F17 ------------------------------------------------------------------------------------------------------------


@pytest.mark.fault("F17", "I1 I2 I3 I4 I11 I12")
def test_gateways_that_stood_still_go_on_and_told_nobody_what_is_not_so(product: Product) -> None:
    """One connection to the broker lives through it, the one with the short heartbeat is found dead and made again."""
    patient = product.gateway().wait_ready()
    hasty = product.gateway(RABBITMQ_URL=product.environ["RABBITMQ_URL"] + "?heartbeat=2").wait_ready()
    caller = Caller(product.clients, patient, hasty)
    load = Load(200, lambda number: _insist(caller, f"stalled-{number}"))

    load.wait_for(50)
    stalled_at = datetime.now(UTC)
    for gateway in (patient, hasty):
        gateway.popen.send_signal(signal.SIGSTOP)
    time.sleep(STALL_SECONDS)  # the fault itself
    for gateway in (patient, hasty):
        gateway.popen.send_signal(signal.SIGCONT)
    stall = (stalled_at, datetime.now(UTC))
    tracking_ids = load.results()
    for gateway in (patient, hasty):
        gateway.wait_ready(10)

    assert len(set(tracking_ids)) == 200
    assert kept(product, caller.calls, stalls=[stall])
    assert ["broker" in _lost(gateway) for gateway in (patient, hasty)] == [False, True]


def _insist(caller: Caller, key: str) -> str:
    """Send until a 202 comes; return its tracking_id. A request that was half read when its gateway stood still is a
    408: safe to repeat, as all of these are."""

    def once() -> str | None:
        call = caller.send(idempotency_key=key)
        assert call.status in (None, 202, 408, 409, 503), (call.status, call.body)
        return call.tracking_id if call.is_accepted else None

    return until(once, seconds=60, what=f"a 202 for {key}")


def _lost(gateway: Process) -> set[str]:
    """Return what a gateway has said that it lost."""
    return {line["dependency"] for line in gateway.log_lines() if line["message"] == "dependency.lost"}
