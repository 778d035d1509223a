"""API keys and the clients they open: parsed once, looked up by digest, compared in constant time."""

import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from smsgw.core.sender import problem_of_senders

_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_STRANGE_FIELD = re.compile(r"unknown field `(?![a-z_]{1,16}`).*`", re.DOTALL)
PUBLIC_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
MAX_KEY_LENGTH = 255


class ClientConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One entry of CLIENT_CONFIG."""

    name: Annotated[str, Meta(min_length=1, max_length=128)]
    is_active: bool
    daily_quota: Annotated[int, Meta(ge=0, le=1_000_000_000_000)] | None
    """Accepted messages per UTC day; null is unlimited, 0 is none."""
    id: str | None = None
    scopes: tuple[str, ...] = ("send",)
    senders: Annotated[tuple[str, ...], Meta(max_length=1000)] | None = None
    """What it may give as `sender`; `*` among them: anything; None: it may not choose."""
    expires_at: Annotated[datetime, Meta(tz=True)] | None = None
    """From then on this entry's key opens nothing: how a key is rotated, with both open for a while."""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Who is calling. `client_key` is the public id, the only name under which a client is stored, logged, counted."""

    client_key: str
    name: str
    is_active: bool
    daily_quota: int | None
    scopes: frozenset[str]
    senders: frozenset[str] | None = None
    """See ClientConfig."""


SCOPES = frozenset({"send", "ops"})


class ClientConfigError(ValueError):
    """CLIENT_CONFIG breaks a rule; the message says which, without the key."""


class Clients:
    """Every configured client by the digest of its key, or keys. `ends`: from when on a key opens nothing."""

    def __init__(self, by_digest: Mapping[bytes, Client], ends: Mapping[bytes, datetime] | None = None) -> None:
        self._by_digest = dict(by_digest)
        self._ends = dict(ends or {})
        self._clients = {client.client_key: client for client in self._by_digest.values()}

    @classmethod
    def parse(cls, raw: str) -> "Clients":
        """Return the clients of a raw CLIENT_CONFIG; raises ClientConfigError with one line."""
        try:
            entries = msgspec.json.decode(raw, type=dict[str, ClientConfig])
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            # msgspec writes `[...]` for the key of a dictionary in an error's path; but one level too deep, an API key
            # is a field that it does not know and would name. Only what may be a slip of the pen is shown.
            raise ClientConfigError(_STRANGE_FIELD.sub("a field that no entry has", str(error))) from None
        by_digest: dict[bytes, Client] = {}
        ends: dict[bytes, datetime] = {}
        seen: dict[str, Client] = {}
        for number, (key, entry) in enumerate(entries.items(), 1):
            digest = _digest_of(key, number)
            client = _client(entry, digest, number)
            if digest in by_digest:
                raise ClientConfigError(f"entry {number} ({entry.name}): the same API key stands twice")
            if seen.setdefault(client.client_key, client) != client:
                why = f"the id {client.client_key!r} stands twice, and not all of the rest is equal"
                raise ClientConfigError(f"entry {number} ({entry.name}): {why}")
            by_digest[digest] = client
            if entry.expires_at is not None:
                ends[digest] = entry.expires_at
        return cls(by_digest, ends)

    def authenticate(self, presented: str | None, now: datetime) -> Client | None:
        """Return the active client of this key, else None; missing, malformed, unknown, expired and inactive take one
        path."""
        key = presented or ""
        digest = hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
        client = self._by_digest.get(digest)
        # The dictionary found it by the digest of 256 bits; the comparison keeps the last step free of early exits.
        is_known = hmac.compare_digest(digest, digest if client else bytes(32))
        end = self._ends.get(digest)
        is_over = end is not None and end <= now
        if not is_known or is_over or client is None or not client.is_active or not 0 < len(key) <= MAX_KEY_LENGTH:
            return None
        return client

    def __len__(self) -> int:
        return len(self._clients)

    def __iter__(self) -> Iterator[Client]:
        return iter(self._clients.values())


def _digest_of(key: str, number: int) -> bytes:
    if key.startswith("sha256:"):
        if not (match := _DIGEST.fullmatch(key)):
            raise ClientConfigError(f"entry {number}: `sha256:` must be followed by 64 lower-case hex digits")
        return bytes.fromhex(match[1])
    if not 0 < len(key) <= MAX_KEY_LENGTH or not all("!" <= char <= "~" for char in key):
        raise ClientConfigError(f"entry {number}: an API key is 1 to {MAX_KEY_LENGTH} visible ASCII characters")
    return hashlib.sha256(key.encode()).digest()


def _client(entry: ClientConfig, digest: bytes, number: int) -> Client:
    if unknown := set(entry.scopes) - SCOPES:
        raise ClientConfigError(f"entry {number} ({entry.name}): unknown scope {min(unknown)!r}")
    if entry.id is not None and not PUBLIC_ID.fullmatch(entry.id):
        raise ClientConfigError(f"entry {number} ({entry.name}): an id is 1 to 64 of A-Z a-z 0-9 . _ -")
    if problem := problem_of_senders(entry.senders or ()):
        raise ClientConfigError(f"entry {number} ({entry.name}): {problem}")
    return Client(
        client_key=entry.id or digest.hex()[:12],
        name=entry.name,
        is_active=entry.is_active,
        daily_quota=entry.daily_quota,
        scopes=frozenset(entry.scopes),
        senders=None if entry.senders is None else frozenset(entry.senders),
    )
