"""The two gateways under test as processes: ours on the production set, and the FastAPI reference beside it."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import tools

from smsgw.bench.processes import Child, get
from smsgw.wiring.bench import NO_LIMITS

ROOT = Path(__file__).parent.parent
PEERS = Path(os.environ.get("BENCH_PEERS", ROOT.parent / "shared" / "bench" / "peers"))
REFERENCE_VENV = ROOT / ".bench" / "venv-apistd"
# As pinned by the peers' setup.sh.
REFERENCE_PACKAGES = (
    "fastapi==0.165.0",
    "pydantic==2.14.3",
    "uvicorn[standard]==0.54.0",
    "redis==8.1.0",
    "aio-pika==10.2.1",
)
SERVICES = {
    "QUEUE_URL": "amqp://guest:guest@127.0.0.1:5672/",
    "DATABASE_URL": "postgresql://postgres@127.0.0.1:5432/postgres",
    "LIMITS_URL": "redis://127.0.0.1:6379/0",
}
"""The reference has these Redis and RabbitMQ addresses built in."""
CLIENT = {"bench-key": {"name": "bench", "id": "bench", "is_active": True, "daily_quota": 100_000_000}}


def environ(ground: dict[str, str], provider: str) -> dict[str, str]:
    """Return the whole environment of our processes: defaults but for names, addresses, rate limits and kept keys."""
    options = {"base_url": provider, "api_key": "bench"}
    providers = {"Provider-A": {"is_active": True, "is_operational": True, "options": options}}
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
    return {
        **inherited,
        **NO_LIMITS,
        **ground,
        "CLIENT_CONFIG": json.dumps(CLIENT),
        "PROVIDERS_CONFIG": json.dumps(providers),
        "SERVER_A_HOST": "127.0.0.1",
        "SERVER_B_HOST": "127.0.0.1",
        "DRAIN_SECONDS": "0",
        "IDEMPOTENCY_TTL_SECONDS": "900",
    }


class Role:
    """One of our processes and its port."""

    def __init__(self, name: str, settings: dict[str, str], directory: Path) -> None:
        self.port = tools.free_port()
        variable = "SERVER_A_PORT" if name == "gateway" else "SERVER_B_PORT"
        self.child = Child(name, ["-m", "smsgw", name], {**settings, variable: str(self.port)}, directory)

    def is_ready(self) -> bool:
        """Whether /readyz answers 200."""
        self.child.check()
        return get(f"http://127.0.0.1:{self.port}/readyz")[0] == 200

    def metric(self, name: str) -> float:
        """Return one metric of its page, 0 when it is not there."""
        for line in get(f"http://127.0.0.1:{self.port}/metrics")[1].decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    def sent(self) -> int:
        """Return how many messages a worker has brought to SENT."""
        return int(self.metric('sms_messages_total{status="SENT"}'))


@contextmanager
def role(name: str, settings: dict[str, str], directory: Path) -> Iterator[Role]:
    """Run one of our processes; ready when this yields, gone when it ends."""
    running = Role(name, settings, directory)
    with running.child:
        tools.until(running.is_ready, f"{name} ready")
        yield running


@contextmanager
def reference(queue: str, directory: Path) -> Iterator[tuple[int, Child]]:
    """Run the reference (`api-std`: uvicorn[standard], one process); yields its port."""
    if not (PEERS / "api_app.py").exists():
        sys.exit(f"make bench needs the reference gateway: {PEERS}/api_app.py is not there; set BENCH_PEERS")
    python = REFERENCE_VENV / "bin" / "python"
    if not (REFERENCE_VENV / "bin" / "uvicorn").exists():
        venv.create(REFERENCE_VENV, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *REFERENCE_PACKAGES], check=True)
    port = tools.free_port()
    arguments = ["-m", "uvicorn", "api_app:app", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    arguments += ["--log-level", "warning", "--no-access-log", "--app-dir", str(PEERS)]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    settings = {**inherited, "SMS_QUEUE": queue, "PYTHONDONTWRITEBYTECODE": "1"}
    with Child("reference", arguments, settings, directory, python=str(python)) as child:
        tools.until(lambda: tools.listens(port) or child.check(), "the reference")
        yield port, child


def forget_reference_keys() -> None:
    """Remove the idempotency keys that the reference left in Redis, where it would keep them for a day."""
    import redis

    with redis.Redis.from_url(SERVICES["LIMITS_URL"]) as client:
        for pattern in ("idem:client-1:reference-*", "idem:client-1:warm-reference-*"):
            keys = list(client.scan_iter(pattern, count=10_000))
            for start in range(0, len(keys), 1000):
                client.unlink(*keys[start : start + 1000])
