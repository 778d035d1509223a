"""The store on PostgreSQL and SQLite: every method of the port, each one transaction or one snapshot."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.backlog import Oldest
from smsgw.core.lifecycle import Change
from smsgw.core.message import Message, ReceivedReport, Status
from smsgw.core.ports import (
    AppliedReport,
    Arrival,
    Decide,
    GatewayBeat,
    Observer,
    RequestFilter,
    RequestPage,
    StoreUnavailableError,
    Story,
)
from smsgw.transports.sql import Database
from smsgw.transports.stores.database import reads, reports, requests
from smsgw.transports.stores.database.care import DatabaseCare
from smsgw.transports.stores.database.claims import claim
from smsgw.transports.stores.database.intake import Intake
from smsgw.transports.stores.database.outcomes import Outcomes
from smsgw.transports.stores.database.schema import idempotency_seen, messages
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.database.transactions import Transactions
from smsgw.transports.stores.semantics import IDEMPOTENCY_WINDOW, Plan

PROBLEM_SECONDS = 0.9
PRUNED_AT_ONCE = 5000


class DatabaseStore(DatabaseCare):
    """The `Store` port on a Database, which it closes with itself."""

    def __init__(self, database: Database, *, observer: Observer) -> None:
        self._database = database
        self._statements = Statements(is_sqlite=database.is_sqlite)
        self._transactions = Transactions(database, observer)
        self._intake = Intake(self._transactions, self._statements)
        self._outcomes = Outcomes(self._transactions, self._statements)
        self._inbox = reports.Inbox(self._transactions, self._statements)

    async def problem(self) -> str | None:
        """See the port."""

        async def look() -> str | None:
            return await self._transactions.read("problem", 0, reads.problem)

        try:
            return await self._transactions.bounded(look(), PROBLEM_SECONDS)
        except StoreUnavailableError:
            # What the driver says names hosts and users, and /readyz shows this line to anybody.
            return "the database is away"

    async def take_in(self, arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        """See the port."""
        return await self._intake.take_in(arrivals) if arrivals else []

    async def apply(self, change: Change) -> bool:
        """See the port."""
        return await self._outcomes.apply(change)

    async def claim(
        self, statuses: frozenset[Status], *, now: datetime, limit: int, plan: Plan
    ) -> Sequence[tuple[Message, object]]:
        """See the port."""

        async def run(connection: AsyncConnection) -> list[tuple[Message, object]]:
            return await claim(connection, self._statements, self._statements.due(statuses, now, limit), plan)

        return await self._transactions.write("claim", len, run)

    async def claim_lane(self, lane: str, *, limit: int, plan: Plan) -> Sequence[tuple[Message, object]]:
        """See the port."""

        async def run(connection: AsyncConnection) -> list[tuple[Message, object]]:
            return await claim(connection, self._statements, self._statements.waiting(lane, limit), plan)

        return await self._transactions.write("claim_lane", len, run)

    async def lanes(self) -> Sequence[str]:
        """See the port."""
        return await self._transactions.read("lanes", 0, reads.lanes)

    async def requests(self, wanted: RequestFilter, *, before: int | None, limit: int) -> RequestPage:
        """See the port. One call looks at a bounded number of rows, so a page may be short, or empty, and have a next
        one all the same."""

        async def run(connection: AsyncConnection) -> RequestPage:
            return await requests.page(connection, self._statements, wanted, before=before, limit=limit)

        return await self._transactions.read("requests", _size, run)

    async def store_reports(self, reports_: Sequence[ReceivedReport]) -> int:
        """See the port."""
        return await self._inbox.store(reports_) if reports_ else 0

    async def apply_reports(self, *, now: datetime, limit: int, decide: Decide) -> Sequence[AppliedReport]:
        """See the port."""

        async def run(connection: AsyncConnection) -> list[AppliedReport]:
            return await reports.apply_reports(connection, self._statements, now=now, limit=limit, decide=decide)

        return await self._transactions.write("apply_reports", len, run)

    async def story(self, tracking_id: UUID, client_key: str | None) -> Story | None:
        """See the port."""
        return await self._transactions.read("story", 1, lambda it: reads.story(it, tracking_id, client_key))

    async def store_beat(self, beat: GatewayBeat) -> None:
        """See the port."""
        row = {name: getattr(beat, name) for name in GatewayBeat.__struct_fields__}

        async def run(connection: AsyncConnection) -> None:
            await connection.execute(self._statements.store_beat, [row])

        await self._transactions.write("store_beat", 1, run)

    async def beats(self) -> Sequence[GatewayBeat]:
        """See the port."""
        return await self._transactions.read("beats", 0, reads.beats)

    async def counts(self) -> dict[Status, int]:
        """See the port."""
        return await self._transactions.read("counts", 0, reads.counts)

    async def oldest(self) -> Oldest:
        """See the port."""
        return await self._transactions.read("oldest", 0, reads.oldest)

    async def oldest_waiting(self) -> datetime | None:
        """See the port."""
        return await self._transactions.read("oldest_waiting", 0, reads.oldest_waiting)

    async def missing(self, tracking_ids: Sequence[UUID]) -> set[UUID]:
        """See the port."""

        async def run(connection: AsyncConnection) -> set[UUID]:
            return await reads.missing(connection, self._statements, tracking_ids)

        return await self._transactions.read("missing", len(tracking_ids), run)

    async def created(self, since: datetime, until: datetime, *, limit: int) -> Sequence[UUID]:
        """See the port."""
        return await self._transactions.read("created", len, lambda it: reads.created(it, since, until, limit))

    async def stuck(self, *, now: datetime, limit: int) -> Sequence[Message]:
        """See the port."""
        return await self._transactions.read("stuck", len, lambda it: reads.stuck(it, now=now, limit=limit))

    async def end_leases(self, now: datetime) -> int:
        """Make the leases of calls due at once. A look-up that died is left to its own timer: asking twice too soon
        would take the provider's "not yet" for "never"."""
        dead = sa.update(messages).where(messages.c.status == Status.PROCESSING.value, messages.c.due_at > now)

        async def run(connection: AsyncConnection) -> int:
            return (await connection.execute(dead.values(due_at=now))).rowcount

        return await self._transactions.write("end_leases", int, run)

    async def prune(self, now: datetime) -> int:
        """See the port."""
        seen = idempotency_seen.c
        # SKIP LOCKED: an intake may be giving an old hash a new owner.
        old = sa.select(seen.hash).where(seen.created_at < now - IDEMPOTENCY_WINDOW).limit(PRUNED_AT_ONCE)
        forget = sa.delete(idempotency_seen).where(seen.hash.in_(old.with_for_update(skip_locked=True)))

        async def run(connection: AsyncConnection) -> int:
            return (await connection.execute(forget)).rowcount

        total, count = 0, PRUNED_AT_ONCE
        while count == PRUNED_AT_ONCE:
            count = await self._transactions.write("prune", int, run)
            total += count
        return total

    async def close(self) -> None:
        """Finish what was given to `apply` and `store_reports`, then close every connection."""
        await asyncio.shield(asyncio.gather(self._outcomes.drain(), self._inbox.drain()))
        await self._transactions.close()
        await self._database.close()


def _size(page: RequestPage) -> int:
    return len(page.messages)
