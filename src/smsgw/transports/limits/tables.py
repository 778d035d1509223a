"""The limits' tables in a SQLite file, and how a batch's rows are read, written back and pruned."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any
from uuid import UUID

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.admission import Record, quota_day
from smsgw.core.buckets import Bucket
from smsgw.transports.limits.books import KEEP_CONFIRMED, Books

PRUNE_ROWS = 2000

metadata = sa.MetaData()
keys = sa.Table(
    "limits_keys",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("record", sa.LargeBinary, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False, index=True),
)
quotas = sa.Table(
    "limits_quotas",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("used", sa.Integer, nullable=False),
)
buckets = sa.Table(
    "limits_buckets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("bucket", sa.LargeBinary, nullable=False),
)
ledger = sa.Table(
    "limits_confirmed",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("minute", sa.Integer, nullable=False, index=True),
    sa.Column("tracking_id", sa.LargeBinary, nullable=False),
)

_encode = msgspec.msgpack.Encoder().encode
_decode_record = msgspec.msgpack.Decoder(Record).decode
_decode_bucket = msgspec.msgpack.Decoder(Bucket).decode

_SELECT_KEYS = sa.select(keys.c.name, keys.c.record).where(keys.c.name.in_(sa.bindparam("names", expanding=True)))
_SELECT_QUOTAS = sa.select(quotas).where(quotas.c.name.in_(sa.bindparam("names", expanding=True)))
_SELECT_BUCKETS = sa.select(buckets).where(buckets.c.name.in_(sa.bindparam("names", expanding=True)))


def _upsert(table: sa.Table) -> Any:
    statement = insert(table)
    changes = {each.name: statement.excluded[each.name] for each in table.columns if not each.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changes)


_UPSERT_KEYS, _UPSERT_QUOTAS, _UPSERT_BUCKETS = _upsert(keys), _upsert(quotas), _upsert(buckets)


async def load(
    connection: AsyncConnection,
    *,
    names: Iterable[str],
    client_keys: Iterable[str],
    rate_names: Iterable[str],
    quota_prefix: str,
) -> Books:
    """Return the books with the rows of these idempotency keys, clients and buckets; the ledger is left empty."""
    books = Books()
    for row in await _select(connection, _SELECT_KEYS, names):
        books.records[row.name] = _decode_record(row.record)
    prefix = f"{quota_prefix}:"
    for row in await _select(connection, _SELECT_QUOTAS, (prefix + each for each in client_keys)):
        books.used[row.name.removeprefix(prefix), row.day] = row.used
    for row in await _select(connection, _SELECT_BUCKETS, rate_names):
        books.buckets[row.name] = _decode_bucket(row.bucket)
    return books


async def save(connection: AsyncConnection, before: Books, books: Books, *, quota_prefix: str) -> None:
    """Write back what changed since `before`, and append the ledger."""
    changed_keys = [
        {"name": name, "record": _encode(record), "expires_at": record.expires_at.timestamp()}
        for name, record in books.records.items()
        if before.records.get(name) is not record
    ]
    changed_quotas = [
        {"name": f"{quota_prefix}:{client_key}", "day": day, "used": used}
        for (client_key, day), used in books.used.items()
        if before.used.get((client_key, day)) != used
    ]
    changed_buckets = [
        {"name": name, "bucket": _encode(bucket)}
        for name, bucket in books.buckets.items()
        if before.buckets.get(name) is not bucket
    ]
    noted = [
        {"minute": int(minute.timestamp()), "tracking_id": tracking_id.bytes} for minute, tracking_id in books.confirmed
    ]
    for statement, rows in (
        (_UPSERT_KEYS, changed_keys),
        (_UPSERT_QUOTAS, changed_quotas),
        (_UPSERT_BUCKETS, changed_buckets),
        (sa.insert(ledger), noted),
    ):
        if rows:
            await connection.execute(statement, rows)


async def confirmed(
    connection: AsyncConnection, since: datetime, until: datetime
) -> Sequence[tuple[datetime, Sequence[UUID]]]:
    """Return the ledger's minutes from `since` up to and without `until`."""
    within = (ledger.c.minute >= int(since.timestamp())) & (ledger.c.minute < until.timestamp())
    found = await connection.execute(sa.select(ledger).where(within).order_by(ledger.c.minute, ledger.c.number))
    return [
        (datetime.fromtimestamp(minute, UTC), [UUID(bytes=row.tracking_id) for row in rows])
        for minute, rows in groupby(found, key=lambda row: int(row.minute))
    ]


async def used(
    connection: AsyncConnection, client_keys: Sequence[str], *, day: str, quota_prefix: str
) -> dict[str, int]:
    """Return the units that each of these clients has used on this day."""
    prefix = f"{quota_prefix}:"
    rows = await _select(connection, _SELECT_QUOTAS, (prefix + each for each in client_keys))
    counted = {row.name.removeprefix(prefix): int(row.used) for row in rows if row.day == day}
    return {each: counted.get(each, 0) for each in client_keys}


async def prune(connection: AsyncConnection, now: datetime) -> None:
    """Delete some of what is past its time; little enough to be part of a request's transaction."""
    expired = keys.c.expires_at < now.timestamp()
    old = ledger.c.minute < int((now - KEEP_CONFIRMED).timestamp())
    await connection.execute(_delete_some(keys, keys.c.name, expired))
    await connection.execute(_delete_some(ledger, ledger.c.number, old))
    await connection.execute(sa.delete(quotas).where(quotas.c.day < quota_day(now - timedelta(days=2))))


def _delete_some(table: sa.Table, key: sa.Column[Any], condition: sa.ColumnElement[bool]) -> sa.Delete:
    return sa.delete(table).where(key.in_(sa.select(key).where(condition).limit(PRUNE_ROWS)))


async def _select(connection: AsyncConnection, statement: sa.Select[Any], names: Iterable[str]) -> Sequence[Any]:
    wanted = list(names)
    return (await connection.execute(statement, {"names": wanted})).all() if wanted else ()
