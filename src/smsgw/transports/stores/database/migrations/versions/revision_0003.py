"""The index of the lanes. On PostgreSQL it is built beside the workers' writes: a scan of a large table inside a
transaction that had to lock it would hold all of them up."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Build the index."""
    if op.get_context().dialect.name != "postgresql":
        _create_index()
        return
    with op.get_context().autocommit_block():
        # A build that was interrupted leaves an index that nobody uses.
        op.drop_index("messages_lane", "messages", if_exists=True, postgresql_concurrently=True)
        _create_index(is_concurrent=True)


def downgrade() -> None:
    """Drop the index."""
    op.drop_index("messages_lane", "messages")


def _create_index(*, is_concurrent: bool = False) -> None:
    waits = sa.text("lane IS NOT NULL AND status = 'QUEUED'")
    op.create_index(
        "messages_lane",
        "messages",
        ["lane", "created_at", "id"],
        postgresql_where=waits,
        sqlite_where=waits,
        postgresql_concurrently=is_concurrent,
    )
