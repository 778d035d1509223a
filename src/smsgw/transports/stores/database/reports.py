"""The inbox of delivery reports: stored before they are answered, applied under the lock of their messages."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw import failpoints
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, Message, NotApplied, ReceivedReport, Told
from smsgw.core.ports import AppliedReport, Decide, StoreUnavailableError
from smsgw.transports.batching import Batcher
from smsgw.transports.stores.database.rows import (
    MESSAGE_COLUMNS,
    Row,
    attempt_of,
    message_of,
    report_of,
    report_row,
    told_of,
)
from smsgw.transports.stores.database.schema import report_inbox
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.database.transactions import Transactions
from smsgw.transports.stores.database.writing import update_messages, write_findings, write_stories
from smsgw.transports.stores.semantics import merged, owner_of, put_off

BATCH = 500


class Inbox:
    """The `store_reports` of the store. Concurrent calls share commits on one connection: a flood of webhook calls is
    stored as fast as the database can, and leaves the other connections to those who send."""

    def __init__(self, transactions: Transactions, statements: Statements) -> None:
        self._transactions = transactions
        self._statements = statements
        self._batcher: Batcher[Sequence[ReceivedReport], int] = Batcher(
            self._flush, max_items=BATCH, max_in_flight=1, weigh=len, max_weight=BATCH
        )

    def store(self, reports: Sequence[ReceivedReport]) -> "asyncio.Future[int]":
        """See the port."""
        return self._batcher.submit(reports)

    async def drain(self) -> None:
        """Wait for everything that was given to `store`."""
        await self._batcher.drain()

    async def _flush(self, calls: Sequence[Sequence[ReceivedReport]]) -> Sequence[int | BaseException]:
        try:
            return await self._store(calls)
        except StoreUnavailableError:
            raise
        except Exception:
            if len(calls) == 1:
                raise
        # A row that the database refuses may fail the call that brought it, and no other.
        return [await self._alone(call) for call in calls]

    async def _alone(self, call: Sequence[ReceivedReport]) -> int | BaseException:
        try:
            return (await self._store([call]))[0]
        except Exception as error:  # noqa: BLE001  (handed to its caller)
            return error

    async def _store(self, calls: Sequence[Sequence[ReceivedReport]]) -> list[int]:
        rows = [[report_row(each) for each in call] for call in calls]
        flat = sorted(chain.from_iterable(rows), key=_key)

        async def run(connection: AsyncConnection) -> set[tuple[str, str]]:
            stored = await connection.execute(self._statements.store_reports, self._statements.rows(flat))
            return {(provider, key) for provider, key in stored}

        new = await self._transactions.write("store_reports", len(flat), run)
        return [_taken(new, map(_key, call)) for call in rows]


def _key(row: Row) -> tuple[str, str]:
    return row["provider"], row["dedupe_key"]


def _taken(new: set[tuple[str, str]], keys: Iterable[tuple[str, str]]) -> int:
    """Take keys out of the new ones and return how many there were: a report that two calls brought is new once."""
    mine = new.intersection(keys)
    new -= mine
    return len(mine)


async def apply_reports(
    connection: AsyncConnection, statements: Statements, *, now: datetime, limit: int, decide: Decide
) -> list[AppliedReport]:
    """See the port."""
    inbox = list((await connection.execute(_due(now, limit))).mappings())
    if not inbox:
        return []
    failpoints.reach("D3")
    owners = await _owners(connection, statements, inbox)
    desk = await _Desk.open(connection, statements, sorted(set(owners.values())))
    applied = [desk.apply(row, owners.get(row["id"]), decide, now) for row in inbox]
    await desk.write(connection, statements)
    failpoints.reach("D4")
    return applied


class _Desk:
    """The messages that a batch of reports is about, locked, each as the reports before have left it."""

    def __init__(self, messages: dict[UUID, Message]) -> None:
        self._messages = messages
        self._attempts: dict[UUID, dict[int, Attempt]] = defaultdict(dict)
        self._told: dict[UUID, frozenset[Told]] = defaultdict(frozenset)
        self._changes: list[Change] = []
        self._moved: list[Change] = []
        self._inbox: list[Row] = []

    @classmethod
    async def open(cls, connection: AsyncConnection, statements: Statements, owners: Sequence[UUID]) -> "_Desk":
        """Lock the messages, then read their attempts and what their stories tell of earlier reports."""
        if not owners:
            return cls({})
        locked = await connection.execute(statements.locked(MESSAGE_COLUMNS, owners))
        desk = cls({message.tracking_id: message for message in map(message_of, locked)})
        for tracking_id, attempt in map(attempt_of, await connection.execute(statements.attempts_of(owners))):
            desk._attempts[tracking_id][attempt.number] = attempt
        told: dict[UUID, set[Told]] = defaultdict(set)
        for tracking_id, each in map(told_of, await connection.execute(statements.reports_told(owners))):
            told[tracking_id].add(each)
        desk._told.update({tracking_id: frozenset(each) for tracking_id, each in told.items()})
        return desk

    def apply(self, row: Any, owner: UUID | None, decide: Decide, now: datetime) -> AppliedReport:
        """Let one report change its message, or put it off."""
        received, tries = report_of(row), row["tries"] + 1
        noted = {"key": row["id"], "tries": tries, "due_at": None, "applied_at": None, "tracking_id": None}
        self._inbox.append(noted)
        decided = self._decided(owner, received, decide)
        if isinstance(decided, NotApplied):
            applied, noted["due_at"] = put_off(received, decided, tries, now)
            return applied
        self._absorb(decided, received)
        noted.update(applied_at=now, tracking_id=owner)
        return AppliedReport(received=received, change=decided)

    async def write(self, connection: AsyncConnection, statements: Statements) -> None:
        """Write what the reports changed, and what became of them."""
        await update_messages(connection, statements, self._moved)
        await write_findings(connection, statements, self._changes)
        await write_stories(connection, statements, self._changes)
        await connection.execute(statements.update_report, self._inbox)

    def _decided(self, owner: UUID | None, received: ReceivedReport, decide: Decide) -> Change | NotApplied:
        message = self._messages.get(owner) if owner else None
        if message is None:
            return NotApplied.UNMATCHED
        known, told = self._attempts[message.tracking_id], self._told[message.tracking_id]
        return decide(message, tuple(known.values()), told, received)

    def _absorb(self, change: Change, received: ReceivedReport) -> None:
        owner = change.message.tracking_id
        if change.finished is not None:
            known = self._attempts[owner]
            known[change.finished.number] = merged(known[change.finished.number], change.finished)
        if change.events:
            self._told[owner] |= {Told.by(received)}
        self._changes.append(change)
        # Where only something was told, the row stays untouched: its fence belongs to a call that may be in flight.
        if change.message.fence != self._messages[owner].fence:
            self._moved.append(change)
            self._messages[owner] = change.message


def _due(now: datetime, limit: int) -> sa.Select[Any]:
    known = report_inbox.c
    oldest = sa.select(report_inbox).where(known.due_at <= now).order_by(known.due_at)
    return oldest.limit(limit).with_for_update(skip_locked=True)


async def _owners(connection: AsyncConnection, statements: Statements, inbox: Sequence[Any]) -> dict[int, UUID]:
    """Return whose message each row may be about. A report that names none by attempt or reference follows the earlier
    ones with its message id: where a provider was asked twice, no attempt carries that."""
    carrying = await _by_message_id(connection, statements.carrying, inbox)
    found = {row["id"]: owner_of(row["reference"], carrying.get(_name(row), ())) for row in inbox}
    homeless = [row for row in inbox if found[row["id"]] is None]
    reported = await _by_message_id(connection, statements.reported, homeless)
    found.update({row["id"]: owner_of(None, reported.get(_name(row), ())) for row in homeless})
    return {row_id: owner for row_id, owner in found.items() if owner is not None}


async def _by_message_id(
    connection: AsyncConnection, find: Callable[[str, Sequence[str]], sa.Select[Any]], inbox: Sequence[Any]
) -> dict[tuple[str, str], list[UUID]]:
    asked: dict[str, set[str]] = defaultdict(set)
    for provider, message_id in map(_name, inbox):
        if message_id is not None:
            asked[provider].add(message_id)
    found: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    for provider, message_ids in asked.items():
        for message_id, tracking_id in await connection.execute(find(provider, sorted(message_ids))):
            found[provider, message_id].append(tracking_id)
    return found


def _name(row: Any) -> tuple[str, str]:
    return row["provider"], row["provider_message_id"]
