"""What every role's process has in common: a server, tasks beside it, one line when it cannot go on."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from smsgw.core.events import Crashed
from smsgw.core.ports import Observer
from smsgw.settings import HttpSettings, SettingsError
from smsgw.telemetry import Telemetry
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.web.server import serve, tune_gc

Check = Callable[[], Awaitable[str | None]]
Task = Callable[[asyncio.Event], Awaitable[None]]
"""Runs beside the HTTP server until the event is set."""


def utc_now() -> datetime:
    """Return now, aware, in UTC: the one clock of a running process."""
    return datetime.now(UTC)


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A role, opened and ready to run: what it answers over HTTP, what it depends on, what it does beside."""

    handlers: Sequence[Any]
    checks: Mapping[str, Check]
    tasks: Mapping[str, Task]
    reload: Callable[[], None]
    """Reads the configuration files again; called on SIGHUP."""


async def run_roles(
    *,
    title: str,
    description: str,
    roles: Sequence[Role],
    http: HttpSettings,
    telemetry: Telemetry,
    stop: asyncio.Event,
    on_listening: Callable[[str, int], None] | None = None,
) -> None:
    """Serve the roles on one port and run their tasks until `stop`; a task that ends before is a failure of all."""
    readiness = Readiness({name: check for role in roles for name, check in role.checks.items()})
    app = build_app(
        title=title,
        description=description,
        route_handlers=[handler for role in roles for handler in role.handlers],
        readiness=readiness,
        metrics_page=telemetry.metrics.page,
        observer=telemetry.observer,
        clock=utc_now,
    )
    tasks = _start_tasks(roles, stop, telemetry.observer)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, _reload, roles)
    tune_gc()
    try:
        await serve(
            app,
            host=http.host,
            port=http.port,
            readiness=readiness,
            stop=stop,
            drain_seconds=http.drain_seconds,
            on_listening=on_listening,
        )
    except OSError as error:
        raise SettingsError(f"{http.host}:{http.port}: cannot listen: {error.strerror or error}") from None
    finally:
        stop.set()
        failures = await asyncio.gather(*tasks)
    for failure in failures:
        if failure is not None:
            raise failure


def _start_tasks(
    roles: Sequence[Role], stop: asyncio.Event, observer: Observer
) -> list[asyncio.Task[SettingsError | None]]:
    return [
        asyncio.create_task(_until_stopped(name, task, stop, observer), name=name)
        for role in roles
        for name, task in role.tasks.items()
    ]


def _reload(roles: Sequence[Role]) -> None:
    for role in roles:
        role.reload()


async def _until_stopped(name: str, task: Task, stop: asyncio.Event, observer: Observer) -> SettingsError | None:
    """Run one task; whatever ends it ends the role. A bug is reported, and the process fails with one line."""
    try:
        await task(stop)
    except SettingsError as error:
        return error
    except Exception as error:  # noqa: BLE001  (reported here; without this task the role is no use)
        observer(Crashed(where=name, error=error))
        return SettingsError(f"{name} ended with {type(error).__name__}; see the log")
    finally:
        stop.set()
    return None


def reachable(is_ready: Callable[[], Awaitable[bool]]) -> Check:
    """Return a readiness check for a port that answers yes or no."""

    async def check() -> str | None:
        return None if await is_ready() else "not reachable"

    return check
