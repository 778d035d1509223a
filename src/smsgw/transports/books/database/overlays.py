"""The overlay as rows, with its version in a row of its own: whoever raises that one is the only one who changes."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.audit_log import AuditEntry
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.transports.books.database.audit_log import insert_entry
from smsgw.transports.books.database.shelf import Shelf, clean
from smsgw.transports.stores.database.console_tables import overlay_rows, overlay_version
from smsgw.transports.stores.database.rows import without_nul

_ONLY = 1
_VERSION = sa.select(overlay_version.c.version).where(overlay_version.c.id == _ONLY)
_ROW = tuple(overlay_rows.c[name] for name in OverlayRow.__struct_fields__)
# A newer release beside this one may change what this one knows nothing of.
_ROWS = sa.select(*_ROW).where(overlay_rows.c.kind.in_([each.value for each in Kind]))


class DatabaseOverlays:
    """See the port."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    async def version(self) -> int:
        """See the port."""
        found = await self._shelf.rows("overlays.version", _VERSION)
        return int(found[0][0]) if found else 0

    async def overlay(self) -> Overlay:
        """See the port."""

        async def run(connection: AsyncConnection) -> Overlay:
            version = (await connection.execute(_VERSION)).scalar() or 0
            rows = [_row(each) for each in await connection.execute(_ROWS)]
            return Overlay(version=version, rows=tuple(sorted(rows, key=lambda each: (each.kind, each.name))))

        return await self._shelf.transactions.read("overlays.overlay", _size, run)

    async def change(
        self, rows: Sequence[OverlayRow], *, remove: Sequence[tuple[Kind, str]] = (), expected: int, entry: AuditEntry
    ) -> bool:
        """See the port. Of two callers, the second waits for the first one's row and finds another version in it."""
        statements = [*(_delete(*key) for key in remove), *(self._upsert(row) for row in rows), insert_entry(entry)]

        async def run(connection: AsyncConnection) -> bool:
            await connection.execute(self._first())
            if (await connection.execute(_raise_version(expected))).rowcount == 0:
                return False
            for each in statements:
                await connection.execute(each)
            return True

        return await self._shelf.transactions.write("overlays.change", int, run)

    def _first(self) -> Any:
        insert = self._shelf.insert(overlay_version).values(id=_ONLY, version=0)
        return insert.on_conflict_do_nothing(index_elements=["id"])

    def _upsert(self, row: OverlayRow) -> Any:
        told = {"body": without_nul(row.body), "changed_at": row.changed_at, "changed_by": clean(row.changed_by)}
        insert = self._shelf.insert(overlay_rows).values(kind=row.kind.value, name=clean(row.name), **told)
        set_ = {name: insert.excluded[name] for name in told}
        return insert.on_conflict_do_update(index_elements=["kind", "name"], set_=set_)


def _raise_version(expected: int) -> sa.Update:
    known = overlay_version.c
    return sa.update(overlay_version).where(known.id == _ONLY, known.version == expected).values(version=expected + 1)


def _delete(kind: Kind, name: str) -> sa.Delete:
    return sa.delete(overlay_rows).where(overlay_rows.c.kind == kind.value, overlay_rows.c.name == clean(name))


def _row(row: Sequence[Any]) -> OverlayRow:
    values: dict[str, Any] = dict(zip(OverlayRow.__struct_fields__, row, strict=True))
    return OverlayRow(**{**values, "kind": Kind(values["kind"])})


def _size(overlay: Overlay) -> int:
    return len(overlay.rows)
