"""The tables, one schema for PostgreSQL and SQLite; the migrations build them, the statements use them."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy.engine import Dialect

REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007")
"""What this release's migrations know, oldest first; the last one is what the store needs."""

metadata = sa.MetaData()


class _UtcText(sa.TypeDecorator[datetime]):
    """SQLite has no time zones: UTC goes in, comes back aware, and sorts as text."""

    impl = sa.DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC).replace(tzinfo=None) if value else None

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value else None


class Json(sa.types.UserDefinedType[Any]):
    """A JSON column, written by msgspec: SQLAlchemy's own costs more than the rest of an event's insert."""

    cache_ok = True

    def get_col_spec(self, **_kw: Any) -> str:
        """Return the column's type."""
        return "JSON"

    def bind_processor(self, _dialect: Dialect) -> Callable[[Any], str]:
        """Return what turns a value into the text that is sent."""
        encode = msgspec.json.Encoder().encode
        return lambda value: encode(value).decode()

    def result_processor(self, _dialect: Dialect, _coltype: object) -> Callable[[Any], Any]:
        """Return what reads a column: text on SQLite, already decoded by the driver on PostgreSQL."""
        decode = msgspec.json.Decoder().decode
        return lambda value: decode(value) if isinstance(value, str) else value


Moment = sa.DateTime(timezone=True).with_variant(_UtcText(), "sqlite")
Identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", Identity, sa.Identity(), primary_key=True),
    sa.Column("tracking_id", sa.Uuid, nullable=False),
    sa.Column("client_key", sa.Text, nullable=False),
    sa.Column("to", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("ttl_seconds", sa.Integer, nullable=False),
    sa.Column("providers", sa.Text, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("provider_final", sa.Text),
    sa.Column("due_at", Moment),
    sa.Column("fence", sa.Integer, nullable=False),
    sa.Column("attempts_made", sa.Integer, nullable=False),
    sa.Column("rounds", sa.Integer, nullable=False),
    sa.Column("prefer", sa.Text),
    sa.Column("refused", sa.Text, nullable=False),
    sa.Column("duplicate_risk", sa.Boolean, nullable=False),
    sa.Column("absences", sa.Integer, nullable=False),
    # Which call of take_in created the row: tells ours from a copy, also after a commit of unknown outcome.
    sa.Column("intake_token", sa.Uuid, nullable=False),
    sa.Column("lane", sa.Text),
    sa.Column("sender", sa.Text),
)
sa.Index("messages_tracking_id", messages.c.tracking_id, unique=True)
# One index is every timer: `status = QUEUED and due_at <= now` in order of due_at for claims, the short ranges of
# PROCESSING and UNKNOWN for sweeps and counts, without walking over SENT rows that wait for days.
sa.Index(
    "messages_due",
    messages.c.status,
    messages.c.due_at,
    postgresql_where=messages.c.due_at.is_not(None),
    sqlite_where=messages.c.due_at.is_not(None),
)

# Who waits in a lane, oldest first; a message that never waits in one costs this index nothing. Only QUEUED, in so many
# words: a worker of the release before moves messages on without taking them out of their lane.
WAITS_IN_LANE = sa.text("lane IS NOT NULL AND status = 'QUEUED'")
sa.Index(
    "messages_lane",
    messages.c.lane,
    messages.c.created_at,
    messages.c.id,
    postgresql_where=WAITS_IN_LANE,
    sqlite_where=WAITS_IN_LANE,
)

# What operators search by, in the order of the key: docs/decisions/0011-search-indexes.md has what each one costs.
sa.Index("messages_to", messages.c.to, messages.c.id)
sa.Index("messages_client", messages.c.client_key, messages.c.id)
# A range of one word, not `status = 'FAILED'`: to an equality every index on `id` is in order, and the planner would
# rather walk down the primary key, past all that did not fail.
IS_FAILED = sa.text("status >= 'FAILED' AND status <= 'FAILED'")
sa.Index("messages_failed", messages.c.status, messages.c.id, postgresql_where=IS_FAILED, sqlite_where=IS_FAILED)

message_events = sa.Table(
    "message_events",
    metadata,
    sa.Column("id", Identity, sa.Identity(), primary_key=True),
    sa.Column("tracking_id", sa.Uuid, nullable=False),
    sa.Column("event_type", sa.Text, nullable=False),
    sa.Column("provider", sa.Text),
    sa.Column("details", Json, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)
sa.Index("message_events_tracking_id", message_events.c.tracking_id)

attempts = sa.Table(
    "attempts",
    metadata,
    sa.Column("tracking_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("started_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.Column("outcome", sa.Text),
    sa.Column("provider_message_id", sa.Text),
    sa.Column("detail", sa.Text),
    sa.Column("report", sa.Integer),
    # A JSON list; NULL where the vendor has one id for the whole message.
    sa.Column("part_ids", sa.Text),
    sa.Column("segments", sa.Integer),
    # A decimal number as text: no database rounds it, and SQLite has no exact type.
    sa.Column("price", sa.Text),
    sa.Column("currency", sa.Text),
)
sa.Index(
    "attempts_provider_message_id",
    attempts.c.provider,
    attempts.c.provider_message_id,
    postgresql_where=attempts.c.provider_message_id.is_not(None),
    sqlite_where=attempts.c.provider_message_id.is_not(None),
)

# Whose the id of a part is. A message that is reported under one id has no row here: `attempts` knows that id.
attempt_parts = sa.Table(
    "attempt_parts",
    metadata,
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("provider_message_id", sa.Text, primary_key=True),
    sa.Column("tracking_id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
)

report_inbox = sa.Table(
    "report_inbox",
    metadata,
    sa.Column("id", Identity, sa.Identity(), primary_key=True),
    sa.Column("provider", sa.Text, nullable=False),
    sa.Column("dedupe_key", sa.Text, nullable=False),
    sa.Column("provider_message_id", sa.Text),
    sa.Column("reference", sa.Text),
    sa.Column("status", sa.Integer, nullable=False),
    sa.Column("error_code", sa.Text),
    sa.Column("reported_at", Moment),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("due_at", Moment),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("applied_at", Moment),
    sa.Column("tracking_id", sa.Uuid),
    sa.Column("part_number", sa.Integer),
    sa.Column("part_total", sa.Integer),
    sa.Column("segments", sa.Integer),
    sa.Column("price", sa.Text),
    sa.Column("currency", sa.Text),
    sa.UniqueConstraint("provider", "dedupe_key", name="report_inbox_dedupe"),
)
sa.Index(
    "report_inbox_due",
    report_inbox.c.due_at,
    postgresql_where=report_inbox.c.due_at.is_not(None),
    sqlite_where=report_inbox.c.due_at.is_not(None),
)
sa.Index(
    "report_inbox_provider_message_id",
    report_inbox.c.provider,
    report_inbox.c.provider_message_id,
    postgresql_where=report_inbox.c.tracking_id.is_not(None),
    sqlite_where=report_inbox.c.tracking_id.is_not(None),
)

idempotency_seen = sa.Table(
    "idempotency_seen",
    metadata,
    sa.Column("hash", sa.Text, primary_key=True),
    sa.Column("tracking_id", sa.Uuid, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
)
sa.Index("idempotency_seen_created_at", idempotency_seen.c.created_at)

gateway_heartbeats = sa.Table(
    "gateway_heartbeats",
    metadata,
    sa.Column("service", sa.Text, primary_key=True),
    sa.Column("instance", sa.Text, primary_key=True),
    sa.Column("interval_seconds", sa.Float, nullable=False),
    sa.Column("ts", Moment, nullable=False),
    sa.Column("clients_fingerprint", sa.Text, nullable=False),
    sa.Column("providers_fingerprint", sa.Text, nullable=False),
)
