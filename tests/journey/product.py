"""Starts the product as its users do, as processes, and talks to it as its callers do."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

KEY, OTHER_KEY = "journey-key-1", "journey-key-2"
FAST = {
    "DRAIN_SECONDS": "0",
    "HEARTBEAT_INTERVAL_SECONDS": "0.5",
    "RETRY_BASE_SECONDS": "0.2",
    "RETRY_MAX_SECONDS": "1",
    "PROVIDER_TIMEOUT_SECONDS": "1",
    "LEASE_SECONDS": "11",
    "UNKNOWN_SETTLE_SECONDS": "1",
    "IDEMPOTENCY_LEASE_SECONDS": "2",
    "LOG_LEVEL": "debug",
}


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], Any], *, seconds: float = 15, what: str = "condition") -> Any:
    """Return the first true value of `condition`; raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


class Process:
    """One role as a process of its own; its log goes to a file that a failing test shows."""

    def __init__(self, name: str, arguments: list[str], environ: Mapping[str, str], directory: Path, url: str) -> None:
        self.name = name
        self.url = url
        self.log_path = directory / f"{name}-{secrets.token_hex(2)}.log"
        self._arguments = [sys.executable, "-m", "smsgw", *arguments]
        self._environ = {**_clean_environment(), **environ}
        self._directory = directory
        self.popen: subprocess.Popen[bytes] = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                self._arguments, env=self._environ, cwd=self._directory, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_ready(self, seconds: float = 20) -> "Process":
        """Wait until /readyz answers 200."""
        until(lambda: self._answers("/readyz"), seconds=seconds, what=f"{self.name} ready\n{self.log_tail()}")
        return self

    def wait_alive(self, seconds: float = 20) -> "Process":
        """Wait until /healthz answers 200."""
        until(lambda: self._answers("/healthz"), seconds=seconds, what=f"{self.name} alive")
        return self

    def _answers(self, path: str) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.popen.returncode}:\n{self.log_tail()}")
        try:
            return httpx.get(self.url + path, timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL."""
        self.popen.kill()
        self.popen.wait(10)

    def restart(self) -> "Process":
        """Start it again after a kill or a stop."""
        assert self.popen.poll() is not None
        self.popen = self._spawn()
        return self

    def stop(self, seconds: float = 25) -> int:
        """SIGTERM, and return the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGCONT)
            self.popen.terminate()
            try:
                self.popen.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

    def log_lines(self) -> list[dict[str, Any]]:
        """Return every line it has logged; each must be JSON."""
        return [json.loads(line) for line in self.log_path.read_text().splitlines() if line]

    def log_tail(self) -> str:
        """Return the end of its log for a failing test."""
        return self.log_path.read_text()[-3000:] if self.log_path.exists() else ""


