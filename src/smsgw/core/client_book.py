"""Clients and their keys as configured and as changed since: what a page shows, and what the merge is written from."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from smsgw.core.keys import ClientConfig
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.core.overlay_changes import ClientChange, KeyChange

FIELDS = ("name", "is_active", "daily_quota", "scopes", "senders")
"""Of a client, whatever its keys."""
_DIGEST = re.compile(r"[0-9a-f]{64}")
_Change = TypeVar("_Change", bound=msgspec.Struct)


class Ignored(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the overlay that has no effect, and why."""

    kind: Kind
    name: str
    why: str


class KeyRow(msgspec.Struct, frozen=True, kw_only=True):
    """One API key, known by its digest."""

    digest: str
    """SHA-256, hex."""
    client: str
    configured: dict[str, Any] | None
    """Its entry in the configuration; None: it was made in the console or on the command line."""
    change: KeyChange | None
    row: OverlayRow | None = None

    @property
    def is_revoked(self) -> bool:
        """Whether it opens nothing any more, whatever the time."""
        return self.change is not None and self.change.is_revoked

    @property
    def expires_at(self) -> datetime | None:
        """From when on it opens nothing; the change wins."""
        if self.change is not None and self.change.expires_at is not None:
            return self.change.expires_at
        end = (self.configured or {}).get("expires_at")
        return None if end is None else datetime.fromisoformat(end)

    @property
    def hint(self) -> str:
        """What a person tells keys apart by: the first characters of one made here, else of its digest."""
        return (self.change.hint if self.change else "") or f"sha256:{self.digest[:12]}"

    def opens(self, now: datetime) -> bool:
        """Whether it opens anything at this time."""
        return not self.is_revoked and (self.expires_at is None or self.expires_at > now)


class ClientRow(msgspec.Struct, frozen=True, kw_only=True):
    """One client."""

    id: str
    configured: dict[str, Any] | None
    """Its fields in the configuration; None: it was made in the console or on the command line."""
    change: ClientChange | None
    fields: dict[str, Any]
    """What counts: the changed fields over the configured ones."""
    keys: tuple[KeyRow, ...] = ()
    row: OverlayRow | None = None

    @property
    def config(self) -> ClientConfig:
        """What counts, with defaults."""
        return msgspec.convert(self.fields, ClientConfig)

    @property
    def changed(self) -> frozenset[str]:
        """The names of the fields that are not as configured."""
        return frozenset(() if self.change is None else msgspec.to_builtins(self.change))


class ClientBook(msgspec.Struct, frozen=True, kw_only=True):
    """Everything about clients. `written` are the configured entries in their order: the key as it stands there, and
    its row."""

    clients: dict[str, ClientRow]
    written: tuple[tuple[str, KeyRow], ...]
    ignored: tuple[Ignored, ...]

    def __repr__(self) -> str:
        # What is written may be API keys.
        return f"ClientBook(clients={sorted(self.clients)})"

    def key(self, name: str) -> KeyRow | None:
        """Return the key of this digest or hint, if exactly one fits; at least eight characters of it."""
        wanted = name.removeprefix("sha256:")
        keys = [key for client in self.clients.values() for key in client.keys]
        found = [key for key in keys if key.hint == name or (len(wanted) >= 8 and key.digest.startswith(wanted))]
        return found[0] if len(found) == 1 else None


def client_book(raw: str, overlay: Overlay) -> ClientBook:
    """Return the clients of a raw CLIENT_CONFIG, which parses, with the overlay over them."""
    entries: dict[str, dict[str, Any]] = json.loads(raw)
    ignored: list[Ignored] = []
    changes = read_changes(overlay, Kind.CLIENT, ClientChange, ignored)
    keys = read_changes(overlay, Kind.KEY, KeyChange, ignored)
    written = _written(entries, keys, ignored)
    configured = {row.client: _fields(row.configured or {}) for _, row in reversed(written)}
    clients: dict[str, ClientRow] = {}
    # In the order of the configuration, then those that it does not know.
    for name in dict.fromkeys([*(row.client for _, row in written), *changes]):
        change = changes.get(name, (None, None))
        fields = {**configured.get(name, {}), **(msgspec.to_builtins(change[0]) if change[0] else {})}
        if any(field not in fields for field in ("name", "is_active", "daily_quota")):
            ignored.append(Ignored(kind=Kind.CLIENT, name=name, why="the configuration has no such client any more"))
            continue
        clients[name] = ClientRow(
            id=name, configured=configured.get(name), change=change[0], fields=fields, row=change[1]
        )
    rows = [*(row for _, row in written), *_made(keys, {row.digest for _, row in written}, clients, ignored)]
    whole = {
        name: msgspec.structs.replace(client, keys=tuple(row for row in rows if row.client == name))
        for name, client in clients.items()
    }
    return ClientBook(clients=whole, written=written, ignored=tuple(ignored))


