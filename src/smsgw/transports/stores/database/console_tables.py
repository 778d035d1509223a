"""The tables of the console: people, what they changed, and the sums of traffic that the dashboard draws."""

import sqlalchemy as sa

from smsgw.core.rollup import WAITS
from smsgw.transports.stores.database.schema import Identity, Json, Moment, metadata

COUNTERS = ("accepted", "sent", "delivered", "failed", "unknown", "calls", "bad_calls", "call_ms")
WAIT_COLUMNS = tuple(f"wait_{number}" for number in range(len(WAITS) + 1))

users = sa.Table(
    "console_users",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("is_active", sa.Boolean, nullable=False),
    sa.Column("password_hash", sa.Text),
    sa.Column("totp_secret", sa.Text),
    sa.Column("totp_step", sa.BigInteger, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("updated_at", Moment, nullable=False),
    sa.Column("signed_in_at", Moment),
)

# `user` is a word of PostgreSQL's own.
sessions = sa.Table(
    "console_sessions",
    metadata,
    sa.Column("token_hash", sa.Text, primary_key=True),
    sa.Column("user_name", sa.Text, nullable=False),
    sa.Column("user_version", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
)
sa.Index("console_sessions_user_name", sessions.c.user_name)
sa.Index("console_sessions_seen_at", sessions.c.seen_at)

# One for each user: a new link is written over the one before.
links = sa.Table(
    "console_links",
    metadata,
    sa.Column("user_name", sa.Text, primary_key=True),
    sa.Column("token_hash", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
sa.Index("console_links_token_hash", links.c.token_hash, unique=True)

sign_in_failures = sa.Table(
    "sign_in_failures",
    metadata,
    sa.Column("id", Identity, sa.Identity(), primary_key=True),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("at", Moment, nullable=False),
)
sa.Index("sign_in_failures_what", sign_in_failures.c.what, sign_in_failures.c.at)
sa.Index("sign_in_failures_at", sign_in_failures.c.at)

audit_log = sa.Table(
    "audit_log",
    metadata,
    sa.Column("id", Identity, sa.Identity(), primary_key=True),
    sa.Column("at", Moment, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("before", Json, nullable=False),
    sa.Column("after", Json, nullable=False),
    sa.Column("peer", sa.Text, nullable=False),
)
sa.Index("audit_log_who", audit_log.c.who, audit_log.c.id)
sa.Index("audit_log_action", audit_log.c.action, audit_log.c.id)
sa.Index("audit_log_subject", audit_log.c.subject, audit_log.c.id)
sa.Index("audit_log_at", audit_log.c.at)

overlay_rows = sa.Table(
    "config_overlay",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("body", Json, nullable=False),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Column("changed_by", sa.Text, nullable=False),
)

# One row, made by the first change; before that the version is 0.
overlay_version = sa.Table(
    "config_overlay_version",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.BigInteger, nullable=False),
)

traffic_sums = sa.Table(
    "traffic_sums",
    metadata,
    sa.Column("grain", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("starts_at", Moment, primary_key=True),
    sa.Column("provider", sa.Text, primary_key=True),
    sa.Column("country", sa.Text, primary_key=True),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in (*COUNTERS, *WAIT_COLUMNS)),
)
