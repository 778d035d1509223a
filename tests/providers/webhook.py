"""A webhook of the test's own: it takes reports, and says how many came."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from smsgw.core.ports import ReportRequest
from tests.providers.opening import NOW

PATIENCE = 10


class Webhook:
    """Takes reports; answers with the statuses it is given, 200 when they are used up."""

    def __init__(self) -> None:
        self.reports: list[dict[str, Any]] = []
        self.signatures: list[bool] = []
        self.requests: list[ReportRequest] = []
        self.statuses: list[int] = []
        self.came = asyncio.Condition()
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        expected = hmac.new(b"the-secret", body, hashlib.sha256).hexdigest()
        async with self.came:
            self.reports.append(await request.json())
            headers = tuple((name.lower(), value) for name, value in request.headers.items())
            self.requests.append(ReportRequest(received_at=NOW, headers=headers, body=body))
            self.signatures.append(request.headers["x-signature"] == expected)
            self.came.notify_all()
        return web.Response(status=self.statuses.pop(0) if self.statuses else 200)

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self.came:
            await self.came.wait_for(lambda: len(self.reports) >= count)


@asynccontextmanager
async def webhook_server() -> AsyncIterator[Webhook]:
    """Give a webhook that listens until the block ends."""
    hook = Webhook()
    application = web.Application()
    application.router.add_post("/reports", hook.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    hook.url = f"http://{host}:{port}/reports"
    yield hook
    await runner.cleanup()
