"""`smsgw dev`: gateway, worker and simulated providers in one process on one SQLite file."""

import asyncio
import fcntl
import json
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from smsgw.settings import SettingsError, documents, load_gateway, load_worker
from smsgw.simulator.run import simulate
from smsgw.simulator.settings import SimulatorSettings
from smsgw.telemetry import Telemetry, open_telemetry, trace_listeners
from smsgw.web.server import install_signals, run
from smsgw.wiring.gateway import open_gateway
from smsgw.wiring.greeting import Greeting
from smsgw.wiring.migrate import run_migrate
from smsgw.wiring.people import first_link
from smsgw.wiring.process import run_roles, utc_now
from smsgw.wiring.transports import Transports
from smsgw.wiring.worker import open_worker

TITLE = "smsgw dev"
DESCRIPTION = "Gateway and worker in one process, with simulated providers."
DEFAULTS = {
    "LEASE_SECONDS": "30",
    "UNKNOWN_SETTLE_SECONDS": "5",
    "DRAIN_SECONDS": "0",
    "LOG_LEVEL": "warning",
    "SERVICE_NAME": "smsgw-dev",
    "SERVER_A_HOST": "127.0.0.1",
}
"""What suits a laptop; the environment wins."""
SIMULATED = ("Provider-A", "Provider-B")


def run_dev(environ: Mapping[str, str], *, port: int, directory: Path, say: Callable[[str], None]) -> None:
    """Run everything until Ctrl-C; raises SettingsError when it cannot start."""
    if "?" in str(directory) or "#" in str(directory):
        raise SettingsError(f"--data {directory}: a directory without ? and # expected")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--data {directory}: {error.strerror}") from None
    with _exclusive(directory):
        database = f"sqlite:///{(directory / 'smsgw.db').resolve()}"
        run_migrate(database, wait_seconds=5, say=lambda _line: None)
        number = str(port or _free_port())
        place = {"QUEUE_URL": database, "LIMITS_URL": database, "DATABASE_URL": database}
        merged = {**DEFAULTS, **environ, **place, "SERVER_A_PORT": number, "SERVER_B_PORT": number}
        run(_main(merged, directory=directory, say=say))


async def _main(environ: Mapping[str, str], *, directory: Path, say: Callable[[str], None]) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    key, clients = _clients(environ, directory)
    async with AsyncExitStack() as stack:
        providers = await _providers(environ, directory, stack)
        settled = {**environ, **clients, **providers}
        gateway = load_gateway(settled)
        listeners = trace_listeners(gateway.http.traces, stack)
        telemetry = open_telemetry(gateway.http.service_name, gateway.http.log_level, listeners)
        greeting = Greeting(key=key, directory=directory, providers=gateway.providers.usable(), say=say)
        await _run(settled, telemetry, stack, stop, greeting)


async def _run(
    environ: Mapping[str, str], telemetry: Telemetry, stack: AsyncExitStack, stop: asyncio.Event, greeting: Greeting
) -> None:
    gateway_settings, worker_settings = load_gateway(environ), load_worker(environ)
    transports = Transports(stack, observer=telemetry.observer, clock=utc_now)
    gateway = await open_gateway(gateway_settings, transports, stack, telemetry.observer)
    worker = await open_worker(worker_settings, transports, stack, telemetry.observer, environ=environ)
    if worker_settings.console.is_enabled:
        greeting.console_url = worker_settings.console.url
        greeting.link_token = await first_link(transports.books(worker_settings.database_url))
    # What the last run of this directory left behind is resolved at once: nobody else can hold a lease in it.
    await transports.store(worker_settings.database_url).end_leases(utc_now())
    await transports.embedded_queue(gateway_settings.queue).end_leases()
    await run_roles(
        title=TITLE,
        description=DESCRIPTION,
        roles=[gateway, worker],
        http=gateway_settings.http,
        telemetry=telemetry,
        stop=stop,
        on_listening=greeting.say,
    )


def _clients(environ: Mapping[str, str], directory: Path) -> tuple[str | None, dict[str, str]]:
    """Return the key to print and CLIENT_CONFIG; a made key is kept in the directory, so that it stays the same."""
    if environ.get("CLIENT_CONFIG") or environ.get("CLIENT_CONFIG_FILE"):
        return None, {}
    path = directory / "api-key"
    if not path.exists():
        # Whole or not at all: a kill in between must not leave an empty key for every later start.
        new = path.with_suffix(".new")
        new.touch(mode=0o600)
        new.write_text(f"smsgw_dev_{secrets.token_urlsafe(24)}\n")
        new.replace(path)
    key = path.read_text().strip()
    rights = {"scopes": ["send", "ops"], "senders": ["*"]}
    config = {key: {"name": "dev", "id": "dev", "is_active": True, "daily_quota": None, **rights}}
    return key, {"CLIENT_CONFIG": json.dumps(config)}


async def _providers(environ: Mapping[str, str], directory: Path, stack: AsyncExitStack) -> dict[str, str]:
    """Return PROVIDERS_CONFIG with simulated providers that run until the stack closes, unless providers are given."""
    _, given = documents(environ)
    if given is not None:
        return {}
    config: dict[str, Any] = {}
    for rank, name in enumerate(SIMULATED, 1):
        api_key = secrets.token_hex(16)
        webhook = f"http://127.0.0.1:{environ['SERVER_A_PORT']}/webhooks/delivery-report/{name}"
        url = await _simulated(
            SimulatorSettings(port=0, api_key=api_key, webhook_url=webhook, journal=directory / f"{name}.journal"),
            stack,
        )
        options = {"base_url": url, "api_key": api_key}
        config[name] = {"kind": "provider_a", "priority": rank * 10, "options": options, "note": "simulated"}
    config["Local-SMS"] = {"priority": 1000, "note": "always succeeds, never reports"}
    flags = {"is_active": True, "is_operational": True}
    return {"PROVIDERS_CONFIG": json.dumps({name: {**flags, **each} for name, each in config.items()})}


async def _simulated(settings: SimulatorSettings, stack: AsyncExitStack) -> str:
    """Run a simulated provider on a free port until the stack closes; return its base URL."""
    stop = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(
        simulate(settings, stop=stop, on_listening=lambda host, port: address.set_result(f"http://{host}:{port}"))
    )

    async def end() -> None:
        stop.set()
        await running

    stack.push_async_callback(end)
    running.add_done_callback(lambda _task: address.cancel() if not address.done() else None)
    try:
        return await address
    except asyncio.CancelledError:
        running.result()
        raise


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def _exclusive(directory: Path) -> Iterator[None]:
    """Hold the directory for this process; raises SettingsError when another one has it."""
    with (directory / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(f"--data {directory}: another `smsgw dev` is using this directory") from None
        yield
