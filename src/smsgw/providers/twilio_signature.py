"""How Twilio signs its callbacks: https://www.twilio.com/docs/usage/security#validating-requests."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from smsgw.core.ports import ReportRequest
from smsgw.providers.callbacks import called_url, parameter
from smsgw.providers.reading import form
from smsgw.providers.signatures import is_same, only

_SETTINGS = "x-twilio-webhooks-signature-settings"
_PLAIN = "HMAC_SHA1"
_DIGESTS: Mapping[str, Callable[..., Any]] = {_PLAIN: hashlib.sha1, "HMAC_SHA256": hashlib.sha256}


def forgery(request: ReportRequest, url: str | None, *, token: str | None, shared: str | None) -> str | None:
    """Return why a call is not Twilio's, or None. `url` is the address that Twilio was told; `token` signs with SHA-1,
    the secret of a shared key with SHA-256."""
    if url is None:
        return "no webhook_url is known, and it is a part of what is signed"
    given = only(request, "x-twilio-signature")
    if given is None:
        return "not one X-Twilio-Signature"
    algorithm = _algorithm(request)
    key, digest = token if algorithm == _PLAIN else shared, _DIGESTS.get(algorithm)
    if key is None or digest is None:
        return "signed with a key that the options do not have"
    fields = _fields(request)
    if fields is None:
        return "the body is not what was signed"
    for address in _spellings(called_url(url, request)):
        made = hmac.new(key.encode(), f"{address}{fields}".encode("utf-8", "surrogateescape"), digest).digest()
        if is_same(base64.b64encode(made).decode(), given):
            return None
    return "X-Twilio-Signature does not fit"


def _algorithm(request: ReportRequest) -> str:
    """Return what the header of shared keys says, `key=...,algorithm=...`; without one it is the plain one."""
    settings = [value for name, value in request.headers if name == _SETTINGS]
    parts = [part.strip().partition("=") for value in settings for part in value.split(",")]
    named = {value.strip().upper() for name, _, value in parts if name.strip() == "algorithm" and value.strip()}
    return named.pop() if len(named) == 1 else "several" if named else _PLAIN


def _fields(request: ReportRequest) -> str | None:
    """Return what is signed behind the address: nothing of a GET, nothing of a body whose hash is in the address, else
    the distinct fields of the form, sorted."""
    if request.method == "GET":
        return None if request.body else ""
    if expected := parameter(request.query, "bodySHA256"):
        return "" if is_same(hashlib.sha256(request.body).hexdigest(), expected.lower()) else None
    fields = form(request.body)
    return None if fields is None else "".join(f"{name}{value}" for name, value in sorted(set(fields)))


def _spellings(url: str) -> Iterable[str]:
    """Return an address without its port and with it: Twilio signs either."""
    parts = urlsplit(url)
    bare = parts.netloc if parts.port is None else parts.netloc.removesuffix(f":{parts.port}")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return (parts._replace(netloc=netloc).geturl() for netloc in (bare, f"{bare}:{port}"))
