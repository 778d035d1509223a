"""Reading what a vendor answers: pure, bounded, and never trusting a byte of it."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Annotated, Any, TypeVar

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult

T = TypeVar("T")

Visible = Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z")]
"""An id as vendors make them: 1 to 128 visible ASCII characters."""
Secret = Annotated[str, Meta(pattern=r"^[!-~]{1,256}\Z")]
"""A credential that may stand in a header."""

MAX_RETRY_AFTER = timedelta(days=1)
MAX_DETAIL = 200
_SECONDS = re.compile(r"[0-9]{1,18}", re.ASCII)
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{4,}", re.ASCII)
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
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def code(value: Any) -> str | None:
    """Return a vendor's error code if it looks like one, a short word or number: only then may it be shown."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    word = str(value)
    return word if _CODE.fullmatch(word) else None


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
