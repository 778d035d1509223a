"""Carries a schedule out: every fault in a thread of its own, on time, whatever the others are doing."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from tests.chaos.schedule import Fault
from tests.faults.proxy import Proxy
from tests.journey.process import Process, until
from tests.servers import OwnPostgres, OwnRabbitmq, OwnServer

DELAY_SECONDS = 0.1


class Happening(msgspec.Struct, frozen=True):
    """A fault as it was: `ended_at` is when what was done had been undone, readiness not included."""

    fault: Fault
    began_at: datetime
    ended_at: datetime


class Component(Protocol):
    """Something that can be broken. All methods block."""

    def begin(self, kind: str) -> None:
        """Break it."""

    def end(self, kind: str) -> None:
        """Undo that."""

    def heal(self) -> None:
        """Make it whole, whatever was done; does nothing when it is."""


class Role:
    """A gateway, a worker or a provider."""

    def __init__(self, process: Process) -> None:
        self.process = process

    def begin(self, kind: str) -> None:
        """Kill, stop or freeze it."""
        if kind == "freeze":
            self.process.popen.send_signal(signal.SIGSTOP)
        else:
            acts: dict[str, Callable[[], object]] = {"kill": self.process.kill, "stop": self.process.stop}
            acts[kind]()

    def end(self, kind: str) -> None:
        """Thaw it or start it again."""
        self.heal()

    def heal(self) -> None:
        """Only what was ended on purpose starts again: a role that ended by itself is a finding."""
        if self.process.popen.poll() is None:
            self.process.popen.send_signal(signal.SIGCONT)
        elif self.process.popen.returncode in (0, -signal.SIGKILL):
            self.process.restart()


class Service:
    """Redis, RabbitMQ or PostgreSQL."""

    def __init__(self, server: OwnServer) -> None:
        self.server = server

    def begin(self, kind: str) -> None:
        """Kill, restart, freeze, starve it, or stop it as `pg_ctl -m immediate` does."""
        if kind == "immediate stop":
            assert isinstance(self.server, OwnPostgres)
            os.kill(self.server.pids[0], signal.SIGQUIT)
            until(lambda: not self.server.is_running, seconds=15, what="the end of PostgreSQL")
        elif kind == "alarm":
            self._watermark("0")
        else:
            acts = {"kill": self.server.kill, "restart": self.server.stop, "freeze": self.server.freeze}
            acts[kind]()

    def end(self, kind: str) -> None:
        """Start, thaw or feed it."""
        if kind == "alarm":
            self._watermark("0.4")
        else:
            self.heal()

    def heal(self) -> None:
        """Have it run."""
        self.server.thaw()
        self.server.start()

    def _watermark(self, share: str) -> None:
        assert isinstance(self.server, OwnRabbitmq)
        self.server.ctl("set_vm_memory_high_watermark", share)


class Link:
    """The way from one side to the other, through a proxy."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy

    def begin(self, kind: str) -> None:
        """Reset all connections, let one side forget them, let nothing through, or everything late."""
        acts: dict[str, Callable[[], None]] = {
            "cut": self._proxy.cut,
            "half open": self._proxy.half_open,
            "partition": self._proxy.swallow,
        }
        acts["delay"] = lambda: self._proxy.delay(DELAY_SECONDS)
        acts[kind]()

    def end(self, kind: str) -> None:
        """Let everything through again."""
        self.heal()

    def heal(self) -> None:
        """Let everything through."""
        self._proxy.heal()


class Nemesis:
    """Begins with the constructor; `wait` gives what happened."""

    def __init__(self, faults: Sequence[Fault], components: Mapping[str, Component]) -> None:
        self._components = components
        self._began = time.monotonic()
        self._calm = threading.Event()
        self._locks = {name: threading.Lock() for name in components}
        self._pool = ThreadPoolExecutor(max(1, len(faults)))
        self._happenings: list[Future[Happening | None]] = [self._pool.submit(self._carry_out, each) for each in faults]

    def wait(self) -> list[Happening]:
        """Wait until every fault is over; raises what went wrong on the nemesis's own side."""
        done = [each.result() for each in self._happenings]
        self._pool.shutdown()
        return sorted((each for each in done if each), key=lambda each: each.began_at)

    def stop(self) -> None:
        """Begin nothing more, end what has begun, and wait for that."""
        self._calm.set()
        self._pool.shutdown()

    def _carry_out(self, fault: Fault) -> Happening | None:
        if self._calm.wait(max(0.0, fault.at - (time.monotonic() - self._began))):
            return None
        component = self._components[fault.component]
        # On a busy machine a server takes longer to come back than the schedule thinks.
        with self._locks[fault.component]:
            began_at = datetime.now(UTC)
            component.begin(fault.kind)
            self._calm.wait(fault.seconds)
            component.end(fault.kind)
            return Happening(fault, began_at, datetime.now(UTC))
