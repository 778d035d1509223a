"""`smsgw worker`: settings in, a running worker out."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from smsgw.core.ports import Consumer, Observer, Provider, Store
from smsgw.core.providers import Providers
from smsgw.providers.registry import ProviderSetupError, open_providers
from smsgw.providers.transport import AiohttpTransport
from smsgw.settings import SettingsError, WorkerSettings, load_worker
from smsgw.telemetry import open_telemetry
from smsgw.web.server import install_signals, run
from smsgw.wiring.process import Role, reachable, run_roles, utc_now
from smsgw.wiring.transports import Transports
from smsgw.worker.app import Worker
from smsgw.worker.config import WorkerConfig
from smsgw.worker.dispatch import Dispatcher
from smsgw.worker.heartbeat import HeartbeatConsumer
from smsgw.worker.http import build_worker_handlers
from smsgw.worker.intake import Intake
from smsgw.worker.outage import StoreGate
from smsgw.worker.reports import ReportApplier
from smsgw.worker.slots import Slots
from smsgw.worker.supervise import Supervisor
from smsgw.worker.sweep import RoundSweeper, TimerSweeper
from smsgw.worker.watch import Watch

TITLE = "smsgw worker"
DESCRIPTION = "Status of messages, delivery reports of providers, health."


def run_worker(environ: Mapping[str, str]) -> None:
    """Run the worker until SIGTERM; raises SettingsError when it cannot start."""
    run(_main(load_worker(environ), environ))


async def _main(settings: WorkerSettings, environ: Mapping[str, str]) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    telemetry = open_telemetry(settings.http.service_name, settings.http.log_level)
    async with AsyncExitStack() as stack:
        transports = Transports(stack, observer=telemetry.observer, clock=utc_now)
        role = await open_worker(settings, transports, stack, telemetry.observer, environ=environ)
        await run_roles(
            title=TITLE,
            description=DESCRIPTION,
            roles=[role],
            http=settings.http,
            telemetry=telemetry,
            stop=stop,
        )


async def open_worker(
    settings: WorkerSettings,
    transports: Transports,
    stack: AsyncExitStack,
    observer: Observer,
    *,
    environ: Mapping[str, str],
) -> Role:
    """Open what a worker needs and put it together; nothing is consumed before the role runs."""
    config = _config(settings, stack, observer, environ)
    store = transports.store(settings.database_url)
    limits = await transports.limits(
        settings.limits_url, rules=settings.claim_rules, quota_prefix=settings.quota_prefix
    )
    consumer = await transports.consumer(settings.queue, settings.queue.outbound)
    reports = ReportApplier(store=store, timers=settings.timers, observer=observer, clock=utc_now)
    gate = StoreGate(store, observer=observer)
    worker = await _loops(settings, transports, store, gate, consumer, config, reports, observer)
    config.announce()
    return Role(
        handlers=build_worker_handlers(
            store=store,
            providers=config.opened,
            configured=lambda: config.configured,
            clients=lambda: config.clients,
            observer=observer,
            clock=utc_now,
            wake=reports.wake,
        ),
        checks={
            "database": gate.problem,
            "broker": reachable(consumer.is_ready),
            "limits": reachable(limits.is_ready),
        },
        tasks={"worker": worker.run, "queue": transports.watch},
        reload=config.reload,
    )


def _config(
    settings: WorkerSettings, stack: AsyncExitStack, observer: Observer, environ: Mapping[str, str]
) -> WorkerConfig:
    transport = AiohttpTransport(limit=settings.max_in_flight)
    stack.push_async_callback(transport.aclose)

    def opened(providers: Providers) -> Mapping[str, Provider]:
        try:
            return open_providers(providers, timeout=settings.provider_timeout, transport=transport, environ=environ)
        except ProviderSetupError as error:
            raise SettingsError(str(error)) from None

    return WorkerConfig(settings, open_providers=opened, observer=observer)


async def _loops(
    settings: WorkerSettings,
    transports: Transports,
    store: Store,
    gate: StoreGate,
    consumer: Consumer,
    config: WorkerConfig,
    reports: ReportApplier,
    observer: Observer,
) -> Worker:
    slots = Slots(settings.max_in_flight)
    shared: dict[str, Any] = {"store": store, "observer": observer, "clock": utc_now}
    sending: dict[str, Any] = {"gate": gate, "providers": config.opened, "timers": settings.timers, **shared}
    dispatcher = Dispatcher(
        router=config.router,
        slots=slots,
        provider_timeout=settings.provider_timeout,
        dice=random.random,
        **sending,
    )
    heartbeats = HeartbeatConsumer(
        consumer=await transports.consumer(settings.queue, settings.queue.heartbeat),
        **shared,
        expected_clients=settings.expected_clients_fingerprint,
        expected_providers=settings.expected_providers_fingerprint,
    )
    supervisor = Supervisor(gate=gate, observer=observer)
    return Worker(
        supervisor=supervisor,
        gate=gate,
        consumer=consumer,
        dispatcher=dispatcher,
        intake=Intake(consumer=consumer, gate=gate, dispatcher=dispatcher, slots=slots, **shared),
        rounds=RoundSweeper(dispatcher=dispatcher, slots=slots, stopping=supervisor.stopping, **shared),
        timers=TimerSweeper(dispatcher=dispatcher, **sending),
        reports=reports,
        heartbeats=heartbeats,
        watch=Watch(queue=await transports.queue_admin(settings.queue), **shared),
    )
