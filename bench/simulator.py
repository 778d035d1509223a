"""How many requests `smsgw mock-provider` answers per second of its CPU: `python bench/simulator.py`.

The promise is 5,000 per CPU second on both ways in, with latency 0. Beside it: with a rate limit that lets everything
through, with a journal, and with a delivery report for every message (to an nginx that says 200): each is an HTTP
request of its own, and the line below tells how many were sent meanwhile. Needs wrk and nginx.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import tools

from smsgw.bench.processes import Child, Usage, get

PROMISED = 5000
CONNECTIONS = 32
LUA = Path(__file__).with_suffix(".lua")


def main() -> None:
    """Measure and print; exit 1 when a promise is not kept."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    tools.require_tools()
    print(
        f"load average {os.getloadavg()[0]:.2f}; wrk -t1 -c{CONNECTIONS}, {given.rounds} rounds x {given.seconds:g} s"
    )
    print(f"{'what':<34}{'answered/s':>11}{'p50 ms':>8}{'p99 ms':>8}{'CPU ms/req':>11}{'req/CPU s':>10}{'MB':>6}")
    with tempfile.TemporaryDirectory() as name, tools.nginx(Path(name)) as (url, _):
        directory = Path(name)
        promised = [
            _measure("phone_text", "phone_text", [], given, directory),
            _measure("provider_a", "provider_a", [], given, directory),
        ]
        limited = ["--rate-limit", "100000"]
        _measure("provider_a, a limit", "provider_a", limited, given, directory)
        _measure("provider_a, a journal", "provider_a", ["--journal", str(directory / "journal")], given, directory)
        _measure("provider_a, a report for each", "provider_a", ["--webhook-url", f"{url}/reports"], given, directory)
    print(f"promised: {PROMISED:,} per CPU second with neither journal nor reports: {min(promised):,.0f}")
    sys.exit(min(promised) < PROMISED)


def _measure(what: str, dialect: str, flags: list[str], given: Any, directory: Path) -> float:
    """Run a simulator of its own under load; print the medians and return the requests per CPU second."""
    port = tools.free_port()
    command = ["-m", "smsgw", "mock-provider", "--port", str(port), "--latency", "0", *flags]
    with Child("simulator", command, dict(os.environ), directory) as child:
        tools.until(lambda: tools.listens(port) or child.check(), "the simulator")
        _load(port, dialect, 1)
        rows = [_round(child, port, dialect, given.seconds) for _ in range(given.rounds)]
        resident = child.usage().resident_bytes / 2**20
        _check(port, what)
        reports = _reports(port)
    rate, p50, p99, cpu = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"{what:<34}{rate:>11,.0f}{p50:>8.2f}{p99:>8.2f}{cpu:>11.4f}{1000 / cpu:>10,.0f}{resident:>6.0f}")
    if reports:
        print(f"  reports sent so far: {reports:,}")
    return 1000 / cpu


def _reports(port: int) -> int:
    """Return how many reports the webhook has taken."""
    page = get(f"http://127.0.0.1:{port}/metrics")[1].decode()
    return sum(map(int, re.findall(r"^smsgw_simulator_reports_sent_total\{.*\} (\d+)$", page, re.MULTILINE)))


def _round(child: Child, port: int, dialect: str, seconds: float) -> tuple[float, float, float, float]:
    before: Usage = child.usage()
    saw = _load(port, dialect, seconds)
    cpu = tools.used(before, child.usage())
    return saw["answered"] / saw["us"] * 1e6, saw["p50"], saw["p99"], cpu / saw["answered"] * 1000


def _load(port: int, dialect: str, seconds: float) -> dict[str, Any]:
    command = [str(tools.program("wrk")), "-t1", f"-c{CONNECTIONS}", f"-d{seconds:g}s", "-s", str(LUA)]
    ran = subprocess.run(
        [*command, f"http://127.0.0.1:{port}"],
        env={**os.environ, "DIALECT": dialect},
        capture_output=True,
        text=True,
        check=False,
    )
    said = re.search(r"^JSON (.*)$", ran.stdout, re.MULTILINE)
    if said is None:
        sys.exit(f"wrk failed: {ran.stdout}{ran.stderr}")
    saw: dict[str, Any] = json.loads(said[1])
    if saw["refused"] or saw["errors"]:
        sys.exit(f"not everything was accepted: {saw}")
    return saw


def _check(port: int, what: str) -> None:
    """End the bench when the simulator's own books say that it refused anything."""
    summary = json.loads(get(f"http://127.0.0.1:{port}/ledger/summary")[1])
    if refused := sum(each["refused"] for each in summary.values()):
        sys.exit(f"{what}: {refused} refused: {summary}")


if __name__ == "__main__":
    main()
