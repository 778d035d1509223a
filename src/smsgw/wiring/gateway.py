"""`smsgw gateway`: settings in, a running gateway out."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

from smsgw.core.ports import Observer
from smsgw.gateway.app import DESCRIPTION, TITLE, Gateway, build_gateway_handlers
from smsgw.settings import GatewaySettings, load_gateway
from smsgw.telemetry import open_telemetry, trace_listeners
from smsgw.web.server import install_signals, run
from smsgw.wiring.overlays import OverlayWatch, watched
from smsgw.wiring.process import Role, reachable, run_roles, utc_now
from smsgw.wiring.transports import Transports


def run_gateway(environ: Mapping[str, str]) -> None:
    """Run the gateway until SIGTERM; raises SettingsError when it cannot start."""
    run(_main(load_gateway(environ)))


async def _main(settings: GatewaySettings) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    async with AsyncExitStack() as stack:
        listeners = trace_listeners(settings.http.traces, stack)
        telemetry = open_telemetry(settings.http.service_name, settings.http.log_level, listeners)
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


async def open_gateway(
    settings: GatewaySettings, transports: Transports, stack: AsyncExitStack, observer: Observer
) -> Role:
    """Open what a gateway needs and put it together. SIGHUP reads the configuration files again."""
    limits = await transports.limits(
        settings.limits_url, rules=settings.claim_rules, quota_prefix=settings.quota_prefix
    )
    publisher = await transports.publisher(settings.queue)
    queue = await transports.queue_admin(settings.queue) if settings.max_queue_depth else None
    gateway = Gateway(settings, limits=limits, publisher=publisher, observer=observer, clock=utc_now, queue=queue)
    stack.push_async_callback(gateway.close)
    overlay = await _overlay(settings, transports, gateway, observer)
    gateway.config.announce()
    return Role(
        handlers=build_gateway_handlers(gateway),
        checks={"broker": reachable(publisher.is_ready), "limits": reachable(limits.is_ready)},
        tasks={
            "heartbeat": gateway.heartbeat.run,
            "gateway queue": transports.watch,
            **({"queue depth": gateway.guard.run} if gateway.guard else {}),
            **({"gateway overlay": overlay.run} if overlay else {}),
        },
        reload=gateway.config.reload,
    )


async def _overlay(
    settings: GatewaySettings, transports: Transports, gateway: Gateway, observer: Observer
) -> OverlayWatch | None:
    """Return what brings the console's changes here, read once; None for a gateway that is not given the database."""
    if not settings.database_url:
        return None
    watch = watched(transports, settings.database_url, use=gateway.config.use_overlay, observer=observer)
    await watch.load()
    return watch
