"""Takes new messages in: one transaction per call, and only what this call created is given to anybody to send."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.lifecycle import Change
from smsgw.core.ports import Arrival
from smsgw.transports.stores.database.rows import message_row, seen_row
from smsgw.transports.stores.database.schema import idempotency_seen, messages
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.database.transactions import Transactions
from smsgw.transports.stores.database.writing import write_stories
from smsgw.transports.stores.semantics import IDEMPOTENCY_WINDOW, as_duplicate, is_still_held

REMEMBERED = 10_000


class Intake:
    """Remembers what calls of unknown outcome had written, so that their retry gets it back as its own."""

    def __init__(self, transactions: Transactions, statements: Statements) -> None:
        self._transactions = transactions
        self._statements = statements
        self._unsettled: OrderedDict[UUID, dict[UUID, Change]] = OrderedDict()
        """By tracking_id: the Change that each call (its token) may have committed."""

    async def take_in(self, arrivals: Sequence[Arrival]) -> list[Change | None]:
        """See the port."""
        first: dict[UUID, Arrival] = {}
        for arrival in arrivals:
            first.setdefault(arrival.change.message.tracking_id, arrival)
        call = _Call(self._statements, first, self._unsettled)
        try:
            made = await self._transactions.write("take_in", len(first), call.run)
        except BaseException:
            self._remember(call)
            raise
        for tracking_id in first:
            self._unsettled.pop(tracking_id, None)
        # A second copy within the same call finds its place taken.
        return [made.pop(each.change.message.tracking_id, None) for each in arrivals]

    def _remember(self, call: "_Call") -> None:
        for tracking_id, change in call.written.items():
            self._unsettled.setdefault(tracking_id, {})[call.token] = change
        while len(self._unsettled) > REMEMBERED:
            self._unsettled.popitem(last=False)


class _Call:
    """One call of take_in, which may need several transactions."""

    def __init__(
        self, statements: Statements, arrivals: dict[UUID, Arrival], unsettled: dict[UUID, dict[UUID, Change]]
    ) -> None:
        self.token = uuid4()
        self.written: dict[UUID, Change] = {}
        self._statements = statements
        # In order of tracking_id, so that two calls with the same messages wait for each other instead of deadlocking.
        self._arrivals = dict(sorted(arrivals.items()))
        self._unsettled = unsettled

    async def run(self, connection: AsyncConnection) -> dict[UUID, Change]:
        """Insert what is new with its attempts and events; return the Change of every message that is ours."""
        changes = await self._without_duplicates(connection)
        ours = await self._insert(connection, changes)
        regained = await self._regain(connection, changes.keys() - ours)
        mine = {tracking_id: change for tracking_id, change in changes.items() if tracking_id in ours}
        await write_stories(connection, self._statements, mine.values())
        self.written = mine
        return mine | regained

    async def _without_duplicates(self, connection: AsyncConnection) -> dict[UUID, Change]:
        changes = {tracking_id: arrival.change for tracking_id, arrival in self._arrivals.items()}
        hashes = sorted(
            (each.idempotency_hash, each.change.message.updated_at, tracking_id)
            for tracking_id, each in self._arrivals.items()
            if each.idempotency_hash is not None
        )
        if not hashes:
            return changes
        owners = await self._owners(connection, hashes)
        for word, _, tracking_id in hashes:
            if owners.get(word, tracking_id) != tracking_id:
                changes[tracking_id] = as_duplicate(changes[tracking_id], owners[word])
        return changes

    async def _owners(
        self, connection: AsyncConnection, hashes: Sequence[tuple[str, datetime, UUID]]
    ) -> dict[str, UUID]:
        """Claim the hashes; return whose those are that may be somebody else's."""
        rows = [
            seen_row(word, tracking_id, now) | {"forget_before": now - IDEMPOTENCY_WINDOW}
            for word, now, tracking_id in hashes
        ]
        result = await connection.execute(
            self._statements.remember_hash, rows, execution_options={"preserve_rowcount": True}
        )
        if result.rowcount == len(rows):
            return {}
        seen = idempotency_seen.c
        words = list({word for word, _, _ in hashes})
        found = await connection.execute(
            sa.select(seen.hash, seen.tracking_id).where(self._statements.among(seen.hash, words))
        )
        return dict(map(tuple, found))

    async def _insert(self, connection: AsyncConnection, changes: dict[UUID, Change]) -> set[UUID]:
        rows = [message_row(change.message, self.token) for change in changes.values()]
        result = await connection.execute(
            self._statements.insert_message, self._statements.rows(rows), execution_options={"preserve_rowcount": True}
        )
        if result.rowcount == len(rows):
            return set(changes)
        mine = sa.select(messages.c.tracking_id).where(
            self._statements.among(messages.c.tracking_id, list(changes)), messages.c.intake_token == self.token
        )
        return set((await connection.execute(mine)).scalars())

    async def _regain(self, connection: AsyncConnection, copies: set[UUID]) -> dict[UUID, Change]:
        """Return what an earlier, interrupted call of this process did commit, where nobody has moved it since."""
        doubtful = [tracking_id for tracking_id in copies if tracking_id in self._unsettled]
        if not doubtful:
            return {}
        known = messages.c
        rows = await connection.execute(
            sa.select(known.tracking_id, known.intake_token, known.fence).where(
                self._statements.among(known.tracking_id, doubtful)
            )
        )
        regained: dict[UUID, Change] = {}
        for tracking_id, token, fence in rows:
            committed = self._unsettled[tracking_id].get(token)
            now = self._arrivals[tracking_id].change.message.updated_at
            if committed and committed.message.fence == fence and is_still_held(committed, now):
                regained[tracking_id] = committed
        return regained
