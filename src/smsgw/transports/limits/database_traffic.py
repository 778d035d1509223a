"""What workers share, in a SQLite file: the embedded default. What concurrent calls ask shares one transaction."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec

from smsgw.core.buckets import Bucket, Limit
from smsgw.core.ports import Clock, LimitsUnavailableError
from smsgw.core.traffic import TOTAL, Document, Lease, LeaseAsk
from smsgw.transports.batching import Batcher
from smsgw.transports.limits import traffic_table
from smsgw.transports.limits.patience import LATE, wait_for
from smsgw.transports.limits.traffic_books import TrafficBooks
from smsgw.transports.limits.traffic_table import BUCKET, DOCUMENT, POSITION, Row
from smsgw.transports.sql import Database, DatabaseAwayError

MAX_BATCH = 100
PRUNE_EVERY = timedelta(seconds=60)


class _Call(msgspec.Struct, kw_only=True):
    """What is to be done to the books, and which of their rows it may touch."""

    act: Callable[[TrafficBooks, datetime], Any]
    rows: tuple[Row, ...]
    is_read_only: bool = False
    is_kept: bool = False
    """Whether it is done also when nobody waits for its answer any more."""
    is_given_up: bool = False


class DatabaseTraffic:
    """Traffic of the processes that share one SQLite file and its machine's clock. While somebody else keeps the file
    locked, callers are told so in time, and what they asked for is not taken afterwards."""

    def __init__(self, database: Database, *, quota_prefix: str, clock: Clock) -> None:
        self._database = database
        self._prefix = quota_prefix
        self._clock = clock
        self._pruned_at = datetime.min.replace(tzinfo=UTC)
        self._batcher: Batcher[_Call, Any] = Batcher(self._flush, max_items=MAX_BATCH, max_in_flight=1)

    async def open(self) -> None:
        """Create the table where it is missing. Raises LimitsUnavailableError."""
        try:
            async with self._database.write() as connection:
                await connection.run_sync(traffic_table.metadata.create_all)
        except DatabaseAwayError as error:
            raise LimitsUnavailableError(str(error)) from error

    async def lease(self, ask: LeaseAsk) -> Lease:
        """See Traffic."""
        rows = ((BUCKET, ask.bucket), (BUCKET, TOTAL))
        return cast("Lease", await self._submit(_Call(act=lambda books, now: books.lease(ask, now), rows=rows)))

    async def narrow(self, bucket: str, limit: Limit, retry_after: timedelta) -> None:
        """See Traffic. What a provider said is kept also when a locked file lets it in too late for the caller."""

        def act(books: TrafficBooks, now: datetime) -> None:
            books.narrow(bucket, limit, retry_after, now=now)

        await self._submit(_Call(act=act, rows=((BUCKET, bucket),), is_kept=True))

    async def buckets(self, limits: Mapping[str, Limit]) -> Mapping[str, Bucket]:
        """See Traffic."""
        rows = tuple((BUCKET, name) for name in limits)
        call = _Call(act=lambda books, now: books.now(limits, now), rows=rows, is_read_only=True)
        return cast("Mapping[str, Bucket]", await self._submit(call))

    async def turns(self, sequence: str, count: int) -> int:
        """See Traffic."""
        call = _Call(act=lambda books, now: books.turns(sequence, count, now), rows=((POSITION, sequence),))
        return cast("int", await self._submit(call))

    async def read(self, names: Sequence[str]) -> tuple[datetime, Sequence[Document]]:
        """See Traffic."""
        rows = tuple((DOCUMENT, name) for name in names)
        call = _Call(act=lambda books, now: books.read(names, now), rows=rows, is_read_only=True)
        return cast("tuple[datetime, Sequence[Document]]", await self._submit(call))

    async def write(self, name: str, body: bytes, *, version: int) -> bool:
        """See Traffic."""

        def act(books: TrafficBooks, now: datetime) -> bool:
            return books.write(name, body, version=version, now=now)

        return cast("bool", await self._submit(_Call(act=act, rows=((DOCUMENT, name),))))

    async def close(self) -> None:
        """Finish what was asked; the database is its opener's to close."""
        await self._batcher.drain()

    async def _submit(self, call: _Call) -> Any:
        try:
            return await wait_for(self._batcher.submit(call), self._database)
        finally:
            call.is_given_up = True

    async def _flush(self, calls: Sequence[_Call]) -> Sequence[Any]:
        is_read_only = all(call.is_read_only for call in calls)
        rows = {row for call in calls for row in call.rows}
        try:
            async with self._database.read() if is_read_only else self._database.write() as connection:
                # Looked at behind the lock: the file's writers have one order, and so have their times.
                now = self._clock()
                books = await traffic_table.load(connection, rows, prefix=self._prefix)
                before = books.copy()
                results = [_act(call, books, now) for call in calls]
                await traffic_table.save(connection, before, books, prefix=self._prefix)
                if not is_read_only and now - self._pruned_at >= PRUNE_EVERY:
                    self._pruned_at = now
                    await traffic_table.prune(connection, now)
        except DatabaseAwayError as error:
            raise LimitsUnavailableError(str(error)) from error
        return results


def _act(call: _Call, books: TrafficBooks, now: datetime) -> Any:
    if call.is_given_up and not call.is_kept:
        return LimitsUnavailableError(LATE)
    return call.act(books, now)
