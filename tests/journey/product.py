"""Starts the product as its users do, as processes on real services, under names of its own."""

import asyncio
import json
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiormq
import redis

from tests.journey.process import Process, clean_environment
from tests.servers import free_port

KEY, OTHER_KEY = "journey-key-1", "journey-key-2"
NUMBER = "+447700909999"
MAGIC = "+44770090"
"""Numbers that end in the simulator's magic four digits are made with it."""
TEXT = "Parcel 4711 waits"
FAST = {
    "DRAIN_SECONDS": "0",
    "HEARTBEAT_INTERVAL_SECONDS": "0.5",
    "RETRY_BASE_SECONDS": "0.2",
    "RETRY_MAX_SECONDS": "1",
    "PROVIDER_TIMEOUT_SECONDS": "1",
    "LEASE_SECONDS": "11",
    "UNKNOWN_SETTLE_SECONDS": "1",
    "IDEMPOTENCY_LEASE_SECONDS": "2",
    "MIN_TTL_SECONDS": "1",
    # A provider at its default rate would pass messages on to the next one; what is about rates sets its own.
    "PROVIDER_RATE_LIMIT": "0",
    "TOTAL_RATE_LIMIT": "0",
    "LOG_LEVEL": "debug",
}
# Every number of these tests begins so; a masked one shows five digits of it.
_FULL_NUMBER = re.compile(r"44770090")