class Product:
    """A set of roles on one set of services, under names of its own."""

    def __init__(self, directory: Path, services: Mapping[str, str]) -> None:
        self._directory = directory
        word = secrets.token_hex(3)
        self.providers: dict[str, dict[str, Any]] = {}
        self.clients = {
            KEY: {"name": "one", "is_active": True, "daily_quota": None, "id": f"one-{word}"},
            OTHER_KEY: {"name": "two", "is_active": True, "daily_quota": 1000, "id": f"two-{word}"},
        }
        self.environ = {
            **FAST,
            **services,
            "RABBITMQ_QUEUE_OUTBOUND": f"journey.{word}.outbound",
            "RABBITMQ_QUEUE_HEARTBEAT": f"journey.{word}.heartbeat",
            "QUOTA_PREFIX": f"quota-{word}",
        }
        self.processes: list[Process] = []
        self.worker_port = free_port()

    def add_provider(self, name: str, *flags: str, priority: int = 100, **config: Any) -> Process:
        """Start a mock provider and put it into PROVIDERS_CONFIG as `kind` provider_a."""
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        report_url = f"http://127.0.0.1:{self.worker_port}/webhooks/delivery-report/{name}"
        arguments = ["mock-provider", "--port", str(port), "--api-key", f"key-of-{name}", "--latency", "0"]
        arguments += ["--report-delay", "0.1", "--webhook-url", report_url, *flags]
        process = self._start(f"provider-{name}", arguments, {}, url)
        options = {"base_url": url, "api_key": f"key-of-{name}"}
        self.configure(name, kind="provider_a", priority=priority, options=options, **config)
        return process.wait_alive()

    def configure(self, name: str, **config: Any) -> None:
        """Put a provider into PROVIDERS_CONFIG."""
        self.providers[name] = {"is_active": True, "is_operational": True, **config}

    def gateway(self, **environ: str) -> Process:
        """Start one more gateway and wait until it is ready."""
        port = free_port()
        place = {"SERVER_A_HOST": "127.0.0.1", "SERVER_A_PORT": str(port), **self._configuration(), **environ}
        return self._start("gateway", ["gateway"], place, f"http://127.0.0.1:{port}").wait_ready()

    def worker(self, *, port: int | None = None, **environ: str) -> Process:
        """Start one more worker and wait until it is ready; the first one gets the providers' reports."""
        used = port or (self.worker_port if not any(each.name == "worker" for each in self.processes) else free_port())
        place = {"SERVER_B_HOST": "127.0.0.1", "SERVER_B_PORT": str(used), **self._configuration(), **environ}
        return self._start("worker", ["worker"], place, f"http://127.0.0.1:{used}").wait_ready()

    def run(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the product to its end."""
        return subprocess.run(
            [sys.executable, "-m", "smsgw", *arguments],
            env={**_clean_environment(), **self.environ, **self._configuration(), **environ},
            cwd=self._directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def close(self) -> None:
        """End every process."""
        for process in reversed(self.processes):
            process.end()

    def _configuration(self) -> dict[str, str]:
        return {"CLIENT_CONFIG": json.dumps(self.clients), "PROVIDERS_CONFIG": json.dumps(self.providers)}

    def _start(self, name: str, arguments: list[str], environ: Mapping[str, str], url: str) -> Process:
        process = Process(name, arguments, {**self.environ, **environ}, self._directory, url)
        self.processes.append(process)
        return process


@contextmanager
def running(directory: Path, services: Mapping[str, str]) -> Iterator[Product]:
    """Give a Product whose processes end with the block."""
    product = Product(directory, services)
    try:
        yield product
    finally:
        product.close()


def send(gateway: Process, *, key: str = KEY, idempotency_key: str | None = None, **body: Any) -> httpx.Response:
    """POST one send request."""
    headers = {"API-Key": key} | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})
    payload = {"to": "+989121239999", "text": "Your code is 1234", **body}
    return httpx.post(gateway.url + "/api/v1/sms/send", json=payload, headers=headers, timeout=10, trust_env=False)


def accepted(gateway: Process, **arguments: Any) -> str:
    """Send one message that must be accepted; return its tracking_id."""
    response = send(gateway, **arguments)
    assert response.status_code == 202, response.text
    return str(response.json()["tracking_id"])


def story(worker: Process, tracking_id: str, *, key: str = KEY) -> dict[str, Any] | None:
    """Return a message's status, or None while the worker does not know it."""
    url = f"{worker.url}/api/status/{tracking_id}"
    response = httpx.get(url, headers={"API-Key": key}, timeout=10, trust_env=False)
    if response.status_code == 404:
        return None
    assert response.status_code == 200, response.text
    return dict(response.json())


def reaches(worker: Process, tracking_id: str, *statuses: str, seconds: float = 20) -> dict[str, Any]:
    """Wait until a message has one of the statuses; return its story."""
    last: dict[str, Any] | None = None

    def there() -> dict[str, Any] | None:
        nonlocal last
        last = story(worker, tracking_id)
        return last if last and last["status"] in statuses else None

    try:
        return dict(until(there, seconds=seconds))
    except AssertionError:
        raise AssertionError(
            f"{tracking_id} is not {statuses} after {seconds} s: {json.dumps(last, indent=1)}"
        ) from None


def event_types(told: Mapping[str, Any]) -> list[str]:
    """Return the types of a story's events, oldest first."""
    return [event["event_type"] for event in told["events"]]


def ledger(provider: Process) -> list[dict[str, Any]]:
    """Return what a mock provider has accepted."""
    return list(httpx.get(provider.url + "/ledger", timeout=5, trust_env=False).json())


def _clean_environment() -> dict[str, str]:
    """Return the environment without anything that would configure smsgw."""
    keep = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "TMPDIR")
    return {name: value for name, value in os.environ.items() if name in keep}
