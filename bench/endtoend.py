"""End to end: gateway, broker, one worker, PostgreSQL and a provider that answers at once."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import gateways
import queues
import sqlalchemy as sa
import tools

from smsgw.transports.sql import sync_url

Say = Callable[[str], None]
OFFERED = 1_200
STEPS = (1_300, 1_500, 1_700, 1_900, 2_100, 2_400)
STEP_SECONDS = 20.0
CONNECTIONS = 256
LATE_SECONDS = 0.5
"""A worker keeps up when everything is SENT this soon after the load has ended."""
SLICE_SECONDS = 10.0
PATIENCE_SECONDS = 300.0


class Stage:
    """Our processes on one provider, and what has been used so far."""

    def __init__(self, stack: ExitStack, ground: dict[str, str], directory: Path) -> None:
        self._stack = stack
        self._directory = directory
        address, self._nginx = stack.enter_context(tools.nginx(directory))
        self._settings = gateways.environ(ground, address)
        self.database = Database(ground["DATABASE_URL"])
        self.roles: dict[str, gateways.Role] = {}
        self._services = tools.Services()

    def start(self, name: str) -> gateways.Role:
        """Run a gateway or a worker until the stage ends."""
        self.roles[name] = self._stack.enter_context(gateways.role(name, self._settings, self._directory))
        return self.roles[name]

    def begin(self) -> dict[str, float]:
        """Return what everybody has used by now; call it when every connection is open."""
        self._services = tools.Services()
        return self.cpu()

    def cpu(self) -> dict[str, float]:
        """Return the CPU seconds of everybody so far, wrk's aside."""
        ours = {name: role.child.usage().cpu_seconds for name, role in self.roles.items()}
        return {**ours, **self._services.cpu(), "nginx": self._nginx.cpu()}

    def memory(self) -> str:
        """Return the memory of our processes."""
        return ", ".join(
            f"{name} {role.child.usage().resident_bytes / 2**20:.0f} MB" for name, role in self.roles.items()
        )


class Database:
    """What PostgreSQL counts."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(sync_url(url), poolclass=sa.NullPool)

    def sent(self) -> int:
        """Return how many rows stand in SENT."""
        return self._number("SELECT count(*) FROM messages WHERE status = 'SENT'")

    def rows(self) -> int:
        """Return how many messages there are."""
        return self._number("SELECT count(*) FROM messages")

    def commits(self) -> int:
        """Return the commits of this database so far; PostgreSQL's statistics are a second late."""
        time.sleep(1.5)
        return self._number("SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()")

    def _number(self, statement: str) -> int:
        with self._engine.connect() as connection:
            return int(connection.execute(sa.text(statement)).scalar_one())


def sustained(ground: dict[str, str], directory: Path, *, seconds: float, say: Say) -> None:
    """Offer a constant load; the worker has to keep up all the time."""
    say(f"== end to end, {OFFERED}/s offered for {seconds:g} s, until SENT ==")
    with ExitStack() as stack:
        stage = Stage(stack, ground, directory)
        stage.start("worker")
        stage.start("gateway")
        _warm(stage, 2)
        redis = _Redis()
        before, commits, calls, transactions = (
            stage.begin(),
            stage.database.commits(),
            redis.calls(),
            _transactions(stage),
        )
        found = _offer(stage, OFFERED, seconds, say=say)
        accepted, used = found["accepted"], {name: value - before[name] for name, value in stage.cpu().items()}
        say(
            f"accepted {accepted:,} ({found['rate']:,.0f}/s, p50 {found['p50']:.2f} ms, p99 {found['p99']:.2f} ms, "
            f"max {found['max']:.1f} ms); SENT while offered: {found['sent_rate']:,.0f}/s; "
            f"the last SENT {found['late']:.1f} s after the load; other answers {found['other']}"
        )
        say(_check(stage))
        say(f"CPU ms per message: {_per(used, accepted)}; wrk {found['cpu'] / accepted * 1000:.3f}")
        say(
            f"per message: Redis calls {(redis.calls() - calls) / accepted:.3f}, store transactions "
            f"{(_transactions(stage) - transactions) / accepted:.3f}, PostgreSQL commits (sweeps and pages included) "
            f"{(stage.database.commits() - commits) / accepted:.3f}"
        )
        say(f"memory: {stage.memory()}")


def highest(ground: dict[str, str], directory: Path, *, say: Say) -> None:
    """Offer more and more until the worker does not keep up; on this machine everything shares its cores."""
    say(f"== end to end, the highest rate at which one worker keeps up ({STEP_SECONDS:g} s each) ==")
    best = 0.0
    with ExitStack() as stack:
        stage = Stage(stack, ground, directory)
        stage.start("worker")
        stage.start("gateway")
        _warm(stage, 3)
        for offered in STEPS:
            found = _offer(stage, offered, STEP_SECONDS)
            say(
                f"offered {offered:>5}/s: accepted {found['rate']:,.0f}/s, SENT {found['sent_rate']:,.0f}/s meanwhile, "
                f"the last {found['late']:.1f} s later, p99 of the answer {found['p99']:.1f} ms"
            )
            if found["late"] > LATE_SECONDS:
                break
            best = max(best, found["sent_rate"])
        say(f"highest kept up: {best:,.0f}/s; {_check(stage)}; memory: {stage.memory()}")


