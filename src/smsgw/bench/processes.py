"""The processes of a bench: started, watched for CPU and memory, and gone at the end whatever happened."""

import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

STOP_SECONDS = 10.0
_HTTP_SECONDS = 5.0
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Usage(msgspec.Struct, frozen=True):
    """What a process has used since its start, and the memory it holds now."""

    cpu_seconds: float
    resident_bytes: int


class BenchError(Exception):
    """The bench cannot go on; the message is one line for the terminal."""


class Child:
    """One process of ours. What it says goes to `<name>.log` in the bench's directory, unless it is read."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        directory: Path,
        *,
        is_read: bool = False,
        python: str = sys.executable,
    ) -> None:
        self.name = name
        self.log_path = directory / f"{name}.log"
        with self.log_path.open("ab") as log:
            # A session of its own: Ctrl-C on the terminal is ours to pass on, in order.
            self.popen = subprocess.Popen(  # noqa: S603  (this interpreter and our own arguments)
                [python, *arguments],
                env=dict(environ),
                cwd=directory,
                stdin=subprocess.PIPE if is_read else subprocess.DEVNULL,
                stdout=subprocess.PIPE if is_read else log,
                stderr=log,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Stop it, by force when it does not stop by itself; by its own pid only."""
        for stream in (self.popen.stdin, self.popen.stdout):
            if stream is not None and not stream.closed:
                stream.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.popen.poll() is not None:
                return
            self.popen.send_signal(number)
            try:
                self.popen.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue

    def check(self) -> None:
        """Raise BenchError with the end of its log when it has ended."""
        if self.popen.poll() is None:
            return
        said = self.log_path.read_text("utf-8", "replace").strip().splitlines()
        raise BenchError(f"{self.name} ended with {self.popen.returncode}: {said[-1][:300] if said else 'no output'}")

    def usage(self) -> Usage:
        """Return what it has used so far."""
        return usage(self.popen.pid)


def get(url: str) -> tuple[int, bytes]:
    """Return status and body of a GET; status 0 when nobody answers."""
    try:
        with _direct.open(url, timeout=_HTTP_SECONDS) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except OSError:
        return 0, b""


def usage(pid: int) -> Usage:
    """Return what a running process has used: from /proc, or from ps(1) where there is none. Raises BenchError."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except FileNotFoundError:
        return _usage_by_ps(pid)
    ticks = os.sysconf("SC_CLK_TCK")
    return Usage((int(fields[11]) + int(fields[12])) / ticks, pages * os.sysconf("SC_PAGE_SIZE"))


def _usage_by_ps(pid: int) -> Usage:
    command = ["/bin/ps", "-o", "time=,rss=", "-p", str(pid)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()  # noqa: S603  (a pid)
    if len(said) != 2:
        raise BenchError(f"process {pid} is gone")
    seconds = 0.0
    for part in said[0].replace("-", ":").split(":"):
        seconds = seconds * 60 + float(part)
    return Usage(seconds, int(said[1]) * 1024)
