"""What every vendor's file is built on. The adapter is pure; the only awaiting code of the room is here."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import httpx
import msgspec

from smsgw import __version__
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Clock, Forged, Keep, Observer, Provider, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About as About
from smsgw.providers.about import Feature as Feature
from smsgw.providers.reading import Answer, by_status, retry_after, without

C = TypeVar("C", bound=msgspec.Struct)

MAX_ANSWER = 256 * 1024
CONNECT_SECONDS = 3.0
MOST_NEEDS = 2
"""Addresses that one report may want to have read."""
MOST_FETCHED = 16
"""Answers to them that are kept."""
MOST_FETCHING = 4
"""Of them asked for at a time: whoever makes us ask may be anybody, and sends need the connections."""
_DEFAULT_HEADERS = {"user-agent": f"smsgw/{__version__}", "accept": "application/json"}
_NO_BYTE_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def utc_now() -> datetime:
    """Return now, aware, in UTC: what an HTTP-date in a Retry-After is compared with."""
    return datetime.now(UTC)


class Adapter(ABC, Generic[C]):
    """What a kind of provider is made of: its options, its secrets, and the provider that they become. No I/O, no
    clock, no dice, no exceptions for what a vendor says."""

    config_type: ClassVar[type[msgspec.Struct]]
    """The struct of the provider's `options`; it forbids unknown fields. `Meta(description=...)` explains an option to
    people. A field `webhook_url` that is not set becomes the provider's address below PUBLIC_URL."""
    about: ClassVar[About | None] = None

    def __init__(self, config: C) -> None:
        self.config = config

    @abstractmethod
    def provider(
        self, name: str, *, transport: httpx.AsyncBaseTransport, timeout: timedelta, clock: Clock = utc_now
    ) -> Provider:
        """Return the provider that these options configure."""

    def read_report(
        self,
        request: ReportRequest,  # noqa: ARG002
    ) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify, then parse; an adapter without it takes every report for forged."""
        return Forged("this provider sends no reports")

    @classmethod
    def abilities(cls) -> list[str]:
        """Return what the adapter can do: `send`, `look-up`, `reports`, and the features of its vendor."""
        has_reports = cls.read_report is not Adapter.read_report
        optional = {"look-up": issubclass(cls, LooksUp), "reports": has_reports}
        features = cls.about.features if cls.about else frozenset[Feature]()
        return ["send", *(word for word, is_able in optional.items() if is_able), *sorted(features)]

    def secrets(self) -> tuple[str, ...]:
        """Return the options that must never be shown: every string that is not an address."""
        values = msgspec.structs.asdict(self.config).values()
        return tuple(value for value in values if isinstance(value, str) and "://" not in value)


class HttpAdapter(Adapter[C]):
    """One vendor's language over HTTP: requests built, answers read."""

    needs_body: ClassVar[bool] = True
    """False for a vendor whose 2xx says everything: then a body that cannot be read takes nothing away from it."""

    @abstractmethod
    def build_request(self, submit: Submit) -> httpx.Request:
        """Return the request that asks the vendor to send."""

    @abstractmethod
    def parse_response(self, answer: Answer) -> SendResult | None:
        """Return what the vendor's answer means; None leaves it to the status (`reading.by_status`)."""

    def provider(
        self, name: str, *, transport: httpx.AsyncBaseTransport, timeout: timedelta, clock: Clock = utc_now
    ) -> Provider:
        """Return the provider that speaks through this adapter."""
        return HttpProvider(name, self, transport=transport, timeout=timeout, clock=clock)


class LooksUp(ABC):
    """The ability of an HttpAdapter whose vendor can be asked what became of our reference."""

    @abstractmethod
    def build_look_up(self, reference: UUID) -> httpx.Request:
        """Return the request that asks what became of our reference."""

    @abstractmethod
    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """Return the vendor's answer about our reference."""


class FetchesForReports(ABC):
    """The ability of an HttpAdapter that needs something from the vendor to verify a report, such as a certificate."""

    @abstractmethod
    def report_needs(self, request: ReportRequest) -> Sequence[httpx.URL]:
        """Return the few addresses to GET before `read_report`; `request.fetched` has what was there. It is asked again
        with what was fetched: what an authentic report wants to have read can wait until that has proved it. Before,
        only addresses that are the vendor's beyond doubt may come out of it. An answer is kept and not asked for
        again."""


class _Lost(msgspec.Struct, frozen=True):
    """No answer that could be read, and what that means for a send."""

    outcome: Outcome
    detail: str


