"""What workers share as rows of a SQLite file: how a batch's rows are read, written back and pruned."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.buckets import Bucket
from smsgw.core.traffic import Document
from smsgw.transports.limits.traffic_books import Kept, TrafficBooks

PRUNE_ROWS = 500
PRUNE_LATER = timedelta(hours=1)
"""Of a clock that is set back by less, nobody gets tokens twice."""

metadata = sa.MetaData()
table = sa.Table(
    "limits_traffic",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
)

BUCKET, POSITION, DOCUMENT = "bucket", "turn", "document"
Row = tuple[str, str]
"""What a row is, and its name among those."""

_encode = msgspec.msgpack.Encoder().encode
_decoders: Mapping[str, msgspec.msgpack.Decoder[Any]] = {
    BUCKET: msgspec.msgpack.Decoder(Bucket),
    POSITION: msgspec.msgpack.Decoder(int),
    DOCUMENT: msgspec.msgpack.Decoder(Document),
}

_SELECT = sa.select(table).where(table.c.name.in_(sa.bindparam("names", expanding=True)))
_INSERT = insert(table)
_UPSERT = _INSERT.on_conflict_do_update(
    index_elements=["name"], set_={"value": _INSERT.excluded.value, "expires_at": _INSERT.excluded.expires_at}
)


async def load(connection: AsyncConnection, rows: Iterable[Row], *, prefix: str) -> TrafficBooks:
    """Return the books with these rows, as far as they are there."""
    books = TrafficBooks()
    wanted = {f"{prefix}:{kind}:{name}": (kind, name) for kind, name in rows}
    if wanted:
        for row in await connection.execute(_SELECT, {"names": list(wanted)}):
            kind, name = wanted[row.name]
            until = datetime.fromtimestamp(row.expires_at, UTC)
            _shelves(books)[kind][name] = Kept(_decoders[kind].decode(row.value), until)
    return books


async def save(connection: AsyncConnection, before: TrafficBooks, books: TrafficBooks, *, prefix: str) -> None:
    """Write back what changed since `before`."""
    old = _shelves(before)
    changed = [
        {
            "name": f"{prefix}:{kind}:{name}",
            "value": _encode(kept.value),
            "expires_at": kept.until.timestamp(),
        }
        for kind, shelf in _shelves(books).items()
        for name, kept in shelf.items()
        if old[kind].get(name) is not kept
    ]
    if changed:
        await connection.execute(_UPSERT, changed)


async def prune(connection: AsyncConnection, now: datetime) -> None:
    """Delete some of what may be forgotten; little enough to be part of a lease's transaction."""
    expired = table.c.expires_at < (now - PRUNE_LATER).timestamp()
    old = sa.select(table.c.name).where(expired).limit(PRUNE_ROWS)
    await connection.execute(sa.delete(table).where(table.c.name.in_(old)))


def _shelves(books: TrafficBooks) -> dict[str, dict[str, Kept[Any]]]:
    return {BUCKET: books.buckets, POSITION: books.positions, DOCUMENT: books.documents}
