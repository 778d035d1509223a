"""Reading what a vendor answers: pure, bounded, and never trusting a byte of it."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, DecimalException
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import parse_qsl
from uuid import UUID

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult

T = TypeVar("T")

Visible = Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z")]
"""An id as vendors make them: 1 to 128 visible ASCII characters."""
Secret = Annotated[str, Meta(pattern=r"^[!-~]{1,256}\Z")]
"""A credential that may stand in a header."""
Sender = Annotated[
    str,
    Meta(
        pattern=r"^(\+?[0-9]{3,15}|[A-Za-z0-9][A-Za-z0-9 ._&-]{0,10})\Z",
        description="Whom texts come from where the message does not say: a number, a short code, or up to 11 letters.",
    ),
]
"""A default sender, as an option of a provider."""

MAX_RETRY_AFTER = timedelta(days=1)
MAX_DETAIL = 200
MAX_FIELDS = 100
_SECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{4,}", re.ASCII)
_AMOUNT = re.compile(r"[+-]?[0-9]{1,12}(\.[0-9]{0,12})?([eE][+-]?[0-9]{1,2})?", re.ASCII)
_MOST_AMOUNT = 10**12
_CURRENCY = re.compile(r"[A-Za-z]{3}", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,3}", re.ASCII)
_REMOVED = "[removed]"

BY_STATUS: dict[int, Outcome] = {
    401: Outcome.CREDENTIALS,
    402: Outcome.CREDENTIALS,
    403: Outcome.CREDENTIALS,
    429: Outcome.THROTTLED,
}
"""What a status means by itself; every other 4xx is a refusal, everything else tells nothing."""


class Answer(msgspec.Struct, frozen=True):
    """A whole HTTP answer: not a redirect, not compressed, at most 256 KiB."""

    status: int
    headers: httpx.Headers
    body: bytes
    reference: UUID | None = None
    """What was asked about, in the answer to a look-up."""

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def is_refusal(self) -> bool:
        """Whether the status is 4xx."""
        return 400 <= self.status < 500


def by_status(answer: Answer, now: datetime) -> SendResult:
    """Return what the status alone says, the same for every vendor; a 503 with a Retry-After was not taken, even if the
    wait in it cannot be read."""
    wait = retry_after(answer.headers.get("retry-after"), now)
    detail = f"HTTP {answer.status}"
    if outcome := BY_STATUS.get(answer.status):
        return SendResult(outcome=outcome, detail=detail, retry_after=wait if outcome is Outcome.THROTTLED else None)
    if answer.status == 503 and answer.headers.get("retry-after", "").strip():
        return SendResult(outcome=Outcome.THROTTLED, detail=detail, retry_after=wait)
    if answer.is_refusal:
        return SendResult(outcome=Outcome.REJECTED, detail=detail)
    return SendResult(outcome=Outcome.UNKNOWN, detail=f"{detail}, nothing usable in it")


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After (seconds or HTTP-date) asks for: 0 to one day, or None for garbage."""
    text = (value or "").strip()
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=min(int(text), MAX_RETRY_AFTER.total_seconds()))
    if not 20 <= len(text) <= 40:
        return None
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return min(max(aware - now, timedelta(0)), MAX_RETRY_AFTER)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def decode(body: bytes | str, kind: type[T]) -> T | None:
    """Return the JSON body as `kind` (unknown fields ignored), or None for anything else."""
    try:
        # The decoder would not look at the bytes of a field that it skips.
        return msgspec.json.decode(body if isinstance(body, str) else body.decode(), type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def form(body: bytes | str) -> list[tuple[str, str]] | None:
    """Return the fields of a form or a query, decoded, in their order; None for anything else or too many."""
    try:
        text = body if isinstance(body, str) else body.decode()
        return parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), max_num_fields=MAX_FIELDS, errors="strict"
        )
    except (ValueError, UnicodeError):
        return None


def decode_form(content: bytes | str, kind: type[T]) -> T | None:
    """Return the fields of a form or a query as `kind` (unknown fields ignored), or None for anything else, also where
    a field stands twice."""
    fields = form(content)
    if fields is None or len(named := dict(fields)) < len(fields):
        return None
    try:
        return msgspec.convert(named, kind)
    except msgspec.ValidationError:
        return None


def code(value: Any) -> str | None:
    """Return a vendor's error code if it looks like one, a short word or number: only then may it be shown."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    word = str(value)
    return word if _CODE.fullmatch(word) else None


def amount(value: Any, *, times: int = 1) -> str | None:
    """Return a price as vendors write it, a number or a string, as a plain decimal number of at most 32 characters,
    without its sign: some write what they charge as negative."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        return None
    if isinstance(value, int) and abs(value) >= _MOST_AMOUNT:
        return None
    written = str(value).strip()
    if not _AMOUNT.fullmatch(written):
        return None
    try:
        plain = f"{abs(Decimal(written) * times):f}"
    except DecimalException:
        return None
    return plain if len(plain) <= 32 else None


def currency(value: Any) -> str | None:
    """Return an ISO 4217 code, in capitals, or None."""
    return value.upper() if isinstance(value, str) and _CURRENCY.fullmatch(value) else None


def segments(value: Any) -> int | None:
    """Return a number of segments, 1 to 255, or None for anything else."""
    if isinstance(value, str) and _COUNT.fullmatch(value):
        value = int(value)
    return value if type(value) is int and 0 < value < 256 else None


def moment(value: str | None) -> datetime | None:
    """Return an ISO 8601 time with an offset in UTC, or None."""
    try:
        parsed = datetime.fromisoformat(value or "")
        return parsed.astimezone(UTC) if parsed.tzinfo else None
    except (ValueError, OverflowError):
        return None


def without(detail: str | None, private: Iterable[str]) -> str | None:
    """Return a detail that people may read: short, and without any of the private strings, or their longer numbers,
    which a vendor may have echoed."""
    if detail is None:
        return None
    shown = detail
    for secret in private:
        if len(secret) >= 4:
            shown = shown.replace(secret, _REMOVED)
        for digits in _DIGITS.findall(secret):
            shown = shown.replace(digits, _REMOVED)
    return shown[:MAX_DETAIL]