def read_changes(
    overlay: Overlay, kind: Kind, form: type[_Change], ignored: list[Ignored]
) -> dict[str, tuple[_Change, OverlayRow]]:
    """Return the changes of one kind by name, in the order of the names; what cannot be read is noted as ignored."""
    found: dict[str, tuple[_Change, OverlayRow]] = {}
    for row in sorted(overlay.rows, key=lambda row: row.name):
        if row.kind is not kind:
            continue
        try:
            found[row.name] = (msgspec.convert(row.body, form), row)
        except msgspec.ValidationError as error:
            ignored.append(Ignored(kind=kind, name=row.name, why=f"it cannot be read: {error}"))
    return found


def written_entries(book: ClientBook) -> dict[str, Any]:
    """Return the entries of CLIENT_CONFIG with every change in them: keys as they stand there, new ones as digests."""
    entries: dict[str, Any] = {}
    for written, row in book.written:
        if not row.is_revoked:
            changed = book.clients[row.client].change
            entry = {**(row.configured or {}), **(msgspec.to_builtins(changed) if changed else {})}
            entries[written] = _ended(entry, row)
    for client in book.clients.values():
        for row in client.keys:
            if row.configured is None and not row.is_revoked:
                entries[f"sha256:{row.digest}"] = _ended({"id": client.id, **client.fields}, row)
    return entries


def public_id(entry: Mapping[str, Any], digest: str) -> str:
    """Return the name under which a client is stored, logged and counted."""
    return entry.get("id") or digest[:12]


def digest_of(key: str) -> str:
    """Return the SHA-256 (hex) of an API key, or of what stands for it."""
    return key.removeprefix("sha256:") if key.startswith("sha256:") else hashlib.sha256(key.encode()).hexdigest()


def _written(
    entries: Mapping[str, dict[str, Any]], keys: dict[str, tuple[KeyChange, OverlayRow]], ignored: list[Ignored]
) -> tuple[tuple[str, KeyRow], ...]:
    rows: list[tuple[str, KeyRow]] = []
    for written, entry in entries.items():
        digest = digest_of(written)
        client = public_id(entry, digest)
        change, row = keys.get(digest, (None, None))
        if change is not None and change.client != client:
            ignored.append(Ignored(kind=Kind.KEY, name=digest, why=f"it is a key of {client} by now"))
            change = row = None
        rows.append((written, KeyRow(digest=digest, client=client, configured=entry, change=change, row=row)))
    return tuple(rows)


def _made(
    keys: dict[str, tuple[KeyChange, OverlayRow]],
    known: set[str],
    clients: Mapping[str, ClientRow],
    ignored: list[Ignored],
) -> Sequence[KeyRow]:
    """Return the keys that the configuration does not have."""
    rows: list[KeyRow] = []
    for digest, (change, row) in keys.items():
        if digest in known:
            continue
        if why := _why_not(digest, change, clients):
            ignored.append(Ignored(kind=Kind.KEY, name=digest, why=why))
        else:
            rows.append(KeyRow(digest=digest, client=change.client, configured=None, change=change, row=row))
    return rows


def _why_not(digest: str, change: KeyChange, clients: Mapping[str, ClientRow]) -> str:
    if not _DIGEST.fullmatch(digest):
        return "it is no SHA-256"
    if change.created_at is None:
        return "the configuration has no such key any more"
    return "" if change.client in clients else f"there is no client {change.client} any more"


def _fields(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: entry[name] for name in FIELDS if name in entry}


def _ended(entry: dict[str, Any], row: KeyRow) -> dict[str, Any]:
    if row.change is not None and row.change.expires_at is not None:
        return {**entry, "expires_at": row.change.expires_at.isoformat()}
    return entry
