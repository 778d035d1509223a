"""Looking up vendors' names while name servers hang."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from aiohttp.abc import ResolveResult

from smsgw.core.failure import Outcome
from smsgw.providers.resolver import Resolver, look_up
from smsgw.providers.transport import AiohttpTransport
from tests.providers.opening import open_one
from tests.providers.tables import SUBMIT


class NameServer:
    """Knows localhost; any other name hangs until the test is over."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.asked = 0

    def ask(self, host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        self.asked += 1
        if host != "localhost":
            self.over.wait(60)
        return look_up("localhost", port, family)


@pytest.fixture
def server() -> Iterator[NameServer]:
    made = NameServer()
    yield made
    made.over.set()


async def test_names_that_hang_hold_up_no_other(server: NameServer) -> None:
    resolver = Resolver(server.ask)
    hanging = [asyncio.create_task(resolver.resolve(f"hangs-{number}.example")) for number in range(50)]

    async with asyncio.timeout(5):
        found = await resolver.resolve("localhost", 80)

    assert {each["host"] for each in found} <= {"127.0.0.1", "::1"}
    assert not any(each.done() for each in hanging)
    for each in hanging:
        each.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


@pytest.mark.filterwarnings("error")
def test_a_name_that_hangs_does_not_keep_the_process(server: NameServer) -> None:
    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(Resolver(server.ask).resolve("hangs.example"), 0.05)

    began = time.monotonic()
    with asyncio.Runner() as runner:
        runner.run(impatient())

    assert server.asked == 1
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 64 + ".example"])
async def test_a_name_that_cannot_be_found_is_unreachable(host: str) -> None:
    transport = AiohttpTransport()
    options = {"base_url": f"http://{host}", "api_key": "key"}

    result = await open_one("provider_a", options, transport, timeout=timedelta(seconds=10)).send(SUBMIT)
    await transport.aclose()

    assert result.outcome is Outcome.UNREACHABLE
    assert result.detail == "ConnectError (ClientConnectorDNSError)"


async def test_a_system_that_has_no_thread_left_for_a_name_raises_an_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", fail)

    with pytest.raises(OSError, match="can't start new thread"):
        await Resolver().resolve("localhost")


async def test_a_system_that_does_not_answer_for_a_name_raises_what_it_says() -> None:
    def refuse(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
        raise socket.gaierror(socket.EAI_AGAIN, "try again")

    with pytest.raises(socket.gaierror, match="try again"):
        await Resolver(refuse).resolve("busy.example")
