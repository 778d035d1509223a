"""`smsgw bench`: a gateway, a worker, a provider and a load of our own, on this installation's services."""

import json
import os
import secrets
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

import msgspec

from smsgw.bench.load import Findings, Orders
from smsgw.bench.processes import BenchError, Child, Usage, get
from smsgw.bench.report import Result, Spent, lines, result, spent
from smsgw.settings import SettingsError
from smsgw.wiring.bench_ground import Ground
from smsgw.wiring.migrate import run_migrate

Say = Callable[[str], None]
NO_LIMITS = {"PROVIDER_RATE_LIMIT": "0", "TOTAL_RATE_LIMIT": "0", "INGRESS_RATE_LIMIT": "0"}
OWN = {
    "SERVER_A_HOST": "127.0.0.1",
    "SERVER_B_HOST": "127.0.0.1",
    "DRAIN_SECONDS": "0",
    "IDEMPOTENCY_TTL_SECONDS": "900",
    **NO_LIMITS,
}
"""What the measured processes are given besides this installation's own settings."""
NOT_OURS = (
    "CLIENT_CONFIG_FILE",
    "PROVIDERS_CONFIG_FILE",
    "EXPECTED_CLIENTS_FINGERPRINT",
    "EXPECTED_PROVIDERS_FINGERPRINT",
)
PROVIDER = "Bench-Provider"
READY_SECONDS = 30.0
DRAIN_SECONDS = 120.0
"""How long accepted messages may take to be SENT after the load has ended."""
LOOK_SECONDS = 0.1
_SENT = b'sms_messages_total{status="SENT"} '


def run_bench(environ: Mapping[str, str], *, seconds: float, connections: int, processes: int, say: Say) -> Result:
    """Measure and say what was found; whatever happens, nothing that was started is left behind.

    Raises SettingsError with one line when it cannot run or cannot finish.
    """
    if connections < processes:
        raise SettingsError("--connections must be at least --processes")
    try:
        with ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="smsgw-bench-") as directory:
            return _run(environ, Path(directory), Load(seconds, connections, processes), say)
    except BenchError as error:
        raise SettingsError(f"bench: {error}") from None


class Load(msgspec.Struct, frozen=True):
    """What is to be sent."""

    seconds: float
    connections: int
    processes: int


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """The running processes of a bench."""

    gateway: Child
    gateway_port: int
    worker: Child
    worker_port: int
    provider: Child
    api_key: str

    def sent(self) -> int:
        """Return how many messages the worker has brought to SENT."""
        _, page = get(f"http://127.0.0.1:{self.worker_port}/metrics")
        for line in page.splitlines():
            if line.startswith(_SENT):
                return int(float(line[len(_SENT) :]))
        return 0

    def usage(self) -> dict[str, Usage]:
        """Return what each process has used so far."""
        return {child.name: child.usage() for child in (self.gateway, self.worker, self.provider)}


def _run(environ: Mapping[str, str], directory: Path, load: Load, say: Say) -> Result:
    with ExitStack() as stack:
        ground = Ground(environ, directory, say=say)
        ground.open()
        stack.callback(ground.close)
        say("Durability:")
        for line in ground.durability():
            say(f"  {line}")
        say("Rate limits: " + " ".join(f"{name}={value}" for name, value in NO_LIMITS.items()))
        run_migrate(ground.database_url, wait_seconds=10, say=lambda _line: None)
        stage = stack.enter_context(on_stage({**environ, **ground.environ}, directory))
        say(f"Sending for {load.seconds:g} s over {load.connections} connections ...")
        found = _measure(stage, load, directory, say)
    say("")
    for line in lines(found):
        say(line)
    return found


@contextmanager
def on_stage(environ: Mapping[str, str], directory: Path) -> Iterator[Stage]:
    """Run gateway, worker and provider; ready when this yields, gone when it ends. Raises BenchError."""
    with ExitStack() as stack:
        own = {name: value for name, value in environ.items() if name not in NOT_OURS}
        own = {**own, **_inherited(), **OWN}
        provider, address = _provider(stack, own, directory)
        api_key = secrets.token_hex(16)
        ports = _free_port(), _free_port()
        own |= _configuration(api_key, address) | {"SERVER_A_PORT": str(ports[0]), "SERVER_B_PORT": str(ports[1])}
        worker = stack.enter_context(Child("worker", ["-m", "smsgw", "worker"], own, directory))
        # Isolated, as in production: it reads no changes of a console.
        alone = {**own, "DATABASE_URL": ""}
        gateway = stack.enter_context(Child("gateway", ["-m", "smsgw", "gateway"], alone, directory))
        for child, port in zip((gateway, worker), ports, strict=True):
            _wait_ready(child, port)
        yield Stage(
            gateway=gateway,
            gateway_port=ports[0],
            worker=worker,
            worker_port=ports[1],
            provider=provider,
            api_key=api_key,
        )


