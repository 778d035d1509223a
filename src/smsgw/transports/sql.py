"""One way to open PostgreSQL and SQLite: the same statements, the same bounds, the same translation of outages."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

POOL_SECONDS = 2.0
STATEMENT_SECONDS = 5
LOCK_SECONDS = 2


class DatabaseAwayError(Exception):
    """The database did not answer, refused, or the outcome of a commit is unknown."""


class Database:
    """One engine. Writers of a SQLite file queue up here, in the process, instead of polling the file's lock."""

    def __init__(self, engine: AsyncEngine, *, is_sqlite: bool) -> None:
        self.engine = engine
        self.is_sqlite = is_sqlite
        self._writing = asyncio.Lock()

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Run one transaction that may write; commits at the end. Raises DatabaseAwayError on an outage."""
        if not self.is_sqlite:
            async with _translated(), self.engine.begin() as connection:
                yield connection
            return
        async with self._writing, _translated(), self.engine.connect() as connection:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            await connection.commit()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Run reads on one connection. Raises DatabaseAwayError on an outage."""
        async with _translated(), self.engine.connect() as connection:
            yield connection

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
            "options": f"{bounds} -c idle_in_transaction_session_timeout=10000 -c timezone=UTC",
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
async def _translated() -> AsyncIterator[None]:
    """Translate what drivers and pool raise for an outage; a mistake in a statement stays a bug."""
    try:
        yield
    except (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.InternalError, sa.exc.TimeoutError) as error:
        raise DatabaseAwayError(_brief(error)) from error
    except sa.exc.DBAPIError as error:
        if error.connection_invalidated:
            raise DatabaseAwayError(_brief(error)) from error
        raise
    except (OSError, TimeoutError, sqlite3.OperationalError) as error:
        raise DatabaseAwayError(_brief(error)) from error


def _brief(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else 'no detail'}"[:200]
