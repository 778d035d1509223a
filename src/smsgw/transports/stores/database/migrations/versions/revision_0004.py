"""Senders, the parts of long messages, and what they cost. Only columns that may be empty, and a new table: neither
reads a row. On PostgreSQL each column comes in a transaction of its own: one that held two tables could wait for a
worker that waits for it. What an interrupted run has added already is left as it is."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = (
    ("messages", "sender", sa.Text),
    ("attempts", "part_ids", sa.Text),
    ("attempts", "segments", sa.Integer),
    ("attempts", "price", sa.Text),
    ("attempts", "currency", sa.Text),
    ("report_inbox", "part_number", sa.Integer),
    ("report_inbox", "part_total", sa.Integer),
    ("report_inbox", "segments", sa.Integer),
    ("report_inbox", "price", sa.Text),
    ("report_inbox", "currency", sa.Text),
)


def upgrade() -> None:
    """Create the table and add the columns."""
    if op.get_context().dialect.name != "postgresql":
        _create_attempt_parts()
        for table, name, kind in COLUMNS:
            op.add_column(table, sa.Column(name, kind))
        return
    with op.get_context().autocommit_block():
        _create_attempt_parts(if_not_exists=True)
        for table, name, kind in COLUMNS:
            op.add_column(table, sa.Column(name, kind), if_not_exists=True)


def downgrade() -> None:
    """Drop them; the messages stay, without senders, and the parts of long ones are not known any more."""
    for table, name, _ in COLUMNS:
        op.drop_column(table, name)
    op.drop_table("attempt_parts")


def _create_attempt_parts(*, if_not_exists: bool | None = None) -> None:
    op.create_table(
        "attempt_parts",
        sa.Column("provider", sa.Text, primary_key=True),
        sa.Column("provider_message_id", sa.Text, primary_key=True),
        sa.Column("tracking_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        if_not_exists=if_not_exists,
    )