def _measure(stage: Stage, load: Load, directory: Path, say: Say) -> Result:
    before, began = stage.usage(), time.monotonic()
    findings = _send(stage, load, directory)
    accepted = sum(each.accepted for each in findings)
    say(f"{accepted:,} accepted; waiting until they are SENT ...")
    sent, finished = _wait_until_sent(stage, accepted)
    after = stage.usage()
    generators = Spent(
        name="load generator",
        cpu_seconds=sum(each.cpu_seconds for each in findings),
        resident_bytes=0,
        is_ours=False,
    )
    table = [spent(name, before[name], after[name], is_ours=name != "provider") for name in before]
    return result(findings, sent=sent, sent_seconds=finished - began, spent=[*table, generators])


def _send(stage: Stage, load: Load, directory: Path) -> Sequence[Findings]:
    """Run the generator processes to their end."""
    with ExitStack() as stack:
        children = [
            stack.enter_context(
                Child(f"load-{number}", ["-m", "smsgw.bench.load"], _inherited(), directory, is_read=True)
            )
            for number in range(load.processes)
        ]
        for number, child in enumerate(children):
            share = load.connections // load.processes + (number < load.connections % load.processes)
            orders = Orders(
                host="127.0.0.1",
                port=stage.gateway_port,
                api_key=stage.api_key,
                tag=f"bench-{number}",
                connections=share,
                seconds=load.seconds,
            )
            pipe = cast("IO[bytes]", child.popen.stdin)
            pipe.write(msgspec.json.encode(orders))
            pipe.close()
        return [_findings(child) for child in children]


def _findings(child: Child) -> Findings:
    said = cast("IO[bytes]", child.popen.stdout).read()
    child.popen.wait()
    if not said:
        child.check()
    return msgspec.json.decode(said, type=Findings)


def _wait_until_sent(stage: Stage, accepted: int) -> tuple[int, float]:
    """Return how many came to SENT and when the last did."""
    deadline = time.monotonic() + DRAIN_SECONDS
    sent, seen_at = stage.sent(), time.monotonic()
    while sent < accepted and time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        stage.worker.check()
        now = stage.sent()
        if now != sent:
            sent, seen_at = now, time.monotonic()
    return sent, seen_at


def _provider(stack: ExitStack, environ: Mapping[str, str], directory: Path) -> tuple[Child, str]:
    child = stack.enter_context(Child("provider", ["-m", "smsgw.bench.provider"], environ, directory, is_read=True))
    port = cast("IO[bytes]", child.popen.stdout).readline().strip().decode()
    if not port:
        child.popen.wait()
        child.check()
    return child, f"http://127.0.0.1:{port}"


def _configuration(api_key: str, address: str) -> dict[str, str]:
    client = {"name": "bench", "id": f"bench-{secrets.token_hex(4)}", "is_active": True, "daily_quota": 1_000_000_000}
    options = {"base_url": address, "api_key": "bench"}
    provider = {"is_active": True, "is_operational": True, "kind": "provider_a", "options": options}
    return {"CLIENT_CONFIG": json.dumps({api_key: client}), "PROVIDERS_CONFIG": json.dumps({PROVIDER: provider})}


def _wait_ready(child: Child, port: int) -> None:
    deadline = time.monotonic() + READY_SECONDS
    status, body = 0, b""
    while time.monotonic() < deadline:
        child.check()
        status, body = get(f"http://127.0.0.1:{port}/readyz")
        if status == 200:
            return
        time.sleep(LOOK_SECONDS)
    raise BenchError(f"{child.name} was not ready within {READY_SECONDS:g} s: {body.decode('utf-8', 'replace')[:300]}")


def _inherited() -> dict[str, str]:
    """What any Python process here needs from ours; settings come from the caller's mapping alone."""
    return {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH", "VIRTUAL_ENV") if name in os.environ
    }


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the bench as Ctrl-C does: by way of every clean-up."""

    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
