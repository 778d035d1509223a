"""`smsgw worker`: settings in, a running worker out."""

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from smsgw.core.books import Books
from smsgw.core.ports import Consumer, Limits, Observer, Provider, Store
from smsgw.core.providers import Providers
from smsgw.core.traffic import Traffic
from smsgw.providers.registry import ProviderSetupError, open_providers
from smsgw.providers.transport import AiohttpTransport
from smsgw.settings import SettingsError, WorkerSettings, load_worker
from smsgw.telemetry import open_telemetry, trace_listeners
from smsgw.web.server import install_signals, run
from smsgw.wiring.console import open_console
from smsgw.wiring.operations import heard_by, open_operations
from smsgw.wiring.overlays import OverlayWatch, watched
from smsgw.wiring.process import Check, Role, reachable, run_roles, utc_now
from smsgw.wiring.transports import Transports
from smsgw.worker.app import Worker
from smsgw.worker.calls import Calls
from smsgw.worker.choosing import Choosing
from smsgw.worker.config import WorkerConfig
from smsgw.worker.console.sweeping import SignInSweeper
from smsgw.worker.dispatch import Dispatcher
from smsgw.worker.heartbeat import HeartbeatConsumer
from smsgw.worker.http import build_worker_handlers
from smsgw.worker.http.operations import Operations
from smsgw.worker.intake import Intake
from smsgw.worker.keeping import ReportKeeper
from smsgw.worker.lanes import LaneSweeper
from smsgw.worker.last_look import LastLook
from smsgw.worker.outage import StoreGate
from smsgw.worker.reports import ReportApplier
from smsgw.worker.retention import RetentionChore
from smsgw.worker.runs import Runs
from smsgw.worker.shares import ShareBook
from smsgw.worker.slots import Slots
from smsgw.worker.starting import Starter
from smsgw.worker.supervise import Supervisor
from smsgw.worker.sweep import RoundSweeper, TimerSweeper
from smsgw.worker.traffic_book import TrafficBook
from smsgw.worker.watch import Watch

TITLE = "smsgw worker"
DESCRIPTION = "Status of messages, delivery reports of providers, operations."


def run_worker(environ: Mapping[str, str]) -> None:
    """Run the worker until SIGTERM; raises SettingsError when it cannot start."""
    run(_main(load_worker(environ), environ))


async def _main(settings: WorkerSettings, environ: Mapping[str, str]) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    async with AsyncExitStack() as stack:
        listeners = trace_listeners(settings.http.traces, stack)
        telemetry = open_telemetry(settings.http.service_name, settings.http.log_level, listeners)
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
    parts = await _open_parts(settings, transports, stack, observer, environ=environ)
    operations = _operations(settings, parts)
    stack.push_async_callback(operations.direct.close)
    config = parts.config
    overlay = watched(transports, settings.database_url, use=config.use_overlay, observer=observer)
    worker = await _loops(settings, transports, parts, overlay)
    await overlay.load()
    config.announce()
    api = build_worker_handlers(
        store=parts.store,
        providers=config.opened,
        configured=lambda: config.configured,
        clients=lambda: config.clients,
        observer=parts.observer,
        clock=utc_now,
        wake=parts.reports.wake,
        operations=operations,
        trusted_proxies=settings.trusted_proxies,
    )
    console = open_console(
        settings, config, books=parts.books, operations=operations, limits=parts.limits, look=parts.look
    )
    return Role(
        handlers=[*api, *console],
        checks={
            "database": _usable(parts.gate, overlay),
            "broker": reachable(parts.consumer.is_ready),
            "limits": reachable(parts.limits.is_ready),
        },
        tasks={"worker": worker.run, "queue": transports.watch, "overlay": overlay.run},
        reload=config.reload,
    )


def _usable(gate: StoreGate, overlay: OverlayWatch) -> Check:
    """Return the readiness of the database: nothing is sent before it is usable and the changes in it are known."""

    async def check() -> str | None:
        return await gate.problem() or overlay.problem()

    return check


class _Parts(NamedTuple):
    """What the loops of a worker share with its HTTP side."""

    config: WorkerConfig
    store: Store
    books: Books
    gate: StoreGate
    limits: Limits
    consumer: Consumer
    traffic: Traffic
    choosing: Choosing
    calls: Calls
    shares: ShareBook
    reports: ReportApplier
    observer: Observer
    traffic_book: TrafficBook
    look: LastLook


async def _open_parts(
    settings: WorkerSettings,
    transports: Transports,
    stack: AsyncExitStack,
    observer: Observer,
    *,
    environ: Mapping[str, str],
) -> _Parts:
    config = _config(settings, stack, observer, environ)
    store, books = transports.store(settings.database_url), transports.books(settings.database_url)
    limits = await transports.limits(
        settings.limits_url, rules=settings.claim_rules, quota_prefix=settings.quota_prefix
    )
    consumer = await transports.consumer(settings.queue, settings.queue.outbound)
    gate = StoreGate(store, observer=observer)
    traffic = await transports.traffic(settings.limits_url, quota_prefix=settings.quota_prefix)
    shares = ShareBook(traffic)
    sums, look = TrafficBook(books.rollups, clock=utc_now), LastLook()
    observer = heard_by(observer, shares.observe, sums.observe, look.observe)
    reports = ReportApplier(store=store, timers=settings.timers, observer=observer, clock=utc_now)
    choosing = _choosing(settings, traffic, config, observer)
    config.listen(choosing.use)
    config.listen(shares.use)
    calls = _calls(config, choosing, observer)
    return _Parts(
        config, store, books, gate, limits, consumer, traffic, choosing, calls, shares, reports, observer, sums, look
    )


