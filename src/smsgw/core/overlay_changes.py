"""What one entry of the overlay says: only the fields that somebody has changed; all others stay as configured."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from smsgw.core.overlay import Kind, Overlay

Rank = Annotated[int, Meta(ge=0, le=1_000_000)]


class ProviderChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Fields of ProviderConfig, with the same bounds."""

    is_active: bool | UnsetType = UNSET
    is_operational: bool | UnsetType = UNSET
    is_draining: bool | UnsetType = UNSET
    priority: Rank | UnsetType | None = UNSET
    weight: Rank | UnsetType = UNSET
    rate_limit: Annotated[float, Meta(ge=0, le=1_000_000)] | UnsetType | None = UNSET


class ClientChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Fields of ClientConfig, with the same bounds. A client that the configuration does not know has all of them."""

    name: Annotated[str, Meta(min_length=1, max_length=128)] | UnsetType = UNSET
    is_active: bool | UnsetType = UNSET
    daily_quota: Annotated[int, Meta(ge=0, le=1_000_000_000_000)] | UnsetType | None = UNSET
    scopes: tuple[str, ...] | UnsetType = UNSET
    senders: Annotated[tuple[str, ...], Meta(max_length=1000)] | UnsetType | None = UNSET


class KeyChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """An API key made in the console or on the command line, or a word about one of the configuration."""

    client: str
    """The public id of its client."""
    created_at: datetime | None = None
    """None: it is one of the configuration."""
    hint: str = ""
    """Its first characters, which open nothing: what a person tells keys apart by."""
    expires_at: datetime | None = None
    """It opens nothing from then on: how a rotation ends."""
    is_revoked: bool = False


def provider_changes(overlay: Overlay) -> dict[str, ProviderChange]:
    """Return the changes of providers by name."""
    return {row.name: msgspec.convert(row.body, ProviderChange) for row in overlay.rows if row.kind is Kind.PROVIDER}


def client_changes(overlay: Overlay) -> dict[str, ClientChange]:
    """Return the changes of clients by public id."""
    return {row.name: msgspec.convert(row.body, ClientChange) for row in overlay.rows if row.kind is Kind.CLIENT}


def key_changes(overlay: Overlay) -> dict[str, KeyChange]:
    """Return the changes of keys by the SHA-256 (hex) of the key."""
    return {row.name: msgspec.convert(row.body, KeyChange) for row in overlay.rows if row.kind is Kind.KEY}
