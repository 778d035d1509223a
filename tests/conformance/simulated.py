"""A carrier that plays a vendor, and a webhook that keeps every call as it came: the two ends of a conformance test."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import msgspec
from aiohttp import web

from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Provider, ReportRequest, Submit
from smsgw.core.providers import Providers
from smsgw.providers.registry import open_providers
from smsgw.providers.transport import AiohttpTransport
from smsgw.simulator.run import simulate
from smsgw.simulator.settings import SimulatorSettings

T = TypeVar("T")
PATIENCE = 15
NAME = "The-Provider"
HOOK_PATH = "/hooks/reports"


class HookCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of the webhook."""

    method: str
    url: str
    """Whole, as it was called, with its query."""
    query: str
    headers: dict[str, str]
    """Names lower-cased."""
    body: bytes

    @property
    def request(self) -> ReportRequest:
        """What an adapter gets of it."""
        return ReportRequest(
            method=self.method,
            headers=tuple(self.headers.items()),
            body=self.body,
            query=self.query,
            received_at=datetime.now(UTC),
            peer="127.0.0.1",
        )


class Hook:
    """A webhook that answers 200."""

    def __init__(self) -> None:
        self.url = ""
        self.calls: list[HookCall] = []
        self._came = asyncio.Condition()

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        origin = self.url.removesuffix(HOOK_PATH)
        call = HookCall(
            method=request.method,
            url=f"{origin}{request.raw_path}",
            query=request.raw_path.partition("?")[2],
            headers={name.lower(): value for name, value in request.headers.items()},
            body=body,
        )
        async with self._came:
            self.calls.append(call)
            self._came.notify_all()
        return web.Response()

    async def wait_for(self, count: int) -> list[HookCall]:
        """Return the calls once there are so many."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: len(self.calls) >= count)
        return self.calls


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A running simulator and a webhook."""

    base: str
    """The address that the vendor's API has here."""
    hook: Hook


@asynccontextmanager
async def playing(kind: str, *, has_account_hook: bool = False, **settings: Any) -> AsyncIterator[Stage]:
    """Run a carrier that plays the vendor; `credentials`, `webhook_url` and every other setting as in --config. With
    `has_account_hook` reports of messages without a callback go to the webhook, too."""
    hook = Hook()
    application = web.Application()
    application.router.add_route("*", HOOK_PATH, hook.take)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    hook.url = f"http://{host}:{port}{HOOK_PATH}"

    if has_account_hook:
        settings["webhook_url"] = hook.url
    stop = asyncio.Event()
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    told = SimulatorSettings(**{"port": 0, "latency": 0, "report_delay": 0, "impersonate": kind, **settings})
    task = asyncio.create_task(
        simulate(told, stop=stop, on_listening=lambda host, port: listening.set_result(f"http://{host}:{port}"))
    )
    try:
        async with asyncio.timeout(PATIENCE):
            yield Stage(base=await listening, hook=hook)
    finally:
        stop.set()
        await task
        await runner.cleanup()


@asynccontextmanager
async def opened(
    kind: str, options: dict[str, Any], *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Provider]:
    """Give our provider of this kind, over the real transport or another one, which is closed in the end."""
    entry = {"is_active": True, "is_operational": True, "kind": kind, "options": options}
    providers = Providers.parse(msgspec.json.encode({NAME: entry}).decode())
    transport = transport or AiohttpTransport()
    try:
        yield open_providers(providers, timeout=timedelta(seconds=10), transport=transport, environ={})[NAME]
    finally:
        await transport.aclose()


def submit(to: str = "+4915112345678", **changes: Any) -> Submit:
    """Return a message to send now."""
    fields = {"reference": uuid4(), "to": to, "text": "Your code is 1234", "validity_seconds": 600, **changes}
    return Submit(asked_at=datetime.now(UTC), **fields)


async def read(provider: Provider, call: HookCall, **changes: Any) -> DeliveryReport:
    """Return the one report of a call; fails when the adapter does not believe or understand it."""
    reports = await provider.read_report(msgspec.structs.replace(call.request, **changes))
    assert isinstance(reports, tuple | list), reports
    (report,) = reports
    assert isinstance(report, DeliveryReport)
    return report


async def aside(work: Callable[[], T]) -> T:
    """Run a vendor's synchronous client beside the loop."""
    return await asyncio.to_thread(work)


def is_reference(report: DeliveryReport, reference: UUID) -> bool:
    """Whether a report names our message."""
    return report.reference == str(reference)
