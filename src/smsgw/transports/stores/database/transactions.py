"""Runs the store's transactions: bounded in time, tried again where they are provably rolled back, stated as facts."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.events import StoreCalled
from smsgw.core.ports import Observer, StoreUnavailableError
from smsgw.transports.sql import Database, DatabaseAwayError

Result = TypeVar("Result")
Work = Callable[[AsyncConnection], Awaitable[Result]]
Rows = int | Callable[[Result], int]
"""How many rows a call serves: known before, or told by its result; a call that fails then serves none."""

CALL_SECONDS = 8.0
"""The longest a caller waits for any call, whatever hangs: a dead network, a frozen server, a lock."""
TRIES = 3
RETRY_SECONDS = 0.02


class Transactions:
    """Every statement of the store passes here. Raises StoreUnavailableError for an outage."""

    def __init__(self, database: Database, observer: Observer) -> None:
        self.database = database
        self._observer = observer
        self._abandoned: set[asyncio.Task[Any]] = set()

    async def write(self, operation: str, rows: Rows[Result], work: Work[Result], *, commit_point: str = "") -> Result:
        """Run `work` in one transaction and commit; it may run more than once, each time on a fresh transaction."""
        return await self._observed(operation, rows, lambda: self._tries(work, commit_point))

    async def read(self, operation: str, rows: Rows[Result], work: Work[Result]) -> Result:
        """Run reads that see one moment of the database."""

        async def once() -> Result:
            async with self.database.snapshot() as connection:
                return await work(connection)

        return await self._observed(operation, rows, lambda: _again_when_stale(once))

    async def close(self) -> None:
        """Wait for what was abandoned to let go of its connection (psycopg may need 10 s for a dead one)."""
        while self._abandoned:
            await asyncio.wait(set(self._abandoned))

    async def bounded(self, job: Coroutine[Any, Any, Result], seconds: float) -> Result:
        """Wait at most `seconds`. A job that does not answer is left behind with its connection: cancelling it may take
        psycopg another 10 s, and no caller has those."""
        task = asyncio.create_task(job)
        try:
            await asyncio.wait({task}, timeout=seconds)
        finally:
            if not task.done():
                self._abandon(task)
        if task in self._abandoned:
            raise StoreUnavailableError(f"the database did not answer within {seconds:g} s")
        return task.result()

    def _abandon(self, task: "asyncio.Task[Result]") -> None:
        self._abandoned.add(task)
        task.add_done_callback(self._forget)
        task.cancel()

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()

    async def _observed(
        self, operation: str, rows: Rows[Result], job: Callable[[], Coroutine[Any, Any, Result]]
    ) -> Result:
        started = time.perf_counter()
        is_failed, served = True, rows if isinstance(rows, int) else 0
        try:
            result = await self.bounded(job(), CALL_SECONDS)
            served = rows if isinstance(rows, int) else rows(result)
            is_failed = False
        except DatabaseAwayError as error:
            raise StoreUnavailableError(str(error)) from error
        finally:
            seconds = time.perf_counter() - started
            self._observer(StoreCalled(operation=operation, rows=served, seconds=seconds, is_failed=is_failed))
        return result

    async def _tries(self, work: Work[Result], commit_point: str) -> Result:
        async def once() -> Result:
            async with self.database.write(commit_point=commit_point) as connection:
                return await work(connection)

        for _ in range(TRIES - 1):
            try:
                return await _again_when_stale(once)
            except DatabaseAwayError as error:
                if not (error.is_contention and error.is_rolled_back):
                    raise
            await asyncio.sleep(RETRY_SECONDS)
        return await _again_when_stale(once)


async def _again_when_stale(once: Callable[[], Awaitable[Result]]) -> Result:
    """After a restart of the server every pooled connection is dead; the first one to notice replaces them all."""
    try:
        return await once()
    except DatabaseAwayError as error:
        if not (error.is_stale and error.is_rolled_back):
            raise
    return await once()
