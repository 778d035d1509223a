"""`make bench`: the production set beside the reference, end to end, a backlog, and how fast everything starts.

    .venv/bin/python bench/run.py                        everything, about ten minutes; output also in bench/results/
    .venv/bin/python bench/run.py accept --rounds 1 --seconds 3

Needs wrk, nginx, and RabbitMQ, Redis and PostgreSQL on loopback with their usual ports; QUEUE_URL, DATABASE_URL and
LIMITS_URL name others (the reference knows only those on loopback). Load and provider are C programs; their CPU is
printed apart. Nothing else should run on the machine.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import accept
import endtoend
import gateways
import starts
import statements
import tools

from smsgw.wiring.bench import NO_LIMITS, ended_by_sigterm
from smsgw.wiring.bench_ground import Ground
from smsgw.wiring.migrate import run_migrate

RESULTS = Path(__file__).parent / "results"
PARTS = ("accept", "sustained", "highest", "drain", "statements", "starts")


class Log:
    """Prints every line, and keeps it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: str) -> None:
        """Print and keep one line."""
        print(line, flush=True)
        self.lines.append(line)


def main() -> None:
    """Run the parts asked for, in their order."""
    asked = _arguments()
    tools.require_tools()
    say = Log()
    _introduce(say)
    services = {name: os.environ.get(name, default) for name, default in gateways.SERVICES.items()}
    with ended_by_sigterm(), tempfile.TemporaryDirectory(prefix="smsgw-bench-") as name:
        Path(name).chmod(0o755)  # nginx works as another user
        ground = Ground(services, Path(name), say=say)
        ground.open()
        try:
            for line in ground.durability():
                say(line)
            say("rates     " + " ".join(f"{each}={value}" for each, value in NO_LIMITS.items()))
            run_migrate(ground.database_url, wait_seconds=10, say=lambda _line: None)
            _run(asked, ground.environ, Path(name), say)
        finally:
            ground.close()
    say(f"load average at the end: {_load()}")
    if asked.save:
        path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}-{asked.save}.txt"
        path.write_text("\n".join(say.lines) + "\n")
        print(f"saved as {path}")


def _run(asked: argparse.Namespace, ground: dict[str, str], directory: Path, say: Log) -> None:
    if "accept" in asked.parts:
        say("")
        accept.run(ground, directory, rounds=asked.rounds, seconds=asked.seconds, say=say)
    if "sustained" in asked.parts:
        say("")
        endtoend.sustained(ground, directory, seconds=asked.sustained_seconds, say=say)
    if "highest" in asked.parts:
        say("")
        endtoend.highest(ground, directory, say=say)
    if "drain" in asked.parts:
        say("")
        endtoend.drain(ground, directory, messages=asked.backlog, say=say)
    if "statements" in asked.parts:
        say("")
        statements.run(ground, say=say)
    if "starts" in asked.parts:
        say("")
        starts.run(ground, directory, say=say)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; none means all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10, help="of one round of accept")
    parser.add_argument("--sustained-seconds", type=float, default=60)
    parser.add_argument("--backlog", type=int, default=200_000)
    parser.add_argument("--save", metavar="WORD", help="keep the output as bench/results/<date>-WORD.txt")
    asked = parser.parse_args()
    unknown = set(asked.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    asked.parts = asked.parts or list(PARTS)
    return asked


def _introduce(say: Log) -> None:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    say(f"smsgw bench, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, commit {commit.stdout.strip() or '?'}")
    say(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    say(f"command: {' '.join(sys.argv)}")
    say(f"load average before: {_load()}")


def _load() -> str:
    return " ".join(f"{each:.2f}" for each in os.getloadavg())


if __name__ == "__main__":
    main()
