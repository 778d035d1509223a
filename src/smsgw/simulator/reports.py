"""Delivery reports on their way out: signed, late on purpose, tried again, never many at once."""

import asyncio
import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime
from typing import Any

import aiohttp
import msgspec

from smsgw.simulator.ledger import Entry
from smsgw.simulator.settings import SimulatorSettings

SENDERS = 32
RETRIES = 3
MAX_WAITING = 200_000
TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 0.5
_ACCEPTABLE = range(200, 300)


class Report(msgspec.Struct, kw_only=True):
    """A report's wire form (docs/reference/providers.md)."""

    message_id: str
    reference: str
    status: str
    timestamp: datetime
    error_code: str | msgspec.UnsetType = msgspec.UNSET


class Reporter:
    """Sends reports to the webhook; use it as a context manager. What still waits at the end is dropped."""

    def __init__(
        self,
        settings: SimulatorSettings,
        *,
        clock: Callable[[], datetime],
        on_taken: Callable[[Entry], None] = lambda _entry: None,
    ) -> None:
        self._url = settings.webhook_url
        self._secret = settings.secret
        self._clock = clock
        self._on_taken = on_taken
        self._queue: asyncio.Queue[tuple[Entry, bytes]] = asyncio.Queue(MAX_WAITING)
        self._senders: list[asyncio.Task[None]] = []
        self._timers: set[asyncio.TimerHandle] = set()
        self.sent = 0
        self.dropped = 0
        """Reports that the webhook did not take, or that were too many."""

    async def __aenter__(self) -> "Reporter":
        if self._url:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=SENDERS * 2),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
            self._senders = [asyncio.create_task(self._send_all(), name="report") for _ in range(SENDERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for timer in self._timers:
            timer.cancel()
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        if self._url:
            await self._session.close()

    def report_later(self, entry: Entry, status: str, *, seconds: float) -> None:
        """Report an acceptance after a while."""
        if not self._url:
            return
        self._after(seconds, lambda: self._put(entry, status))

    async def report_now(self, entry: Entry, status: str) -> None:
        """Report an acceptance and return when the webhook has answered."""
        if self._url:
            await self._deliver(entry, self._body(entry, status))

    def _after(self, seconds: float, act: Callable[[], None]) -> None:
        def due() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(seconds, due)
        self._timers.add(timer)

    def _put(self, entry: Entry, status: str) -> None:
        try:
            self._queue.put_nowait((entry, self._body(entry, status)))
        except asyncio.QueueFull:
            self.dropped += 1

    def _body(self, entry: Entry, status: str) -> bytes:
        entry.status = status
        report = Report(
            message_id=entry.message_id,
            reference=entry.reference,
            status=status,
            timestamp=self._clock(),
            error_code=msgspec.UNSET if status == "delivered" else "ABSENT_SUBSCRIBER",
        )
        return msgspec.json.encode(report)

    async def _send_all(self) -> None:
        while True:
            await self._deliver(*await self._queue.get())

    async def _deliver(self, entry: Entry, body: bytes) -> None:
        for retry in range(RETRIES + 1):
            if retry:
                await asyncio.sleep(RETRY_SECONDS * 2 ** (retry - 1))
            if await self._post(body):
                self.sent += 1
                self._on_taken(entry)
                return
        self.dropped += 1

    async def _post(self, body: bytes) -> bool:
        signature = hmac.new(self._secret, body, hashlib.sha256).hexdigest()
        headers: dict[str, Any] = {"x-signature": signature, "content-type": "application/json"}
        try:
            async with self._session.post(self._url, data=body, headers=headers, allow_redirects=False) as answer:
                return answer.status in _ACCEPTABLE
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False
