"""Running a simulated provider, as a process of its own or inside `smsgw dev`."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from litestar.types import ASGIApp

from smsgw.core.events import Crashed
from smsgw.core.ports import Observer
from smsgw.simulator.app import Simulator, simulator_handlers
from smsgw.simulator.journal import Journal
from smsgw.simulator.reports import Reporter
from smsgw.simulator.settings import SimulatorSettings
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.web.server import serve

TITLE = "smsgw mock-provider"
DESCRIPTION = "A provider to practise with. Numbers with magic endings misbehave on purpose."


def utc_now() -> datetime:
    """Return now, aware, in UTC."""
    return datetime.now(UTC)


def build_simulator(simulator: Simulator, *, reporter: Reporter, readiness: Readiness, observer: Observer) -> ASGIApp:
    """Return the simulated provider's application."""
    return build_app(
        title=TITLE,
        description=DESCRIPTION,
        route_handlers=simulator_handlers(simulator),
        readiness=readiness,
        metrics_page=lambda: (_metrics(simulator, reporter), "text/plain; version=0.0.4; charset=utf-8"),
        observer=observer,
        clock=utc_now,
    )


async def simulate(
    settings: SimulatorSettings,
    *,
    stop: asyncio.Event,
    on_listening: Callable[[str, int], None] | None = None,
    observer: Observer | None = None,
) -> None:
    """Serve until `stop`; `on_listening` hears the address, also of port 0. Reports that still wait then are dropped.

    Raises OSError when the address cannot be had.
    """
    readiness = Readiness({})
    journal = Journal(settings.journal)
    try:
        async with Reporter(settings, clock=utc_now, on_taken=journal.report) as reporter:
            simulator = Simulator(settings, reporter=reporter, journal=journal, stop=stop, clock=utc_now)
            for entry, status in journal.unreported():
                reporter.report_later(entry, status, seconds=settings.report_delay)
            await serve(
                build_simulator(simulator, reporter=reporter, readiness=readiness, observer=observer or _complain),
                host=settings.host,
                port=settings.port,
                readiness=readiness,
                stop=stop,
                drain_seconds=0,
                on_listening=on_listening,
            )
    finally:
        journal.close()


def _metrics(simulator: Simulator, reporter: Reporter) -> bytes:
    counts = {
        "smsgw_simulator_accepted_total": simulator.accepted,
        "smsgw_simulator_reports_sent_total": reporter.sent,
        "smsgw_simulator_reports_dropped_total": reporter.dropped,
    }
    return "".join(f"# TYPE {name} counter\n{name} {count}\n" for name, count in counts.items()).encode()


def _complain(fact: Any, /) -> None:
    if isinstance(fact, Crashed):
        sys.stderr.write(f"mock-provider: {fact.where}: {type(fact.error).__name__}\n")
