"""One store for PostgreSQL and SQLite, its schema and its migrations."""

from smsgw.transports.stores.database import console_tables
from smsgw.transports.stores.database.store import DatabaseStore

# Named, so that whoever knows the store knows its whole schema.
__all__ = ["DatabaseStore", "console_tables"]
