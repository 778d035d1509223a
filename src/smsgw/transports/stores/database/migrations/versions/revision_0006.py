"""What operators search by: the number, the client, what has failed. On PostgreSQL the indexes are built beside the
workers' writes, one after the other; a run that is interrupted builds those it had not finished."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

INDEXES = (
    ("messages_to", ["to", "id"], None),
    ("messages_client", ["client_key", "id"], None),
    ("messages_failed", ["status", "id"], "status >= 'FAILED' AND status <= 'FAILED'"),
)


def upgrade() -> None:
    """Build the indexes."""
    if op.get_context().dialect.name != "postgresql":
        for index in INDEXES:
            _create(*index)
        return
    with op.get_context().autocommit_block():
        for name, columns, where in INDEXES:
            # A build that was interrupted leaves an index that nobody uses.
            op.drop_index(name, "messages", if_exists=True, postgresql_concurrently=True)
            _create(name, columns, where, is_concurrent=True)


def downgrade() -> None:
    """Drop the indexes."""
    for name, _, _ in INDEXES:
        op.drop_index(name, "messages")


def _create(name: str, columns: list[str], where: str | None, *, is_concurrent: bool = False) -> None:
    condition = None if where is None else sa.text(where)
    op.create_index(
        name,
        "messages",
        columns,
        postgresql_where=condition,
        sqlite_where=condition,
        postgresql_concurrently=is_concurrent,
    )
