"""One store for PostgreSQL and SQLite, its schema and its migrations."""

from smsgw.transports.stores.database.store import DatabaseStore

__all__ = ["DatabaseStore"]
