"""One run: load and faults, heal, quiet, judgement."""

import re
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import psutil
import psycopg
from aiormq.exceptions import AMQPError

from tests.chaos.load import Load
from tests.chaos.nemesis import Happening, Nemesis
from tests.chaos.schedule import schedule
from tests.chaos.stage import Stage, staged
from tests.chaos.tally import Tally, per_second, tally
from tests.invariants import Books, check, read_books
from tests.invariants.reading import queue_depths
from tests.journey.books import grow_older
from tests.journey.process import clean_environment, until

Tell = Callable[[str, float], None]
"""Hears what is being done and which share of it is behind."""
SETTLED_SECONDS = 61
"""`smsgw audit` looks at minutes that began more than 60 s ago."""
_TIMESTAMP = re.compile(r'"timestamp":"[^"]*",')
_OPEN = "SELECT count(*) FROM messages WHERE status IN ('QUEUED', 'PROCESSING', 'UNKNOWN')"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do; the seed decides everything that is random."""

    seed: int
    seconds: float = 60
    heal: float = 60
    """Within how many seconds after the last fault everything must have come to its end."""
    rate: float = 40
    """Requests a second, as far as the callers are not kept waiting."""
    is_audit_waited_for: bool = True
    """Whether `smsgw audit` runs when its time has come; else at once, over a ledger that was made older."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run."""

    plan: Plan
    began_at: datetime
    happenings: Sequence[Happening]
    tally: Tally
    violations: Sequence[str]
    reasons: dict[str, int]
    """Why messages failed."""
    answers: dict[str, int]
    """What callers were answered."""
    quiet_seconds: float
    """From the end of the load until everything had come to its end."""
    audit: str
    audit_code: int
    accepted: Sequence[int]
    """By second."""
    sent: Sequence[int]
    leaks: dict[str, tuple[int, int]]
    """What might leak: before and after."""
    directory: str


def run(plan: Plan, tell: Tell = lambda _what, _share: None) -> Result:
    """Carry a plan out on a stage of its own."""
    tell("starting services and product", 0)
    with staged() as stage:
        resources = _resources(stage)
        began_at, happenings = _break(stage, plan, tell)
        quiet_seconds = _quieten(stage, plan, tell)
        tell("checking the ledgers", 0)
        stalls = [(each.began_at, each.ended_at) for each in happenings if _is_stall(each)]
        books = read_books(stage.product, stage.caller.calls, stalls=stalls)
        audit_code, audit = _audit(stage, plan, tell)
        result = _result(
            stage,
            plan,
            books,
            began_at=began_at,
            happenings=happenings,
            quiet_seconds=quiet_seconds,
            audit=audit,
            audit_code=audit_code,
            leaks={name: (before, _resources(stage)[name]) for name, before in resources.items()},
        )
        stage.is_evidence = bool(result.violations)
    return result


def _break(stage: Stage, plan: Plan, tell: Tell) -> tuple[datetime, list[Happening]]:
    began_at, began = datetime.now(UTC), time.monotonic()
    load = Load(stage.caller, seed=plan.seed, rate=plan.rate)
    nemesis = Nemesis(schedule(plan.seed, plan.seconds), stage.components)
    try:
        while (passed := time.monotonic() - began) < plan.seconds:
            tell("load and faults", passed / plan.seconds)
            threading.Event().wait(0.5)
        happenings = nemesis.wait()
    finally:
        nemesis.stop()
        stage.heal()
    tell("healing", 0)
    load.end(plan.heal)
    return began_at, happenings


def _quieten(stage: Stage, plan: Plan, tell: Tell) -> float:
    """Wait until nothing is left to do; the check says what is when that does not happen in time."""
    began = time.monotonic()

    def is_quiet() -> bool:
        tell("waiting for quiet", min(1.0, (time.monotonic() - began) / plan.heal))
        return _is_quiet(stage)

    try:
        until(is_quiet, seconds=plan.heal)
    except AssertionError:
        return plan.heal
    return time.monotonic() - began


