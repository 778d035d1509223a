"""One role of the product as a process: started, asked, killed, frozen, and what it said."""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

# No kept connections: a process that was killed and started again must not be met through a dead one.
# Said to the server, too: the pool may give one thread a connection that it closes for another.
http = httpx.Client(
    limits=httpx.Limits(max_keepalive_connections=0), headers={"Connection": "close"}, timeout=10, trust_env=False
)
"""Every call of these tests goes through it; may be used by several threads."""


def until(
    condition: Callable[[], T | None],
    *,
    seconds: float = 15,
    what: str | Callable[[], str] = "the condition",
    every: float = 0.05,
) -> T:
    """Return the first true value of `condition`; raises AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(every)
    raise AssertionError(f"not within {seconds} s: {what if isinstance(what, str) else what()}")


class Process:
    """One role as a process of its own; its log goes to a file that a failing test shows."""

    def __init__(self, name: str, arguments: list[str], environ: Mapping[str, str], directory: Path, url: str) -> None:
        self.name = name
        self.url = url
        self.log_path = directory / f"{name}-{secrets.token_hex(2)}.log"
        self._arguments = [sys.executable, "-m", "smsgw", *arguments]
        self.environ = {**clean_environment(), **environ}
        self._directory = directory
        self.popen: subprocess.Popen[bytes] = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        with self.log_path.open("ab") as log:
            return subprocess.Popen(
                self._arguments, env=self.environ, cwd=self._directory, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_ready(self, seconds: float = 30) -> "Process":
        """Wait until /readyz answers 200."""
        until(lambda: self._answers("/readyz"), seconds=seconds, what=lambda: f"{self.name} ready\n{self.log_tail()}")
        return self

    def wait_alive(self, seconds: float = 30) -> "Process":
        """Wait until /healthz answers 200."""
        until(lambda: self._answers("/healthz"), seconds=seconds, what=lambda: f"{self.name} alive\n{self.log_tail()}")
        return self

    def wait_unready(self, *, naming: str, seconds: float = 15) -> "Process":
        """Wait until /readyz answers 503 and names a dependency."""
        until(lambda: naming in self.problems(), seconds=seconds, what=lambda: f"{naming} named: {self.problems()}")
        return self

    def problems(self) -> dict[str, str]:
        """Return what /readyz complains about; empty when it is ready."""
        answer = http.get(self.url + "/readyz")
        return {} if answer.status_code == 200 else dict(answer.json()["details"])

    def metric(self, line: str) -> float | None:
        """Return one value of /metrics by its name and labels as they are printed; None while it is not there."""
        page = http.get(self.url + "/metrics").text.splitlines()
        found = [each.removeprefix(line) for each in page if each.startswith(line + " ")]
        return float(found[0]) if found else None

    def _answers(self, path: str) -> bool:
        if self.popen.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.popen.returncode}:\n{self.log_tail()}")
        try:
            return http.get(self.url + path, timeout=2).status_code == 200
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        """SIGKILL."""
        self.popen.kill()
        self.popen.wait(10)

    def restart(self) -> "Process":
        """Start it again after a kill or a stop, with what its `environ` says by now."""
        assert self.popen.poll() is not None
        self.popen = self._spawn()
        return self

    def stop(self, seconds: float = 25) -> int:
        """SIGTERM, and return the exit code."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(seconds)

    def end(self) -> None:
        """Leave nothing behind."""
        if self.popen.poll() is not None:
            return
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
        """Return the end of its log for a failing test, without the chatter."""
        lines = self.log_path.read_text().splitlines() if self.log_path.exists() else []
        return "\n".join([line for line in lines if '"level":"debug"' not in line][-15:])


def clean_environment() -> dict[str, str]:
    """Return the environment without anything that would configure smsgw."""
    keep = ("PATH", "HOME", "LANG", "VIRTUAL_ENV", "PYTHONPATH", "TMPDIR")
    return {name: value for name, value in os.environ.items() if name in keep}
