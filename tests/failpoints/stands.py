"""Where a scenario is played: a whole product of its own, on either set, one process of which has a failpoint."""

import json
import os
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import httpx

from smsgw.failpoints import VARIABLE
from smsgw.simulator.settings import SimulatorSettings
from tests.failpoints.forked import ForkedProcess, ForkedProduct
from tests.failpoints.scenarios import IDEMPOTENCY_LEASE_SECONDS, LEASE_SECONDS, PROVIDER_TIMEOUT_SECONDS, Scenario
from tests.failpoints.simulators import Simulators
from tests.invariants import Books, Call, Caller, read_books
from tests.invariants.ledgers import Quota
from tests.invariants.reading import read_journal
from tests.journey.process import Process, http, until
from tests.journey.product import FAST, KEY, MAGIC, TEXT
from tests.servers import free_port

PROVIDER = "Provider-A"
SECRET = f"key-of-{PROVIDER}"
LATENCY_SECONDS = 0.4
"""So long after a request the provider takes the message, and answers."""
TIMERS = {
    **FAST,
    "LOG_LEVEL": "info",
    "PROVIDER_TIMEOUT_SECONDS": str(PROVIDER_TIMEOUT_SECONDS),
    "LEASE_SECONDS": str(LEASE_SECONDS),
    "IDEMPOTENCY_LEASE_SECONDS": str(IDEMPOTENCY_LEASE_SECONDS),
}
SLACK = 3 * float(os.environ.get("SMSGW_TEST_SLACK", "1"))
"""How much slower than promised answers may come: several products start side by side while one is asked."""
SECONDS = 60.0
"""How long anything may take on a slow machine."""


class Stand(ABC):
    """A product with one process that breaks. Callers come to `gateway`, providers to `worker`."""

    ground: ClassVar[str]
    gateway: Process
    worker: Process
    victim: Process
    other_gateway: Process
    """Another way in, where there is one."""
    other_worker: Process
    """Where a provider tries after it got no answer."""

    def __init__(self, directory: Path, scenario: Scenario, providers: Simulators, services: Mapping[str, str]) -> None:
        self.scenario = scenario
        self.product = ForkedProduct(directory, services)
        self.processes = self.product.processes
        self._directory = directory
        self._journal = directory / f"{PROVIDER}.journal"
        self._provider_port = free_port()
        self._providers = providers
        self._can_look_up = "hold" not in scenario.variant
        self._armed = {VARIABLE: scenario.failpoint}
        self.product.environ |= TIMERS | ({} if self._can_look_up else {"ON_UNKNOWN": "hold"})
        self.product.clients[KEY]["daily_quota"] = 100
        options = {"base_url": f"http://127.0.0.1:{self._provider_port}", "api_key": SECRET}
        self.product.configure(PROVIDER, kind="provider_a", options=options)

    def open(self) -> None:
        """Start everything; the providers of a message that is to wait come later."""
        if not self.scenario.point.startswith("S"):
            self.open_provider()
        self._start()
        for process in self.processes:
            process.wait_ready(SECONDS)

    def caller(self, gateway: Process) -> Caller:
        """Return a caller of this gateway."""
        return Caller(self.product.clients, gateway)

    def open_provider(self) -> None:
        """Let the provider take messages."""
        settings = SimulatorSettings(
            port=self._provider_port,
            api_key=SECRET,
            latency=LATENCY_SECONDS,
            jitter=0,
            look_up=self._can_look_up,
            journal=self._journal,
        )
        self._providers.start(settings)

    def message_id(self, tracking_id: str) -> str | None:
        """Return the provider's id of a message, once it has taken it."""
        lines = self._journal.read_text().splitlines() if self._journal.exists() else []
        taken = [json.loads(line)["accepted"] for line in lines if tracking_id in line]
        return str(taken[0]["message_id"]) if taken else None

    def until_reached(self, call: Callable[[], Call]) -> Call:
        """Call again while the answer is 503 without the point having been reached: files are slow when many products
        commit to one disk, and the limits of the embedded set give up after 0.3 s."""
        last = call()
        while last.status == 503 and not self.reached():
            last = call()
        return last

    @abstractmethod
    def _start(self) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """End every process and remove what is not in the directory."""

    @abstractmethod
    def _read(self, calls: Sequence[Call], known: Mapping[str, Any]) -> Books: ...

    def await_death(self) -> int:
        """Wait until the process that breaks is gone; return how it ended."""
        return self.victim.popen.wait(SECONDS)

    def restart(self) -> None:
        """Start the dead process again, without its failpoint."""
        self.victim.environ.pop(VARIABLE)
        self.victim.restart().wait_ready(SECONDS)

    def await_point(self) -> None:
        """Wait until the point is reached."""
        until(self.reached, seconds=SECONDS, what=lambda: f"{self.scenario}\n{self.log_tails()}")

    def is_frozen(self) -> bool:
        """Whether the process that breaks leaves a simple question unanswered."""
        try:
            http.get(self.victim.url + "/healthz", timeout=0.5)
        except httpx.TimeoutException:
            return True
        return False

    def reached(self) -> list[datetime]:
        """Return when the point was reached, for each time."""
        lines = [each for each in self.victim.log_path.read_text().splitlines() if "failpoint.reached" in each]
        return [datetime.fromisoformat(json.loads(each)["timestamp"]) for each in lines]

    def lines(self) -> list[str]:
        """Return the message of every line that any process has logged."""
        return [line["message"] for process in self.processes for line in process.log_lines()]

    def log_tails(self) -> str:
        """Return the end of every log."""
        return "\n".join(f"=== {each.name} {each.url}\n{each.log_tail()}" for each in self.processes)

    def books(self, calls: Sequence[Call]) -> Books:
        """Return all ledgers as they are now."""
        asleep = timedelta(seconds=self.scenario.seconds + 0.5 if self.scenario.action == "sleep" else 0)
        known = {
            "accepts": read_journal(PROVIDER, self._journal) if self._journal.exists() else [],
            "ledgered": frozenset({PROVIDER}),
            "stalls": [(moment, moment + asleep) for moment in self.reached()],
            "is_resending": self._can_look_up,
            "slack": SLACK,
        }
        return self._read(calls, known)


