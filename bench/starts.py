"""How fast everything starts and how much it holds."""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import gateways
import tools

Say = Callable[[str], None]
TIMES = 10


def run(ground: dict[str, str], directory: Path, *, say: Say) -> None:
    """Time `smsgw --help`, and gateway and worker from their start to ready."""
    settings = gateways.environ(ground, "http://127.0.0.1:9")
    say(f"== starts: medians of {TIMES} ==")
    say(f"smsgw --help        {statistics.median(_help() for _ in range(TIMES)):.2f} s")
    for name in ("gateway", "worker"):
        found = [_start(name, settings, directory) for _ in range(TIMES)]
        seconds, memory = (statistics.median(column) for column in zip(*found, strict=True))
        say(f"{name:<8} to ready    {seconds:.2f} s, {memory:.0f} MB then")


def _help() -> float:
    began = time.perf_counter()
    subprocess.run([Path(sys.executable).with_name("smsgw"), "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def _start(name: str, settings: dict[str, str], directory: Path) -> tuple[float, float]:
    began = time.perf_counter()
    running = gateways.Role(name, settings, directory)
    with running.child:
        tools.until(running.is_ready, f"{name} ready")
        seconds = time.perf_counter() - began
        return seconds, running.child.usage().resident_bytes / 2**20
