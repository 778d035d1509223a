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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from timeit import repeat
from typing import Any
from uuid import uuid4

import uvloop

from smsgw import failpoints
from smsgw.core.envelope import Envelope, encode
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lifecycle import Timers
from smsgw.core.ports import Forged, Store
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.routing import Router, Strategy
from smsgw.gateway.app import Gateway, build_gateway_app
from smsgw.settings import QueueSettings, load_gateway
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.queues.memory import MemoryConsumer, MemoryPublisher, MemoryQueue
from smsgw.transports.sql import open_database
from smsgw.transports.stores.database import DatabaseStore
from smsgw.transports.stores.database.migrate import migrate
from smsgw.web.readiness import Readiness
from smsgw.worker.dispatch import Dispatcher
from smsgw.worker.intake import Intake
from smsgw.worker.outage import StoreGate
from smsgw.worker.slots import Slots

HERE = Path(__file__).parent
CALLS = {"gateway": {"reach": 5, "under_way": 2}, "worker": {"reach": 6, "under_way": 3}}
"""On the way of one request with a key and a quota, and of one message: G1 G2 G3 G5 G6 and G4 G7; W1 W2 W3 W4 W6 W8
and W5 W7 and the commit of the intake, which has no point. Batches share G4, W1 to W3, W7 and that commit."""
ALLOWED = 0.01
MESSAGES = 2000
AT_ONCE = 32
RUNS = 7
CLIENTS = {"key": {"name": "bench", "id": "bench", "is_active": True, "daily_quota": 10**9}}
FLAGS = {"is_active": True, "is_operational": True}


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


# --- the two ways -----------------------------------------------------------------------------------------------------


async def _measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="smsgw-failpoints-") as name:
        url = f"sqlite:///{name}/bench.db"
        # Alembic runs a loop of its own.
        await asyncio.to_thread(migrate, url, wait_seconds=5, say=lambda _line: None)
        store = DatabaseStore(open_database(url), observer=_listen)
        try:
            return {"gateway": await _microseconds(_Requests()), "worker": await _microseconds(_Messages(store))}
        finally:
            await store.close()


async def _microseconds(way: Callable[[], Awaitable[None]]) -> float:
    """Return the least CPU of one message in several runs."""
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        await way()
        found.append((time.process_time() - began) / MESSAGES * 1e6)
    return min(found)


def _now() -> datetime:
    return datetime.now(UTC)


def _listen(_fact: Any, /) -> None:
    return None


class _Requests:
    """The gateway's application, as the server calls it: a key each, a quota, limits and queue in memory."""

    def __init__(self) -> None:
        providers = {"Provider-A": FLAGS}
        settings = load_gateway({"CLIENT_CONFIG": json.dumps(CLIENTS), "PROVIDERS_CONFIG": json.dumps(providers)})
        limits = MemoryLimits(rules=settings.claim_rules, clock=_now)
        publisher = MemoryPublisher(MemoryQueue(settings.queue))
        gateway = Gateway(settings, limits=limits, publisher=publisher, observer=_listen, clock=_now)
        self._app: Any = build_gateway_app(
            gateway, readiness=Readiness({}), metrics_page=lambda: (b"", ""), observer=_listen, clock=_now
        )
        self._body = json.dumps({"to": "+4915112345678", "text": "Your code is 123456"}).encode()

    async def __call__(self) -> None:
        for _ in range(MESSAGES // AT_ONCE):
            await asyncio.gather(*(self._request() for _ in range(AT_ONCE)))

    async def _request(self) -> None:
        path = "/api/v1/sms/send"
        key = (b"idempotency-key", uuid4().hex.encode())
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"host", b"here"), (b"api-key", b"key"), (b"content-type", b"application/json"), key],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
            "state": {},
        }
        told: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": self._body, "more_body": False}

        async def send(message: Any) -> None:
            told.append(message)

        await self._app(scope, receive, send)
        assert told[0]["status"] == 202


class _Taker:
    """A provider that takes everything at once."""

    name = "Provider-A"
    can_look_up = False

    async def send(self, _submit: Any) -> SendResult:
        return SendResult(outcome=Outcome.ACCEPTED, provider_message_id="m-1")

    async def look_up(self, _reference: Any) -> LookUpResult:
        return LookUpResult(answer=LookUp.CANNOT_SAY)

    def read_report(self, _request: Any) -> Forged:
        return Forged("no reports")

    async def close(self) -> None:
        """There is nothing to close."""


class _Messages:
    """Intake and dispatch of a worker: one envelope to a delivery."""

    def __init__(self, store: Store) -> None:
        self._queue = MemoryQueue(QueueSettings(url="memory://"))
        self._stopping = asyncio.Event()
        slots = Slots(200)
        gate = StoreGate(store, observer=_listen)
        configs = {"Provider-A": ProviderConfig(is_active=True, is_operational=True)}
        self._dispatcher = Dispatcher(
            store=store,
            gate=gate,
            providers={"Provider-A": _Taker()},
            router=Router(Providers(configs), strategy=Strategy.PRIORITY, default_priority=100),
            slots=slots,
            timers=Timers(),
            provider_timeout=timedelta(seconds=20),
            observer=_listen,
            clock=_now,
            dice=lambda: 1.0,
        )
        self._intake = Intake(
            consumer=MemoryConsumer(self._queue),
            store=store,
            gate=gate,
            dispatcher=self._dispatcher,
            slots=slots,
            observer=_listen,
            clock=_now,
        )

    async def __call__(self) -> None:
        for _ in range(MESSAGES // AT_ONCE):
            for _ in range(AT_ONCE):
                self._queue.put(self._queue.settings.outbound, _envelope())
            await self._intake.run_once(self._stopping)
            await self._dispatcher.drain(10)


def _envelope() -> bytes:
    return encode(
        Envelope(
            version=1,
            tracking_id=uuid4(),
            client_key="bench",
            to="+4915112345678",
            text="Your code is 123456",
            ttl_seconds=600,
            created_at=_now(),
            providers_effective=("Provider-A",),
        )
    )


if __name__ == "__main__":
    main()
