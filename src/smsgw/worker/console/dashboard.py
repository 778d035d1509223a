"""`/console`: how it goes. Every block stands alone: where its source is away it says so, and the others stay."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from markupsafe import Markup

from smsgw.core.health import State
from smsgw.core.people import Role
from smsgw.core.ports import GatewayBeat, LimitsUnavailableError, StoreUnavailableError
from smsgw.core.rollup import HOUR, MINUTE, Sums, whole
from smsgw.worker.console.answers import Answer, Page
from smsgw.worker.console.charts import bar_chart, line_chart
from smsgw.worker.console.console import Console
from smsgw.worker.console.figures import RANGES, Range, Total, lines, since_of, times_of, totals, wait_bars
from smsgw.worker.console.providers_view import Circuit, circuits_of, rooms_of
from smsgw.worker.console.routes import Route, page
from smsgw.worker.console.visit import Visit

SILENT_AFTER = 3
"""Intervals without a heartbeat."""
FORGOTTEN_AFTER = timedelta(days=7)
"""A gateway that has been silent for so long is no more."""
MOST_COUNTRIES = 25
"""That are told, the busiest first."""
SHARED_SECONDS = 2.0
"""However many people look, the sums are read so often at most."""

Block = TypeVar("Block")


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """What the sums tell."""

    counts: Sums
    chart: Markup
    waits: Markup
    providers: list[Total]
    countries: list[Total]
    countries_since: datetime


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """One gateway instance by its last heartbeat."""

    instance: str
    seen_at: datetime
    age_seconds: int
    is_silent: bool
    differs: tuple[str, ...]
    """What of its configuration is not as it should be: `clients`, `providers`."""


class Circuits(msgspec.Struct, frozen=True):
    """A provider's circuits that an operator should know of: its own, and those of countries that are not closed."""

    provider: str
    whole: Circuit
    countries: tuple[Circuit, ...]


def routes(console: Console) -> Sequence[Route]:
    """Return the routes of the dashboard and of the part of it that keeps itself fresh."""
    reader = _Reader(console)

    async def show(visit: Visit) -> Answer:
        return await _answer(console, reader, visit, template="dashboard.html")

    async def live(visit: Visit) -> Answer:
        return await _answer(console, reader, visit, template="dashboard_live.html")

    return [page("/console", Role.VIEWER, show), page("/console/live/dashboard", Role.VIEWER, live)]


class _Reader:
    """Reads the sums, for all who look at about the same time once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._read: dict[str, tuple[datetime, asyncio.Task[Traffic]]] = {}

    async def traffic(self, range_: Range, now: datetime) -> Traffic:
        """Return what the sums tell. Raises StoreUnavailableError."""
        at, reading = self._read.get(range_.word, (now, None))
        if reading is None or _is_of_no_use(reading) or not 0 <= (now - at).total_seconds() < SHARED_SECONDS:
            reading = asyncio.create_task(self._traffic(range_, now))
            # Also when everybody who asked has gone.
            reading.add_done_callback(_is_of_no_use)
            self._read[range_.word] = (now, reading)
        # One who goes does not take it from the others; its failure is told to all of them at once.
        return await asyncio.shield(reading)

    async def _traffic(self, range_: Range, now: datetime) -> Traffic:
        rollups, since, until = self._console.books.rollups, since_of(range_, now), now + timedelta(minutes=1)
        whole_hours = since.replace(minute=0, second=0, microsecond=0)
        steps = await rollups.by_time(MINUTE, since=since, until=until, step=range_.step)
        providers = await rollups.by_provider(MINUTE, since=since, until=until)
        countries = await rollups.by_country(HOUR, since=whole_hours, until=until)
        counts = whole(providers.values())
        chart = line_chart(
            ident="traffic",
            title=f"Messages per minute, {range_.last}",
            unit="messages per minute",
            times=times_of(range_, now),
            series=lines(steps, range_, now),
        )
        return Traffic(
            counts=counts,
            chart=chart,
            waits=bar_chart(
                ident="waits",
                title=f"From acceptance to SENT, {range_.last}",
                unit="messages",
                bars=wait_bars(counts.waits),
            ),
            providers=totals(providers),
            countries=totals(countries, MOST_COUNTRIES),
            countries_since=whole_hours,
        )


def _is_of_no_use(reading: asyncio.Task[Traffic]) -> bool:
    return reading.done() and (reading.cancelled() or reading.exception() is not None)


async def _answer(console: Console, reader: _Reader, visit: Visit, *, template: str) -> Answer:
    range_ = RANGES.get(visit.query.text("range"), RANGES["1h"])
    traffic, gateways, limits = await asyncio.gather(
        _or_none(reader.traffic(range_, visit.now)),
        _or_none(_gateways(console, visit.now)),
        _or_none(rooms_of(console)),
    )
    context = {
        "range": range_,
        "ranges": list(RANGES.values()),
        "traffic": traffic,
        "queue": console.look.queue,
        "backlog": console.look.backlog,
        "gateways": gateways,
        "circuits": _circuits(console),
        "limits": limits,
        "now": visit.now,
    }
    return Page(template=template, context=context)


async def _or_none(asked: Awaitable[Block]) -> Block | None:
    """Return a block; None where its source is away."""
    try:
        return await asked
    except (StoreUnavailableError, LimitsUnavailableError):
        return None


async def _gateways(console: Console, now: datetime) -> list[Gateway]:
    beats = [beat for beat in await console.store.beats() if now - beat.ts < FORGOTTEN_AFTER]
    return [_gateway(console, beat, now) for beat in beats]


def _gateway(console: Console, beat: GatewayBeat, now: datetime) -> Gateway:
    age = max(0.0, (now - beat.ts).total_seconds())
    seen = {"clients": beat.clients_fingerprint, "providers": beat.providers_fingerprint}
    return Gateway(
        instance=beat.instance,
        seen_at=beat.ts,
        age_seconds=int(age),
        is_silent=age > SILENT_AFTER * beat.interval_seconds,
        differs=tuple(kind for kind, word in seen.items() if word and word not in _good(console)[kind]),
    )


def _good(console: Console) -> dict[str, set[str]]:
    """Return the fingerprints that a gateway may have: as EXPECTED_* says, or else as this worker runs with; each also
    with the console's changes."""
    rules, config = console.rules, console.config
    expected = {"clients": rules.expected_clients, "providers": rules.expected_providers}
    told = {kind: word for kind, word in expected.items() if word}
    also, running, baseline = config.as_changed(told), config.running(), config.baseline()
    return {
        kind: {told[kind], also.get(kind, told[kind])} if kind in told else {running[kind], baseline[kind]}
        for kind in expected
    }


def _circuits(console: Console) -> list[Circuits]:
    found = []
    for name in console.configured():
        whole, countries = circuits_of(console, name)
        found.append(Circuits(name, whole, tuple(each for each in countries if each.state is not State.CLOSED)))
    return sorted(found, key=lambda each: (each.whole.state is State.CLOSED and not each.countries, each.provider))
