"""What failpoints cost while they are not armed: on the way of a request and on the way of a message.

    .venv/bin/python bench/failpoints.py [--rounds 5] [--save WORD]

Two ways to ask, neither with a socket. *Counted*: nanoseconds of one call, times the calls on the way of a message that
shares no batch, against the CPU of that way with limits and queue in memory and the store in a SQLite file, 32 messages
at a time: less than any real one takes. *Compared*: the CPU of the same ways in this source and in a copy without the
calls, in turn. Ends with 1 when the counted share is 1 % or more; the compared one is as exact as the machine is quiet.
"""

import argparse
import ast
import asyncio
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from timeit import repeat
from typing import Any

import uvloop
import ways

from smsgw import failpoints
from smsgw.transports.sql import open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate

HERE = Path(__file__).parent
CALLS = {"gateway": {"reach": 5, "under_way": 2}, "worker": {"reach": 6, "under_way": 3}}
"""On the way of one request with a key and a quota, and of one message: G1 G2 G3 G5 G6 and G4 G7; W1 W2 W3 W4 W6 W8
and W5 W7 and the commit of the intake, which has no point. Batches share G4, W1 to W3, W7 and that commit."""
ALLOWED = 0.01
RUNS = 7


def main() -> None:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", metavar="WORD", help="keep the output as bench/results/<date>-WORD.txt")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        print(json.dumps(uvloop.run(_measure())))
        return
    lines, share = _report(asked.rounds)
    print("\n".join(lines))
    if asked.save:
        path = HERE / "results" / f"{datetime.now(UTC):%Y-%m-%d}-{asked.save}.txt"
        path.write_text("\n".join(lines) + "\n")
    sys.exit(share >= ALLOWED)


def _report(rounds: int) -> tuple[list[str], float]:
    cost = {"reach": _nanoseconds(_reach), "under_way": _nanoseconds(_under_way)}
    with_points, without = _compare(rounds)
    lines = [
        f"failpoints, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, load {_load()}",
        f"one call, not armed: reach {cost['reach']:.0f} ns, under_way {cost['under_way']:.0f} ns",
        f"{'way':<9}{'CPU us':>8}{'calls':>7}{'cost us':>9}{'share':>8}   {'without the calls':>18}{'compared':>10}",
    ]
    highest = 0.0
    for way, counts in CALLS.items():
        spent = sum(count * cost[kind] for kind, count in counts.items()) / 1000
        share = spent / with_points[way]
        highest = max(highest, share)
        compared = with_points[way] / without[way] - 1
        lines.append(
            f"{way:<9}{with_points[way]:>8.1f}{sum(counts.values()):>7}{spent:>9.2f}{share:>8.2%}"
            f"   {without[way]:>15.1f} us{compared:>+10.2%}"
        )
    lines.append(f"allowed: {ALLOWED:.0%} of the CPU, without sockets; with them it is several times more")
    return lines, highest


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


def _nanoseconds(body: Callable[[], object]) -> float:
    """Return what the body costs beyond a body that does nothing."""
    loops = 200_000

    def seconds(call: Callable[[], object]) -> float:
        return min(repeat(call, number=loops, repeat=7, timer=time.process_time))

    return max(0.0, seconds(body) - seconds(_nothing)) / loops * 1e9


def _nothing() -> None:
    return None


def _reach() -> None:
    failpoints.reach("G1")


_OPERATION: Any = object()


def _under_way() -> None:
    failpoints.under_way("G4", _OPERATION)


# --- the same source with and without ---------------------------------------------------------------------------------


def _compare(rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return the least microseconds per message of each way, with the calls and without."""
    source = Path(failpoints.__file__).parent
    found: dict[bool, list[dict[str, float]]] = {True: [], False: []}
    with tempfile.TemporaryDirectory(prefix="smsgw-without-") as name:
        copy = Path(name) / source.name
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for path in copy.rglob("*.py"):
            _strip(path)
        for _ in range(rounds):
            for has_points, place in ((True, source), (False, copy)):
                found[has_points].append(_in_a_process(place.parent))
    with_points, without = ({way: min(each[way] for each in found[side]) for way in CALLS} for side in (True, False))
    return with_points, without


def _strip(path: Path) -> None:
    text = path.read_text()
    if "failpoints." in text:
        path.write_text(ast.unparse(ast.fix_missing_locations(_WithoutPoints().visit(ast.parse(text)))))


class _WithoutPoints(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.stmt:
        """Leave `failpoints.reach(...)` out."""
        return ast.Pass() if _is_call_of("reach", node.value) else self._inner(node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Turn `failpoints.under_way(point, operation)` into the operation."""
        inner: ast.expr = self._inner(node)
        return node.args[1] if _is_call_of("under_way", node) else inner

    def _inner(self, node: Any) -> Any:
        return self.generic_visit(node)


def _is_call_of(name: str, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == f"failpoints.{name}"


def _in_a_process(path: Path) -> dict[str, float]:
    ran = subprocess.run(
        [sys.executable, __file__, "--measure"],
        env={**os.environ, "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(ran.stdout))


async def _measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="smsgw-failpoints-") as name:
        url = f"sqlite:///{name}/bench.db"
        # Alembic runs a loop of its own.
        await asyncio.to_thread(migrate, url, wait_seconds=5, say=lambda _line: None)
        store = DatabaseStore(open_database(url), observer=ways.listen)
        try:
            return {
                "gateway": await _microseconds(ways.Requests()),
                "worker": await _microseconds(ways.Messages(store)),
            }
        finally:
            await store.close()


async def _microseconds(way: Callable[[], Awaitable[None]]) -> float:
    """Return the least CPU of one message in several runs."""
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        await way()
        found.append((time.process_time() - began) / ways.MESSAGES * 1e6)
    return min(found)


if __name__ == "__main__":
    main()