def _is_quiet(stage: Stage) -> bool:
    """Whether everybody is ready and nothing is left to do; who cannot be asked yet is not."""
    try:
        return _has_ended(stage) and not any(each.problems() for each in (*stage.gateways, *stage.workers))
    except (httpx.TransportError, psycopg.OperationalError, AMQPError, OSError):
        return False


def _has_ended(stage: Stage) -> bool:
    told = {call.tracking_id for call in stage.caller.calls if call.is_accepted}
    with psycopg.connect(stage.postgres.url) as connection:
        (unfinished,) = connection.execute(_OPEN).fetchone() or (0,)
        (rows,) = connection.execute("SELECT count(*) FROM messages").fetchone() or (0,)
    return not unfinished and rows >= len(told) and not queue_depths(stage.product)[0]


def _is_stall(happening: Happening) -> bool:
    return happening.fault.component.startswith("gateway ") and happening.fault.kind == "freeze"


def _audit(stage: Stage, plan: Plan, tell: Tell) -> tuple[int, str]:
    """Return the exit code of `smsgw audit` and what it said."""
    if plan.is_audit_waited_for:
        last = max(call.ended_at for call in stage.caller.calls).replace(second=0, microsecond=0)
        while (left := (last + timedelta(seconds=SETTLED_SECONDS) - datetime.now(UTC)).total_seconds()) > 0:
            tell("waiting for the minute of smsgw audit", 1 - left / SETTLED_SECONDS)
            threading.Event().wait(min(left, 0.5))
    else:
        grow_older(stage.product)
    # With something missing it looks until no worker can hold it any more, which takes minutes.
    command = [sys.executable, "-m", "smsgw", "audit", "--hours", "1"]
    environ = clean_environment() | stage.product.environ
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    return ran.returncode, (ran.stdout + ran.stderr).strip()


def _result(stage: Stage, plan: Plan, books: Books, **known: Any) -> Result:
    found = check(books)
    violations = [*map(str, found), *_complaints(stage)]
    # Redis was broken on purpose: that its ledger has gaps is the truth and no loss.
    if known["audit_code"] and "the ledger lacks" not in known["audit"]:
        violations.append(f"I1 smsgw audit: exit code {known['audit_code']}: {_outline(known['audit'])}")
    calls, rows, accepts = books.calls or (), books.rows or (), books.accepts or ()
    seconds = int((books.read_at - known["began_at"]).total_seconds()) + 1
    at = {"since": known["began_at"], "seconds": seconds}
    return Result(
        plan=plan,
        tally=tally(books, found),
        violations=violations,
        reasons=dict(Counter(str(row.reason) for row in rows if row.status == "FAILED").most_common()),
        answers=dict(Counter(_answer(call.status, call.answer) for call in calls).most_common()),
        accepted=per_second((call.ended_at for call in calls if call.is_accepted), **at),
        sent=per_second((accept.accepted_at for accept in accepts), **at),
        directory=str(stage.directory),
        **known,
    )


def _complaints(stage: Stage) -> list[str]:
    """Return every line that no process may print, each once, with how often it was printed."""
    counts = Counter(_TIMESTAMP.sub("", each) for each in stage.product.complaints())
    return [f"log, {count} times: {line}" for line, count in counts.items()]


def _outline(said: str) -> str:
    """Return what the audit said, without the ids."""
    return "; ".join(line for line in said.splitlines() if not line.startswith("LOST "))


def _answer(status: int | None, body: dict[str, Any]) -> str:
    return "no answer" if status is None else f"{status} {body.get('error_code', '')}".strip()


def _resources(stage: Stage) -> dict[str, int]:
    """Return what each role and the database have open."""
    found: dict[str, int] = {}
    for side, processes in (("gateway", stage.gateways), ("worker", stage.workers)):
        for number, process in enumerate(processes, 1):
            running = psutil.Process(process.popen.pid)
            found[f"{side} {number}: file descriptors"] = running.num_fds()
            found[f"{side} {number}: threads"] = running.num_threads()
            found[f"{side} {number}: MB"] = running.memory_info().rss // 1_000_000
    with psycopg.connect(stage.postgres.url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM pg_stat_activity WHERE datname IS NOT NULL").fetchone() or (
            0,
        )
    return {**found, "PostgreSQL connections": count}
