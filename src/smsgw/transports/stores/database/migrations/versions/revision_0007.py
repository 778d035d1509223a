"""How far the retention chore came. On PostgreSQL also when the tables that it deletes from are vacuumed: by default
only when a fifth of them is dead, which at 50 million rows is 10 million (docs/decisions/0012)."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

TABLES = ("messages", "message_events", "attempts", "report_inbox")
OPTIONS = {"autovacuum_vacuum_scale_factor": "0.05", "autovacuum_analyze_scale_factor": "0.05"}


def upgrade() -> None:
    """Create the table, and set what nobody has set otherwise. Its lock holds no reader or writer up."""
    if op.get_context().dialect.name != "postgresql":
        _create_progress()
        return
    with op.get_context().autocommit_block():
        _create_progress(if_not_exists=True)
        for table in TABLES:
            if missing := [f"{name} = {value}" for name, value in OPTIONS.items() if name not in _options(table)]:
                op.execute(f"ALTER TABLE {table} SET ({', '.join(missing)})")


def downgrade() -> None:
    """Drop the table: the chore begins again at the oldest row."""
    op.drop_table("retention_progress")
    if op.get_context().dialect.name == "postgresql":
        for table in TABLES:
            op.execute(f"ALTER TABLE {table} RESET ({', '.join(OPTIONS)})")


def _create_progress(*, if_not_exists: bool | None = None) -> None:
    op.create_table(
        "retention_progress",
        sa.Column("what", sa.Text, primary_key=True),
        sa.Column("done_to", sa.BigInteger, nullable=False),
        if_not_exists=if_not_exists,
    )


def _options(table: str) -> set[str]:
    """Return the names of a table's storage parameters."""
    query = sa.text("SELECT reloptions FROM pg_class WHERE oid = CAST(:table AS regclass)")
    found = op.get_bind().execute(query, {"table": table}).scalar()
    return {each.partition("=")[0] for each in found or ()}
