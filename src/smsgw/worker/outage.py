"""What a worker does while its database is away: wait, all loops together, and say so once."""

import asyncio
import time

from smsgw.core.events import Crashed, DependencyBack, DependencyLost
from smsgw.core.ports import Observer, Store, StoreUnavailableError

LONGEST_REST_SECONDS = 10.0
RELAPSE_SECONDS = 15.0
"""A store that is lost again so soon after its return reads but does not write (a full disk, a missing grant)."""


class StoreGate:
    """Lets the loops through while the store is usable. The first loop to meet an outage starts the polling; every
    outage rests a while, and longer each time the store relapses, so that nobody fails in a hot loop."""

    def __init__(self, store: Store, *, observer: Observer, poll_seconds: float = 0.5) -> None:
        self._store = store
        self._observer = observer
        self._poll_seconds = poll_seconds
        self._rest_seconds = poll_seconds
        self._back_at = -RELAPSE_SECONDS
        self._polling: asyncio.Task[None] | None = None

    async def wait_until_usable(self) -> None:
        """Return once the store answers and has this release's schema."""
        problem = await self._problem()
        if problem is not None:
            await self.wait_until_back(problem)

    async def wait_until_back(self, detail: str) -> None:
        """Return once the store is usable again; concurrent callers share one poll."""
        if self._polling is None:
            self._polling = asyncio.create_task(self._poll(detail), name="store-outage")
        await asyncio.shield(self._polling)

    async def problem(self) -> str | None:
        """Return why the store cannot be used, or None: what readiness asks. One that answers is not fit while loops
        wait for it: a full disk still reads."""
        problem = await self._store.problem()
        if problem is None and self._polling is not None:
            return "its last call failed; it is tried again"
        return problem

    async def close(self) -> None:
        """Stop polling."""
        if self._polling is not None:
            self._polling.cancel()
            await asyncio.gather(self._polling, return_exceptions=True)

    async def _poll(self, detail: str) -> None:
        self._observer(DependencyLost(dependency="database", detail=detail))
        is_relapse = time.monotonic() - self._back_at < RELAPSE_SECONDS
        self._rest_seconds = min(self._rest_seconds * 2, LONGEST_REST_SECONDS) if is_relapse else self._poll_seconds
        try:
            await asyncio.sleep(self._rest_seconds)
            while await self._problem() is not None:  # noqa: ASYNC110  (the store has no event to wait for)
                await asyncio.sleep(self._poll_seconds)
        finally:
            self._polling = None
        self._back_at = time.monotonic()
        self._observer(DependencyBack(dependency="database"))

    async def _problem(self) -> str | None:
        try:
            return await self._store.problem()
        except StoreUnavailableError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  (a store that cannot even be asked is not usable)
            self._observer(Crashed(where="store", error=error))
            return f"the store cannot be asked ({type(error).__name__})"
