"""What the four books stand on: bounded transactions, the words of the dialect, text that every database takes."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.ports import Observer
from smsgw.transports.sql import Database
from smsgw.transports.stores.database.transactions import Transactions
from smsgw.transports.stores.semantics import key_text


class Shelf:
    """Runs statements, each as one transaction. Raises StoreUnavailableError on an outage."""

    def __init__(self, database: Database, *, observer: Observer) -> None:
        self.transactions = Transactions(database, observer)
        self.is_sqlite = database.is_sqlite

    def insert(self, table: sa.Table) -> Any:
        """Return the dialect's INSERT, for ON CONFLICT."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    async def change(self, operation: str, *statements: Any) -> int:
        """Run statements in one transaction; return how many rows they touched, all together."""

        async def run(connection: AsyncConnection) -> int:
            return sum([(await connection.execute(each)).rowcount for each in statements])

        return await self.transactions.write(operation, int, run)

    async def rows(self, operation: str, query: Any, told: Mapping[str, Any] | None = None) -> Sequence[Any]:
        """Return the rows of a query; `told` are the values of its parameters."""

        async def run(connection: AsyncConnection) -> Sequence[Any]:
            return (await connection.execute(query, told)).all()

        return await self.transactions.read(operation, len, run)


def clean(text: str) -> str:
    """Return a stranger's text as every database and index takes it; a very long one is told apart by its hash."""
    return key_text(text) or ""
