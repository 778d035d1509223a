"""Builders and places for the contract suites of the console's books."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from smsgw.core.audit_log import AuditEntry, AuditFilter
from smsgw.core.books import Books
from smsgw.core.people import Role, User
from smsgw.transports.books.database import DatabaseBooks
from smsgw.transports.books.memory import MemoryBooks
from smsgw.transports.sql import Database, open_database

NOW = datetime(2026, 5, 6, 7, 8, 9, 123456, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)


class BooksPlace:
    """Somewhere to keep books: opens any number of them on the same data."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.facts: list[Any] = []
        self._memory = MemoryBooks()
        self._opened: list[tuple[DatabaseBooks, Database]] = []

    def open(self) -> Books:
        """Return one more set of books on this place's data."""
        if self.url is None:
            return self._memory
        database = open_database(self.url)
        books = DatabaseBooks(database, observer=self.facts.append)
        self._opened.append((books, database))
        return books

    def open_away(self) -> Books:
        """Return books whose database does not answer."""
        if self.url is None:
            self._memory.fail = True
            return self._memory
        database = open_database("postgresql://nobody@127.0.0.1:1/x")
        books = DatabaseBooks(database, observer=self.facts.append)
        self._opened.append((books, database))
        return books

    async def close(self) -> None:
        """Close every one, and what it stood on."""
        for books, database in self._opened:
            await books.close()
            await database.close()


def user(name: str = "ada", **fields: Any) -> User:
    """Return a user of version 1."""
    plain = User(name=name, role=Role.OPERATOR, password_hash="$argon2id$x", created_at=NOW, updated_at=NOW)
    return msgspec.structs.replace(plain, **fields)


def entry(action: str = "user.create", subject: str = "ada", **fields: Any) -> AuditEntry:
    """Return an entry of the audit log."""
    plain = AuditEntry(at=NOW, who="root", action=action, subject=subject, peer="192.0.2.7")
    return msgspec.structs.replace(plain, **fields)


async def actions(books: Books) -> list[str]:
    """Return what the audit log says was done, newest first."""
    return [each.action for each in await books.audit_log.entries(AuditFilter(), before=None, limit=100)]
