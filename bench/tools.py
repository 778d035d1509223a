"""What the bench measures with, none of it Python: wrk for the load, nginx for the provider; and the services' CPU."""

import json
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smsgw.bench.processes import Usage, usage

HERE = Path(__file__).parent
NGINX = """
daemon off; master_process on; worker_processes 1; pid {directory}/nginx.pid; error_log {directory}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory};
  server {{
    listen 127.0.0.1:{port}; default_type application/json;
    location / {{ return 200 '{{"message_id":"$request_id"}}'; }}
  }}
}}
"""


def require_tools() -> None:
    """End with one line that says how to get what is missing."""
    missing = [name for name in ("wrk", "nginx") if program(name) is None]
    if missing:
        sys.exit(f"make bench needs {' and '.join(missing)}: apt-get install wrk nginx-light (brew install wrk nginx)")


def program(name: str) -> str | None:
    """Return the path of a program, also where only root's PATH has it."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], what: str, *, seconds: float = 30) -> Any:
    """Return the first true value of `condition`; end the bench when none comes."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    sys.exit(f"{what}: not within {seconds:g} s")


def listens(port: int) -> bool:
    """Whether somebody accepts connections on a port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def nginx(directory: Path) -> Iterator[tuple[str, "Nginx"]]:
    """Run a provider that answers at once; yields its base URL."""
    port = free_port()
    config = directory / "nginx.conf"
    config.write_text(NGINX.format(directory=directory, port=port))
    command = [str(program("nginx")), "-c", str(config), "-e", str(directory / "nginx.log")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            until(lambda: listens(port), "nginx")
            yield f"http://127.0.0.1:{port}", Nginx(running.pid)
        finally:
            running.terminate()


class Nginx:
    """The CPU of nginx: it works in a child of the process that was started."""

    def __init__(self, pid: int) -> None:
        children = Path(f"/proc/{pid}/task/{pid}/children")
        self._pids = [pid, *map(int, children.read_text().split())] if children.exists() else [pid]

    def cpu(self) -> float:
        """Return its CPU seconds so far."""
        return sum(usage(pid).cpu_seconds for pid in self._pids)


def wrk(port: int, *, connections: int, seconds: float, tag: str, pause_ms: int = 0) -> dict[str, Any]:
    """Load a gateway; return what wrk saw and the CPU seconds that it used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [str(program("wrk")), "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s"]
    ran = subprocess.run(
        [*command, "-s", str(HERE / "load.lua"), f"http://127.0.0.1:{port}"],
        env={**os.environ, "TAG": tag, "PAUSE_MS": str(pause_ms)},
        capture_output=True,
        text=True,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = re.search(r"^JSON (.*)$", ran.stdout, re.MULTILINE)
    if said is None:
        sys.exit(f"wrk failed: {ran.stdout}{ran.stderr}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {**json.loads(said[1]), "cpu": cpu}


SERVICES = {"redis-server": "redis", "beam.smp": "rabbitmq", "postgres": "postgresql"}


class Services:
    """The CPU that Redis, RabbitMQ and PostgreSQL use from now on, where /proc shows them: every process of them that
    lives now. (What a connection of PostgreSQL uses that comes later is missing.)"""

    def __init__(self) -> None:
        self._before = {each: _cpu(each) for each in _processes()}

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of each since this was made."""
        total = dict.fromkeys(SERVICES.values(), 0.0)
        for process, (name, seconds) in self._before.items():
            now, later = _cpu(process)
            if name in SERVICES and now == name:
                total[SERVICES[name]] += later - seconds
        return total


def _processes() -> list[Path]:
    return [each for each in Path("/proc").glob("[0-9]*") if each.name.isdigit()]


def _cpu(process: Path) -> tuple[str, float]:
    """Return name and CPU seconds of a process."""
    try:
        name, _, rest = (process / "stat").read_text().partition("(")[2].rpartition(")")
    except OSError:
        return "", 0.0
    return name, sum(map(int, rest.split()[11:13])) / os.sysconf("SC_CLK_TCK")


def used(before: Usage, after: Usage) -> float:
    """Return the CPU seconds between two looks."""
    return after.cpu_seconds - before.cpu_seconds
