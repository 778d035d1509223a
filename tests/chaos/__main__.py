"""`make chaos`, `python -m tests.chaos`: run the nemesis by hand."""

import argparse
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.chaos.page import page
from tests.chaos.results import Results, line, machine, save
from tests.chaos.run import Plan, Result, run

console = Console()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the seeds one after the other; 0 when nothing was violated."""
    chosen = _parser().parse_args(arguments)
    # A run that is told to stop takes its servers and processes with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    done: list[Result] = []
    for seed in chosen.seeds or [chosen.seed if chosen.seed is not None else secrets.randbelow(10**6)]:
        plan = Plan(seed=seed, seconds=chosen.seconds, heal=chosen.heal, rate=chosen.rate)
        result = _watched(plan)
        done.append(result)
        _tell(result, chosen.report or Path(tempfile.gettempdir()) / f"smsgw-chaos-{seed}.html")
        if chosen.save:
            _save(done, chosen.save)
    return 1 if any(each.violations for each in done) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="decides load and faults; without it one is drawn and printed")
    parser.add_argument("--seeds", type=_range, help="several, as 1-10")
    parser.add_argument("--seconds", type=float, default=60, help="how long load and faults last (60)")
    parser.add_argument("--heal", type=float, default=60, help="within how many seconds all must be quiet after (60)")
    parser.add_argument("--rate", type=float, default=40, help="requests a second (40)")
    parser.add_argument("--report", type=Path, help="where the HTML report goes; else beside other temporary files")
    parser.add_argument("--save", type=Path, help="a results file; its table goes beside it as .md")
    return parser


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def _watched(plan: Plan) -> Result:
    bars = (TextColumn("seed {task.fields[seed]}"), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*bars, console=console, transient=True) as progress:
        task = progress.add_task("", total=1.0, seed=plan.seed)
        return run(plan, lambda what, share: progress.update(task, description=what, completed=share))


def _tell(result: Result, report: Path) -> None:
    table = Table(f"seed {result.plan.seed}", "", box=SIMPLE)
    for name, count in msgspec.structs.asdict(result.tally).items():
        table.add_row(name, str(count))
    table.add_row("faults", str(len(result.happenings)))
    table.add_row("smsgw audit", f"exit code {result.audit_code}")
    console.print(table)
    for violation in result.violations:
        console.print(violation, style="red", markup=False, highlight=False)
    if result.violations:
        console.print(f"logs are kept in {result.directory}", markup=False)
    report.write_text(page(result, machine()))
    console.print(f"report: {report}", markup=False)


def _save(done: Sequence[Result], path: Path) -> None:
    command = "python -m tests.chaos " + " ".join(sys.argv[1:])
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    runs = tuple(line(each) for each in done)
    save(Results(machine=machine(), commit=commit.stdout.strip() or "unknown", command=command, runs=runs), path)


if __name__ == "__main__":
    sys.exit(main())
