"""The table of the retention chore: how far it came."""

import sqlalchemy as sa

from smsgw.transports.stores.database.schema import metadata

retention_progress = sa.Table(
    "retention_progress",
    metadata,
    sa.Column("what", sa.Text, primary_key=True),
    # Up to this key, of messages or of the inbox, everything is done.
    sa.Column("done_to", sa.BigInteger, nullable=False),
)
