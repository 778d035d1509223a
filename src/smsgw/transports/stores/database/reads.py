"""What others want to know: stories, counts, what is missing, what is stuck, what is wrong with the database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.backlog import Oldest
from smsgw.core.message import EventType, Message, Status
from smsgw.core.ports import GatewayBeat, Story
from smsgw.transports.stores.database.rows import (
    ATTEMPT_COLUMNS,
    MESSAGE_COLUMNS,
    attempt_of,
    beat_of,
    event_of,
    message_of,
)
from smsgw.transports.stores.database.schema import (
    REVISIONS,
    attempts,
    gateway_heartbeats,
    message_events,
    messages,
    report_inbox,
)
from smsgw.transports.stores.database.statements import IN_LANE, Statements
from smsgw.transports.stores.semantics import STUCK_AFTER, WAITING

ASKED_AT_ONCE = 1000
MOST_LANES = 50
"""That are asked for their oldest message: lanes are as many as there are kinds of wishes, rarely more than ten."""
FIRST_DUE = 1000
NEWEST = 200_000
"""No index knows when a message was created: this many rows are looked at instead, in the order of the key."""

_TOLD = [each.value for each in EventType]


async def story(connection: AsyncConnection, tracking_id: UUID, client_key: str | None) -> Story | None:
    """See the port."""
    mine = sa.select(*MESSAGE_COLUMNS).where(messages.c.tracking_id == tracking_id)
    if client_key is not None:
        mine = mine.where(messages.c.client_key == client_key)
    row = (await connection.execute(mine)).one_or_none()
    if row is None:
        return None
    tries = sa.select(*ATTEMPT_COLUMNS).where(attempts.c.tracking_id == tracking_id).order_by(attempts.c.number)
    told = message_events.c
    lines = (
        sa.select(told.event_type, told.created_at, told.provider, told.details)
        # What a newer release beside this one tells, this one cannot.
        .where(told.tracking_id == tracking_id, told.event_type.in_(_TOLD))
        .order_by(told.id)
    )
    return Story(
        message=message_of(row),
        attempts=tuple(attempt_of(each)[1] for each in await connection.execute(tries)),
        events=tuple(event_of(each) for each in await connection.execute(lines)),
    )


async def beats(connection: AsyncConnection) -> list[GatewayBeat]:
    """See the port."""
    columns = [gateway_heartbeats.c[name] for name in GatewayBeat.__struct_fields__]
    rows = await connection.execute(sa.select(*columns).order_by(*columns[:2]))
    return [beat_of(row) for row in rows]


async def counts(connection: AsyncConnection) -> dict[Status, int]:
    """See the port."""
    known = messages.c
    query = (
        sa.select(known.status, sa.func.count())
        .where(known.due_at.is_not(None), known.status.in_([each.value for each in WAITING]))
        .group_by(known.status)
    )
    found = {Status(status): int(count) for status, count in await connection.execute(query)}
    return {status: found.get(status, 0) for status in WAITING}


async def oldest(connection: AsyncConnection) -> Oldest:
    """Ask each index for its first entry: of every status, of every lane, of the inbox."""
    known = messages.c
    earliest = [
        (await connection.execute(_earliest(known.due_at, known.status == each.value, known.due_at.is_not(None))))
        for each in WAITING
    ]
    due = [moment for rows in earliest if (moment := rows.scalar()) is not None]
    parked = [
        (await connection.execute(_earliest(known.created_at, IN_LANE, known.lane == lane))).scalar()
        for lane in (await lanes(connection))[:MOST_LANES]
    ]
    inbox = report_inbox.c.due_at
    report = (await connection.execute(_earliest(inbox, inbox.is_not(None)))).scalar()
    return Oldest(
        due_at=min(due, default=None),
        in_lane=min((moment for moment in parked if moment is not None), default=None),
        report_due_at=report,
    )


def _earliest(moment: sa.ColumnElement[datetime], *where: sa.ColumnElement[bool]) -> sa.Select[datetime]:
    return sa.select(moment).where(*where).order_by(moment).limit(1)


async def oldest_waiting(connection: AsyncConnection) -> datetime | None:
    """Look at the first of each status in the index of timers: who waits long is due first, or expires first."""
    known = messages.c
    first = [
        sa.select(known.created_at)
        .where(known.status == status.value, known.due_at.is_not(None))
        .order_by(known.due_at)
        .limit(FIRST_DUE)
        .subquery()
        for status in WAITING
    ]
    oldest = [sa.select(sa.func.min(each.c.created_at)).scalar_subquery() for each in first]
    row = (await connection.execute(sa.select(*oldest))).one()
    return min((at for at in row if at is not None), default=None)


async def lanes(connection: AsyncConnection) -> list[str]:
    """Walk over the index from each lane to the next one: what waits in between is not read."""
    lane = messages.c.lane
    first = sa.select(sa.func.min(lane)).where(IN_LANE).scalar_subquery()
    found = sa.select(first.label("lane")).cte("found", recursive=True)
    following = sa.select(sa.func.min(lane)).where(IN_LANE, lane > found.c.lane).scalar_subquery()
    found = found.union_all(sa.select(following).select_from(found).where(found.c.lane.is_not(None)))
    return list((await connection.execute(sa.select(found.c.lane).where(found.c.lane.is_not(None)))).scalars())


async def missing(connection: AsyncConnection, statements: Statements, tracking_ids: Sequence[UUID]) -> set[UUID]:
    """See the port."""
    absent = set(tracking_ids)
    ordered = sorted(absent)
    for start in range(0, len(ordered), ASKED_AT_ONCE):
        asked = ordered[start : start + ASKED_AT_ONCE]
        query = sa.select(messages.c.tracking_id).where(statements.among(messages.c.tracking_id, asked))
        absent.difference_update((await connection.execute(query)).scalars())
    return absent


async def created(connection: AsyncConnection, since: datetime, until: datetime, limit: int) -> list[UUID]:
    """See the port."""
    known = messages.c
    newest = sa.select(known.id, known.tracking_id, known.created_at).order_by(known.id.desc()).limit(NEWEST).subquery()
    of_this_time = newest.c.created_at.between(since, until)
    query = sa.select(newest.c.tracking_id).where(of_this_time).order_by(newest.c.id.desc()).limit(limit)
    return list((await connection.execute(query)).scalars())


async def stuck(connection: AsyncConnection, *, now: datetime, limit: int) -> list[Message]:
    """See the port."""
    known = messages.c
    overdue = sa.and_(
        known.status.in_([each.value for each in (*WAITING, Status.SENT)]), known.due_at < now - STUCK_AFTER
    )
    unknown = sa.and_(known.status == Status.UNKNOWN.value, known.due_at.is_not(None))
    query = sa.select(*MESSAGE_COLUMNS).where(sa.or_(overdue, unknown)).order_by(known.due_at, known.id).limit(limit)
    return [message_of(row) for row in await connection.execute(query)]


async def problem(connection: AsyncConnection) -> str | None:
    """Return what is wrong with the database's schema or role, or None."""
    has_schema = await connection.run_sync(lambda sync: sa.inspect(sync).has_table("alembic_version"))
    if not has_schema:
        return "schema is missing: run `smsgw migrate`"
    revision = (await connection.execute(sa.text("SELECT max(version_num) FROM alembic_version"))).scalar()
    needed = REVISIONS[-1]
    if revision is None:
        return "schema is missing: run `smsgw migrate`"
    # A newer schema is fine: migrations only add while two releases run side by side.
    if str(revision) < needed:
        return f"schema is at {revision}, this release needs {needed}: run `smsgw migrate`"
    if connection.dialect.name == "postgresql":
        is_read_only = (await connection.execute(sa.text("SHOW transaction_read_only"))).scalar()
        return "the database is read-only" if is_read_only == "on" else None
    return None
