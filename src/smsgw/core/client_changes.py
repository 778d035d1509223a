"""What the console and the command line do to clients and keys: from a wish to the rows that are written."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from smsgw.core.client_book import FIELDS, ClientRow, KeyRow
from smsgw.core.overlay import Kind, OverlayRow
from smsgw.core.overlay_changes import ClientChange, KeyChange

KEY_PREFIX = "smsgw_"
HINT_LENGTH = 12
"""Of the 49 characters of a key: enough to tell keys apart, nothing to guess the rest from."""


class NewKey(msgspec.Struct, frozen=True):
    """An API key on its way to whoever asked for it: shown once, and stored nowhere."""

    text: str

    def __repr__(self) -> str:
        return f"NewKey({self.hint}…)"

    @property
    def hint(self) -> str:
        """What it is told apart by."""
        return self.text[:HINT_LENGTH]

    @property
    def digest(self) -> str:
        """What is stored of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the overlay, and what the audit log says of it."""

    action: str
    subject: str
    rows: tuple[OverlayRow, ...] = ()
    remove: tuple[tuple[Kind, str], ...] = ()
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}


class Hand(msgspec.Struct, frozen=True):
    """Who writes, and when."""

    who: str
    at: datetime

    def row(self, kind: Kind, name: str, body: msgspec.Struct) -> OverlayRow:
        """Return a row as it is stored."""
        return OverlayRow(kind=kind, name=name, body=msgspec.to_builtins(body), changed_at=self.at, changed_by=self.who)


def create_client(client: str, fields: Mapping[str, Any], key: NewKey, *, by: Hand) -> Plan:
    """Plan a client that nobody knows yet, with its first key. `fields` are all of FIELDS that it is to have."""
    return Plan(
        action="client.create",
        subject=client,
        rows=(by.row(Kind.CLIENT, client, msgspec.convert(dict(fields), ClientChange)), _new_key(client, key, by)),
        after={**fields, "key": key.hint},
    )


def change_client(client: ClientRow, fields: Mapping[str, Any], *, by: Hand) -> Plan | None:
    """Plan other fields for a client; None when nothing differs. What is as configured is not kept as a change."""
    now, wanted = _plain(client.fields), _plain({**client.fields, **fields})
    differing = [name for name in FIELDS if now[name] != wanted[name]]
    if not differing:
        return None
    configured = None if client.configured is None else _plain(client.configured)
    kept = {name: value for name, value in wanted.items() if configured is None or configured[name] != value}
    row = by.row(Kind.CLIENT, client.id, msgspec.convert(kept, ClientChange))
    return Plan(
        action="client.change",
        subject=client.id,
        rows=(row,) if kept else (),
        remove=() if kept else ((Kind.CLIENT, client.id),),
        before={name: now[name] for name in differing},
        after={name: wanted[name] for name in differing},
    )


def restore_client(client: ClientRow) -> Plan | None:
    """Plan its fields as configured again; None when there is nothing to take back, or nothing to go back to."""
    if client.configured is None or client.change is None:
        return None
    now, configured = _plain(client.fields), _plain(client.configured)
    return Plan(
        action="client.restore",
        subject=client.id,
        remove=((Kind.CLIENT, client.id),),
        before={name: now[name] for name in FIELDS if now[name] != configured[name]},
        after={name: configured[name] for name in FIELDS if now[name] != configured[name]},
    )


def add_key(client: ClientRow, key: NewKey, *, overlap: timedelta | None, by: Hand) -> Plan:
    """Plan one more key. With `overlap` it is a rotation: the keys before it open nothing once that has passed."""
    rows = [_new_key(client.id, key, by)]
    ended: list[str] = []
    if overlap is not None:
        end = by.at + overlap
        for old in client.keys:
            if old.opens(by.at) and (old.expires_at is None or old.expires_at > end):
                rows.append(by.row(Kind.KEY, old.digest, _changed(old, expires_at=end)))
                ended.append(old.hint)
    after: dict[str, Any] = {"key": key.hint}
    if ended and overlap is not None:
        after |= {"ending": ended, "ends_at": (by.at + overlap).isoformat()}
    action = "key.create" if overlap is None else "key.rotate"
    return Plan(action=action, subject=client.id, rows=tuple(rows), after=after)


def revoke_key(key: KeyRow, *, by: Hand) -> Plan | None:
    """Plan that a key opens nothing from now on; None when it was revoked before."""
    if key.is_revoked:
        return None
    row = by.row(Kind.KEY, key.digest, _changed(key, is_revoked=True))
    return Plan(action="key.revoke", subject=key.client, rows=(row,), before={"key": key.hint}, after={"revoked": True})


def restore_key(key: KeyRow) -> Plan | None:
    """Plan a configured key as configured again; None for one that is, and for one that was made here: those that are
    revoked stay so."""
    if key.configured is None or key.change is None:
        return None
    before = {"key": key.hint, "revoked": key.is_revoked}
    return Plan(
        action="key.restore",
        subject=key.client,
        remove=((Kind.KEY, key.digest),),
        before=before,
        after={"revoked": False},
    )


def _new_key(client: str, key: NewKey, by: Hand) -> OverlayRow:
    return by.row(Kind.KEY, key.digest, KeyChange(client=client, created_at=by.at, hint=key.hint))


def _changed(key: KeyRow, **changes: Any) -> KeyChange:
    return msgspec.structs.replace(key.change or KeyChange(client=key.client), **changes)


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return all fields with their defaults, comparable: scopes and senders have no order."""
    senders = fields.get("senders")
    return {
        "name": fields["name"],
        "is_active": fields["is_active"],
        "daily_quota": fields["daily_quota"],
        "scopes": sorted(set(fields.get("scopes", ("send",)))),
        "senders": None if senders is None else sorted(set(senders)),
    }
