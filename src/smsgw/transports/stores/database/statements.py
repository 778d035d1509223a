"""Every statement of the hot paths, built once per dialect: executed with lists of rows, never built per call."""

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from smsgw.core.failure import Outcome
from smsgw.core.message import EventType, Status
from smsgw.transports.stores.database.rows import ATTEMPT_COLUMNS, MESSAGE_COLUMNS, TOLD_LATER, Row, without_nul
from smsgw.transports.stores.database.schema import (
    Json,
    attempt_parts,
    attempts,
    gateway_heartbeats,
    idempotency_seen,
    message_events,
    messages,
    report_inbox,
)
from smsgw.transports.stores.semantics import storable

_encode = msgspec.json.Encoder().encode

STATE_COLUMNS = (
    "status",
    "reason",
    "provider_final",
    "due_at",
    "updated_at",
    "fence",
    "attempts_made",
    "rounds",
    "prefer",
    "refused",
    "duplicate_risk",
    "lane",
    "absences",
)

_OUTCOME = ("finished_at", "outcome", "provider_message_id", "detail")

# The words of the index of lanes: planners compare them with a query's as they stand there.
IN_LANE = sa.and_(messages.c.lane.is_not(None), messages.c.status == sa.literal_column(f"'{Status.QUEUED.value}'"))


