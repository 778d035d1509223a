"""The console's books on PostgreSQL and SQLite, in the database of the messages."""

from smsgw.transports.books.database.books import DatabaseBooks

__all__ = ["DatabaseBooks"]
