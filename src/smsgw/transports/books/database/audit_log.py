"""The audit log as rows that are only ever added."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from smsgw.core.audit_log import AuditEntry, AuditFilter
from smsgw.transports.books.database.shelf import Shelf, clean
from smsgw.transports.stores.database.console_tables import audit_log
from smsgw.transports.stores.database.rows import without_nul

_ENTRY = tuple(audit_log.c[name] for name in AuditEntry.__struct_fields__)


class DatabaseAuditLog:
    """See the port."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def note(self, entry: AuditEntry) -> None:
        """See the port."""
        await self._shelf.change("audit_log.note", insert_entry(entry))

    async def entries(self, wanted: AuditFilter, *, before: int | None, limit: int) -> Sequence[AuditEntry]:
        """See the port."""
        query = sa.select(*_ENTRY).where(*_wanted(wanted)).order_by(audit_log.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit_log.c.id < before)
        found = await self._shelf.rows("audit_log.entries", query)
        return [AuditEntry(**dict(zip(AuditEntry.__struct_fields__, row, strict=True))) for row in found]


def insert_entry(entry: AuditEntry) -> sa.Insert:
    """Return the statement that adds an entry, for the transaction that makes the change."""
    return sa.insert(audit_log).values(
        at=entry.at,
        who=clean(entry.who),
        action=clean(entry.action),
        subject=clean(entry.subject),
        before=without_nul(entry.before),
        after=without_nul(entry.after),
        peer=clean(entry.peer),
    )


def _wanted(wanted: AuditFilter) -> list[sa.ColumnElement[bool]]:
    known = audit_log.c
    found: list[sa.ColumnElement[bool]] = []
    for column, value in ((known.who, wanted.who), (known.subject, wanted.subject)):
        if value is not None:
            found.append(column == clean(value))
    if wanted.action is not None:
        found.append(_is_action(known.action, clean(wanted.action)))
    if wanted.since is not None:
        found.append(known.at >= wanted.since)
    if wanted.until is not None:
        found.append(known.at < wanted.until)
    return found


def _is_action(column: sa.Column[Any], wanted: str) -> sa.ColumnElement[bool]:
    if not wanted.endswith("."):
        return column == wanted
    # LIKE of SQLite does not tell A from a.
    return sa.func.substr(column, 1, len(wanted)) == wanted
