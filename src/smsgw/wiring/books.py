"""The console's books for a command: opened, asked, closed; what goes wrong is one line."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from smsgw.core.audit_log import AuditEntry
from smsgw.core.books import Books
from smsgw.core.ports import StoreUnavailableError
from smsgw.settings import SettingsError, database_url
from smsgw.wiring.process import utc_now
from smsgw.wiring.transports import Transports

Answer = TypeVar("Answer")


def ask_books(environ: Mapping[str, str], act: Callable[[Books], Awaitable[Answer]]) -> Answer:
    """Return what `act` makes of the books in the database of DATABASE_URL. Raises SettingsError."""
    return asyncio.run(_ask(database_url(environ), act))


def operator_entry(
    action: str, subject: str, *, before: dict[str, Any] | None = None, after: dict[str, Any] | None = None
) -> AuditEntry:
    """Return the audit log's entry of what the user of the command line does now."""
    return AuditEntry(
        at=utc_now(), who=operator_name(), action=action, subject=subject, before=before or {}, after=after or {}
    )


def operator_name() -> str:
    """Return who the audit log says it was: `cli:` and the name of the operating system's user."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:somebody"


async def _ask(url: str, act: Callable[[Books], Awaitable[Answer]]) -> Answer:
    async with AsyncExitStack() as stack:
        transports = Transports(stack, observer=lambda _fact: None, clock=utc_now)
        store, books = transports.store(url), transports.books(url)
        if problem := await store.problem():
            raise SettingsError(f"DATABASE_URL: {problem}")
        try:
            return await act(books)
        except StoreUnavailableError as error:
            raise SettingsError(f"DATABASE_URL: {error}") from None
