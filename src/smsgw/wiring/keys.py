"""`smsgw key`: clients and API keys from the command line, as changes that lie over CLIENT_CONFIG."""

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from smsgw.core.books import Books
from smsgw.core.client_book import ClientBook, ClientRow, KeyRow, client_book
from smsgw.core.client_changes import (
    KEY_PREFIX,
    Hand,
    NewKey,
    Plan,
    add_key,
    create_client,
    revoke_key,
)
from smsgw.core.keys import PUBLIC_ID
from smsgw.core.merging import after, problem_of_change
from smsgw.core.routing import Strategy
from smsgw.settings import SettingsError, documents, parse_clients
from smsgw.wiring.books import ask_books, operator_entry, operator_name
from smsgw.wiring.process import utc_now

_HERE = "in CLIENT_CONFIG, as this command sees it, and in the database"


def create_key(environ: Mapping[str, str], client: str, fields: Mapping[str, Any]) -> NewKey:
    """Return a new key of a client: one more of a known one, else the first of a new client with these fields (name,
    daily_quota, scopes), which a known one must not be given. Raises SettingsError."""
    if not PUBLIC_ID.fullmatch(client):
        raise SettingsError(f"client {client!r}: an id is 1 to 64 of A-Z a-z 0-9 . _ -")
    key = _new_key()

    def plan(book: ClientBook, hand: Hand) -> Plan:
        known = book.clients.get(client)
        if known is None:
            defaults = {"name": client, "is_active": True, "daily_quota": None, "scopes": ["send"]}
            return create_client(client, {**defaults, **fields}, key, by=hand)
        if fields:
            words = ", ".join(sorted(fields))
            raise SettingsError(f"client {client}: there is one already; its {words} are changed in the console")
        return add_key(known, key, overlap=None, by=hand)

    _write(environ, plan)
    return key


def rotate_key(environ: Mapping[str, str], client: str, overlap: timedelta) -> NewKey:
    """Return a new key of a client; those that open now do so until `overlap` has passed. Raises SettingsError."""
    key = _new_key()
    _write(environ, lambda book, hand: add_key(_client(book, client), key, overlap=overlap, by=hand))
    return key


def revoke(environ: Mapping[str, str], name: str) -> KeyRow:
    """Revoke the key of this hint or SHA-256 (or its first characters), and return it. Raises SettingsError."""
    found: list[KeyRow] = []

    def plan(book: ClientBook, hand: Hand) -> Plan:
        key = book.key(name)
        if key is None:
            raise SettingsError(f"key {name!r}: none, or more than one, is called so {_HERE}; `smsgw key list`")
        found.append(key)
        planned = revoke_key(key, by=hand)
        if planned is None:
            raise SettingsError(f"key {name!r}: is revoked already")
        return planned

    _write(environ, plan)
    return found[0]


def list_keys(environ: Mapping[str, str]) -> ClientBook:
    """Return all clients with their keys. Raises SettingsError."""
    raw = _baseline(environ)

    async def read(books: Books) -> ClientBook:
        return client_book(raw, await books.overlays.overlay())

    return ask_books(environ, read)


def _write(environ: Mapping[str, str], plan: Callable[[ClientBook, Hand], Plan]) -> None:
    raw = _baseline(environ)

    async def write(books: Books) -> None:
        overlay = await books.overlays.overlay()
        planned = plan(client_book(raw, overlay), Hand(operator_name(), utc_now()))
        changed = after(overlay, planned.rows, planned.remove)
        if problem := problem_of_change(
            clients=raw, providers="{}", overlay=changed, rows=planned.rows, strategy=Strategy.PRIORITY
        ):
            raise SettingsError(f"nothing was changed: {problem}")
        entry = operator_entry(planned.action, planned.subject, before=planned.before, after=planned.after)
        if not await books.overlays.change(planned.rows, remove=planned.remove, expected=overlay.version, entry=entry):
            raise SettingsError("nothing was changed: somebody else has changed something meanwhile; run it again")

    ask_books(environ, write)


def _baseline(environ: Mapping[str, str]) -> str:
    document, _ = documents(environ)
    if document is None:
        return "{}"
    parse_clients(document)
    return document.raw


def _client(book: ClientBook, name: str) -> ClientRow:
    if name not in book.clients:
        raise SettingsError(f"client {name}: there is none {_HERE}; `smsgw key list`")
    return book.clients[name]


def _new_key() -> NewKey:
    return NewKey(KEY_PREFIX + secrets.token_urlsafe(32))
