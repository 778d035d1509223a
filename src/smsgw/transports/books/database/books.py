"""The four books on one Database."""

from smsgw.core.ports import Observer
from smsgw.transports.books.database.audit_log import DatabaseAuditLog
from smsgw.transports.books.database.overlays import DatabaseOverlays
from smsgw.transports.books.database.people import DatabasePeople
from smsgw.transports.books.database.rollups import DatabaseRollups
from smsgw.transports.books.database.shelf import Shelf
from smsgw.transports.sql import Database


class DatabaseBooks:
    """The `Books` port on a Database, which stays its opener's to close."""

    def __init__(self, database: Database, *, observer: Observer) -> None:
        self._shelf = Shelf(database, observer=observer)
        self.people = DatabasePeople(self._shelf)
        self.audit_log = DatabaseAuditLog(self._shelf)
        self.overlays = DatabaseOverlays(self._shelf)
        self.rollups = DatabaseRollups(self._shelf)

    async def close(self) -> None:
        """Wait for calls that nobody waits for any more."""
        await self._shelf.transactions.close()