def _calls(config: WorkerConfig, choosing: Choosing, observer: Observer) -> Calls:
    return Calls(
        providers=config.opened,
        configured=lambda: config.configured,
        planner=choosing.planner,
        observer=observer,
        clock=utc_now,
    )


def _choosing(settings: WorkerSettings, traffic: Traffic, config: WorkerConfig, observer: Observer) -> Choosing:
    return Choosing(
        traffic,
        config.configured,
        observer=observer,
        capacity=settings.max_in_flight,
        timers=settings.timers,
        strategy=settings.strategy,
        default_priority=settings.default_priority,
        rates=settings.rates,
        rules=settings.health,
    )


def _operations(settings: WorkerSettings, parts: _Parts) -> Operations:
    return open_operations(
        settings,
        parts.config,
        store=parts.store,
        gate=parts.gate,
        calls=parts.calls,
        traffic=parts.traffic,
        choosing=parts.choosing,
        shares=parts.shares,
        observer=parts.observer,
    )


def _config(
    settings: WorkerSettings, stack: AsyncExitStack, observer: Observer, environ: Mapping[str, str]
) -> WorkerConfig:
    transport = AiohttpTransport(limit=settings.max_in_flight)
    stack.push_async_callback(transport.aclose)

    def opened(providers: Providers) -> Mapping[str, Provider]:
        try:
            return open_providers(
                providers,
                timeout=settings.provider_timeout,
                transport=transport,
                environ=environ,
                public_url=settings.public_url,
            )
        except ProviderSetupError as error:
            raise SettingsError(str(error)) from None

    return WorkerConfig(settings, open_providers=opened, observer=observer)


async def _loops(settings: WorkerSettings, transports: Transports, parts: _Parts, overlay: OverlayWatch) -> Worker:
    config, store, books, gate, _limits, consumer, _traffic, choosing, calls, shares, reports, observer, *_ = parts
    slots = Slots(settings.max_in_flight)
    shared: dict[str, Any] = {"store": store, "observer": observer, "clock": utc_now}
    sending: dict[str, Any] = {"gate": gate, "providers": config.opened, "timers": settings.timers, **shared}
    planner, lanes = choosing.planner, choosing.lanes
    dispatcher = Dispatcher(
        gate=gate,
        calls=calls,
        planner=planner,
        slots=slots,
        timers=settings.timers,
        provider_timeout=settings.provider_timeout,
        dice=random.random,
        **shared,
    )
    supervisor = Supervisor(gate=gate, observer=observer)
    starting: dict[str, Any] = {"planner": planner, "lanes": lanes, "slots": slots}
    launching = {**starting, "dispatcher": dispatcher, "observer": observer, "clock": utc_now}
    starter = Starter(**launching)
    claiming: dict[str, Any] = {"store": store, "starter": starter, "stopping": supervisor.stopping}
    return Worker(
        supervisor=supervisor,
        gate=gate,
        consumer=consumer,
        dispatcher=dispatcher,
        planner=planner,
        intake=Intake(consumer=consumer, gate=gate, store=store, **launching),
        rounds=RoundSweeper(planner=planner, slots=slots, clock=utc_now, **claiming),
        lanes=LaneSweeper(router=choosing.router, observer=observer, **starting, **claiming),
        timers=TimerSweeper(dispatcher=dispatcher, **sending),
        reports=reports,
        heartbeats=await _heartbeats(settings, transports, parts),
        watch=Watch(queue=await transports.queue_admin(settings.queue), **shared),
        retention=RetentionChore(retention=settings.retention, **shared),
        shares=shares,
        traffic_book=parts.traffic_book,
        sign_ins=SignInSweeper(books.people, idle=settings.console.idle, clock=utc_now),
        runs=_runs(parts),
        config_known=overlay.wait_until_known,
    )


async def _heartbeats(settings: WorkerSettings, transports: Transports, parts: _Parts) -> HeartbeatConsumer:
    return HeartbeatConsumer(
        consumer=await transports.consumer(settings.queue, settings.queue.heartbeat),
        store=parts.store,
        observer=parts.observer,
        clock=utc_now,
        expected_clients=settings.expected_clients_fingerprint,
        expected_providers=settings.expected_providers_fingerprint,
        also=parts.config.as_changed,
    )


def _runs(parts: _Parts) -> Runs:
    config, observer = parts.config, parts.observer
    keeper = ReportKeeper(store=parts.store, observer=observer, clock=utc_now, wake=parts.reports.wake)
    runs = Runs(config.opened, keeper=keeper, observer=observer)
    config.listen(runs.use)
    return runs
