"""Brings a database to the schema of this release: waits for it, locks it, upgrades it, says what it did."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.engine import URL, Connection, Engine

from smsgw.transports.sql import sync_url

LOCK = 0x736D736777
"""The advisory lock that migrations of this product hold: "smsgw" in ASCII."""
POLL_SECONDS = 0.5
SAY_SECONDS = 5.0
Say = Callable[[str], None]


class MigrationError(Exception):
    """The schema could not be brought up to date; the message is one line without secrets."""


def migrate(url: str, *, wait_seconds: float, say: Say) -> None:
    """Upgrade the database of `url` to the newest schema that this package knows. Safe to run twice at once: the second
    run waits for the first. Raises MigrationError."""
    parsed = sync_url(url)
    engine = _engine(parsed, wait_seconds)
    try:
        _make_room(parsed)
        with _connected(engine, wait_seconds, say) as connection, _locked(connection, wait_seconds, say):
            _upgrade(connection, say)
    except (sa.exc.SQLAlchemyError, CommandError, OSError) as error:
        raise MigrationError(f"the migration failed and its step was rolled back: {_brief(error)}") from error
    finally:
        engine.dispose()


def head() -> str:
    """Return the newest revision among the packaged scripts."""
    with _scripts() as directory:
        return str(ScriptDirectory(str(directory)).get_current_head())


def _upgrade(connection: Connection, say: Say) -> None:
    """Upgrade under the lock, on SQLite in one transaction, on PostgreSQL in one for each revision: a failure leaves
    the schema at a revision that is whole."""
    before = _revision(connection)
    with _scripts() as directory:
        config = Config()
        config.set_main_option("script_location", str(directory).replace("%", "%%"))
        config.attributes["connection"] = connection
        known = {each.revision for each in ScriptDirectory(str(directory)).walk_revisions()}
        if before is not None and before not in known:
            say(f"schema is at {before}, which is newer than this release: nothing to do")
            return
        command.upgrade(config, "head")
    after = _revision(connection)
    connection.commit()
    say(f"schema is up to date at {after}" if before == after else f"schema: {before or '(none)'} -> {after}")


@contextmanager
def _locked(connection: Connection, wait_seconds: float, say: Say) -> Iterator[None]:
    """Hold the lock: on SQLite the file's own, for one transaction; on PostgreSQL an advisory one of this session, as
    an index that is built beside the workers' writes is built outside any transaction."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN EXCLUSIVE")
        yield
        return
    patience = _Patience(wait_seconds, say)
    while not _call(connection, sa.func.pg_try_advisory_lock(LOCK)):
        patience.wait("another migration is running")
    yield
    # After a failure the lock goes with the connection.
    _call(connection, sa.func.pg_advisory_unlock(LOCK))


def _call(connection: Connection, function: sa.ColumnElement[bool]) -> bool:
    """Call a function of PostgreSQL's in a transaction of its own: Alembic takes an open one for its caller's."""
    answer = bool(connection.execute(sa.select(function)).scalar())
    connection.commit()
    return answer


@contextmanager
def _connected(engine: Engine, wait_seconds: float, say: Say) -> Iterator[Connection]:
    patience = _Patience(wait_seconds, say)
    while True:
        try:
            connection = engine.connect()
            break
        except sa.exc.OperationalError as error:
            if engine.dialect.name == "sqlite":
                raise MigrationError(f"cannot open {engine.url.database}: {_brief(error)}") from None
            patience.wait(f"waiting for the database at {_place(engine.url)} ({_brief(error)})")
    with connection:
        yield connection


class _Patience:
    """Waits in small steps, says why now and then, and ends with MigrationError."""

    def __init__(self, seconds: float, say: Say) -> None:
        self._until = time.monotonic() + seconds
        self._say = say
        self._said_at: float | None = None

    def wait(self, why: str) -> None:
        now = time.monotonic()
        if now >= self._until:
            raise MigrationError(f"gave up: {why}")
        if self._said_at is None or now - self._said_at >= SAY_SECONDS:
            self._said_at = now
            self._say(why)
        time.sleep(min(POLL_SECONDS, self._until - now))


def _engine(url: URL, wait_seconds: float) -> Engine:
    if url.get_backend_name() == "sqlite":
        arguments: dict[str, object] = {"isolation_level": None, "timeout": wait_seconds}
    else:
        arguments = {"connect_timeout": 3, "options": "-c lock_timeout=10000 -c timezone=UTC"}
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args=arguments)


def _make_room(url: URL) -> None:
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)


def _revision(connection: Connection) -> str | None:
    revision = MigrationContext.configure(connection).get_current_revision()
    if connection.dialect.name != "sqlite":
        connection.rollback()
    return revision


@contextmanager
def _scripts() -> Iterator[Path]:
    with as_file(files("smsgw.transports.stores.database") / "migrations") as directory:
        yield directory


def _place(url: URL) -> str:
    return f"{url.host or 'localhost'}:{url.port or 5432}/{url.database}"


def _brief(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    lines = str(cause).strip().splitlines()
    return f"{type(cause).__name__}: {lines[0] if lines else 'no detail'}"[:200]
