"""CLIENT_CONFIG and PROVIDERS_CONFIG: raw JSON from a variable, a file or PROVIDERn_URL, and what it parses to."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from smsgw.core.fingerprint import config_fingerprint
from smsgw.core.keys import ClientConfigError, Clients
from smsgw.core.providers import ProviderConfigError, Providers
from smsgw.settings.numbered import numbered_providers
from smsgw.settings.reading import Reader, SettingsError, one_line, shown

_CLIENTS_EXAMPLE = '{"<api key>": {"name": "shop", "is_active": true, "daily_quota": 1000}}'
_PROVIDERS_EXAMPLE = '{"Local-SMS": {"is_active": true, "is_operational": true}}'


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A raw JSON setting: from the variable, or from its `_FILE`."""

    raw: str
    path: Path | None = None

    def __repr__(self) -> str:
        # It may hold API keys and providers' credentials.
        return f"Document(path={self.path!r}, fingerprint={self.fingerprint!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("path", self.path), ("fingerprint", self.fingerprint)]

    @property
    def fingerprint(self) -> str:
        """SHA-256 hex of the raw string."""
        return config_fingerprint(self.raw)


def read_document(name: str, path: Path) -> Document:
    """Return a configuration file's text less one final newline; raises SettingsError naming the variable."""
    try:
        # Bytes, not text mode: that would turn \r\n into \n, and the fingerprint is of what the file holds.
        text = path.read_bytes().decode()
    except (OSError, UnicodeDecodeError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise SettingsError(f"{name}_FILE: cannot read {str(path)!r}: {why}") from None
    return Document(raw=text.removesuffix("\n"), path=path)


def parse_clients(document: Document) -> Clients:
    """Return the clients of a document; raises SettingsError."""
    try:
        clients = Clients.parse(document.raw)
    except ClientConfigError as error:
        raise SettingsError(f"CLIENT_CONFIG: {one_line(error)}") from None
    if _repeated(document.raw):
        raise SettingsError("CLIENT_CONFIG: an API key, or a field of an entry, stands twice")
    return clients


def parse_providers(document: Document) -> Providers:
    """Return the providers of a document; raises SettingsError."""
    try:
        providers = Providers.parse(document.raw)
    except ProviderConfigError as error:
        raise SettingsError(f"PROVIDERS_CONFIG: {one_line(error)}") from None
    if names := _repeated(document.raw):
        raise SettingsError(f"PROVIDERS_CONFIG: {shown(names[0])} stands twice in one object")
    return providers


def documents(environ: Mapping[str, str]) -> tuple[Document | None, Document | None]:
    """Return CLIENT_CONFIG and PROVIDERS_CONFIG as they are given, unparsed; raises SettingsError."""
    read = Reader(environ)
    return _document(read, "CLIENT_CONFIG"), _providers_document(read)


def clients_of(read: Reader, *, required: bool) -> tuple[Document, Clients]:
    """Return CLIENT_CONFIG, raw and parsed; no clients at all where it is neither required nor given."""
    document = _document(read, "CLIENT_CONFIG")
    if document is not None:
        return document, parse_clients(document)
    if required:
        raise SettingsError(f"CLIENT_CONFIG: required, e.g. {_CLIENTS_EXAMPLE}")
    return Document(raw="{}"), Clients({})


def providers_of(read: Reader) -> tuple[Document, Providers]:
    """Return PROVIDERS_CONFIG, raw and parsed."""
    document = _providers_document(read)
    if document is None:
        raise SettingsError(f"PROVIDERS_CONFIG: required, e.g. {_PROVIDERS_EXAMPLE}")
    return document, parse_providers(document)


def _repeated(raw: str) -> list[str]:
    """Return the names that stand twice in one object of a document that was parsed before: the decoder would keep the
    last without a word, and the entry that somebody meant might be the first."""
    found: list[str] = []

    def look(members: list[tuple[str, Any]]) -> None:
        found.extend(name for name, count in Counter(name for name, _ in members).items() if count > 1)

    json.loads(raw, object_pairs_hook=look, parse_int=str)
    return found


def _providers_document(read: Reader) -> Document | None:
    document, numbered = _document(read, "PROVIDERS_CONFIG"), numbered_providers(read)
    if document is not None and numbered is not None:
        given = "PROVIDERS_CONFIG" if document.path is None else "PROVIDERS_CONFIG_FILE"
        raise SettingsError(f"{given}: set either this or PROVIDER1_URL, PROVIDER2_URL and so on, not both")
    return document if numbered is None else Document(raw=numbered)


def _document(read: Reader, name: str) -> Document | None:
    inline, path = read.raw(name), read.text(f"{name}_FILE", "")
    is_inline = bool(inline.strip())
    if is_inline and path:
        raise SettingsError(f"{name}: set either {name} or {name}_FILE, not both")
    if path:
        return read_document(name, Path(path))
    return Document(raw=inline) if is_inline else None
