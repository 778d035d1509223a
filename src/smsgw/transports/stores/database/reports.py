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
from smsgw.core.message import Attempt, Message
from smsgw.core.ports import AppliedReport, ReceivedReport
from smsgw.transports.batching import Batcher
from smsgw.transports.stores.database.rows import (
    MESSAGE_COLUMNS,
    Row,
    attempt_of,
    message_of,
    report_of,
    report_row,
    told_report_of,
)
from smsgw.transports.stores.database.schema import attempts, report_inbox
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.database.transactions import Transactions
from smsgw.transports.stores.database.writing import update_messages, write_findings, write_stories
from smsgw.transports.stores.semantics import as_uuid, merged, next_try

BATCH = 500
Decide = Callable[[Message, Sequence[Attempt], Sequence[ReceivedReport]], Change | None]


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

    async def _flush(self, calls: Sequence[Sequence[ReceivedReport]]) -> list[int]:
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

    def __init__(
        self,
        messages: dict[UUID, Message],
        known: dict[UUID, dict[int, Attempt]],
        told: dict[UUID, list[ReceivedReport]],
    ) -> None:
        self._messages = messages
        self._attempts = known
        self._told = told
        self._changes: list[Change] = []
        self._moved: list[Change] = []
        self._inbox: list[Row] = []

    @classmethod
    async def open(cls, connection: AsyncConnection, statements: Statements, owners: Sequence[UUID]) -> "_Desk":
        """Lock the messages, then read their attempts and what their stories tell of earlier reports."""
        known: dict[UUID, dict[int, Attempt]] = defaultdict(dict)
        told: dict[UUID, list[ReceivedReport]] = defaultdict(list)
        if not owners:
            return cls({}, known, told)
        locked = await connection.execute(statements.locked(MESSAGE_COLUMNS, owners))
        messages = {message.tracking_id: message for message in map(message_of, locked)}
        for tracking_id, attempt in map(attempt_of, await connection.execute(statements.attempts_of(owners))):
            known[tracking_id][attempt.number] = attempt
        for tracking_id, report in map(told_report_of, await connection.execute(statements.reports_told(owners))):
            told[tracking_id].append(report)
        return cls(messages, known, told)

    def apply(self, row: Any, owner: UUID | None, decide: Decide, now: datetime) -> AppliedReport:
        """Let one report change its message, or put it off."""
        received = report_of(row)
        message = self._messages.get(owner) if owner else None
        change = self._decided(message, received, decide) if message else None
        if message is None or change is None:
            due_at = next_try(received.received_at, row["tries"] + 1, now)
            self._note(row, due_at=due_at, applied_at=None, tracking_id=None)
            return AppliedReport(received=received, change=None, is_given_up=due_at is None)
        self._absorb(message, change)
        self._told[message.tracking_id].append(received)
        self._note(row, due_at=None, applied_at=now, tracking_id=message.tracking_id)
        return AppliedReport(received=received, change=change)

    async def write(self, connection: AsyncConnection, statements: Statements) -> None:
        """Write what the reports changed, and what became of them."""
        await update_messages(connection, statements, self._moved)
        await write_findings(connection, statements, self._changes)
        await write_stories(connection, statements, self._changes)
        await connection.execute(statements.update_report, self._inbox)

    def _decided(self, message: Message, received: ReceivedReport, decide: Decide) -> Change | None:
        known, told = self._attempts[message.tracking_id], self._told[message.tracking_id]
        return decide(message, tuple(known.values()), [*told, received])

    def _absorb(self, message: Message, change: Change) -> None:
        known = self._attempts[message.tracking_id]
        if change.finished is not None:
            known[change.finished.number] = merged(known[change.finished.number], change.finished)
        self._changes.append(change)
        # Where only something was told, the row stays untouched: its fence belongs to a call that may be in flight.
        if change.message.fence != message.fence:
            self._moved.append(change)
            self._messages[message.tracking_id] = change.message

    def _note(
        self, row: Any, *, due_at: datetime | None, applied_at: datetime | None, tracking_id: UUID | None
    ) -> None:
        tries = row["tries"] + 1
        noted = {"key": row["id"], "due_at": due_at, "tries": tries, "applied_at": applied_at}
        self._inbox.append(noted | {"tracking_id": tracking_id})


def _due(now: datetime, limit: int) -> sa.Select[Any]:
    known = report_inbox.c
    oldest = sa.select(report_inbox).where(known.due_at <= now).order_by(known.due_at)
    return oldest.limit(limit).with_for_update(skip_locked=True)


async def _owners(connection: AsyncConnection, statements: Statements, inbox: Sequence[Any]) -> dict[int, UUID]:
    """Return whose message each row may be about: by the provider's id (where the reference settles a doubt, else the
    newest attempt counts), else by our reference."""
    known = await _by_message_id(connection, statements, inbox)
    owners: dict[int, UUID] = {}
    for row in inbox:
        candidates = known.get((row["provider"], row["provider_message_id"]), [])
        reference = as_uuid(row["reference"])
        if candidates and reference not in candidates:
            owners[row["id"]] = candidates[-1]
        elif reference is not None:
            owners[row["id"]] = reference
    return owners


async def _by_message_id(
    connection: AsyncConnection, statements: Statements, inbox: Sequence[Any]
) -> dict[tuple[str, str], list[UUID]]:
    asked: dict[str, set[str]] = defaultdict(set)
    for row in inbox:
        if row["provider_message_id"] is not None:
            asked[row["provider"]].add(row["provider_message_id"])
    found: dict[tuple[str, str], list[UUID]] = defaultdict(list)
    of = attempts.c
    for provider, message_ids in asked.items():
        query = (
            sa.select(of.provider_message_id, of.tracking_id)
            .where(of.provider == provider, statements.among(of.provider_message_id, sorted(message_ids)))
            .order_by(of.started_at)
        )
        for message_id, tracking_id in await connection.execute(query):
            found[provider, message_id].append(tracking_id)
    return found
