"""How MessageBird signs its calls: https://developers.messagebird.com/api/#verifying-http-requests."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlencode

import msgspec

from smsgw.core.ports import ReportRequest
from smsgw.providers.reading import form
from smsgw.providers.signatures import ANY_HMAC, claims, is_recent, is_same, only, seconds

LEEWAY = timedelta(seconds=1)
ISSUER = "MessageBird"


class _Claims(msgspec.Struct, frozen=True, kw_only=True):
    iss: str
    nbf: float
    exp: float
    url_hash: str
    payload_hash: str | None = None


def forgery(request: ReportRequest, token: str, key: str, webhook_url: str) -> str | None:
    """Return what is wrong with the token of a call to this address, or None:
    https://developers.messagebird.com/api/#verifying-http-requests."""
    said = claims(token, key, _Claims, algorithms=ANY_HMAC)
    if said is None or said.iss != ISSUER:
        return "the token does not fit"
    now, leeway = request.received_at.timestamp(), LEEWAY.total_seconds()
    if not said.nbf - leeway <= now <= said.exp + leeway:
        return "the token is too old, or not valid yet"
    url = f"{webhook_url}{'&' if '?' in webhook_url else '?'}{request.query}" if request.query else webhook_url
    if not is_same(hashlib.sha256(url.encode("utf-8", "surrogateescape")).hexdigest(), said.url_hash):
        return "the token is of another address; webhook_url has to be the one that is called"
    if (said.payload_hash is not None) != bool(request.body):
        return "the token is of another body"
    if said.payload_hash is not None and not is_same(hashlib.sha256(request.body).hexdigest(), said.payload_hash):
        return "the token is of another body"
    return None


def older_forgery(request: ReportRequest, key: str) -> str | None:
    """Return what is wrong with the older signature, or None: of the time, the sorted query and the body's digest."""
    timestamp, fields = only(request, "messagebird-request-timestamp"), form(request.query)
    if timestamp is None or fields is None:
        return "not one signature, one time and a query"
    expected = older_signature(timestamp, fields, request.body, key)
    if not is_same(expected, only(request, "messagebird-signature")):
        return "the signature does not fit"
    return None if is_recent(seconds(timestamp), request.received_at) else "the signature is too old"


def older_signature(timestamp: str, fields: Sequence[tuple[str, str]], body: bytes, key: str) -> str:
    """Return the older signature, in base64."""
    signed = b"\n".join(
        (
            timestamp.encode("utf-8", "surrogateescape"),
            urlencode(sorted(fields)).encode(),
            hashlib.sha256(body).digest(),
        )
    )
    return base64.b64encode(hmac.new(key.encode(), signed, hashlib.sha256).digest()).decode()
