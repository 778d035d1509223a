"""Callers by the hundred in one thread: what a load at a steady rate needs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any

import aiohttp

from tests.invariants import Call
from tests.journey.process import Process
from tests.journey.product import KEY, NUMBER, TEXT, Product

SECONDS = 20


@asynccontextmanager
async def many_connections() -> AsyncIterator[aiohttp.ClientSession]:
    """Connections that are kept, as many as there are calls at once."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=SECONDS)
    ) as session:
        yield session


async def ask(
    session: aiohttp.ClientSession, product: Product, gateway: Process, key: str | None = None, **wanted: Any
) -> Call:
    """Make one send request; a connection that is refused or ends has no status."""
    asked = {"to": NUMBER, "text": TEXT, **wanted}
    headers = {"API-Key": KEY} | ({"Idempotency-Key": key} if key else {})
    began_at, status, body = datetime.now(UTC), None, b""
    with suppress(aiohttp.ClientConnectionError):
        async with session.post(gateway.url + "/api/v1/sms/send", json=asked, headers=headers) as answer:
            body = await answer.read()
            status = answer.status
    return Call(
        client_key=product.clients[KEY]["id"],
        idempotency_key=key,
        asked=asked,
        began_at=began_at,
        seconds=(datetime.now(UTC) - began_at).total_seconds(),
        status=status,
        body=body,
    )
