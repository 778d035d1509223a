"""Traffic in sums, minute by minute and hour by hour: what the dashboard draws without reading a message."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

MINUTE, HOUR = 60, 3600
"""The two grains, in seconds: minutes by provider (country ""), hours by provider and country."""

WAITS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds, in seconds, of the classes that waits are counted in; one more class is above all of them."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in some time."""

    accepted: int = 0
    """Messages that came."""
    sent: int = 0
    delivered: int = 0
    failed: int = 0
    unknown: int = 0
    """Outcomes that nobody knew at the time."""
    calls: int = 0
    bad_calls: int = 0
    """Calls that count against the provider's health."""
    call_ms: int = 0
    """All calls together."""
    waits: tuple[int, ...] = (0,) * (len(WAITS) + 1)
    """How many messages were SENT after so long a wait since they were accepted (WAITS)."""


class Cell(Sums, frozen=True, kw_only=True):
    """What happened in one minute or hour. `provider` "" is what belongs to none: messages accepted, messages that
    failed before anybody was asked."""

    grain: int
    starts_at: datetime
    provider: str
    country: str


_COUNTERS = tuple(name for name in Sums.__struct_fields__ if name != "waits")


def whole(parts: Iterable[Sums]) -> Sums:
    """Return all sums added up."""
    known = list(parts)
    counts = {name: sum(getattr(each, name) for each in known) for name in _COUNTERS}
    return Sums(waits=tuple(map(sum, zip(Sums().waits, *(each.waits for each in known), strict=True))), **counts)


def wait_class(seconds: float) -> int:
    """Return the class that a wait is counted in."""
    return bisect_left(WAITS, seconds)


class Rollups(Protocol):
    """Sums that all workers add to. Every method raises StoreUnavailableError on an outage."""

    async def add(self, cells: Sequence[Cell]) -> None:
        """Add to the sums, all or nothing."""

    async def cells(self, grain: int, *, since: datetime, until: datetime) -> Sequence[Cell]:
        """Return the sums that begin in this time, oldest first."""

    async def by_time(
        self, grain: int, *, since: datetime, until: datetime, step: timedelta, provider: str | None = None
    ) -> Mapping[datetime, Sums]:
        """Return what the sums of this time are together, in steps: each under the time that its step begins at, a
        multiple of `step` since 1970 in UTC. Steps in which nothing happened are left out. With `provider`: of it
        alone."""

    async def by_provider(self, grain: int, *, since: datetime, until: datetime) -> Mapping[str, Sums]:
        """Return what the sums of this time are together, for each provider; what belongs to none is under ""."""

    async def by_country(self, grain: int, *, since: datetime, until: datetime) -> Mapping[str, Sums]:
        """Return what providers did in this time, for each country."""

    async def prune(self, grain: int, *, before: datetime) -> int:
        """Forget the sums of a grain that began before; return how many cells."""
