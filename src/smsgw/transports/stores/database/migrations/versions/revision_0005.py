"""The tables of the console. Only new ones: no row is read, and no worker of the release before waits. What an
interrupted run has made already is left as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

identity = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
moment = sa.DateTime(timezone=True)

COUNTERS = ("accepted", "sent", "delivered", "failed", "unknown", "calls", "bad_calls", "call_ms")
WAITS = tuple(f"wait_{number}" for number in range(9))
TABLES = (
    "console_users",
    "console_sessions",
    "console_links",
    "sign_in_failures",
    "audit_log",
    "config_overlay",
    "config_overlay_version",
    "traffic_sums",
)


def upgrade() -> None:
    """Create the tables."""
    _create_people()
    _create_sign_in()
    _create_audit_log()
    _create_overlay()
    _create_traffic_sums()


def downgrade() -> None:
    """Drop them: users, the audit log and what was changed in the console are gone; messages stay."""
    for table in TABLES:
        op.drop_table(table)


def _create_people() -> None:
    op.create_table(
        "console_users",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("password_hash", sa.Text),
        sa.Column("totp_secret", sa.Text),
        sa.Column("totp_step", sa.BigInteger, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("updated_at", moment, nullable=False),
        sa.Column("signed_in_at", moment),
        if_not_exists=True,
    )


def _create_sign_in() -> None:
    op.create_table(
        "console_sessions",
        sa.Column("token_hash", sa.Text, primary_key=True),
        sa.Column("user_name", sa.Text, nullable=False),
        sa.Column("user_version", sa.Integer, nullable=False),
        sa.Column("created_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        if_not_exists=True,
    )
    _create_index("console_sessions", "user_name")
    _create_index("console_sessions", "seen_at")
    op.create_table(
        "console_links",
        sa.Column("user_name", sa.Text, primary_key=True),
        sa.Column("token_hash", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("expires_at", moment, nullable=False),
        if_not_exists=True,
    )
    _create_index("console_links", "token_hash", unique=True)
    op.create_table(
        "sign_in_failures",
        sa.Column("id", identity, sa.Identity(), primary_key=True),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("at", moment, nullable=False),
        if_not_exists=True,
    )
    _create_index("sign_in_failures", "what", "at")
    _create_index("sign_in_failures", "at")


def _create_audit_log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", identity, sa.Identity(), primary_key=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("action", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", sa.JSON, nullable=False),
        sa.Column("after", sa.JSON, nullable=False),
        sa.Column("peer", sa.Text, nullable=False),
        if_not_exists=True,
    )
    for column in ("who", "action", "subject"):
        _create_index("audit_log", column, "id")
    _create_index("audit_log", "at")


def _create_overlay() -> None:
    op.create_table(
        "config_overlay",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("body", sa.JSON, nullable=False),
        sa.Column("changed_at", moment, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        if_not_exists=True,
    )
    op.create_table(
        "config_overlay_version",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        if_not_exists=True,
    )


def _create_traffic_sums() -> None:
    op.create_table(
        "traffic_sums",
        sa.Column("grain", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("starts_at", moment, primary_key=True),
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("country", sa.Text, primary_key=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in (*COUNTERS, *WAITS)),
        if_not_exists=True,
    )


def _create_index(table: str, *columns: str, unique: bool = False) -> None:
    op.create_index(f"{table}_{columns[0]}", table, list(columns), unique=unique, if_not_exists=True)
