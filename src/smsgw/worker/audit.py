"""The books: every publish that was confirmed to a gateway must have become a row. Right while traffic flows."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from smsgw.core.backlog import Backlog
from smsgw.core.envelope import Envelope, Poison, decode
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
LOOK_EVERY_SECONDS = 5.0
AT_WORK_SECONDS = 60.0
"""The longest that a worker keeps a delivery while it works: 10 s in its buffer, 10 s until slots come free, and 34 s
in which its database may hang before it gives everything back."""
MOST_UNCLEAR_LOOKS = 6
GLANCES = 10
GLANCE_SECONDS = 0.2
"""Workers that keep up leave the queue empty again and again, if only for moments: several glances make one look."""
CHUNK = 1000
LOOK_THROUGH = 50_000
EDGE = timedelta(seconds=60)
"""A message may be noted in another minute than the one it was created in, and by another clock."""
FEW = 10
FEW_IN = 100
"""So many, or one in so many, may be unknown to the ledger: a gateway can die between a confirm and its note."""


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
        until = self._clock() - SETTLED_AFTER
        ledger = await self._limits.confirmed(since, until)
        ids = {tracking_id for _, minute in ledger for tracking_id in minute}
        balance.confirmed = len(ids)
        balance.problem = await self._ledger_problem(ids, since + EDGE, until - EDGE)
        missing = await self._missing(ids)
        if not missing:
            return
        dead = missing & _ids(await self._dead())
        nowhere, doubt = await self._nowhere(missing - dead)
        if nowhere and not doubt:
            bodies = await self._dead()
            dead |= nowhere & _ids(bodies)
            doubt = "there are too many dead letters to look through" if len(bodies) == LOOK_THROUGH else ""
        unseen = nowhere - dead
        if unseen and doubt:
            balance.problem = f"cannot tell: {len(unseen)} ids without a row, and {doubt}"
        else:
            balance.lost = tuple(sorted(unseen))
        balance.dead = len(dead)
        balance.in_flight = len(missing) - balance.dead - len(balance.lost)

    async def _ledger_problem(self, noted: set[UUID], since: datetime, until: datetime) -> str | None:
        """Return why this ledger cannot be the one of the messages in the store, or has lost its data."""
        rows = await self._store.created(since, until, limit=LOOK_THROUGH)
        unknown = len(set(rows) - noted)
        if unknown <= max(FEW, len(rows) // FEW_IN):
            return None
        return (
            f"cannot tell: the ledger lacks {unknown} of {len(rows)} messages of these minutes; is LIMITS_URL / "
            "QUOTA_PREFIX the gateways' one, and did Redis lose its data?"
        )

    async def _nowhere(self, ids: set[UUID]) -> tuple[set[UUID], str]:
        """Return the ids that were in no place for as long as a worker may hold them where nobody can see them, and a
        doubt: the queue could not be seen whole, or workers came and went, so that this cannot be said.

        Workers are counted, not known. One that takes the place and the messages of a frozen one between two looks, and
        then holds them as long again, is not noticed.
        """
        quiet_seconds, unclear_looks, holders = 0.0, 0, -1
        while unclear_looks <= MOST_UNCLEAR_LOOKS:
            backlog = await self._look()
            ids = await self._missing(ids - _ids(backlog.bodies or ()))
            is_clear = backlog.bodies is not None and backlog.holders == holders
            holders = backlog.holders
            quiet_seconds = quiet_seconds + LOOK_EVERY_SECONDS if is_clear else 0.0
            unclear_looks += not is_clear
            if not ids or quiet_seconds >= _enough_seconds(backlog):
                return ids, ""
            await self._sleep(LOOK_EVERY_SECONDS)
        return ids, "the queue gave no clear view"

    async def _missing(self, ids: Iterable[UUID]) -> set[UUID]:
        ordered = sorted(ids)
        missing: set[UUID] = set()
        for start in range(0, len(ordered), CHUNK):
            missing |= await self._store.missing(ordered[start : start + CHUNK])
        return missing

    async def _look(self) -> Backlog:
        for _ in range(GLANCES):
            backlog = await self._queue.look(LOOK_THROUGH)
            if backlog.bodies is not None:
                break
            await self._sleep(GLANCE_SECONDS)
        return backlog

    async def _dead(self) -> Sequence[bytes]:
        return [letter.body for letter in await self._queue.dead_letters(LOOK_THROUGH)]

    async def _stuck(self, limit: int) -> tuple[str, ...]:
        if limit == 0:
            return ()
        messages = await self._store.stuck(now=self._clock(), limit=limit)
        return tuple(
            f"{message.status.value} {message.tracking_id} {mask(message.to)} since {message.updated_at.isoformat()}"
            + (f" ({message.reason})" if message.reason else "")
            for message in messages
        )


def _enough_seconds(backlog: Backlog) -> float:
    return max(AT_WORK_SECONDS, backlog.hold_seconds) if backlog.holders else LOOK_EVERY_SECONDS


class _Named(msgspec.Struct):
    """All that an audit reads of an envelope which no worker of this version can use."""

    tracking_id: UUID


_decode_name = msgspec.json.Decoder(_Named).decode


def _ids(bodies: Sequence[bytes]) -> set[UUID]:
    named = (_named(member) for body in bodies for member in decode(body))
    return {each.tracking_id for each in named if each is not None}


def _named(member: Envelope | Poison) -> Envelope | _Named | None:
    if isinstance(member, Envelope):
        return member
    try:
        return _decode_name(member.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