class Product:
    """A set of roles on one set of services."""

    def __init__(self, directory: Path, services: Mapping[str, str]) -> None:
        self.directory = directory
        self.word = secrets.token_hex(3)
        self.providers: dict[str, dict[str, Any]] = {}
        self.clients: dict[str, dict[str, Any]] = {
            KEY: {"name": "one", "is_active": True, "daily_quota": None, "id": f"one-{self.word}"},
            OTHER_KEY: {"name": "two", "is_active": True, "daily_quota": 1000, "id": f"two-{self.word}"},
        }
        self.environ = {
            **FAST,
            **services,
            "RABBITMQ_QUEUE_OUTBOUND": f"journey.{self.word}.outbound",
            "RABBITMQ_QUEUE_HEARTBEAT": f"journey.{self.word}.heartbeat",
            "QUOTA_PREFIX": f"quota-{self.word}",
        }
        self.processes: list[Process] = []
        self.worker_port = free_port()

    def named(self, name: str) -> Process:
        """Return the first process of a name: gateway, worker, provider-Provider-A."""
        return next(each for each in self.processes if each.name == name)

    def add_provider(self, name: str, *flags: str, **config: Any) -> Process:
        """Start a mock provider and put it into PROVIDERS_CONFIG as `kind` provider_a."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        report_url = f"http://127.0.0.1:{self.worker_port}/webhooks/delivery-report/{name}"
        arguments = ["mock-provider", "--port", str(port), "--api-key", f"key-of-{name}", "--latency", "0"]
        arguments += ["--report-delay", "0.1", "--webhook-url", report_url, *flags]
        options = {"base_url": url, "api_key": f"key-of-{name}"}
        self.configure(name, **{"kind": "provider_a", "options": options, **config})
        return self._start(f"provider-{name}", arguments, {}, url)

    def configure(self, name: str, **config: Any) -> None:
        """Put a provider into PROVIDERS_CONFIG."""
        self.providers[name] = {"is_active": True, "is_operational": True, **config}

    def gateway(self, **environ: str) -> Process:
        """Start one more gateway: isolated, as in production, unless DATABASE_URL is among what it is given."""
        port = free_port()
        place = {"SERVER_A_HOST": "127.0.0.1", "SERVER_A_PORT": str(port), "DATABASE_URL": "", **environ}
        return self._start("gateway", ["gateway"], place, f"http://127.0.0.1:{port}")

    def worker(self, **environ: str) -> Process:
        """Start one more worker; the first one gets the providers' reports."""
        is_first = not any(each.name == "worker" for each in self.processes)
        port = self.worker_port if is_first else free_port()
        place = {"SERVER_B_HOST": "127.0.0.1", "SERVER_B_PORT": str(port), **environ}
        return self._start("worker", ["worker"], place, f"http://127.0.0.1:{port}")

    def start(self, *, gateways: int = 1, workers: int = 1) -> "Product":
        """Start roles side by side and wait until everything started so far is ready."""
        for _ in range(gateways):
            self.gateway()
        for _ in range(workers):
            self.worker()
        for process in self.processes:
            process.wait_ready()
        return self

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the product to its end."""
        return subprocess.run(
            [sys.executable, "-m", "smsgw", *arguments],
            env={**clean_environment(), **self.environ, **self._configuration(environ), **environ},
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def close(self) -> None:
        """End every process and remove what they left in the shared services."""
        for process in self.processes:
            if process.popen.poll() is None:
                process.popen.terminate()
        for process in self.processes:
            process.end()
        asyncio.run(_delete_queues(self.environ))
        _delete_keys(self.environ, self.word)

    def log_tails(self) -> str:
        """Return the end of every log."""
        return "\n".join(f"=== {each.name} {each.url}\n{each.log_tail()}" for each in self.processes)

    def complaints(self) -> list[str]:
        """Return every line that no process may print: not JSON, incomplete, a crash, a number, a text, a key."""
        return [
            f"{process.name}: {why}: {line}"
            for process in self.processes
            for line in process.log_path.read_text().splitlines()
            if (why := improper(line))
        ]

    def _configuration(self, given: Mapping[str, str]) -> dict[str, str]:
        both = {"CLIENT_CONFIG": json.dumps(self.clients), "PROVIDERS_CONFIG": json.dumps(self.providers)}
        return {name: value for name, value in both.items() if f"{name}_FILE" not in given}

    def _start(self, name: str, arguments: list[str], environ: Mapping[str, str], url: str) -> Process:
        merged = {**self.environ, **self._configuration(environ), **environ}
        process = Process(name, arguments, merged, self.directory, url)
        self.processes.append(process)
        return process


def improper(line: str) -> str | None:
    """Say what is wrong with a line of a log, or None."""
    if secret := indiscreet(line):
        return secret
    try:
        fields = json.loads(line)
    except ValueError:
        return "not JSON"
    missing = {"service", "level", "timestamp", "message"} - set(fields)
    if missing:
        return f"without {missing}"
    return "a bug" if fields["message"] == "crashed" else None


def indiscreet(text: str) -> str | None:
    """Say what a text gives away, or None."""
    if _FULL_NUMBER.search(text):
        return "a full number"
    given_away = [each for each in (KEY, OTHER_KEY, "key-of-", "Parcel") if each in text]
    return f"gives away {given_away}" if given_away else None


@contextmanager
def running(directory: Path, services: Mapping[str, str]) -> Iterator[Product]:
    """Give a Product whose processes end with the block; what they logged must be proper then."""
    product = Product(directory, services)
    try:
        yield product
    except BaseException:
        print(product.log_tails())
        raise
    finally:
        product.close()
    assert product.complaints() == []


async def _delete_queues(environ: Mapping[str, str]) -> None:
    if "RABBITMQ_URL" not in environ:
        return
    connection = await aiormq.connect(environ["RABBITMQ_URL"])
    channel = await connection.channel()
    outbound = environ["RABBITMQ_QUEUE_OUTBOUND"]
    for queue in (outbound, f"{outbound}.dead", environ["RABBITMQ_QUEUE_HEARTBEAT"]):
        await channel.queue_delete(queue)
    await connection.close()


def _delete_keys(environ: Mapping[str, str], word: str) -> None:
    queue_url = environ.get("QUEUE_URL", "")
    urls = {environ["REDIS_URL"], queue_url if queue_url.startswith("redis") else environ["REDIS_URL"]}
    for url in urls:
        with redis.Redis.from_url(url) as client:
            for pattern in (f"*-{word}:*", f"queue:journey.{word}.*"):
                for key in client.scan_iter(match=pattern, count=1000):
                    client.delete(key)
