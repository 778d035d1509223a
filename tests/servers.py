"""Server processes of the suite's own: on free ports, in a temporary directory, broken on purpose, gone at the end."""

import contextlib
import fcntl
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import psutil

READY_SECONDS = 60
STOP_SECONDS = 15
_PORTS = range(15_000, 32_000)
_reserved: list[IO[bytes]] = []

# Ends the servers when the process that wanted them is gone, however it went: SIGKILL of pytest leaves nothing behind.
_WATCHDOG = """
owner=$1; directory=$2; shift 2
while kill -0 "$owner" 2>/dev/null; do sleep 1; done
for pid in "$@"; do
  children=$(cat /proc/$pid/task/$pid/children 2>/dev/null)
  kill -KILL $pid $children 2>/dev/null
done
rm -rf "$directory"
"""


class ServerFailedError(Exception):
    """A server binary did not come up; the end of its log is in the text."""


def free_port() -> int:
    """Return a port that nobody listens on and no other process of these tests has got, below those that the system
    gives to outgoing connections. It is this process's until its end."""
    directory = Path(tempfile.gettempdir()) / "smsgw-test-ports"
    directory.mkdir(exist_ok=True)
    for port in random.sample(_PORTS, 1000):
        lock = (directory / str(port)).open("wb")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _reserved.append(lock)
        return port
    raise ServerFailedError("no free port between 15000 and 32000: is something else using them all?")


class OwnServer(ABC):
    """One server that a test may stop, kill and freeze. It keeps its address and its data over stop and start.

    All methods block; call them through `asyncio.to_thread` where the event loop has to go on meanwhile.
    """

    def __init__(self, directory: Path, *, owner: int | None = None) -> None:
        self.directory = directory
        self.port = free_port()
        self._owner = owner or os.getpid()
        # With the owner of a run gone the run is over: its directory goes too.
        self._doomed = directory.parent if owner else directory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._watchdog: subprocess.Popen[bytes] | None = None

    @property
    @abstractmethod
    def url(self) -> str:
        """Where clients connect to."""

    @abstractmethod
    def _launch(self) -> None:
        """Start the processes with `_spawn`."""

    @classmethod
    @abstractmethod
    def answers(cls, host: str, port: int) -> bool:
        """Whether a server of this kind answers its protocol there; may raise OSError."""

    @property
    def is_running(self) -> bool:
        """Whether its processes live (also when frozen)."""
        return bool(self._processes) and all(each.poll() is None for each in self._processes)

    @property
    def pids(self) -> list[int]:
        """The processes started, without their children."""
        return [each.pid for each in self._processes]

    def start(self) -> None:
        """Start and wait until it answers; does nothing when it runs."""
        if self.is_running:
            return
        self.kill()
        self.directory.mkdir(parents=True, exist_ok=True)
        self._launch()
        command = ["sh", "-c", _WATCHDOG, "watchdog", str(self._owner), str(self._doomed), *map(str, self.pids)]
        self._watchdog = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        self._wait_until_ready()

    def stop(self) -> None:
        """Stop in good order, as an operator would."""
        self.thaw()
        for process in reversed(self._processes):
            process.send_signal(self._stop_signal())
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL every process at once."""
        self._signal_all(signal.SIGKILL)
        for process in [*self._processes, *([self._watchdog] if self._watchdog else [])]:
            process.kill()
            process.wait()
        self._processes, self._watchdog = [], None

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo `freeze`."""
        self._signal_all(signal.SIGCONT)

    def remove(self) -> None:
        """Kill it and delete its data."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGTERM

    def _spawn(self, command: Sequence[str], *, user: str | None = None, env: Mapping[str, str] | None = None) -> None:
        with self._log().open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.directory,
                env={**os.environ, **(env or {})},
                **_identity(user),  # type: ignore[call-overload]
            )
        self._processes.append(process)

    def _log(self) -> Path:
        return self.directory / "output.log"

    def _signal_all(self, number: signal.Signals) -> None:
        for process in self._processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                family = psutil.Process(process.pid)
                for member in [family, *family.children(recursive=True)]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        member.send_signal(number)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and self.is_running:
            with contextlib.suppress(OSError):
                if self.answers("127.0.0.1", self.port):
                    return
            time.sleep(0.05)
        output = self._log().read_text("utf-8", "replace")[-2000:]
        self.kill()
        raise ServerFailedError(f"{type(self).__name__} did not come up:\n{output}")


class OwnRedis(OwnServer):
    """A redis-server with an append-only file, so that a restart keeps what it knew."""

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def _launch(self) -> None:
        binary = find_binary("redis-server")
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.directory)]
        self._spawn([str(binary), *options, "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"])

    @classmethod
    def answers(cls, host: str, port: int) -> bool:
        return _first_bytes(host, port, b"PING\r\n").startswith(b"+PONG")


class OwnRabbitmq(OwnServer):
    """A RabbitMQ node with an epmd of its own, so that it meets no other node of this machine."""

    def __init__(self, directory: Path, *, owner: int | None = None) -> None:
        super().__init__(directory, owner=owner)
        self._dist_port = free_port()
        self._epmd_port = free_port()

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl against this node and return what it prints."""
        command = [str(find_binary("rabbitmqctl")), "-q", *arguments]
        done = subprocess.run(command, env={**os.environ, **self._env()}, capture_output=True, check=True, timeout=60)
        return done.stdout.decode()

    def _launch(self) -> None:
        plugins = self.directory / "enabled_plugins"
        plugins.write_text("[].\n")
        epmd = ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        self._spawn([str(find_binary(epmd[0])), *epmd[1:]])
        # `detached` makes the script become the Erlang machine instead of a shell that waits for one.
        self._spawn([str(find_binary("rabbitmq-server"))], env={**self._env(), "detached": "1"})

    def _env(self) -> dict[str, str]:
        here = str(self.directory)
        return {
            "HOME": here,
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"smsgw-{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": f"{here}/mnesia",
            "RABBITMQ_LOG_BASE": f"{here}/log",
            "RABBITMQ_CONFIG_FILE": f"{here}/rabbitmq",
            "RABBITMQ_CONF_ENV_FILE": f"{here}/rabbitmq-env.conf",
            "RABBITMQ_ENABLED_PLUGINS_FILE": f"{here}/enabled_plugins",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }

    @classmethod
    def answers(cls, host: str, port: int) -> bool:
        return _first_bytes(host, port, b"AMQP\x00\x00\x09\x01")[:1] == b"\x01"