class HttpProvider:
    """The port `Provider` around an adapter: deadlines, the cap, and transport errors translated at this one border.

    The transport is shared and closed by whoever opened it.
    """

    def __init__(
        self,
        name: str,
        adapter: HttpAdapter[Any],
        *,
        transport: httpx.AsyncBaseTransport,
        timeout: timedelta,
        clock: Clock = utc_now,
    ) -> None:
        self._name = name
        self._adapter = adapter
        self._transport = transport
        self._seconds = timeout.total_seconds()
        # The connection has to give up before the whole call does: only then is it known that nothing left.
        connect = min(CONNECT_SECONDS, self._seconds / 2)
        self._timeouts = {"connect": connect, "pool": connect}
        self._clock = clock
        self._secrets = adapter.secrets()
        self._looks_up = adapter if isinstance(adapter, LooksUp) else None
        self._fetches = adapter if isinstance(adapter, FetchesForReports) else None
        self._fetched: dict[str, bytes] = {}
        self._fetching = asyncio.Semaphore(MOST_FETCHING)

    @property
    def name(self) -> str:
        """The canonical name."""
        return self._name

    @property
    def can_look_up(self) -> bool:
        """Whether the vendor can be asked about a reference."""
        return self._looks_up is not None

    async def send(self, submit: Submit) -> SendResult:
        """Ask the vendor to send; whatever happens is a value."""
        request = self._adapter.build_request(submit)
        request.extensions["once"] = True
        answer = await self._exchange(request)
        if isinstance(answer, _Lost):
            return SendResult(outcome=answer.outcome, detail=answer.detail)
        now = self._clock()
        result = self._adapter.parse_response(answer) or by_status(answer, now)
        wait = result.retry_after
        if wait is None and result.outcome is Outcome.THROTTLED:
            wait = retry_after(answer.headers.get("retry-after"), now)
        detail = without(result.detail, (submit.text, submit.to, *self._secrets))
        return msgspec.structs.replace(result, detail=detail, retry_after=wait)

    async def look_up(self, reference: UUID) -> LookUpResult:
        """Ask the vendor what became of our reference; anything but a clear answer is CANNOT_SAY."""
        asked = self._looks_up
        if asked is None:
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail="this provider answers no look-ups")
        answer = await self._exchange(asked.build_look_up(reference))
        if isinstance(answer, _Lost):
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail=answer.detail)
        result = asked.parse_look_up(msgspec.structs.replace(answer, reference=reference))
        return msgspec.structs.replace(result, detail=without(result.detail, self._secrets))

    async def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify, then parse."""
        if self._fetches is not None:
            request = await self._with_needs(request, self._fetches)
        return self._adapter.read_report(request)

    async def _with_needs(self, request: ReportRequest, fetches: FetchesForReports) -> ReportRequest:
        request = msgspec.structs.replace(request, fetched={})
        asked: set[str] = set()
        while len(asked) < MOST_NEEDS:
            address = next((each for each in map(str, fetches.report_needs(request)) if each not in asked), None)
            if address is None:
                break
            asked.add(address)
            body = await self._fetch(address)
            if body is not None:
                request = msgspec.structs.replace(request, fetched={**request.fetched, address: body})
        return request

    async def _fetch(self, address: str) -> bytes | None:
        if (kept := self._fetched.get(address)) is not None:
            return kept
        try:
            async with asyncio.timeout(self._seconds), self._fetching:
                return self._fetched.get(address) or await self._fetch_anew(address)
        except TimeoutError:
            return None

    async def _fetch_anew(self, address: str) -> bytes | None:
        answer = await self._exchange(httpx.Request("GET", address))
        if isinstance(answer, _Lost) or answer.status != 200:
            return None
        while len(self._fetched) >= MOST_FETCHED:
            del self._fetched[next(iter(self._fetched))]
        self._fetched[address] = answer.body
        return answer.body

    async def run(self, keep: Keep, observer: Observer) -> None:
        """Every call is one of its own: nothing is held open."""

    async def close(self) -> None:
        """Nothing of its own to close."""

    async def _exchange(self, request: httpx.Request) -> Answer | _Lost:
        headers = request.headers
        # Else httpx finds out anew, at every look, which encoding all of them have.
        headers.encoding = "latin-1"
        for name, value in _DEFAULT_HEADERS.items():
            headers.setdefault(name, value)
        headers["accept-encoding"] = "identity"
        request.extensions["timeout"] = self._timeouts
        try:
            async with asyncio.timeout(self._seconds) as deadline:
                return await self._ask(request, deadline)
        except TimeoutError:
            return _Lost(Outcome.UNKNOWN, f"no answer within {self._seconds:g} s")
        except _NO_BYTE_LEFT as error:
            return _Lost(Outcome.UNREACHABLE, _described(error))
        except httpx.TransportError as error:
            return _Lost(Outcome.UNKNOWN, _described(error))

    async def _ask(self, request: httpx.Request, deadline: asyncio.Timeout) -> Answer | _Lost:
        response = await self._transport.handle_async_request(request)
        try:
            if self._adapter.needs_body or not 200 <= response.status_code < 300:
                return await _read(response)
            return await _read_if_possible(response, deadline)
        finally:
            await response.aclose()


async def _read(response: httpx.Response) -> Answer | _Lost:
    """Read the answer as it came, up to the cap; a redirect or a compressed answer is none that we asked for."""
    status, headers = response.status_code, response.headers
    if not (200 <= status < 300 or status >= 400):
        return _Lost(Outcome.UNKNOWN, f"HTTP {status}: redirects are not followed")
    if headers.get("content-encoding", "identity").lower() != "identity":
        return _Lost(Outcome.UNKNOWN, f"HTTP {status}: a compressed answer")
    parts: list[bytes] = []
    size = 0
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for part in response.stream:
        size += len(part)
        if size > MAX_ANSWER:
            return _Lost(Outcome.UNKNOWN, f"HTTP {status}: an answer larger than {MAX_ANSWER // 1024} KiB")
        parts.append(part)
    return Answer(status, headers, b"".join(parts))


async def _read_if_possible(response: httpx.Response, deadline: asyncio.Timeout) -> Answer:
    """Read the answer, or take its head alone for it: broken off, compressed, too large, or too slow."""
    left = (deadline.when() or 0.0) - asyncio.get_running_loop().time()
    try:
        async with asyncio.timeout(left / 2):
            answer = await _read(response)
    except (httpx.TransportError, TimeoutError):
        return Answer(response.status_code, response.headers, b"")
    return answer if isinstance(answer, Answer) else Answer(response.status_code, response.headers, b"")


def _described(error: httpx.TransportError) -> str:
    """Return the kinds of the failure. Its text may hold addresses with credentials in them."""
    cause = error.__cause__
    return f"{type(error).__name__} ({type(cause).__name__})" if cause else type(error).__name__
