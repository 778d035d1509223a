"""Finds the services the tests run against: environment, containers, binaries, then (in CI) the standard ports."""

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import psutil
import psycopg
from sqlalchemy.engine import make_url

from tests.servers import OwnPostgres, OwnRabbitmq, OwnRedis, OwnServer, ServerFailedError, missing_binaries

__all__ = ["OwnPostgres", "OwnRabbitmq", "OwnRedis", "OwnServer", "ServerFailedError", "free_database"]

RUN_DIRECTORY = "SMSGW_TEST_RUN_DIRECTORY"
"""Set by the process that runs the session, inherited by its pytest-xdist workers: they share servers through it."""
RUN_OWNER = "SMSGW_TEST_RUN_OWNER"
CONTAINER_SECONDS = 60
_started: list[OwnServer] = []


class Service(NamedTuple):
    """One service and the ways to get at it."""

    name: str
    variable: str
    own: type[OwnServer]
    local: str
    image: str
    port: int
    container_url: str
    container_env: dict[str, str]


SERVICES = {
    each.name: each
    for each in (
        Service(
            "redis",
            "TEST_REDIS_URL",
            OwnRedis,
            "redis://127.0.0.1:6379/0",
            "redis:7-alpine",
            6379,
            "redis://{host}:{port}/0",
            {},
        ),
        Service(
            "rabbitmq",
            "TEST_RABBITMQ_URL",
            OwnRabbitmq,
            "amqp://guest:guest@127.0.0.1:5672/",
            "rabbitmq:4-alpine",
            5672,
            "amqp://test:test@{host}:{port}/",
            {"RABBITMQ_DEFAULT_USER": "test", "RABBITMQ_DEFAULT_PASS": "test"},
        ),
        Service(
            "postgres",
            "TEST_DATABASE_URL",
            OwnPostgres,
            "postgresql://postgres@127.0.0.1:5432/postgres",
            "postgres:16-alpine",
            5432,
            "postgresql://postgres@{host}:{port}/postgres",
            {"POSTGRES_HOST_AUTH_METHOD": "trust"},
        ),
    )
}


def is_ci() -> bool:
    """Whether a missing service is a failure instead of a skip."""
    return os.environ.get("CI", "").lower() == "true"


def open_run() -> None:
    """Begin a test run: the directory through which its processes share servers. Workers inherit it."""
    if RUN_DIRECTORY in os.environ:
        return
    directory = Path(tempfile.mkdtemp(prefix="smsgw-tests-"))
    directory.chmod(0o755)  # the postgres user has to pass through
    os.environ[RUN_DIRECTORY] = str(directory)
    os.environ[RUN_OWNER] = str(os.getpid())


def close_run() -> None:
    """End the run in the process that began it: stop every shared server, whichever worker had started it."""
    if os.environ.get(RUN_OWNER) != str(os.getpid()):
        return
    directory = Path(os.environ.pop(RUN_DIRECTORY))
    del os.environ[RUN_OWNER]
    for server in _started:
        server.remove()
    for state in directory.glob("*.json"):
        _end(json.loads(state.read_text()))
    shutil.rmtree(directory, ignore_errors=True)


def find(name: str) -> str | None:
    """Return the URL of a service for this run, or None; found or started once, by whichever process asks first."""
    service = SERVICES[name]
    given = os.environ.get(service.variable)
    if given:
        return given
    directory = Path(os.environ[RUN_DIRECTORY])
    with _locked(directory / f"{name}.lock"):
        state = directory / f"{name}.json"
        if not state.exists():
            state.write_text(json.dumps(_discover(service, directory)))
        url = json.loads(state.read_text())["url"]
    return str(url) if url else None


def own_server(kind: type[OwnServer]) -> OwnServer:
    """Return a server of the caller's own, not started yet; it dies with this process."""
    directory = Path(os.environ[RUN_DIRECTORY]) / f"own-{kind.__name__.lower()}-{secrets.token_hex(4)}"
    return kind(directory)


@contextmanager
def free_database(url: str) -> Iterator[str]:
    """A new, empty database on the PostgreSQL server of `url`, dropped at the end."""
    name = f"smsgw_test_{secrets.token_hex(5)}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}".encode())
    try:
        fresh = make_url(url).set(drivername="postgresql", database=name)
        yield fresh.render_as_string(hide_password=False)
    finally:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())


def _discover(service: Service, directory: Path) -> dict[str, Any]:
    ways: tuple[Callable[[Service, Path], dict[str, Any] | None], ...] = (_container, _binary, _local)
    for way in ways:
        found = way(service, directory)
        if found:
            return found
    return {"url": None}


def _container(service: Service, directory: Path) -> dict[str, Any] | None:
    if not _has_docker(directory):
        return None
    # Imported here: it looks for Docker while it is imported. Its reaper is off, because it would end the containers
    # with the worker that started them, while other workers still use them; `close_run` and a watchdog end them.
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    from testcontainers.core.container import DockerContainer

    container = DockerContainer(service.image, env=dict(service.container_env)).with_exposed_ports(service.port)
    try:
        container.start()
    except Exception as error:  # noqa: BLE001  (no image, no network, no rights: the next way may do)
        print(f"{service.name}: no container: {error}")
        return None
    identity = container.get_wrapped_container().id
    watch = 'while kill -0 "$0" 2>/dev/null; do sleep 1; done; docker rm -f "$1"'
    subprocess.Popen(["sh", "-c", watch, os.environ[RUN_OWNER], identity], start_new_session=True)
    host, port = container.get_container_host_ip(), int(container.get_exposed_port(service.port))
    if not _answers(service, host, port):
        return None
    return {"url": service.container_url.format(host=host, port=port), "container": identity}


def _answers(service: Service, host: str, port: int) -> bool:
    """Wait for the protocol: Docker's proxy accepts connections before the server inside does."""
    deadline = time.monotonic() + CONTAINER_SECONDS
    while time.monotonic() < deadline:
        with suppress(OSError):
            if service.own.answers(host, port):
                return True
        time.sleep(0.2)
    return False


def _binary(service: Service, directory: Path) -> dict[str, Any] | None:
    if missing_binaries(service.own):
        return None
    server = service.own(directory / service.name, owner=int(os.environ[RUN_OWNER]))
    try:
        server.start()
    except (ServerFailedError, OSError, subprocess.SubprocessError) as error:
        print(f"{service.name}: the binary on this machine failed: {error}")
        return None
    _started.append(server)
    return {"url": server.url, "pids": server.pids}


def _local(service: Service, _directory: Path) -> dict[str, Any] | None:
    if not (is_ci() or os.environ.get("SMSGW_TEST_LOCAL") == "1"):
        return None
    parts = urlsplit(service.local)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()
    except OSError:
        return None
    return {"url": service.local}


def _has_docker(directory: Path) -> bool:
    with _locked(directory / "docker.lock"):
        state = directory / "docker.answer"
        if not state.exists():
            state.write_text("yes" if _docker_answers() else "no")
        return state.read_text() == "yes"


def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=5, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _end(state: dict[str, Any]) -> None:
    if "container" in state:
        subprocess.run(["docker", "rm", "-f", state["container"]], capture_output=True, timeout=60, check=False)
    for pid in state.get("pids", ()):
        if not psutil.pid_exists(pid):
            continue
        family = psutil.Process(pid)
        for member in [*family.children(recursive=True), family]:
            # A member may end by itself between being listed and being killed.
            with suppress(psutil.NoSuchProcess):
                member.send_signal(signal.SIGKILL)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
