"""`smsgw dev`: gateway, worker and simulated providers in one process on one SQLite file."""

import asyncio
import fcntl
import json
import secrets
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from smsgw.settings import HttpSettings, SettingsError, load_gateway, load_worker
from smsgw.telemetry import Telemetry, open_telemetry
from smsgw.web.server import install_signals, run
from smsgw.wiring.gateway import open_gateway
from smsgw.wiring.migrate import run_migrate
from smsgw.wiring.process import run_roles, utc_now
from smsgw.wiring.transports import Transports
from smsgw.wiring.worker import open_worker

TITLE = "smsgw dev"
DESCRIPTION = "Gateway and worker in one process, with simulated providers."
DEFAULTS = {"LEASE_SECONDS": "30", "UNKNOWN_SETTLE_SECONDS": "5", "DRAIN_SECONDS": "0", "LOG_LEVEL": "warning"}
"""What suits a laptop; the environment wins."""
Say = Callable[[str], None]


def run_dev(environ: Mapping[str, str], *, port: int, directory: Path, say: Say) -> None:
    """Run everything until Ctrl-C; raises SettingsError when it cannot start."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _lock(directory):
        database = f"sqlite:///{(directory / 'smsgw.db').resolve()}"
        run_migrate(database, wait_seconds=5, say=_silent)
        run(_main(environ, port=port, directory=directory, database=database, say=say))


async def _main(environ: Mapping[str, str], *, port: int, directory: Path, database: str, say: Say) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with AsyncExitStack() as stack:
        place = {"QUEUE_URL": database, "LIMITS_URL": database, "DATABASE_URL": database}
        merged = {**DEFAULTS, **environ, **place, "SERVER_A_PORT": str(port), "SERVER_A_HOST": "127.0.0.1"}
        key, client_config = _clients(environ, directory)
