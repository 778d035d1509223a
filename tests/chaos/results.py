"""Several runs as a file to keep and a table to publish."""

import os
import platform
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import psutil

from tests.chaos.run import Result
from tests.chaos.tally import COLUMNS, Tally


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One run in a results file."""

    seed: int
    seconds: float
    began_at: datetime
    faults: int
    quiet_seconds: float
    tally: Tally
    audit_code: int
    violations: tuple[str, ...]


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """A results file."""

    machine: str
    commit: str
    command: str
    runs: tuple[Line, ...]


def line(result: Result) -> Line:
    """Return what is kept of a run."""
    return Line(
        seed=result.plan.seed,
        seconds=result.plan.seconds,
        began_at=result.began_at,
        faults=len(result.happenings),
        quiet_seconds=round(result.quiet_seconds, 1),
        tally=result.tally,
        audit_code=result.audit_code,
        violations=tuple(result.violations),
    )


def save(results: Results, path: Path) -> None:
    """Write the file, and the table beside it under the same name with `.md`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
    path.with_suffix(".md").write_text(markdown(results))


def markdown(results: Results) -> str:
    """Return the table with its sum and what must be known to read it."""
    names = ("seed", "faults", *COLUMNS, "audit", "quiet after", "violations")
    rows = [_cells(each) for each in results.runs]
    sums: list[Any] = ["all", sum(each.faults for each in results.runs)]
    sums += [sum(getattr(each.tally, column) for each in results.runs) for column in COLUMNS]
    sums += [max((each.audit_code for each in results.runs), default=0), "", _violations(results.runs)]
    table = [
        names,
        ["---", *["---:"] * (len(names) - 1)],
        *rows,
        [f"**{each}**" if each != "" else "" for each in sums],
    ]
    days = sorted({f"{each.began_at:%Y-%m-%d}" for each in results.runs})
    made = f"Made by `{results.command}` on {', '.join(days)}, commit {results.commit}, {results.machine}."
    return "\n".join([*("| " + " | ".join(map(str, row)) + " |" for row in table), "", made, ""])


def machine() -> str:
    """Say what this machine is."""
    cores, memory = os.cpu_count(), psutil.virtual_memory().total / 2**30
    return (
        f"{cores} cores, {memory:.0f} GB, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
    )


def _cells(run: Line) -> list[Any]:
    counts = [getattr(run.tally, column) for column in COLUMNS]
    return [run.seed, run.faults, *counts, run.audit_code, f"{run.quiet_seconds:.0f} s", len(run.violations)]


def _violations(runs: Sequence[Line]) -> int:
    return sum(len(each.violations) for each in runs)
