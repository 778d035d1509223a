"""Processes of the product that start in a moment: forked from one that has imported it already.

A scenario needs up to four starts, and there are over a hundred scenarios: importing each time would be most of the
suite's work. Nothing else differs from `python -m smsgw`: own process, own environment, own loop, own death.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smsgw.cli import main
from tests.journey.process import Process
from tests.journey.product import Product

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(
    ["pytest", "smsgw.cli", "smsgw.wiring.dev", "smsgw.wiring.gateway", "smsgw.wiring.worker", __name__]
)


class Forked:
    """What Process uses of a subprocess.Popen."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str], directory: Path, log_path: Path) -> None:
        self._process = _context.Process(target=_run, args=(list(arguments), dict(environ), directory, log_path))
        self._process.start()
        self.pid = self._process.pid
        self.kill = self._process.kill
        self.terminate = self._process.terminate

    @property
    def returncode(self) -> int | None:
        """How it ended, if it has; a negative number names a signal."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return how it ended, or None."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return how it ended, once it has."""
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired("smsgw", timeout or 0)
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        if self.pid is not None:
            os.kill(self.pid, number)


class ForkedProcess(Process):
    """A Process that is forked instead of executed."""

    def _spawn(self) -> Any:
        return Forked(self._arguments[2:], self.environ, self._directory, self.log_path)


class ForkedProduct(Product):
    """A Product whose roles are forked."""

    def _start(self, name: str, arguments: list[str], environ: Mapping[str, str], url: str) -> Process:
        merged = {**self.environ, **self._configuration(environ), **environ}
        process = ForkedProcess(name, arguments, merged, self.directory, url)
        self.processes.append(process)
        return process


def _run(arguments: Sequence[str], environ: Mapping[str, str], directory: Path, log_path: Path) -> None:
    """Become `python -m smsgw ARGUMENTS`."""
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(directory)
    log = os.open(log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv = list(arguments)
    main()
