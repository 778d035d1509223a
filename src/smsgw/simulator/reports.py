"""Delivery reports on their way out: signed, late on purpose, tried again, never many at once."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

import aiohttp
import msgspec
from yarl import URL

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing, Webhook
from smsgw.simulator.schedule import Schedule

SENDERS = 32
RETRIES = 3
MAX_WAITING = 200_000
TIMEOUT_SECONDS = 5.0
RETRY_SECONDS = 0.5
_ACCEPTABLE = range(200, 300)


class _Due(msgspec.Struct, frozen=True):
    webhook: Webhook
    entry: Entry
    status: str


class Reporter:
    """Sends reports to webhooks; use it as a context manager. What still waits at the end is dropped."""

    def __init__(
        self, *, clock: Callable[[], datetime], on_taken: Callable[[Entry], None] = lambda _entry: None
    ) -> None:
        self._clock = clock
        self._on_taken = on_taken
        self._session: aiohttp.ClientSession | None = None
        self._senders: list[asyncio.Task[None]] = []
        self.sent: Counter[str] = Counter()
        """By provider, as the next."""
        self.dropped: Counter[str] = Counter()
        """Reports that the webhook did not take, or that were too many."""

    async def __aenter__(self) -> "Reporter":
        self._queue: asyncio.Queue[tuple[_Due, Sequence[Outgoing]]] = asyncio.Queue()
        self._schedule = Schedule(self._put)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._schedule.clear()
        for sender in self._senders:
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)
        if self._session:
            await self._session.close()

    def report_later(self, webhook: Webhook, entry: Entry, status: str, *, seconds: float) -> None:
        """Report an acceptance after a while; not at all where there is no webhook, or too many wait already."""
        if not webhook.address(entry):
            return
        if len(self._schedule) + self._queue.qsize() >= MAX_WAITING:
            self.dropped[entry.provider] += 1
            return
        self._schedule.add(_Due(webhook, entry, status), seconds=seconds)

    async def report_now(self, webhook: Webhook, entry: Entry, status: str) -> None:
        """Report an acceptance and return when the webhook has answered."""
        if webhook.address(entry):
            due = _Due(webhook, entry, status)
            await self._deliver(due, self._calls(due))

    def _put(self, due: _Due) -> None:
        if not self._senders:
            self._senders = [asyncio.create_task(self._send_all(), name="report") for _ in range(SENDERS)]
        self._queue.put_nowait((due, self._calls(due)))

    def _calls(self, due: _Due) -> Sequence[Outgoing]:
        entry, status = due.entry, due.status
        if status != "sent":
            # A `sent` that comes after the end of the story is late news.
            entry.status = status
        return due.webhook.calls(entry, status, self._clock())

    async def _send_all(self) -> None:
        while True:
            await self._deliver(*await self._queue.get())

    async def _deliver(self, due: _Due, calls: Sequence[Outgoing]) -> None:
        for call in calls:
            if not await self._persist(call):
                self.dropped[due.entry.provider] += 1
                return
        self.sent[due.entry.provider] += 1
        self._on_taken(due.entry)

    async def _persist(self, call: Outgoing) -> bool:
        for retry in range(RETRIES + 1):
            if retry:
                await asyncio.sleep(RETRY_SECONDS * 2 ** (retry - 1))
            if await self._make(call):
                return True
        return False

    async def _make(self, call: Outgoing) -> bool:
        try:
            # The address is signed as it stands: nothing may be quoted anew.
            async with self._client().request(
                call.method, URL(call.url, encoded=True), data=call.body, headers=call.headers, allow_redirects=False
            ) as answer:
                return answer.status in _ACCEPTABLE
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return False

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=SENDERS * 2),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session