class OwnPostgres(OwnServer):
    """A PostgreSQL cluster that trusts local connections. It never runs as root: postgres refuses that."""

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def _launch(self) -> None:
        user = _unprivileged_user()
        data = self.directory / "data"
        if user:
            shutil.chown(self.directory, user)
        if not (data / "PG_VERSION").exists():
            command = [str(find_binary("initdb")), "-D", str(data), "-U", "postgres", "-A", "trust", "--no-sync"]
            with self._log().open("ab") as log:
                subprocess.run(command, check=True, stdout=log, stderr=log, cwd=self.directory, **_identity(user))  # type: ignore[call-overload]
        # fsync off: these tests kill processes, not the machine, so the page cache survives every one of them.
        settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200"]
        options = [part for setting in settings for part in ("-c", setting)]
        self._spawn([str(find_binary("postgres")), "-D", str(data), "-p", str(self.port), *options], user=user)

    def _stop_signal(self) -> signal.Signals:
        return signal.SIGINT

    @classmethod
    def answers(cls, host: str, port: int) -> bool:
        startup = b"user\x00postgres\x00database\x00postgres\x00\x00"
        packet = (len(startup) + 8).to_bytes(4, "big") + (196608).to_bytes(4, "big") + startup
        return _first_bytes(host, port, packet)[:1] == b"R"


NEEDED = {
    OwnRedis: ("redis-server",),
    OwnRabbitmq: ("rabbitmq-server", "rabbitmqctl", "epmd"),
    OwnPostgres: ("postgres", "initdb"),
}


def missing_binaries(kind: type[OwnServer]) -> list[str]:
    """Return the binaries that this kind of server lacks on this machine."""
    return [name for name in NEEDED[kind] if find_binary(name) is None]


def find_binary(name: str) -> Path | None:
    """Return a server's binary from where Debian hides it, or from PATH."""
    hidden = [Path("/usr/lib/rabbitmq/bin") / name, *sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))[::-1]]
    # Debian's /usr/sbin/rabbitmq-server is a wrapper that changes user and directory; the real script is hidden.
    for candidate in hidden:
        if os.access(candidate, os.X_OK):
            return candidate
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    return Path(found) if found else None


def _first_bytes(host: str, port: int, said: bytes) -> bytes:
    with socket.create_connection((host, port), timeout=1) as connection:
        connection.sendall(said)
        return connection.recv(64)


def _unprivileged_user() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def _identity(user: str | None) -> dict[str, object]:
    if user is None:
        return {}
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}
