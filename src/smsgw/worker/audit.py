"""The books: every publish that was confirmed to a gateway must have become a row. Right while traffic flows."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from smsgw.core.envelope import Envelope, decode
from smsgw.core.phone import mask
from smsgw.core.ports import (
    Clock,
    Limits,
    LimitsUnavailableError,
    QueueAdmin,
    QueueUnavailableError,
    Store,
    StoreUnavailableError,
)

SETTLED_AFTER = timedelta(seconds=60)
"""Minutes younger than this are still being written to."""
SECOND_LOOK_SECONDS = 5.0
LOOKS_WHILE_HELD = 3
"""More looks while workers may hold what nobody can see: a healthy one puts everything away within seconds."""
CHUNK = 1000
LOOK_THROUGH = 50_000


class Balance(msgspec.Struct, kw_only=True):
    """The result of one audit. `problem` says why it cannot tell."""

    confirmed: int = 0
    in_flight: int = 0
    dead: int = 0
    lost: tuple[UUID, ...] = ()
    stuck: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def lines(self) -> list[str]:
        """The result for people."""
        counts = f"confirmed {self.confirmed}  in flight {self.in_flight}  dead-lettered {self.dead}"
        lost = [f"LOST {tracking_id}" for tracking_id in self.lost[:100]]
        # A problem makes "none" a guess, and somebody may read no further than this line.
        total = "?" if self.problem and not self.lost else len(self.lost)
        return [f"{counts}  lost {total}", *lost, *self.stuck]


class Audit:
    """Compares the ledger of confirmed publishes with the store and with what still lies in the queues."""

    def __init__(
        self,
        *,
        store: Store,
        limits: Limits,
        queue: QueueAdmin,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._limits = limits
        self._queue = queue
        self._clock = clock
        self._sleep = sleep

    async def run(self, *, back: timedelta, stuck: int) -> Balance:
        """Balance the minutes from `back` ago to 60 s ago; an outage comes back as a `problem`."""
        balance = Balance()
        try:
            await self._balance(balance, self._clock() - back)
            balance.stuck = await self._stuck(stuck)
        except (StoreUnavailableError, LimitsUnavailableError, QueueUnavailableError) as error:
            balance.problem = f"cannot tell: {error}"
        return balance

    async def _balance(self, balance: Balance, since: datetime) -> None:
        ledger = await self._limits.confirmed(since, self._clock() - SETTLED_AFTER)
        ids = {tracking_id for _, minute in ledger for tracking_id in minute}
        balance.confirmed = len(ids)
        missing = await self._missing(ids)
        if not missing:
            return
        first_look, dead = await self._queued(), await self._dead()
        balance.dead = len(missing & dead)
        await self._sleep(SECOND_LOOK_SECONDS)
        still = await self._missing(missing - dead)
        second_look = await self._queued()
        if first_look is None or second_look is None:
            balance.in_flight = len(still)
            if still:
                balance.problem = f"cannot tell: {len(still)} ids without a row, and the queue could not be seen whole"
            return
        gone = await self._not_held(still - first_look - second_look)
        if gone is None:
            balance.in_flight = len(still)
            balance.problem = f"cannot tell: {len(still)} ids without a row, and the queue could not be seen whole"
            return
        balance.lost = tuple(sorted(gone))
        balance.in_flight = len(missing) - balance.dead - len(balance.lost)

    async def _not_held(self, ids: set[UUID]) -> set[UUID] | None:
        """Return the ids that no worker turned into a row or gave back while it was waited for; None: cannot tell."""
        if not ids or not await self._queue.holders():
            return ids
        for _ in range(LOOKS_WHILE_HELD):
            await self._sleep(SECOND_LOOK_SECONDS)
            ids = await self._missing(ids)
            if not ids:
                return ids
        look = await self._queued()
        return None if look is None else ids - look - await self._dead()

    async def _missing(self, ids: Iterable[UUID]) -> set[UUID]:
        ordered = sorted(ids)
        missing: set[UUID] = set()
        for start in range(0, len(ordered), CHUNK):
            missing |= await self._store.missing(ordered[start : start + CHUNK])
        return missing

    async def _queued(self) -> set[UUID] | None:
        bodies = await self._queue.waiting(LOOK_THROUGH)
        return None if bodies is None else _ids(bodies)

    async def _dead(self) -> set[UUID]:
        return _ids([letter.body for letter in await self._queue.dead_letters(LOOK_THROUGH)])

    async def _stuck(self, limit: int) -> tuple[str, ...]:
        if limit == 0:
            return ()
        messages = await self._store.stuck(now=self._clock(), limit=limit)
        return tuple(
            f"{message.status.value} {message.tracking_id} {mask(message.to)} since {message.updated_at.isoformat()}"
            + (f" ({message.reason})" if message.reason else "")
            for message in messages
        )


def _ids(bodies: Sequence[bytes]) -> set[UUID]:
    members = [member for body in bodies for member in decode(body)]
    return {member.tracking_id for member in members if isinstance(member, Envelope)}
