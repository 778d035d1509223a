"""Answers made to hurt, on real sockets: bounded in time, bytes and memory, never a success, never a second request."""

import os
import time
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from smsgw.core.failure import LookUp, Outcome
from smsgw.providers.transport import KEEPALIVE_SECONDS, MAX_RECEIVED, AiohttpTransport
from tests.providers.hostile import FAILURES, UNBOUNDED, USELESS, silence
from tests.providers.opening import open_one
from tests.providers.raw_server import ACCEPTED, Script, Visit, raw_server
from tests.providers.tables import REFERENCE, SUBMIT

ALL = {**USELESS, **FAILURES, **UNBOUNDED, "silence": silence}
TIMEOUT = timedelta(seconds=1)
SLACK = float(os.environ.get("SMSGW_TEST_SLACK", "1"))
WRITTEN = 5 << 20
"""Bytes that a vendor gets rid of: the half megabyte that we read, and what the sockets of both sides take unread."""
MEMORY = 8 << 20


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(limit=4)
    yield made
    await made.aclose()


def after_each_request(script: Script) -> Script:
    async def serve(visit: Visit) -> None:
        while True:
            await visit.request()
            await script(visit)

    return serve


@pytest.mark.fault("F38", "I3 I12")
@pytest.mark.parametrize("name", ALL)
async def test_a_hostile_answer_is_unknown_and_costs_little(transport: AiohttpTransport, name: str) -> None:
    async with raw_server(after_each_request(ALL[name])) as server:
        options = {"base_url": f"http://127.0.0.1:{server.port}", "api_key": "key"}
        provider = open_one("provider_a", options, transport, timeout=TIMEOUT)
        began = time.monotonic()
        result = await provider.send(SUBMIT)
        seconds = time.monotonic() - began
        requests, written = len(server.requests), server.written

    assert result.outcome is Outcome.UNKNOWN
    assert result.detail
    assert requests == 1
    assert written <= WRITTEN
    assert seconds < TIMEOUT.total_seconds() + SLACK


# Beside the one above, not in it: counting allocations makes the same answer seven times slower.
@pytest.mark.fault("F38", "I12")
@pytest.mark.parametrize("name", UNBOUNDED)
async def test_an_endless_answer_takes_little_memory(transport: AiohttpTransport, name: str) -> None:
    async with raw_server(after_each_request(ALL[name])) as server:
        options = {"base_url": f"http://127.0.0.1:{server.port}", "api_key": "key"}
        provider = open_one("provider_a", options, transport, timeout=TIMEOUT)
        tracemalloc.start()
        result = await provider.send(SUBMIT)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert result.outcome is Outcome.UNKNOWN
    assert peak < MEMORY


@pytest.mark.fault("F38", "I12")
@pytest.mark.parametrize("name", ALL)
async def test_a_hostile_answer_to_a_look_up_says_nothing(transport: AiohttpTransport, name: str) -> None:
    async with raw_server(after_each_request(ALL[name])) as server:
        options = {"base_url": f"http://127.0.0.1:{server.port}", "api_key": "key"}
        provider = open_one("provider_a", options, transport, timeout=TIMEOUT)
        began = time.monotonic()
        result = await provider.look_up(REFERENCE)
        seconds = time.monotonic() - began

    assert result.answer is LookUp.CANNOT_SAY
    assert seconds < TIMEOUT.total_seconds() + SLACK


async def test_what_counts_is_one_answer_not_the_life_of_a_connection(transport: AiohttpTransport) -> None:
    body = b'{"message_id": "m-1"}'.ljust(100_000)
    answer = ACCEPTED.partition(b"\r\n\r\n")[0].replace(b"21", b"100000") + b"\r\n\r\n" + body

    async def long_answer(visit: Visit) -> None:
        await visit.write(answer)

    async with raw_server(after_each_request(long_answer)) as server:
        options = {"base_url": f"http://127.0.0.1:{server.port}", "api_key": "key"}
        provider = open_one("provider_a", options, transport)
        results = [await provider.send(SUBMIT) for _ in range(2 * MAX_RECEIVED // len(answer))]

    assert {each.outcome for each in results} == {Outcome.ACCEPTED}
    assert server.connections == 1


@pytest.mark.fault("F39", "I3")
async def test_a_connection_that_the_vendor_closes_when_idle_is_not_used_again(transport: AiohttpTransport) -> None:
    """And ours is given up before the 5 s that Apache, Node.js and uvicorn give an idle connection."""

    async def one_request(visit: Visit) -> None:
        await visit.request()
        await visit.write(ACCEPTED)

    async with raw_server(one_request) as server, raw_server(one_request) as beside:
        first, second = (
            open_one("provider_a", {"base_url": f"http://127.0.0.1:{each.port}", "api_key": "key"}, transport)
            for each in (server, beside)
        )
        results = []
        for _ in range(5):
            results.append(await first.send(SUBMIT))
            await server.all_ended()
            # While another call goes on, our side hears of the end.
            await second.send(SUBMIT)

    assert {each.outcome for each in results} == {Outcome.ACCEPTED}
    assert len(server.requests) == server.connections == 5
    assert KEEPALIVE_SECONDS < 5
