"""The first schema. A migration is history: it is written out, not derived from today's tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create every table."""
    _create_messages()
    _create_message_events()
    _create_attempts()
    _create_report_inbox()
    _create_idempotency_seen()
    _create_gateway_heartbeats()


def downgrade() -> None:
    """Drop every table, with everything in it."""
    for table in ("messages", "message_events", "attempts", "report_inbox", "idempotency_seen", "gateway_heartbeats"):
        op.drop_table(table)


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("id", identity, sa.Identity(), primary_key=True),
        sa.Column("tracking_id", sa.Uuid, nullable=False),
        sa.Column("client_key", sa.Text, nullable=False),
        sa.Column("to", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("ttl_seconds", sa.Integer, nullable=False),
        sa.Column("providers", sa.Text, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("provider_final", sa.Text),
        sa.Column("due_at", moment),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("attempts_made", sa.Integer, nullable=False),
        sa.Column("rounds", sa.Integer, nullable=False),
        sa.Column("prefer", sa.Text),
        sa.Column("refused", sa.Text, nullable=False),
        sa.Column("duplicate_risk", sa.Boolean, nullable=False),
        sa.Column("absences", sa.Integer, nullable=False),
        sa.Column("intake_token", sa.Uuid, nullable=False),
    )
    waiting = sa.text("due_at IS NOT NULL")
    op.create_index("messages_due", "messages", ["status", "due_at"], postgresql_where=waiting, sqlite_where=waiting)
    op.create_index("messages_tracking_id", "messages", ["tracking_id"], unique=True)


def _create_message_events() -> None:
    op.create_table(
        "message_events",
        sa.Column("id", identity, sa.Identity(), primary_key=True),
        sa.Column("tracking_id", sa.Uuid, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("provider", sa.Text),
        sa.Column("details", sa.JSON, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("message_events_tracking_id", "message_events", ["tracking_id"])


def _create_attempts() -> None:
    op.create_table(
        "attempts",
        sa.Column("tracking_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("finished_at", moment),
        sa.Column("outcome", sa.Text),
        sa.Column("provider_message_id", sa.Text),
        sa.Column("detail", sa.Text),
        sa.Column("report", sa.Integer),
    )
    waiting = sa.text("provider_message_id IS NOT NULL")
    op.create_index(
        "attempts_provider_message_id",
        "attempts",
        ["provider", "provider_message_id"],
        postgresql_where=waiting,
        sqlite_where=waiting,
    )


def _create_report_inbox() -> None:
    op.create_table(
        "report_inbox",
        sa.Column("id", identity, sa.Identity(), primary_key=True),
        sa.Column("provider", sa.Text, nullable=False),
        sa.Column("dedupe_key", sa.Text, nullable=False),
        sa.Column("provider_message_id", sa.Text),
        sa.Column("reference", sa.Text),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("reported_at", moment),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("due_at", moment),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("applied_at", moment),
        sa.Column("tracking_id", sa.Uuid),
        sa.UniqueConstraint("provider", "dedupe_key", name="report_inbox_dedupe"),
    )
    waiting = sa.text("due_at IS NOT NULL")
    op.create_index("report_inbox_due", "report_inbox", ["due_at"], postgresql_where=waiting, sqlite_where=waiting)
    applied = sa.text("tracking_id IS NOT NULL")
    op.create_index(
        "report_inbox_provider_message_id",
        "report_inbox",
        ["provider", "provider_message_id"],
        postgresql_where=applied,
        sqlite_where=applied,
    )


def _create_idempotency_seen() -> None:
    op.create_table(
        "idempotency_seen",
        sa.Column("hash", sa.Text, primary_key=True),
        sa.Column("tracking_id", sa.Uuid, nullable=False),
        sa.Column("created_at", moment, nullable=False),
    )
    op.create_index("idempotency_seen_created_at", "idempotency_seen", ["created_at"])


def _create_gateway_heartbeats() -> None:
    op.create_table(
        "gateway_heartbeats",
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("instance", sa.Text, primary_key=True),
        sa.Column("interval_seconds", sa.Float, nullable=False),
        sa.Column("ts", moment, nullable=False),
        sa.Column("clients_fingerprint", sa.Text, nullable=False),
        sa.Column("providers_fingerprint", sa.Text, nullable=False),
    )
