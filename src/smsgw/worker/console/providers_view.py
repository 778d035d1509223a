"""What pages show of providers: circuits, what is left of their limits, their share of the calls, what was changed."""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from smsgw.core.buckets import Bucket, Limit
from smsgw.core.health import Cell, State
from smsgw.core.merging import merged_providers
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.core.ports import LimitsUnavailableError
from smsgw.core.providers import ProviderConfig, Providers, RateUnit
from smsgw.core.shares import Shares, Tally, expected
from smsgw.core.traffic import TOTAL, bucket_of
from smsgw.worker.console.console import Console
from smsgw.worker.limits import limits_of

ALL = ""
"""The name of the room that all providers share."""


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """A circuit and the window of outcomes behind it. `country` is empty for the provider as a whole."""

    country: str
    state: State
    reason: str
    since: datetime | None
    until: datetime | None
    good: int
    bad: int


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """A rate limit over all workers, and what is left of it now."""

    name: str
    rate: float
    unit: RateUnit
    used: float
    """The part of what may leave at once that is taken, 0 to 1."""
    factor: float
    """The part of the rate that is used since the provider said "too much"; it recovers to 1."""
    closed_until: datetime | None


class ProviderRow(msgspec.Struct, frozen=True, kw_only=True):
    """One provider as it is configured and as it does."""

    name: str
    kind: str
    config: ProviderConfig
    priority: int
    circuit: Circuit
    room: Room | None
    share: float | None
    """Of all calls since they are counted; None: nobody can tell, or there were none."""
    expected_share: float
    calls_under_way: int
    change: OverlayRow | None
    """What of it was changed in the console."""

    @property
    def states(self) -> tuple[tuple[str, str], ...]:
        """Words, each with the class of its badge."""
        config = self.config
        words = [("active", "good") if config.is_active else ("not active", "bad")]
        if not config.is_operational:
            words.append(("not operational", "bad"))
        if config.is_draining:
            words.append(("draining", "draining"))
        return tuple(words)


class Providing(msgspec.Struct, frozen=True, kw_only=True):
    """The providers with every change of the console in them, as all workers have them in a few seconds."""

    overlay: Overlay
    baseline: Providers
    merged: Providers

    def row_of(self, name: str) -> OverlayRow | None:
        """Return what the console has changed of a provider."""
        rows = (row for row in self.overlay.rows if row.kind is Kind.PROVIDER and row.name == name)
        return next(rows, None)


async def providing(console: Console) -> Providing:
    """Return the providers as they are stored now. Raises StoreUnavailableError."""
    overlay, raw = await console.books.overlays.overlay(), console.config.providers_baseline.raw
    return Providing(overlay=overlay, baseline=Providers.parse(raw), merged=merged_providers(raw, overlay)[0])


async def provider_rows(console: Console, known: Providing) -> list[ProviderRow]:
    """Return all providers; what the limits store would have to tell is left out while it is away."""
    rooms, shares = await rooms_or_none(console), await _shares_or_none(console)
    rule, configured = console.operations.rule, known.merged
    calls = sum(shares.tallies.get(name, Tally()).calls for name in configured) if shares else 0
    should = expected(configured, rule.strategy, rule.default_priority)

    def row(name: str) -> ProviderRow:
        config = configured[name]
        mine = shares.tallies.get(name, Tally()).calls if shares else 0
        return ProviderRow(
            name=name,
            kind=configured.kind_of(name),
            config=config,
            priority=rule.default_priority if config.priority is None else config.priority,
            circuit=circuits_of(console, name)[0],
            room=(rooms or {}).get(name),
            share=mine / calls if calls else None,
            expected_share=should[name],
            calls_under_way=console.operations.choosing.pacer.calls_of(name),
            change=known.row_of(name),
        )

    return [row(name) for name in configured]


async def rooms_of(console: Console) -> dict[str, Room]:
    """Return every limit by provider's name, and by ALL the one over all. Raises LimitsUnavailableError."""
    configured = console.configured()
    limits = limits_of(configured, console.operations.rule.rates)
    buckets = await console.operations.traffic.buckets(limits)
    names = {TOTAL: ALL, **{bucket_of(name): name for name in configured}}
    return {names[key]: _room(names[key], limits[key], buckets[key], configured) for key in limits}


async def rooms_or_none(console: Console) -> Mapping[str, Room] | None:
    """Return the same; None while the limits store is away."""
    try:
        return await rooms_of(console)
    except LimitsUnavailableError:
        return None


def circuits_of(console: Console, name: str) -> tuple[Circuit, tuple[Circuit, ...]]:
    """Return a provider's circuit, and those of its countries."""
    known = console.operations.choosing.health.of(name)
    return _circuit("", known.whole), tuple(
        _circuit(country, cell) for country, cell in sorted(known.countries.items())
    )


async def _shares_or_none(console: Console) -> Shares | None:
    try:
        return await console.operations.shares.read()
    except LimitsUnavailableError:
        return None


def _room(name: str, limit: Limit, bucket: Bucket, configured: Providers) -> Room:
    left = max(0.0, min(1.0, bucket.tokens / limit.depth))
    is_closed = bucket.closed_until is not None and bucket.closed_until > bucket.at
    return Room(
        name=name,
        rate=limit.rate,
        unit=configured[name].rate_unit if name else RateUnit.MESSAGE,
        used=1.0 - left,
        factor=bucket.factor,
        closed_until=bucket.closed_until if is_closed else None,
    )


def _circuit(country: str, cell: Cell) -> Circuit:
    return Circuit(
        country=country,
        state=cell.state,
        reason=cell.reason,
        since=_time(cell.since),
        until=_time(cell.until) if cell.state is State.OPEN else None,
        good=cell.good,
        bad=cell.bad,
    )


def _time(unix: float) -> datetime | None:
    """Return a time; nobody has noted the state of what never had a call."""
    return datetime.fromtimestamp(unix, UTC) if unix else None
