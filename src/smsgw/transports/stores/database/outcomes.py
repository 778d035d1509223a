"""Applies Changes to messages: concurrent callers share one transaction, the fence decides who may."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.lifecycle import Change
from smsgw.transports.batching import Batcher
from smsgw.transports.stores.database.schema import messages
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.database.transactions import Transactions
from smsgw.transports.stores.database.writing import keep_evidence, write_changes
from smsgw.transports.stores.semantics import CommittedState, committed_state

BATCH = 100
IN_FLIGHT = 2
_STATE = tuple(messages.c[name] for name in ("tracking_id", *CommittedState._fields))


class Outcomes:
    """The `apply` of the store."""

    def __init__(self, transactions: Transactions, statements: Statements) -> None:
        self._transactions = transactions
        self._statements = statements
        in_flight = 1 if transactions.database.is_sqlite else IN_FLIGHT
        self._batcher: Batcher[Change, bool] = Batcher(self._flush, max_items=BATCH, max_in_flight=in_flight)

    def apply(self, change: Change) -> "asyncio.Future[bool]":
        """See the port."""
        return self._batcher.submit(change)

    async def drain(self) -> None:
        """Wait for everything that was given to `apply`."""
        await self._batcher.drain()

    async def _flush(self, changes: Sequence[Change]) -> list[bool]:
        async def run(connection: AsyncConnection) -> list[bool]:
            return await self._apply(connection, changes)

        return await self._transactions.write("apply", len(changes), run, commit_point="W7")

    async def _apply(self, connection: AsyncConnection, changes: Sequence[Change]) -> list[bool]:
        ids = sorted({change.message.tracking_id for change in changes})
        rows = await connection.execute(self._statements.locked(_STATE, ids))
        states: dict[UUID, CommittedState] = {key: CommittedState(*state) for key, *state in rows}
        current, late = _split(changes, states)
        await write_changes(connection, self._statements, [changes[index] for index in current])
        await keep_evidence(connection, self._statements, [changes[index] for index in late])
        return [index not in late for index in range(len(changes))]


def _split(changes: Sequence[Change], states: dict[UUID, CommittedState]) -> tuple[list[int], set[int]]:
    """Return which Changes may be applied, in order of their fences, and which come too late. What is in neither was
    committed before: its caller did not hear of it."""
    current: list[int] = []
    late: set[int] = set()
    for index in sorted(range(len(changes)), key=lambda index: changes[index].message.fence):
        message = changes[index].message
        known, wanted = states.get(message.tracking_id), committed_state(message)
        if known == wanted:
            continue
        if known is None or known.fence != message.fence - 1:
            late.add(index)
            continue
        states[message.tracking_id] = wanted
        current.append(index)
    return current, late
