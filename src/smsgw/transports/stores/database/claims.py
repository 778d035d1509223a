"""Takes messages, exclusively, and writes down what is to be done about them in the same transaction."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw import failpoints
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, Message
from smsgw.transports.stores.database.rows import attempt_of, message_of
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.database.writing import write_changes
from smsgw.transports.stores.semantics import Plan


async def claim(
    connection: AsyncConnection, statements: Statements, wanted: sa.Select[Any], plan: Plan
) -> list[tuple[Message, Any]]:
    """Do what the port says of `claim` and `claim_lane` to the messages that `wanted` selects and locks."""
    found = [message_of(row) for row in await connection.execute(wanted)]
    if not found:
        return []
    failpoints.reach("S1")
    newest = await _newest_attempts(connection, statements, found)
    plans = [(message, plan(message, newest.get(message.tracking_id))) for message in found]
    planned = [(message, each) for message, each in plans if each is not None]
    changes: Sequence[Change] = [each if isinstance(each, Change) else each.change for _, each in planned]
    await write_changes(connection, statements, changes)
    failpoints.reach("S2")
    return planned


async def _newest_attempts(
    connection: AsyncConnection, statements: Statements, found: Sequence[Message]
) -> dict[UUID, Attempt]:
    asked = [message.tracking_id for message in found if message.attempts_made]
    if not asked:
        return {}
    # A statement of its own, after the locks: a join would show attempts as they were before the last owner's commit.
    return dict(attempt_of(row) for row in await connection.execute(statements.attempts_of(asked)))
