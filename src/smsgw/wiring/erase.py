"""`smsgw erase`: a number erased from the command line, with nothing but the database."""

import asyncio
import getpass
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from smsgw.core.data_care import Addressed
from smsgw.core.phone import is_e164
from smsgw.core.ports import StoreUnavailableError
from smsgw.settings import SettingsError, database_url
from smsgw.wiring.process import utc_now
from smsgw.wiring.transports import Transports
from smsgw.worker.erasure import Erased, Erasure


def count_number(environ: Mapping[str, str], number: str) -> Addressed:
    """Return how many messages to a number there are. Raises SettingsError."""
    return asyncio.run(_count(database_url(environ), _checked(number)))


def erase_number(environ: Mapping[str, str], number: str, *, is_cancelling: bool) -> Erased:
    """Erase a number in the database of DATABASE_URL. Raises SettingsError."""
    return asyncio.run(_erase(database_url(environ), _checked(number), is_cancelling=is_cancelling))


async def _count(url: str, number: str) -> Addressed:
    async with AsyncExitStack() as stack:
        erasure = await _open(url, stack)
        try:
            return await erasure.count(number)
        except StoreUnavailableError as error:
            raise SettingsError(f"DATABASE_URL: {error}") from None


async def _erase(url: str, number: str, *, is_cancelling: bool) -> Erased:
    async with AsyncExitStack() as stack:
        erasure = await _open(url, stack)
        try:
            return await erasure.erase(number, who=f"cli:{_who()}", is_cancelling=is_cancelling)
        except StoreUnavailableError as error:
            raise SettingsError(f"DATABASE_URL: {error}; run the command again, it goes on") from None


async def _open(url: str, stack: AsyncExitStack) -> Erasure:
    transports = Transports(stack, observer=_nobody, clock=utc_now)
    store, books = transports.store(url), transports.books(url)
    if problem := await store.problem():
        raise SettingsError(f"DATABASE_URL: {problem}")
    return Erasure(store=store, audit_log=books.audit_log, observer=_nobody, clock=utc_now)


def _checked(number: str) -> str:
    if not is_e164(number):
        raise SettingsError("the number must be E.164: + and 7 to 15 digits, e.g. +4915112345678")
    return number


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "somebody"


def _nobody(_fact: Any) -> None:
    """Listen to nothing: a command answers for itself."""
