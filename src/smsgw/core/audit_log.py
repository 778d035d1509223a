"""The audit log: every change that a human made, with what was before and what came after."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `before` and `after` hold only what differs, and never a secret or a whole number."""

    at: datetime
    who: str
    """A user's name; `cli:NAME` for the command line."""
    action: str
    """What was done, e.g. `provider.change`, `message.cancel`, `user.create`."""
    subject: str
    """What it was done to: a provider, a client, a user, a tracking id."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    peer: str = ""
    """The address that the request came from."""
    id: int = 0
    """Given by the store; later entries have greater ones."""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries; None is "any"."""

    who: str | None = None
    action: str | None = None
    """An action, or with a final dot (`user.`) all that begin so."""
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditLog(Protocol):
    """What is only ever added to. Every method raises StoreUnavailableError on an outage."""

    async def note(self, entry: AuditEntry) -> None:
        """Add an entry about what is not changed in the same database."""

    async def entries(self, wanted: AuditFilter, *, before: int | None, limit: int) -> Sequence[AuditEntry]:
        """Return entries, newest first; those with an id below `before`."""