class Statements:
    """The statements for one dialect. Where the two differ, the difference is here."""

    def __init__(self, *, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite
        self.insert_message = self._bulk(messages, unless=["tracking_id"])
        self.insert_attempt = self._bulk(attempts, but=TOLD_LATER)
        self.insert_parts = self._bulk(attempt_parts, unless=[each.name for each in attempt_parts.primary_key])
        self.insert_event = self._bulk(message_events)
        inbox_key = (report_inbox.c.provider, report_inbox.c.dedupe_key)
        self.store_reports = self._bulk(report_inbox, unless=["provider", "dedupe_key"]).returning(*inbox_key)
        self.remember_hash = self._remember_hash()
        self.store_beat = self._store_beat()
        self.update_message = (
            sa.update(messages)
            .where(messages.c.tracking_id == sa.bindparam("key"))
            .values({name: sa.bindparam(name) for name in STATE_COLUMNS})
        )
        self.update_outcome = _update_attempt(_OUTCOME)
        self.update_attempt = _update_attempt((*_OUTCOME, *TOLD_LATER))
        self.update_report = (
            sa.update(report_inbox)
            .where(report_inbox.c.id == sa.bindparam("key"))
            .values({name: sa.bindparam(name) for name in ("due_at", "tries", "applied_at", "tracking_id")})
        )
        self.keep_evidence = self.update_attempt.where(
            sa.or_(attempts.c.outcome.is_(None), attempts.c.outcome == Outcome.UNKNOWN.value)
        )
        self.keep_facts = _keep_facts()

    def insert(self, table: sa.Table) -> Any:
        """Return the dialect's INSERT, for ON CONFLICT."""
        return sqlite.insert(table) if self._is_sqlite else postgresql.insert(table)

    def rows(self, rows: Sequence[Row]) -> Any:
        """Return the parameters of a bulk insert."""
        if self._is_sqlite:
            return rows
        document = _encode(rows).decode()
        # PostgreSQL refuses NUL anywhere in the document. A stranger's answer may have brought one into an event.
        return {"rows": _encode(without_nul(rows)).decode() if "\\u0000" in document else document}

    def among(self, column: sa.Column[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
        """Return "column is one of values": one array on PostgreSQL, so that every length is the same statement."""
        if self._is_sqlite:
            return column.in_(values)
        return column == sa.any_(sa.bindparam(None, list(values), type_=postgresql.ARRAY(column.type)))

    def due(self, statuses: frozenset[Status], now: Any, limit: int) -> sa.Select[Any]:
        """Return due messages, oldest first, that nobody else has locked. Only `due_at` orders them: so the index
        gives the oldest of a long backlog without sorting it."""
        return (
            sa.select(*MESSAGE_COLUMNS)
            .where(messages.c.status.in_(sorted(each.value for each in statuses)), messages.c.due_at <= now)
            .order_by(messages.c.due_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

    def waiting(self, lane: str, limit: int) -> sa.Select[Any]:
        """Return messages of a lane, oldest first, that nobody else has locked: the order of their index."""
        return (
            sa.select(*MESSAGE_COLUMNS)
            .where(messages.c.lane == storable(lane), IN_LANE)
            .order_by(messages.c.created_at, messages.c.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )

    def locked(self, columns: Sequence[sa.Column[Any]], tracking_ids: Sequence[Any]) -> sa.Select[Any]:
        """Return columns of messages, locked. Everybody who waits for locks takes them in order of id: no deadlocks."""
        return (
            sa.select(*columns)
            .where(self.among(messages.c.tracking_id, tracking_ids))
            .order_by(messages.c.id)
            .with_for_update()
        )

    def attempts_of(self, tracking_ids: Sequence[Any]) -> sa.Select[Any]:
        """Return all attempts of these messages, oldest first."""
        return (
            sa.select(*ATTEMPT_COLUMNS)
            .where(self.among(attempts.c.tracking_id, tracking_ids))
            .order_by(attempts.c.number)
        )

    def reports_told(self, tracking_ids: Sequence[Any]) -> sa.Select[Any]:
        """Return what the stories of these messages tell of delivery reports."""
        told = message_events.c
        return sa.select(told.tracking_id, told.provider, told.details).where(
            self.among(told.tracking_id, tracking_ids), told.event_type == EventType.REPORT.value
        )

    def carrying(self, provider: str, message_ids: Sequence[str]) -> sa.Select[Any]:
        """Return the messages whose attempts at this provider carry these ids of its, for themselves or for a part,
        oldest first."""
        known, part = attempts.c, attempt_parts.c
        carrying = sa.union_all(
            sa.select(known.provider_message_id, known.tracking_id, known.started_at).where(
                known.provider == provider, self.among(known.provider_message_id, message_ids)
            ),
            sa.select(part.provider_message_id, known.tracking_id, known.started_at)
            .join(attempts, sa.and_(known.tracking_id == part.tracking_id, known.number == part.number))
            .where(part.provider == provider, self.among(part.provider_message_id, message_ids)),
        ).subquery()
        return sa.select(carrying.c.provider_message_id, carrying.c.tracking_id).order_by(carrying.c.started_at)

    def reported(self, provider: str, message_ids: Sequence[str]) -> sa.Select[Any]:
        """Return the messages that earlier reports of this provider with these ids were applied to."""
        known = report_inbox.c
        return (
            sa.select(known.provider_message_id, known.tracking_id)
            .where(known.provider == provider, self.among(known.provider_message_id, message_ids))
            .where(known.tracking_id.is_not(None))
            .distinct()
        )

    def _bulk(self, table: sa.Table, unless: Sequence[str] = (), but: Sequence[str] = ()) -> Any:
        """Return an INSERT of many rows, without the columns in `but`: `executemany` on SQLite, one JSON document on
        PostgreSQL, where a hundred executions cost this process three times as much."""
        insert = self.insert(table)
        if not self._is_sqlite:
            columns = [each for each in table.columns if each.identity is None and each.name not in but]
            document = sa.cast(sa.bindparam("rows", type_=sa.Text), Json)
            told = [sa.column(column.name, column.type) for column in columns]
            rows = sa.func.json_to_recordset(document).table_valued(*told).render_derived(with_types=True)
            insert = insert.from_select([column.name for column in columns], sa.select(*rows.c))
        return insert.on_conflict_do_nothing(index_elements=unless) if unless else insert

    def _remember_hash(self) -> Any:
        insert = self.insert(idempotency_seen)
        return insert.on_conflict_do_update(
            index_elements=["hash"],
            set_={"tracking_id": insert.excluded.tracking_id, "created_at": insert.excluded.created_at},
            where=idempotency_seen.c.created_at
            < sa.bindparam("forget_before", type_=idempotency_seen.c.created_at.type),
        )

    def _store_beat(self) -> Any:
        insert = self.insert(gateway_heartbeats)
        told = ("interval_seconds", "ts", "clients_fingerprint", "providers_fingerprint")
        return insert.on_conflict_do_update(
            index_elements=["service", "instance"],
            set_={name: insert.excluded[name] for name in told},
            where=gateway_heartbeats.c.ts <= insert.excluded.ts,
        )


def _update_attempt(keep: Sequence[str]) -> sa.Update:
    """What is known is never forgotten: a report may have come while the call was under way."""
    known = attempts.c
    rank = sa.bindparam("report", type_=sa.Integer)
    values: dict[str, sa.ColumnElement[Any]] = {
        name: sa.func.coalesce(sa.bindparam(name, type_=known[name].type), known[name]) for name in keep
    }
    values["report"] = sa.case((sa.or_(known.report.is_(None), known.report < rank), rank), else_=known.report)
    return (
        sa.update(attempts)
        .where(known.tracking_id == sa.bindparam("key"), known.number == sa.bindparam("nth"))
        .values(values)
    )


def _keep_facts() -> sa.Update:
    """What an answer told beside its outcome, for an attempt that a report has settled before: what that report told
    already counts more. The ids of parts come with the first one's, for a report may have left another's."""
    known = attempts.c
    values: dict[str, sa.ColumnElement[Any]] = {
        name: sa.func.coalesce(known[name], sa.bindparam(name, type_=known[name].type)) for name in TOLD_LATER
    }
    message_id = sa.bindparam("provider_message_id", type_=sa.Text)
    values["provider_message_id"] = sa.func.coalesce(message_id, known.provider_message_id)
    return (
        sa.update(attempts)
        .where(known.tracking_id == sa.bindparam("key"), known.number == sa.bindparam("nth"))
        .where(known.outcome == Outcome.ACCEPTED.value)
        .values(values)
    )
