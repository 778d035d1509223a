"""`smsgw gateway`: settings in, a running gateway out."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

from smsgw.core.ports import Observer
from smsgw.gateway.app import open_gateway_room
from smsgw.settings import GatewaySettings, load_gateway
from smsgw.telemetry import open_telemetry
from smsgw.web.server import install_signals, run
from smsgw.wiring.process import Role, reachable, run_roles, utc_now
from smsgw.wiring.transports import Transports

TITLE = "smsgw gateway"
DESCRIPTION = "Send SMS: one endpoint, answered in milliseconds, retried safely with an Idempotency-Key."


def run_gateway(environ: Mapping[str, str]) -> None:
    """Run the gateway until SIGTERM; raises SettingsError when it cannot start."""
    run(_main(load_gateway(environ)))


async def _main(settings: GatewaySettings) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    telemetry = open_telemetry(settings.http.service_name, settings.http.log_level)
    async with AsyncExitStack() as stack:
        transports = Transports(stack, observer=telemetry.observer, clock=utc_now)
        role = await open_gateway(settings, transports, stack, telemetry.observer)
        await run_roles(
            title=TITLE,
            description=DESCRIPTION,
            roles=[role],
            http=settings.http,
            telemetry=telemetry,
            stop=stop,
        )
