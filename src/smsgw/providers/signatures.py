"""What signed webhook calls have in common: one header, a time that is not old, JSON Web Tokens (RFC 7519).

PyJWT verifies tokens, too, but judges their age by its own clock and warns of the short keys that vendors hand out.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec

from smsgw.core.ports import ReportRequest
from smsgw.providers.reading import decode
from smsgw.providers.webhooks import Guard, distrust

T = TypeVar("T")

MAX_AGE = timedelta(minutes=5)
"""How old a signature may be, and how much a vendor's clock may be ahead."""
MAX_TOKEN = 8192
_TOKEN = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_DIGESTS: Mapping[str, Callable[..., Any]] = {
    "HS256": hashlib.sha256,
    "HS384": hashlib.sha384,
    "HS512": hashlib.sha512,
}
HS256 = ("HS256",)
ANY_HMAC = tuple(_DIGESTS)


class _Header(msgspec.Struct, frozen=True):
    alg: str
    # Names extensions that must be understood; we understand none.
    crit: Any = None


def only(request: ReportRequest, name: str) -> str | None:
    """Return a header that stands there exactly once, or None: of two nobody knows which one was signed."""
    values = [value.strip() for given, value in request.headers if given == name]
    return values[0] if len(values) == 1 else None


def seconds(value: str | None) -> float | None:
    """Return Unix seconds as a header or a field has them, or None."""
    return float(value) if value and _SECONDS.fullmatch(value) else None


def is_recent(moment: float | None, now: datetime) -> bool:
    """Whether Unix seconds are at most MAX_AGE away from now."""
    return moment is not None and abs(now.timestamp() - moment) <= MAX_AGE.total_seconds()


def is_same(expected: str, given: str | None) -> bool:
    """Whether a signature is the expected one, compared in constant time."""
    return given is not None and hmac.compare_digest(expected.encode(), given.encode("utf-8", "surrogateescape"))


def claims(token: str, secret: str, kind: type[T], *, algorithms: Sequence[str] = HS256) -> T | None:
    """Return the claims of a token that the secret has signed with one of the algorithms; None for any other. Nothing
    of the claims is judged yet."""
    found = _TOKEN.fullmatch(token) if len(token) <= MAX_TOKEN else None
    if found is None:
        return None
    header = decode(_unwrapped(found[1]), _Header)
    digest = _DIGESTS.get(header.alg) if header and header.crit is None and header.alg in algorithms else None
    if digest is None:
        return None
    made = hmac.new(secret.encode(), f"{found[1]}.{found[2]}".encode(), digest).digest()
    if not is_same(base64.urlsafe_b64encode(made).decode().rstrip("="), found[3]):
        return None
    return decode(_unwrapped(found[2]), kind)


def distrust_beside(guard: Guard, request: ReportRequest, *, is_signed: bool) -> str | None:
    """Return why a call is not the vendor's before its signature is looked at, or None. The token and the addresses of
    a guard are the only proof where nothing is signed, and one more where they are configured."""
    if is_signed and guard.webhook_token is None:
        return None
    return distrust(guard, request)


def check_allowance(guard: Guard) -> None:
    """Raise ValueError for addresses that nobody would look at."""
    if guard.webhook_allow and guard.webhook_token is None:
        raise ValueError("webhook_allow needs a webhook_token beside it")


def _unwrapped(part: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError:
        return b""
