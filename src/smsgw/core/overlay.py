"""Changes made in the console: they lie over the configuration that a process was started with, and win."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

import msgspec

from smsgw.core.audit_log import AuditEntry


class Kind(StrEnum):
    """What a change is about."""

    PROVIDER = "provider"
    """`name` is the provider's canonical name, `body` a ProviderChange."""
    CLIENT = "client"
    """`name` is the client's public id, `body` a ClientChange."""
    KEY = "key"
    """`name` is the SHA-256 (hex) of an API key, `body` a KeyChange."""


class OverlayRow(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of the overlay as it is stored."""

    kind: Kind
    name: str
    body: dict[str, Any]
    """Of a struct of core/overlay_changes.py, as builtins."""
    changed_at: datetime
    changed_by: str


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """All of it at one moment. `version` grows with every change."""

    version: int = 0
    rows: tuple[OverlayRow, ...] = ()


class Overlays(Protocol):
    """The one overlay that all processes share. Every method raises StoreUnavailableError on an outage."""

    async def version(self) -> int:
        """Return the overlay's version: cheap, asked every other second by every process."""

    async def overlay(self) -> Overlay: ...

    async def change(
        self, rows: Sequence[OverlayRow], *, remove: Sequence[tuple[Kind, str]] = (), expected: int, entry: AuditEntry
    ) -> bool:
        """Put these rows, take those away and note the entry, in one commit; False, and nothing is changed, when the
        version is not `expected` any more."""
