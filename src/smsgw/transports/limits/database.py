"""Limits in a SQLite file: the embedded default. What concurrent requests ask shares one transaction."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import cast
from uuid import UUID

import msgspec
import sqlalchemy as sa

from smsgw.core.admission import Admission, Ask, Claim, ClaimRules, PublishOutcome, quota_day
from smsgw.core.ports import Clock, LimitsUnavailableError
from smsgw.transports.batching import Batcher
from smsgw.transports.limits import tables
from smsgw.transports.limits.books import Books
from smsgw.transports.limits.patience import LATE, wait_for
from smsgw.transports.sql import Database, DatabaseAwayError

MAX_BATCH = 100
PRUNE_EVERY = timedelta(seconds=1)


class _Call(msgspec.Struct, kw_only=True):
    """What is to be done to the books, and which of their rows it may touch."""

    act: Callable[[Books, datetime], Admission | None]
    name: str | None = None
    client_key: str | None = None
    rate_names: tuple[str, ...] = ()
    is_read_only: bool = False
    is_question: bool = False
    """Whether it is dropped when nobody waits for its answer any more."""
    is_given_up: bool = False
    """Whether its caller has been told that the store does not answer."""


class DatabaseLimits:
    """Limits of the processes that share one SQLite file. While somebody else keeps it locked, callers are told so in
    time: what they asked is dropped then; what they had to say (an answer, a release) is done after the lock, if that
    ends before a transaction gives up waiting for it (transports/sql)."""

    def __init__(self, database: Database, *, rules: ClaimRules, quota_prefix: str, clock: Clock) -> None:
        self._database = database
        self._rules = rules
        self._quota_prefix = quota_prefix
        self._clock = clock
        self._pruned_at = datetime.min.replace(tzinfo=UTC)
        self._batcher: Batcher[_Call, Admission | None] = Batcher(self._flush, max_items=MAX_BATCH, max_in_flight=1)

    async def open(self) -> None:
        """Create the tables where they are missing. Raises LimitsUnavailableError."""
        try:
            async with self._database.write() as connection:
                await connection.run_sync(tables.metadata.create_all)
        except DatabaseAwayError as error:
            raise LimitsUnavailableError(str(error)) from error

    async def look_up(self, claim: Claim) -> Admission:
        """See ports.Limits."""
        call = _Call(
            act=lambda books, now: books.look_up(claim, now), name=claim.name, is_read_only=True, is_question=True
        )
        return cast("Admission", await self._submit(call))

    async def admit(self, ask: Ask) -> Admission:
        """See ports.Limits."""
        call = _Call(
            act=lambda books, now: books.admit(ask, now, self._rules),
            name=ask.claim.name if ask.claim else None,
            client_key=ask.client_key,
            rate_names=tuple(rate.name for rate in ask.rates),
            is_question=True,
        )
        return cast("Admission", await self._submit(call))

    async def answer(self, claim: Claim, *, status: int, body: bytes, ttl_seconds: int, confirmed: UUID | None) -> None:
        """See ports.Limits."""

        def act(books: Books, now: datetime) -> None:
            books.answer(claim, now, status=status, body=body, ttl_seconds=ttl_seconds)
            if confirmed:
                books.note_confirmed(confirmed, now)

        await self._submit(_Call(act=act, name=claim.name))

    async def note_confirmed(self, tracking_id: UUID) -> None:
        """See ports.Limits."""
        await self._submit(_Call(act=lambda books, now: books.note_confirmed(tracking_id, now)))

    async def release(self, ask: Ask, admission: Admission, publish: PublishOutcome | None) -> None:
        """See ports.Limits."""
        call = _Call(
            act=lambda books, now: books.release(ask, admission, publish, now=now),
            name=ask.claim.name if ask.claim else None,
            client_key=ask.client_key,
        )
        await self._submit(call)

    async def confirmed(self, since: datetime, until: datetime) -> Sequence[tuple[datetime, Sequence[UUID]]]:
        """See ports.Limits."""
        try:
            async with self._database.read() as connection:
                return await tables.confirmed(connection, since.replace(second=0, microsecond=0), until)
        except DatabaseAwayError as error:
            raise LimitsUnavailableError(str(error)) from error

    async def used(self, client_keys: Sequence[str]) -> dict[str, int]:
        """See ports.Limits."""
        try:
            async with self._database.read() as connection:
                return await tables.used(
                    connection, client_keys, day=quota_day(self._clock()), quota_prefix=self._quota_prefix
                )
        except DatabaseAwayError as error:
            raise LimitsUnavailableError(str(error)) from error

    async def is_ready(self) -> bool:
        """See ports.Limits; also whether the tables are there."""
        try:
            async with self._database.read() as connection:
                await connection.execute(sa.select(tables.quotas.c.used).limit(1))
        except DatabaseAwayError:
            return False
        return True

    async def close(self) -> None:
        """Finish what was asked; the database is its opener's to close."""
        await self._batcher.drain()

    async def _submit(self, call: _Call) -> Admission | None:
        try:
            return await wait_for(self._batcher.submit(call), self._database)
        except LimitsUnavailableError:
            call.is_given_up = True
            raise

    async def _flush(self, calls: Sequence[_Call]) -> Sequence[Admission | LimitsUnavailableError | None]:
        now = self._clock()
        is_read_only = all(call.is_read_only for call in calls)
        try:
            async with self._database.read() if is_read_only else self._database.write() as connection:
                books = await tables.load(
                    connection,
                    names={call.name for call in calls if call.name},
                    client_keys={call.client_key for call in calls if call.client_key},
                    rate_names={name for call in calls for name in call.rate_names},
                    quota_prefix=self._quota_prefix,
                )
                before = books.copy()
                results = [
                    LimitsUnavailableError(LATE) if call.is_question and call.is_given_up else call.act(books, now)
                    for call in calls
                ]
                await tables.save(connection, before, books, quota_prefix=self._quota_prefix)
                if not is_read_only and now - self._pruned_at >= PRUNE_EVERY:
                    self._pruned_at = now
                    await tables.prune(connection, now)
        except DatabaseAwayError as error:
            raise LimitsUnavailableError(str(error)) from error
        return results
