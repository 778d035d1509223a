"""What every vendor's file is built on. The adapter is pure; the only awaiting code of the room is here."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

import httpx
import msgspec

from smsgw import __version__
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Clock, Forged, Provider, ReportRequest, Submit, Unreadable
from smsgw.providers.reading import Answer, by_status, retry_after, without

C = TypeVar("C", bound=msgspec.Struct)

MAX_ANSWER = 256 * 1024
CONNECT_SECONDS = 3.0
_DEFAULT_HEADERS = {"user-agent": f"smsgw/{__version__}", "accept": "application/json"}
_NO_BYTE_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def utc_now() -> datetime:
    """Return now, aware, in UTC: what an HTTP-date in a Retry-After is compared with."""
    return datetime.now(UTC)


class Adapter(Generic[C]):
    """One vendor's language: requests built, answers and reports read. No I/O, no clock, no dice, no exceptions for
    what a vendor says."""

    config_type: ClassVar[type[msgspec.Struct]]
    """The struct of the provider's `options`; it forbids unknown fields."""

    def __init__(self, config: C) -> None:
        self.config = config

    def build_request(self, submit: Submit) -> httpx.Request:
        """Return the request that asks the vendor to send."""
        raise NotImplementedError

    def parse_response(self, answer: Answer) -> SendResult | None:
        """Return what the vendor's answer means; None leaves it to the status (`reading.by_status`)."""
        raise NotImplementedError

    def build_look_up(self, reference: UUID) -> httpx.Request:
        """Return the request that asks what became of our reference; an adapter without it cannot be asked."""
        raise NotImplementedError

    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """Return the vendor's answer about our reference."""
        raise NotImplementedError

    def read_report(
        self,
        request: ReportRequest,  # noqa: ARG002
    ) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify, then parse; an adapter without it takes every report for forged."""
        return Forged("this provider sends no reports")

    @classmethod
    def abilities(cls) -> list[str]:
        """Return what the adapter can do: `send`, `look-up`, `reports`."""
        optional = {"look-up": "build_look_up", "reports": "read_report"}
        return ["send", *(word for word, name in optional.items() if getattr(cls, name) is not getattr(Adapter, name))]

    def secrets(self) -> tuple[str, ...]:
        """Return the options that must never be shown: every string that is not an address."""
        values = msgspec.structs.asdict(self.config).values()
        return tuple(value for value in values if isinstance(value, str) and "://" not in value)

    def provider(
        self, name: str, *, transport: httpx.AsyncBaseTransport, timeout: timedelta, clock: Clock = utc_now
    ) -> Provider:
        """Return the provider that speaks through this adapter; one that needs no HTTP overrides this."""
        return HttpProvider(name, self, transport=transport, timeout=timeout, clock=clock)


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
        adapter: Adapter[Any],
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
        self._can_look_up = "look-up" in adapter.abilities()

    @property
    def name(self) -> str:
        """The canonical name."""
        return self._name

    @property
    def can_look_up(self) -> bool:
        """Whether the vendor can be asked about a reference."""
        return self._can_look_up

    async def send(self, submit: Submit) -> SendResult:
        """Ask the vendor to send; whatever happens is a value."""
        answer = await self._exchange(self._adapter.build_request(submit))
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
        if not self._can_look_up:
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail="this provider answers no look-ups")
        answer = await self._exchange(self._adapter.build_look_up(reference))
        if isinstance(answer, _Lost):
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail=answer.detail)
        result = self._adapter.parse_look_up(answer)
        return msgspec.structs.replace(result, detail=without(result.detail, self._secrets))

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify, then parse."""
        return self._adapter.read_report(request)

    async def close(self) -> None:
        """Nothing of its own to close."""

    async def _exchange(self, request: httpx.Request) -> Answer | _Lost:
        for name, value in _DEFAULT_HEADERS.items():
            request.headers.setdefault(name, value)
        request.headers["accept-encoding"] = "identity"
        request.extensions["timeout"] = self._timeouts
        try:
            async with asyncio.timeout(self._seconds):
                return await self._ask(request)
        except TimeoutError:
            return _Lost(Outcome.UNKNOWN, f"no answer within {self._seconds:g} s")
        except _NO_BYTE_LEFT as error:
            return _Lost(Outcome.UNREACHABLE, _described(error))
        except httpx.TransportError as error:
            return _Lost(Outcome.UNKNOWN, _described(error))

    async def _ask(self, request: httpx.Request) -> Answer | _Lost:
        response = await self._transport.handle_async_request(request)
        try:
            return await _read(response)
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


def _described(error: httpx.TransportError) -> str:
    """Return the kinds of the failure. Its text may hold addresses with credentials in them."""
    cause = error.__cause__
    return f"{type(error).__name__} ({type(cause).__name__})" if cause else type(error).__name__
