"""How Plivo signs its callbacks: https://www.plivo.com/docs/messaging/concepts/signature-validation.

V2 signs the address without its query and a nonce, V3 the parameters as well. Either is made with the token of the
account that sends, and once more (`Ma`) with that of the main account above it.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Sequence

from smsgw.core.ports import ReportRequest
from smsgw.providers.callbacks import called_url
from smsgw.providers.reading import form
from smsgw.providers.signatures import is_same, only

_V2 = "x-plivo-signature-v2"
_V3 = "x-plivo-signature-v3"
_MAIN = {_V2: "x-plivo-signature-ma-v2", _V3: "x-plivo-signature-ma-v3"}
_NEWER = (_V3, f"{_V3}-nonce", _MAIN[_V3])
MOST_SIGNATURES = 8
"""In one V3 header, which may hold several."""


def forgery(
    request: ReportRequest, url: str | None, *, token: str, main_token: str | None, needs_v3: bool
) -> str | None:
    """Return why a call is not Plivo's, or None. `url` is the address that Plivo was told. Where V3 was sent it is V3
    that counts: V2 says nothing of the content."""
    if url is None:
        return "no webhook_url is known, and it is a part of what is signed"
    keys = (token, main_token or token)
    if needs_v3 or any(name in _NEWER for name, _ in request.headers):
        return None if _is_signed(request, _V3, _contents(request, url), keys) else "no X-Plivo-Signature-V3 that fits"
    return None if _is_signed(request, _V2, [_base(url)], keys) else "no X-Plivo-Signature-V2 that fits"


def _is_signed(request: ReportRequest, name: str, contents: Iterable[str], keys: tuple[str, str]) -> bool:
    nonce = only(request, f"{name}-nonce")
    if not nonce:
        return False
    tail = nonce if name == _V2 else f".{nonce}"
    given = [(only(request, name), keys[0]), (only(request, _MAIN[name]), keys[1])]
    return any(
        _fits(f"{content}{tail}", key, signature.split(",")[:MOST_SIGNATURES] if name == _V3 else [signature])
        for content in contents
        for signature, key in given
        if signature is not None
    )


def _fits(text: str, key: str, signatures: Sequence[str]) -> bool:
    digest = hmac.new(key.encode(), text.encode("utf-8", "surrogateescape"), hashlib.sha256).digest()
    made = base64.b64encode(digest).decode()
    return any(is_same(made, signature) for signature in signatures)


def _contents(request: ReportRequest, url: str) -> list[str]:
    """Return what V3 may have signed: the SDKs disagree about a POST without a query."""
    base = _base(url)
    parameters = form(called_url(url, request).partition("?")[2])
    posted = [] if request.method == "GET" and not request.body else form(request.body)
    if parameters is None or posted is None:
        return []
    query = "&".join(f"{name}={value}" for name, value in sorted(parameters))
    fields = "".join(f"{name}{value}" for name, value in sorted(posted))
    if not fields:
        return [f"{base}?{query}" if query else base]
    return [f"{base}?{query}.{fields}"] if query else [f"{base}?{fields}", f"{base}.{fields}"]


def _base(url: str) -> str:
    return url.partition("?")[0]
