"""A database beside the given one, made for one measurement and dropped after it."""

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from smsgw.transports.sql import sync_url

CONNECT_SECONDS = 5


class ScratchError(Exception):
    """The server is away or does not allow it; the message is one line without secrets."""


def scratch_url(url: str, name: str) -> str:
    """Return the URL of database `name` on the same server."""
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def create_scratch(url: str, name: str) -> None:
    """Create database `name` on the server of `url` (PostgreSQL). Raises ScratchError."""
    _execute(url, f'CREATE DATABASE "{name}"')


def drop_scratch(url: str, name: str) -> None:
    """Drop database `name` and whoever is still connected to it. Raises ScratchError."""
    _execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def durability(url: str) -> str:
    """Return what a commit of this PostgreSQL waits for, in its own words. Raises ScratchError."""
    names = ("server_version", "synchronous_commit", "fsync", "full_page_writes")
    values = _execute(url, "SELECT " + ", ".join(f"current_setting('{name}')" for name in names))
    return "PostgreSQL " + ", ".join(f"{name}={value}" for name, value in zip(names, values, strict=True))


def _execute(url: str, statement: str) -> tuple[str, ...]:
    engine = sa.create_engine(
        sync_url(url),
        isolation_level="AUTOCOMMIT",
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": CONNECT_SECONDS},
    )
    try:
        with engine.connect() as connection:
            result = connection.execute(sa.text(statement))
            return tuple(map(str, result.one())) if result.returns_rows else ()
    except (sa.exc.SQLAlchemyError, OSError) as error:
        cause = str(getattr(error, "orig", None) or error).strip().splitlines()
        raise ScratchError(cause[0][:200] if cause else type(error).__name__) from None
    finally:
        engine.dispose()