def drain(ground: dict[str, str], directory: Path, *, messages: int, say: Say) -> None:
    """Fill the broker through the gateway, then let one worker empty it."""
    say(f"== a backlog of {messages:,} messages in the broker, drained by one worker ==")
    with ExitStack() as stack:
        stage = Stage(stack, ground, directory)
        gateway = stage.start("gateway")
        filled = 0
        while filled < messages:
            filled += _load(stage, 32, min(10, max(1, (messages - filled) // 4000)), 0)["accepted"]
        gateway.child.end()
        del stage.roles["gateway"]
        waiting = queues.depth(ground["QUEUE_URL"], ground["RABBITMQ_QUEUE_OUTBOUND"])
        say(f"{filled:,} accepted, in {waiting:,} broker messages")
        before_rows = stage.database.rows()
        worker = stage.start("worker")
        before, began = stage.begin(), time.monotonic()
        _watch_drain(worker, filled, began, say)
        took = time.monotonic() - began
        used = {name: value - before[name] for name, value in stage.cpu().items()}
        say(f"drained in {took:.1f} s, {worker.sent() / took:,.0f}/s; CPU ms per message: {_per(used, filled)}")
        say(f"rows new in the database: {stage.database.rows() - before_rows:,}; {_check(stage)}")


def _watch_drain(worker: gateways.Role, messages: int, began: float, say: Say) -> None:
    say(f"{'second':>8}{'SENT/s':>10}{'worker MB':>12}")
    last, next_look = worker.sent(), began + SLICE_SECONDS
    while last < messages and time.monotonic() - began < PATIENCE_SECONDS:
        time.sleep(max(0.0, min(next_look - time.monotonic(), 0.2)))
        now = worker.sent()
        if time.monotonic() < next_look and now < messages:
            continue
        seconds = time.monotonic() - (next_look - SLICE_SECONDS)
        memory = worker.child.usage().resident_bytes / 2**20
        say(f"{time.monotonic() - began:>8.1f}{(now - last) / seconds:>10,.0f}{memory:>12.0f}")
        last, next_look = now, time.monotonic() + SLICE_SECONDS


def _offer(stage: Stage, offered: int, seconds: float, *, say: Say | None = None) -> dict[str, Any]:
    """Offer a rate and wait until everything of it is SENT."""
    worker = stage.roles["worker"]
    start, began = worker.sent(), time.monotonic()
    with ThreadPoolExecutor(1) as pool:
        loading = pool.submit(_load, stage, CONNECTIONS, seconds, offered)
        last = _watch_load(loading, worker, start, say)
    found: dict[str, Any] = loading.result()
    sent_meanwhile, ended = last, time.monotonic()
    _settle(worker, start + found["accepted"])
    found |= {
        "rate": found["accepted"] / found["us"] * 1e6,
        "sent_rate": sent_meanwhile / (ended - began),
        "late": time.monotonic() - ended,
    }
    return found


def _watch_load(loading: "Future[dict[str, Any]]", worker: gateways.Role, start: int, say: Say | None) -> int:
    """Look at the worker until the load ends; return how many came to SENT meanwhile."""
    seen, seen_at = start, time.monotonic()
    while not loading.done():
        time.sleep(0.05)
        if say is not None and time.monotonic() - seen_at >= SLICE_SECONDS:
            now, at = worker.sent(), time.monotonic()
            memory = worker.child.usage().resident_bytes / 2**20
            say(f"  SENT {(now - seen) / (at - seen_at):>8,.0f}/s, worker {memory:.0f} MB")
            seen, seen_at = now, at
    return worker.sent() - start


def _load(stage: Stage, connections: int, seconds: float, rate: int) -> dict[str, Any]:
    """Load the gateway, at full speed or with about `rate` requests per second."""
    # Each connection rests, then waits for its answer, about 5 ms; wrk counts whole milliseconds.
    pause_ms = round(connections / rate * 1000 - 5) if rate else 0
    tag = f"load-{time.time_ns()}"
    port = stage.roles["gateway"].port
    return tools.wrk(port, connections=connections, seconds=seconds, tag=tag, pause_ms=pause_ms)


def _warm(stage: Stage, seconds: float) -> None:
    """Load for a moment, and wait until nothing of it is left anywhere."""
    worker = stage.roles["worker"]
    start = worker.sent()
    accepted = _load(stage, 32, seconds, 0)["accepted"]
    _settle(worker, start + accepted)
    time.sleep(1)  # for the few that wrk did not wait for


def _settle(worker: gateways.Role, expected: int) -> None:
    """Wait until the worker has brought `expected` messages to SENT."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while worker.sent() < expected and time.monotonic() < deadline:
        time.sleep(0.05)


def _check(stage: Stage) -> str:
    time.sleep(1)
    rows, sent = stage.database.rows(), stage.database.sent()
    return f"rows {rows:,}, SENT {sent:,}: {'all' if rows == sent else 'NOT ALL'}"


def _transactions(stage: Stage) -> float:
    return stage.roles["worker"].metric("db_latency_seconds_count")


def _per(used: dict[str, float], messages: int) -> str:
    return ", ".join(f"{name} {seconds / messages * 1000:.3f}" for name, seconds in used.items())


class _Redis:
    """How many commands Redis was sent."""

    def calls(self) -> int:
        """Return the EVALSHA calls so far."""
        import redis

        with redis.Redis.from_url(gateways.SERVICES["LIMITS_URL"]) as client:
            stats = client.info("commandstats")
        return sum(int(stats.get(f"cmdstat_{name}", {}).get("calls", 0)) for name in ("evalsha", "eval"))
