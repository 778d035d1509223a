"""A request as people may see it: everything but the credentials."""

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import httpx
import msgspec

HIDDEN = "***"
_TELLING = re.compile(r"authorization|cookie|key|token|secret|signature|password", re.IGNORECASE)
"""Headers whose names say that they hold a credential."""
_TELLING_FIELD = re.compile(
    r"((?:^|[?&])[^=&#]*(?:auth|key|token|secret|signature|passw)[^=&#]*=)[^&#]+", re.IGNORECASE
)
"""The same of fields of an address or a form: what stands there as it is, in the options, nobody knows for a secret."""
_LEAST_IN_BASE64 = 6
"""Characters of base64 that are taken for a part of a secret and not for chance."""


class ShownRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request without a credential in it."""

    method: str
    url: str
    headers: list[tuple[str, str]]
    body: str


class Redactor:
    """Hides secrets, also those that were encoded into an address, a form, JSON or base64."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets if secret for form in _forms(secret)}
        # The longest first: a form may be a part of another.
        words = "|".join(re.escape(form) for form in sorted(forms, key=len, reverse=True))
        self._secret = re.compile(words) if words else None

    def text(self, text: str) -> str:
        """Return the text without the secrets."""
        return self._secret.sub(HIDDEN, text) if self._secret else text

    def request(self, request: httpx.Request) -> ShownRequest:
        """Return what may be shown of a request."""
        return ShownRequest(
            method=request.method,
            url=_TELLING_FIELD.sub(rf"\1{HIDDEN}", self.text(str(request.url))),
            headers=[(name, self._header(name, value)) for name, value in request.headers.items()],
            body=self._body(request),
        )

    def _body(self, request: httpx.Request) -> str:
        body = self.text(request.content.decode("utf-8", "backslashreplace"))
        is_form = request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        return _TELLING_FIELD.sub(rf"\1{HIDDEN}", body) if is_form else body

    def _header(self, name: str, value: str) -> str:
        if not _TELLING.search(name):
            return self.text(value)
        scheme, space, _ = value.partition(" ")
        return f"{self.text(scheme)} {HIDDEN}" if space and name == "authorization" else HIDDEN


def _forms(secret: str) -> set[str]:
    """Return how a secret may stand in a request."""
    in_json = {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]}
    in_address = {quote(secret, safe=""), quote(secret), quote_plus(secret)}
    return {secret, *in_json, *in_address, *_in_base64(secret.encode())}


def _in_base64(secret: bytes) -> set[str]:
    """Return what a secret looks like within base64, wherever it begins: with a name and a colon before it, say."""
    found = set()
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + secret)
        # The first and the last characters are made of neighbours too.
        core = whole[(offset * 8 + 5) // 6 : (offset + len(secret)) * 8 // 6].decode()
        if len(core) >= _LEAST_IN_BASE64:
            found |= {core, core.replace("+", "-").replace("/", "_")}
    return found
