"""One way to open PostgreSQL and SQLite: the same statements, the same bounds, the same translation of outages."""

import asyncio
import math
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from smsgw import failpoints

POOL_SECONDS = 2.0
STATEMENT_SECONDS = 5
LOCK_SECONDS = 2
FREE_LOCK_SECONDS = 0.1
MOST_OF_LOCK_SECONDS = 1.5

CONTENTION = frozenset({"40P01", "40001", "55P03"})
"""Deadlock, serialization failure, lock timeout: PostgreSQL rolled back, the same transaction may work at once."""
_NO_SCHEMA = frozenset({"42P01", "42703", "3F000", "42501"})


class DatabaseAwayError(Exception):
    """The database did not answer, refused, or the outcome of a commit is unknown.

    `is_rolled_back` says that nothing can have been committed; `is_stale` that a pooled connection was dead when it was
    used (the pool is replaced, another try gets a fresh one); `is_contention` that others were in the way.
    """

    def __init__(
        self, message: str, *, is_rolled_back: bool = False, is_stale: bool = False, is_contention: bool = False
    ) -> None:
        super().__init__(message)
        self.is_rolled_back = is_rolled_back
        self.is_stale = is_stale
        self.is_contention = is_contention


class _Phase:
    """How far a transaction has come: until its COMMIT leaves, it is provably rolled back when its connection dies."""

    is_committing = False


class Database:
    """One engine. Writers of a SQLite file queue up here, in the process, instead of polling the file's lock."""

    def __init__(self, engine: AsyncEngine, *, is_sqlite: bool) -> None:
        self.engine = engine
        self.is_sqlite = is_sqlite
        self._writing = asyncio.Lock()
        self._locked_out_at = -math.inf
        self._before_the_lock_since = math.inf

    @property
    def is_locked_by_others(self) -> bool:
        """Whether a writer of this process stands before the lock of its SQLite file, longer than a free one takes."""
        return time.monotonic() - self._before_the_lock_since > FREE_LOCK_SECONDS

    @asynccontextmanager
    async def write(self, *, commit_point: str = "") -> AsyncIterator[AsyncConnection]:
        """Run one transaction that may write; commits at the end, where a failpoint may be. Raises DatabaseAwayError on
        an outage."""
        phase = _Phase()
        async with self._turn(), _translated(phase), self.engine.connect() as connection:
            if self.is_sqlite:
                await self._begin(connection)
            yield connection
            phase.is_committing = True
            await failpoints.under_way(commit_point, connection.commit())

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Run reads on one connection. Raises DatabaseAwayError on an outage."""
        async with _translated(_Phase()), self.engine.connect() as connection:
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncConnection]:
        """Run reads that all see the database as it was at one moment. Raises DatabaseAwayError on an outage."""
        async with self.read() as connection:
            if self.is_sqlite:
                await connection.exec_driver_sql("BEGIN")
            else:
                await connection.execution_options(isolation_level="REPEATABLE READ")
            yield connection
            await connection.rollback()

    def _turn(self) -> AbstractAsyncContextManager[object]:
        return self._queue_up() if self.is_sqlite else nullcontext()

    @asynccontextmanager
    async def _queue_up(self) -> AsyncIterator[None]:
        """Wait for this process's turn at the file. Who stood behind a writer that found it locked, most of the time,
        has waited with that one and fails with it: else each in the queue would wait as long again, one by one."""
        since = time.monotonic()
        async with self._writing:
            if self._locked_out_at - since >= MOST_OF_LOCK_SECONDS:
                raise DatabaseAwayError("the file is locked", is_rolled_back=True, is_contention=True)
            yield

    async def _begin(self, connection: AsyncConnection) -> None:
        self._before_the_lock_since = time.monotonic()
        try:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
        except sa.exc.OperationalError as error:
            if _is_contention(error):
                self._locked_out_at = time.monotonic()
            raise
        finally:
            self._before_the_lock_since = math.inf

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def open_database(url: str, *, pool_size: int = 4) -> Database:
    """Return a Database for `postgresql://`, `postgresql+asyncpg://`, `postgresql+psycopg://` or `sqlite:///FILE`.

    Nothing is connected yet. Raises ValueError for another scheme.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Database(_sqlite(parsed, pool_size), is_sqlite=True)
    if parsed.get_backend_name() in ("postgresql", "postgres"):
        return Database(_postgresql(parsed, pool_size), is_sqlite=False)
    raise ValueError(f"unknown database scheme {parsed.drivername!r}")


def sync_url(url: str) -> URL:
    """Return the URL for a plain (not asyncio) engine, as Alembic wants it."""
    parsed = make_url(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    return parsed.set(drivername="sqlite+pysqlite" if is_sqlite else "postgresql+psycopg")


def _postgresql(url: URL, pool_size: int) -> AsyncEngine:
    bounds = f"-c statement_timeout={STATEMENT_SECONDS * 1000} -c lock_timeout={LOCK_SECONDS * 1000}"
    # Plans are cached while tables are still empty, when walking over all of them looks cheap; every hot statement has
    # its index, so the planner is told never to count on a table staying small.
    plans = "-c enable_seqscan=off"
    return create_async_engine(
        url.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        pool_pre_ping=False,
        pool_recycle=1800,
        connect_args={
            "connect_timeout": 3,
            "tcp_user_timeout": 10_000,
            "keepalives_idle": 10,
            "options": f"{bounds} {plans} -c idle_in_transaction_session_timeout=10000 -c timezone=UTC",
            "prepare_threshold": 2,
        },
    )


def _sqlite(url: URL, pool_size: int) -> AsyncEngine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_async_engine(
        url.set(drivername="sqlite+aiosqlite"),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        poolclass=sa.AsyncAdaptedQueuePool,
        # Transactions begin where `write` says so; the driver's own implicit BEGIN is off.
        connect_args={"isolation_level": None, "timeout": LOCK_SECONDS},
    )

    @sa.event.listens_for(engine.sync_engine, "connect")
    def _pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"busy_timeout={LOCK_SECONDS * 1000}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


@asynccontextmanager
async def _translated(phase: _Phase) -> AsyncIterator[None]:
    """Translate what drivers and pool raise for an outage; a mistake in a statement stays a bug."""
    try:
        yield
    except (sa.exc.DBAPIError, sa.exc.TimeoutError, OSError, TimeoutError, sqlite3.OperationalError) as error:
        if not _is_outage(error):
            raise
        raise DatabaseAwayError(
            _brief(error),
            is_rolled_back=not phase.is_committing or _state(error) in CONTENTION,
            is_stale=bool(getattr(error, "connection_invalidated", False)),
            is_contention=_is_contention(error),
        ) from error


def _is_outage(error: BaseException) -> bool:
    if not isinstance(error, sa.exc.DBAPIError):
        return True
    if isinstance(error, (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError)):
        return True
    if isinstance(error, sa.exc.ProgrammingError) and _has_no_state(error):
        # psycopg could not even connect with what the URL says; it stays away until somebody mends that.
        return True
    # A schema or a right that was taken away under a running process is not a mistake in the statement.
    return error.connection_invalidated or _state(error) in _NO_SCHEMA


def _is_contention(error: BaseException) -> bool:
    return _state(error) in CONTENTION or "database is locked" in str(error)


def _state(error: BaseException) -> str | None:
    return getattr(getattr(error, "orig", None), "sqlstate", None)


def _has_no_state(error: sa.exc.DBAPIError) -> bool:
    return type(error.orig).__module__.startswith("psycopg") and _state(error) is None


def _brief(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else 'no detail'}"[:200]
