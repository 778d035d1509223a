"""Messages may wait in a lane. Only the column, which costs a table of any size nothing but a moment's lock."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("messages", sa.Column("lane", sa.Text))


def downgrade() -> None:
    """Drop the column; the messages stay, and become due when they expire."""
    op.drop_column("messages", "lane")
