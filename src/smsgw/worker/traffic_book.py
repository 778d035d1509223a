"""What the dashboard draws: traffic added up from facts here, told to the database every few seconds.

These sums are not the books. A crash loses at most the last 5 s of them, an outage of the database at the wrong moment
may count those twice; what became of a message is in its own rows and nowhere else.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from smsgw.core.country import country_of
from smsgw.core.events import AttemptFinished, MessageMoved
from smsgw.core.failure import POLICIES, Health
from smsgw.core.lifecycle import Change
from smsgw.core.message import Message, Status
from smsgw.core.ports import Clock, StoreUnavailableError
from smsgw.core.rollup import HOUR, MINUTE, WAITS, Cell, Rollups, wait_class

FLUSH_SECONDS = 5.0
CLOSE_SECONDS = 2.0
ADDED_AT_ONCE = 500
MOST_PENDING = 20_000
"""Sums that wait for a database that is away: days of them. Of more, the oldest are given up."""
PRUNE_EVERY = timedelta(hours=1)
KEPT = {MINUTE: timedelta(days=3), HOUR: timedelta(days=14)}
_LONGEST_WAY = timedelta(days=1)
"""No message lives longer (MAX_TTL_SECONDS): an older time is a clock that is wrong."""
_COUNTED = frozenset({Status.SENT, Status.DELIVERED, Status.FAILED, Status.UNKNOWN})
_UNSENT = frozenset({None, Status.QUEUED, Status.PROCESSING, Status.UNKNOWN})
_BAD = frozenset(
    outcome for outcome, policy in POLICIES.items() if policy.health in (Health.FAILURE, Health.OPENS_CIRCUIT)
)

_NO_WAITS = (0,) * (len(WAITS) + 1)

_Key = tuple[int, str, str]
"""A minute since 1970, a provider, a country."""
_CellKey = tuple[int, int, str, str]
"""A grain, when it begins (Unix time), a provider, a country."""


class _Sum(msgspec.Struct):
    """Cell, to be added to."""

    accepted: int = 0
    sent: int = 0
    delivered: int = 0
    failed: int = 0
    unknown: int = 0
    calls: int = 0
    bad_calls: int = 0
    call_seconds: float = 0.0
    waits: list[int] = []


class TrafficBook:
    """Adds up what this worker states. `observe` costs a few microseconds per message."""

    def __init__(self, rollups: Rollups, *, clock: Clock) -> None:
        self._rollups = rollups
        self._clock = clock
        self._seen: dict[_Key, _Sum] = {}
        self._pending: dict[_CellKey, _Sum] = {}
        self._pruned_at: datetime | None = None

    def observe(self, fact: Any, /) -> None:
        """Listen to facts, as an Observer does."""
        kind = type(fact)
        if kind is MessageMoved:
            self._count_move(fact)
        elif kind is AttemptFinished:
            self._count_call(fact)

    async def run_once(self) -> float:
        """Tell the database what was added up; return the seconds to rest. What it did not take is told next time."""
        with suppress(StoreUnavailableError):
            await self._flush()
            await self._prune()
        return FLUSH_SECONDS

    async def close(self) -> None:
        """Tell what is left, if the database answers soon."""
        with suppress(StoreUnavailableError, TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._flush()

    def _count_move(self, fact: MessageMoved) -> None:
        change = fact.change
        message, previous = change.message, change.previous
        if previous is None:
            self._sum(_came_at(message), "", "").accepted += 1
        status = message.status
        if status is previous or status not in _COUNTED:
            return
        summed = self._sum(message.updated_at, _whose(change), country_of(message.to))
        if status is Status.SENT:
            summed.sent += 1
            _count_wait(summed, fact.seconds_in_flight)
        elif status is Status.DELIVERED:
            summed.delivered += 1
            # A report that overtook the provider's answer tells both.
            summed.sent += previous in _UNSENT
        elif status is Status.FAILED:
            summed.failed += 1
        else:
            summed.unknown += 1

    def _count_call(self, fact: AttemptFinished) -> None:
        summed = self._sum(self._clock(), fact.provider, fact.country)
        summed.calls += 1
        summed.bad_calls += fact.outcome in _BAD
        summed.call_seconds += fact.seconds

    def _sum(self, at: datetime, provider: str, country: str) -> _Sum:
        key = (int(at.timestamp()) // MINUTE, provider, country)
        summed = self._seen.get(key)
        if summed is None:
            summed = self._seen[key] = _Sum()
        return summed

    async def _flush(self) -> None:
        """Add in pieces, each of them once: what was committed is pending no more."""
        seen, self._seen = self._seen, {}
        for (minute, provider, country), summed in seen.items():
            self._put_by((MINUTE, minute * MINUTE, provider, ""), summed)
            self._put_by((HOUR, minute * MINUTE // HOUR * HOUR, provider, country), summed)
        self._forget_too_many()
        # All workers in the same order: their transactions must not wait for each other in a circle.
        keys = sorted(self._pending)
        for start in range(0, len(keys), ADDED_AT_ONCE):
            piece = keys[start : start + ADDED_AT_ONCE]
            await self._rollups.add([_cell(key, self._pending[key]) for key in piece])
            for key in piece:
                del self._pending[key]

    def _put_by(self, key: _CellKey, summed: _Sum) -> None:
        self._pending[key] = _added(self._pending.get(key, _Sum()), summed)

    def _forget_too_many(self) -> None:
        too_many = len(self._pending) - MOST_PENDING
        if too_many > 0:
            for key in sorted(self._pending, key=lambda each: each[1])[:too_many]:
                del self._pending[key]

    async def _prune(self) -> None:
        now = self._clock()
        if self._pruned_at is None or now - self._pruned_at >= PRUNE_EVERY:
            for grain, kept in KEPT.items():
                await self._rollups.prune(grain, before=now - kept)
            self._pruned_at = now


def _came_at(message: Message) -> datetime:
    """Return when the gateway accepted a message, as far as its clock can be believed."""
    made, taken_in = message.created_at, message.updated_at
    return made if taken_in - _LONGEST_WAY <= made <= taken_in else taken_in


def _whose(change: Change) -> str:
    """Return the provider that a change is about; empty where none was asked, or none is to blame."""
    if change.message.provider_final:
        return change.message.provider_final
    return change.finished.provider if change.finished else ""


def _count_wait(summed: _Sum, seconds: float | None) -> None:
    if seconds is not None:
        if not summed.waits:
            summed.waits = [0] * (len(WAITS) + 1)
        summed.waits[wait_class(seconds)] += 1


def _added(one: _Sum, other: _Sum) -> _Sum:
    waits: Iterable[int] = one.waits or other.waits
    if one.waits and other.waits:
        waits = (mine + theirs for mine, theirs in zip(one.waits, other.waits, strict=True))
    return _Sum(
        accepted=one.accepted + other.accepted,
        sent=one.sent + other.sent,
        delivered=one.delivered + other.delivered,
        failed=one.failed + other.failed,
        unknown=one.unknown + other.unknown,
        calls=one.calls + other.calls,
        bad_calls=one.bad_calls + other.bad_calls,
        call_seconds=one.call_seconds + other.call_seconds,
        waits=list(waits),
    )


def _cell(key: _CellKey, summed: _Sum) -> Cell:
    grain, starts, provider, country = key
    return Cell(
        grain=grain,
        starts_at=datetime.fromtimestamp(starts, UTC),
        provider=provider,
        country=country,
        accepted=summed.accepted,
        sent=summed.sent,
        delivered=summed.delivered,
        failed=summed.failed,
        unknown=summed.unknown,
        calls=summed.calls,
        bad_calls=summed.bad_calls,
        call_ms=round(summed.call_seconds * 1000),
        waits=tuple(summed.waits) or _NO_WAITS,
    )
