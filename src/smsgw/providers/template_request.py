"""The request of a `template`: its texts compiled at start, filled in for each message, every value escaped where it
stands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec

from smsgw.providers.options import Options
from smsgw.providers.placeholders import Fill, Values, as_it_is, compiled, compiled_json, in_header, in_path
from smsgw.providers.urls import checked_url

NAMES = ("to", "to_digits", "text", "sender", "reference", "reference_number", "validity_seconds", "callback")
"""Placeholders that every provider has."""
IN_PATH = frozenset({"to", "to_digits", "reference", "reference_number", "validity_seconds"})
"""Those that may stand in the path: none of them can be `..`."""


MAX_BYTES = 128 * 1024
"""Of a whole request with the longest text there may be."""
_LONGEST: Values = {
    "to": "+123456789012345",
    "to_digits": "123456789012345",
    "text": "\U0001f600" * 1000,
    "sender": "s" * 32,
    "reference": "r" * 36,
    "reference_number": "9" * 19,
    "validity_seconds": "86400",
    "callback": f"https://{'c' * 2000}",
}


class Model(Options, frozen=True, kw_only=True):
    """What the options say about the request."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    form: Mapping[str, str] | None
    json: Any
    secrets: Values


class Requests:
    """Makes requests of values. Raises ValueError for a model with a placeholder that nobody knows, or that makes a
    request of more than MAX_BYTES."""

    def __init__(self, model: Model) -> None:
        self._model = model
        secrets = model.secrets
        _check_url(model.url)
        address, mark, query = model.url.partition("?")
        self._own_query = f"{mark}{query}"
        in_address = {name: in_path(value) for name, value in secrets.items()}
        self._address = compiled(address, IN_PATH, place="url", constants=in_address, escape=in_path)
        self._query = _fills("query", model.query, secrets)
        self._headers = _fills("headers", model.headers, secrets, escape=in_header)
        self._form = _fills("form", model.form or {}, secrets)
        # httpx takes longest to read an address: one that never changes is read once.
        is_fixed = not self._query and "{" not in address
        self._url = httpx.URL(f"{self._address({})}{self._own_query}") if is_fixed else None
        self._json = None if model.json is None else compiled_json(model.json, NAMES, place="json", constants=secrets)
        self._check_size()

    def build(self, values: Values) -> httpx.Request:
        """Return the request of one message; a field whose value is missing is left out."""
        url = self._url or self._address_of(values)
        headers = dict(_filled(self._headers, values))
        return httpx.Request(self._model.method, url, headers=headers, content=self._content(values))

    def _check_size(self) -> None:
        try:
            request = self.build(_LONGEST)
        except httpx.InvalidURL:
            raise ValueError("url: with a long text it is no address any more") from None
        headers = sum(len(name) + len(value) for name, value in request.headers.raw)
        if len(str(request.url)) + headers + len(request.content) > MAX_BYTES:
            raise ValueError(f"a long text makes a request of more than {MAX_BYTES // 1024} KiB")

    def _address_of(self, values: Values) -> str:
        query = urlencode(list(_filled(self._query, values)))
        joint = "" if not query else "&" if self._own_query else "?"
        return f"{self._address(values)}{self._own_query}{joint}{query}"

    def _content(self, values: Values) -> bytes | None:
        if self._json is not None:
            return msgspec.json.encode(self._json(values))
        return None if self._model.form is None else urlencode(list(_filled(self._form, values))).encode()


def _check_url(url: str) -> None:
    checked_url(url.replace("{", "").replace("}", ""))
    host = url.partition("://")[2].partition("/")[0]
    if "{" in host or "}" in host:
        raise ValueError("url: no placeholders in the host")
    if "{" in url.partition("?")[2]:
        raise ValueError("url: placeholders of the query belong into the option query")


def _fills(
    place: str, texts: Mapping[str, str], secrets: Values, *, escape: Callable[[str], str] = as_it_is
) -> list[tuple[str, Fill]]:
    return [
        (name, compiled(text, NAMES, place=f"{place}.{name}", constants=secrets, escape=escape))
        for name, text in texts.items()
    ]


def _filled(fills: Sequence[tuple[str, Fill]], values: Values) -> Iterator[tuple[str, str]]:
    for name, fill in fills:
        made = fill(values)
        if made is not None:
            yield name, made
