"""Takes due messages, exclusively, and writes down what is to be done about them in the same transaction."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw import failpoints
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, Message, Status
from smsgw.transports.stores.database.rows import attempt_of, message_of
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.database.writing import write_changes

Plan = Callable[[Message, Attempt | None], Any]


async def claim(
    connection: AsyncConnection,
    statements: Statements,
    statuses: frozenset[Status],
    *,
    now: datetime,
    limit: int,
    plan: Plan,
) -> list[tuple[Message, Any]]:
    """See the port."""
    due = [message_of(row) for row in await connection.execute(statements.due(statuses, now, limit))]
    if not due:
        return []
    failpoints.reach("S1")
    newest = await _newest_attempts(connection, statements, due)
    planned = [(message, plan(message, newest.get(message.tracking_id))) for message in due]
    changes: Sequence[Change] = [each if isinstance(each, Change) else each.change for _, each in planned]
    await write_changes(connection, statements, changes)
    failpoints.reach("S2")
    return planned


async def _newest_attempts(
    connection: AsyncConnection, statements: Statements, due: Sequence[Message]
) -> dict[UUID, Attempt]:
    asked = [message.tracking_id for message in due if message.attempts_made]
    if not asked:
        return {}
    # A statement of its own, after the locks: a join would show attempts as they were before the last owner's commit.
    return dict(attempt_of(row) for row in await connection.execute(statements.attempts_of(asked)))
