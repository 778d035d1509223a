"""Running simulated carriers, as a process of their own or inside `smsgw dev`."""

import asyncio
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from litestar.types import ASGIApp

from smsgw.core.events import Crashed
from smsgw.core.ports import Observer
from smsgw.simulator.app import Town, simulator_handlers
from smsgw.simulator.carrier import SMPP, Carrier, Surroundings
from smsgw.simulator.dialects import provider_a
from smsgw.simulator.doors import Desks, Door, Doors, doors_of
from smsgw.simulator.journal import Journal
from smsgw.simulator.metrics import metrics_page
from smsgw.simulator.reports import Reporter
from smsgw.simulator.settings import SimulatorSettings
from smsgw.simulator.smsc.server import SmscAccount, open_smsc
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.web.server import serve
from smsgw.web.shield import Shield

TITLE = "smsgw mock-provider"
DESCRIPTION = "Providers to practise with. Numbers with magic endings misbehave on purpose."


def utc_now() -> datetime:
    """Return now, aware, in UTC."""
    return datetime.now(UTC)


def build_town(settings: SimulatorSettings, around: Surroundings, *, observer: Observer) -> Town:
    """Return the carriers of the settings, with the doors that lead to them."""
    told = settings.all_carriers()
    carriers = {name: Carrier(name, each, around) for name, each in told.items()}
    doors: dict[str, Door] = {}
    for name, each in told.items():
        doors |= doors_of(carriers[name], each)
    dialects = {name: provider_a(each) for name, each in told.items()}
    return Town(carriers=carriers, dialects=dialects, doors=doors, observer=observer)


def open_accounts(
    carriers: Mapping[str, Carrier], settings: SimulatorSettings, around: Surroundings
) -> dict[str, SmscAccount]:
    """Return the accounts of those carriers that play an SMSC."""
    told = settings.all_carriers()
    return {
        name: SmscAccount(carrier, told[name], around)
        for name, carrier in carriers.items()
        if told[name].impersonate == SMPP
    }


def build_simulator(town: Town, *, reporter: Reporter, readiness: Readiness) -> ASGIApp:
    """Return the simulator's application."""
    application = build_app(
        title=TITLE,
        description=DESCRIPTION,
        route_handlers=simulator_handlers(town),
        readiness=readiness,
        metrics_page=lambda: metrics_page(town.carriers.values(), reporter),
        observer=town.observer,
        clock=utc_now,
    )
    # The doors stand before Litestar and need a shield of their own; what goes on to it passes a second one.
    return Shield(
        Doors(town.doors, application, desks=Desks(town.carriers.values())), observer=town.observer, clock=utc_now
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
        async with Reporter(clock=utc_now, on_taken=journal.report) as reporter:
            around = Surroundings(reporter=reporter, journal=journal, stop=stop, clock=utc_now, ticks=time.monotonic)
            town = build_town(settings, around, observer=observer or _complain)
            accounts = open_accounts(town.carriers, settings, around)
            for entry, status in journal.unreported():
                if account := accounts.get(entry.provider):
                    account.report_later(entry, status, seconds=0)
                elif carrier := town.carriers.get(entry.provider):
                    carrier.take_up(entry, status)
            async with open_smsc(accounts, host=settings.host, port=settings.smpp_port):
                await serve(
                    build_simulator(town, reporter=reporter, readiness=readiness),
                    host=settings.host,
                    port=settings.port,
                    readiness=readiness,
                    stop=stop,
                    drain_seconds=0,
                    on_listening=on_listening,
                )
    finally:
        journal.close()


def _complain(fact: Any, /) -> None:
    if isinstance(fact, Crashed):
        sys.stderr.write(f"mock-provider: {fact.where}: {type(fact.error).__name__}\n")
