"""What every page of the console takes with 5 million messages in PostgreSQL and two weeks of full sums of traffic.

    .venv/bin/python bench/pages.py postgresql://postgres@127.0.0.1:5432/postgres [--rows 5000000] [--keep NAME] \
        [--limits redis://127.0.0.1:6379/9]

Makes a database as `bench/search.py` does, opens the worker on it as `smsgw worker` does (queue and limits in SQLite
files; `--limits redis://…` puts the limits where production has them), and asks its application in this process, signed
in as an admin, one request after the other. Printed are milliseconds of this process's CPU, browser included, and of
the clock: that holds PostgreSQL as well, and whatever else the machine does.
"""

import argparse
import asyncio
import hashlib
import json
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID

import httpx
import search
import sqlalchemy as sa

from smsgw.core.books import Books
from smsgw.core.people import Role, Session, User
from smsgw.core.ports import GatewayBeat, Store
from smsgw.core.rollup import HOUR, MINUTE
from smsgw.settings import load_worker
from smsgw.telemetry import open_telemetry
from smsgw.transports.sql import sync_url
from smsgw.transports.stores.database.console_tables import COUNTERS, WAIT_COLUMNS
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from smsgw.web.server import tune_gc
from smsgw.wiring.process import utc_now
from smsgw.wiring.transports import Transports
from smsgw.wiring.worker import open_worker
from smsgw.worker.console import dashboard
from smsgw.worker.console.guard import cookie_name, hash_of
from smsgw.worker.http import cursor

ROUNDS, WARM_UP = 100, 3
ORIGIN = "http://worker"
PROVIDERS = [f"Provider-{letter}" for letter in "ABCDEFGH"]
COUNTRIES = [first + second for first in "ABCDEFGH" for second in "EILNR"]
CLIENTS = ["shop", "bank", "clinic", "quiet", *(f"client-{number}" for number in range(50))]
LONG_AGO = "since=2026-09-10&until=2026-09-11"
PAGES = {
    "dashboard, 1 h": "/console",
    "dashboard, 6 h": "/console?range=6h",
    "dashboard, 24 h": "/console?range=24h",
    "live part, 1 h": "/console/live/dashboard",
    "live part, 24 h": "/console/live/dashboard?range=24h",
    "messages": "/console/messages",
    "messages, later page": "/console/messages?cursor={middle}",
    "messages of a number": "/console/messages?find=%2B4915100000000",
    "messages of a client": "/console/messages?client=shop",
    "messages, FAILED": "/console/messages?status=FAILED",
    "messages, pending": "/console/messages?status=pending",
    "messages, a provider": "/console/messages?provider=Provider-C",
    "messages, a reason that none has": "/console/messages?reason=no_report",
    "messages, a day long ago": f"/console/messages?{LONG_AGO}",
    "messages, client, FAILED, a day": f"/console/messages?client=clinic&status=FAILED&{LONG_AGO}",
    "one message": "/console/messages/{message}",
    "providers": "/console/providers",
    "one provider": "/console/providers/Provider-A",
    "clients": "/console/clients",
    "one client": "/console/clients/shop",
    "users": "/console/users",
    "one user": "/console/users/user-1",
    "account": "/console/account",
    "erasure": "/console/erasure",
    "audit log": "/console/audit-log",
}
SIGN_IN = "/console/sign-in"
_SUMS = """
INSERT INTO traffic_sums (grain, starts_at, provider, country, {names})
SELECT {grain}, at, provider, country, {values}
FROM generate_series(date_trunc('hour', now()) - interval '{days} days', now(), interval '{grain} s') AS at,
    unnest(ARRAY{providers}) AS provider, unnest(ARRAY{countries}) AS country
"""
_AUDIT_LOG = """
INSERT INTO audit_log (at, who, action, subject, before, after, peer)
SELECT now() - i * interval '1 minute', 'user-' || i % 20, 'provider.change', 'Provider-A', '{"weight": 1}',
    '{"weight": 2}', '192.0.2.7' FROM generate_series(1, 100000) AS i
"""


def make_console(url: str) -> None:
    """Fill the console's tables up to now, whatever was in them: sums of three days of minutes and two weeks of hours
    with every provider and country in each, and a long audit log."""
    names = (*COUNTERS, *WAIT_COLUMNS)
    values = ", ".join(f"(random() * {1000 if name in COUNTERS else 100})::bigint" for name in names)
    told = {"names": ", ".join(names), "values": values}
    minutes = _SUMS.format(grain=MINUTE, days=3, providers=[*PROVIDERS, ""], countries=[""], **told)
    hours = _SUMS.format(grain=HOUR, days=14, providers=PROVIDERS, countries=COUNTRIES, **told)
    engine = sa.create_engine(sync_url(url))
    with engine.begin() as connection:
        connection.execution_options(no_parameters=True)
        emptied = "traffic_sums, audit_log, console_users, console_sessions"
        for statement in (f"TRUNCATE {emptied}", minutes, hours, _AUDIT_LOG):
            connection.exec_driver_sql(statement)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    engine.dispose()


