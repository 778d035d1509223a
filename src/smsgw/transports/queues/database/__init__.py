"""The embedded queue: a table of one SQLite file (or PostgreSQL), leased row by row, woken at once in one process."""

from smsgw.transports.queues.database.admin import DatabaseAdmin
from smsgw.transports.queues.database.consumer import DatabaseConsumer
from smsgw.transports.queues.database.publisher import DatabasePublisher
from smsgw.transports.queues.database.table import DatabaseQueue

__all__ = ["DatabaseAdmin", "DatabaseConsumer", "DatabasePublisher", "DatabaseQueue"]