class Production(Stand):
    """RabbitMQ, PostgreSQL and Redis, shared with others under names of its own; a process for each role."""

    ground = "production"

    def _start(self) -> None:
        at_gateway, at_worker = (self._armed, {}) if self.scenario.is_at_gateway else ({}, self._armed)
        self.gateway = self.product.gateway(**at_gateway)
        self.other_gateway = self.product.gateway() if at_gateway else self.gateway
        self.worker = self.product.worker(**at_worker)
        self.victim = self.gateway if at_gateway else self.worker
        self.other_worker = self._sweeper() if at_worker and self.scenario.action == "sleep" else self.worker

    def _sweeper(self) -> Process:
        """Start a worker that gets nothing from the queue, so that what meets the point meets it in the other one."""
        return self.product.worker(QUEUE_URL=f"sqlite:///{self._directory / 'empty.db'}")

    def close(self) -> None:
        self.product.close()

    def _read(self, calls: Sequence[Call], known: Mapping[str, Any]) -> Books:
        return read_books(self.product, calls, **known)


class Embedded(Stand):
    """`smsgw dev`: one process, one SQLite file."""

    ground = "embedded"

    def _start(self) -> None:
        configuration = {
            "CLIENT_CONFIG": json.dumps(self.product.clients),
            "PROVIDERS_CONFIG": json.dumps(self.product.providers),
        }
        port = free_port()
        arguments = ["dev", "--port", str(port), "--data", str(self._directory)]
        environ = {**self.product.environ, **configuration, **self._armed}
        dev = ForkedProcess("dev", arguments, environ, self._directory, f"http://127.0.0.1:{port}")
        self.gateway = self.other_gateway = self.worker = self.other_worker = self.victim = dev
        self.processes.append(dev)

    def close(self) -> None:
        for process in self.processes:
            process.end()

    def _read(self, calls: Sequence[Call], known: Mapping[str, Any]) -> Books:
        return read_books(
            self._directory,
            calls,
            quotas=self._quotas(),
            unready=self.victim.problems(),
            texts={"dev": self.victim.log_path.read_text()},
            secrets=[*self.product.clients, SECRET, MAGIC.removeprefix("+"), TEXT.split()[0]],
            **known,
        )

    def _quotas(self) -> list[Quota]:
        limits = {str(each["id"]): int(each["daily_quota"]) for each in self.product.clients.values()}
        with closing(sqlite3.connect(f"file:{self._directory / 'smsgw.db'}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT name, day, used FROM limits_quotas").fetchall()
        named = [(name.rpartition(":")[2], day, used) for name, day, used in rows]
        return [Quota(client_key=client, day=day, used=used, limit=limits[client]) for client, day, used in named]