async def signed_in(books: Books, store: Store) -> dict[str, str]:
    """Make people and gateways; return the cookie of an admin."""
    now, token = utc_now(), secrets.token_urlsafe(32)
    for number in range(20):
        user = User(name=f"user-{number}", role=Role.ADMIN, created_at=now, updated_at=now)
        await books.people.put_user(user, None)
    for number in range(6):
        beat = GatewayBeat(
            service="server-a",
            instance=f"gateway-{number}",
            interval_seconds=60,
            ts=now,
            clients_fingerprint="c" * 64,
            providers_fingerprint="p" * 64,
        )
        await store.store_beat(beat)
    session = Session(token_hash=hash_of(token), user="user-0", user_version=1, created_at=now, seen_at=now)
    await books.people.begin_session(session)
    return {cookie_name(is_secure=False): token}


def environ(url: str, limits: str, beside: str) -> dict[str, str]:
    """Return the settings of the worker."""
    options = {"base_url": "http://127.0.0.1:1", "api_key": "bench"}
    plain = {"kind": "provider_a", "is_active": True, "is_operational": True, "rate_limit": 100, "options": options}
    clients = {
        f"key-of-{name}": {"name": name, "id": name, "is_active": True, "daily_quota": 10**6} for name in CLIENTS
    }
    return {
        "DATABASE_URL": url,
        "QUEUE_URL": f"sqlite:///{beside}/queue.db",
        "LIMITS_URL": limits or f"sqlite:///{beside}/limits.db",
        "CLIENT_CONFIG": json.dumps(clients),
        "PROVIDERS_CONFIG": json.dumps(dict.fromkeys(PROVIDERS, plain)),
    }


async def ask(url: str, count: int, told: dict[str, str]) -> bool:
    """Time every page and print it; return whether each took less than 100 ms of CPU and, in the middle, of the
    clock."""
    async with AsyncExitStack() as stack:
        telemetry = open_telemetry("bench", "error")
        transports = Transports(stack, observer=telemetry.observer, clock=utc_now)
        role = await open_worker(load_worker(told), transports, stack, telemetry.observer, environ=told)
        app: Any = build_app(
            title="worker",
            description="",
            route_handlers=role.handlers,
            readiness=Readiness({}),
            metrics_page=telemetry.metrics.page,
            observer=telemetry.observer,
            clock=utc_now,
        )
        cookies = await signed_in(transports.books(url), transports.store(url))
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN, cookies=cookies)
        await stack.enter_async_context(client)
        # Nobody shares anybody's sums here.
        dashboard.SHARED_SECONDS = 0.0
        tune_gc()
        message = UUID(hex=hashlib.md5(str(count - 5_000).encode(), usedforsecurity=False).hexdigest())
        middle = cursor.encode(count // 2)
        print(f"{'milliseconds, of ' + str(ROUNDS):<36} {'CPU':>6} {'p99':>6}  {'clock':>6} {'p99':>6}  {'kB':>5}")
        found = [await _timed(client, name, PAGES[name].format(message=message, middle=middle)) for name in PAGES]
        client.cookies.clear()
        return all([*found, await _timed(client, "sign-in", SIGN_IN)])


async def _timed(client: httpx.AsyncClient, name: str, path: str) -> bool:
    used, taken = [], []
    for _ in range(WARM_UP):
        await client.get(path)
    for _ in range(ROUNDS):
        clock, cpu = time.perf_counter(), time.process_time()
        answer = await client.get(path)
        used.append((time.process_time() - cpu) * 1000)
        taken.append((time.perf_counter() - clock) * 1000)
        if answer.status_code != 200:
            sys.exit(f"{path}: {answer.status_code}")
    cpu, cpu99 = _middle_and_end(used)
    clock, clock99 = _middle_and_end(taken)
    size = len(answer.content) / 1000
    print(f"{name:<36} {cpu:6.1f} {cpu99:6.1f}  {clock:6.1f} {clock99:6.1f}  {size:5.0f}", flush=True)
    return cpu99 < 100 and clock < 100


def _middle_and_end(taken: Sequence[float]) -> tuple[float, float]:
    return statistics.median(taken), statistics.quantiles(taken, n=100)[98]


def main() -> None:
    """Run the bench; exit 1 when a page took too long."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server", help="postgresql://…, whose user may create databases")
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--keep", metavar="NAME")
    parser.add_argument("--limits", metavar="URL", default="", help="redis://…; without it, a SQLite file")
    given = parser.parse_args()
    with search.own_database(given.server, given.keep) as url, tempfile.TemporaryDirectory() as beside:
        search.make(url, given.rows)
        make_console(url)
        is_quick = asyncio.run(ask(url, given.rows, environ(url, given.limits, beside)))
    print("each under 100 ms" if is_quick else "NOT each under 100 ms")
    sys.exit(0 if is_quick else 1)


if __name__ == "__main__":
    main()
