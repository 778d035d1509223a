"""PostgreSQL that dies at COMMIT, blocks, refuses to write or has a full disk: the worker waits, nothing is lost."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy.engine import make_url

from smsgw.transports.stores.database.migrate import migrate
from tests.conftest import MISSING
from tests.faults.proxy import Proxy, proxy_thread
from tests.invariants import Caller
from tests.journey.calling import Load
from tests.journey.process import Process, until
from tests.journey.product import Product, running
from tests.journey.promises import kept
from tests.servers import OwnPostgres, OwnRabbitmq

SMALL_DISK = "64m"
LOCKED_SECONDS = 8
"""Longer than three tries of one transaction take with a lock timeout of 2 s."""
RELAPSES_SECONDS = 4
"""The worker tries to write after 0.5 s, 1 s and 2 s of rest."""
SLACK = float(os.environ.get("SMSGW_TEST_SLACK", "1"))


@pytest.fixture(scope="module")
def small_disk(_module_postgres: OwnPostgres) -> Iterator[Path | None]:
    """A directory of PostgreSQL's on a disk that is easily filled; None where nothing may be mounted."""
    directory = _module_postgres.directory / "small"
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "tmpfs", str(directory)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        yield None
        return
    owner = Path(_module_postgres.directory / "data").stat()
    os.chown(directory, owner.st_uid, owner.st_gid)
    yield directory
    _module_postgres.kill()
    subprocess.run(["umount", str(directory)], check=True)


@pytest.fixture(scope="module")
def database_url(_module_postgres: OwnPostgres, small_disk: Path | None) -> str:
    """A database of its own, on the small disk where there is one; the log stays on the large one."""
    if small_disk:
        _admin(_module_postgres, f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    _admin(_module_postgres, "CREATE DATABASE smsgw" + (" TABLESPACE small" if small_disk else ""))
    url = make_url(_module_postgres.url).set(database="smsgw").render_as_string(hide_password=False)
    migrate(url, wait_seconds=10, say=lambda _line: None)
    return url


@pytest.fixture(scope="module")
def _way(database_url: str) -> Iterator[tuple[Proxy, str]]:
    with proxy_thread(database_url) as proxy_and_url:
        yield proxy_and_url


@pytest.fixture
def network(_way: tuple[Proxy, str]) -> Proxy:
    """What lies between the worker and PostgreSQL."""
    return _way[0]


@pytest.fixture(scope="module")
def shared(
    redis_url: str,
    _module_rabbitmq: OwnRabbitmq,
    _way: tuple[Proxy, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    services = {"REDIS_URL": redis_url, "RABBITMQ_URL": _module_rabbitmq.url, "DATABASE_URL": _way[1]}
    with running(tmp_path_factory.mktemp("database"), services) as product:
        product.add_provider("Provider-A", "--latency", "0.05")
        yield product.start()


@pytest.fixture
def product(shared: Product, own_postgres: OwnPostgres, own_rabbitmq: OwnRabbitmq) -> Product:
    """The module's product, ready."""
    for process in shared.processes:
        process.wait_ready()
    return shared


@pytest.fixture
def caller(product: Product) -> Caller:
    return Caller(product.clients, product.named("gateway"))


@pytest.fixture
def gateway(product: Product) -> Process:
    return product.named("gateway")


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker")


@pytest.fixture
def impatience(shared: Product, _module_rabbitmq: OwnRabbitmq) -> Iterator[None]:
    """Let the broker bury what is given back twice: an outage may cost a message one delivery, however long it is."""
    pattern, limit = f"^journey.{shared.word}.outbound$", '{"delivery-limit":1}'
    _module_rabbitmq.ctl("set_policy", "--apply-to", "queues", "impatience", pattern, limit)
    yield
    _module_rabbitmq.ctl("clear_policy", "impatience")


@pytest.mark.fault("F43", "I1 I3 I7 I11")
def test_the_database_is_killed_at_commit_again_and_again(
    product: Product, caller: Caller, gateway: Process, worker: Process, own_postgres: OwnPostgres
) -> None:
    """Its backends have written their commits and wait for a standby that is not there: no answer will ever come."""
    for turn in (1, 2, 3):
        load = _load(caller, f"commit-{turn}", 80)
        load.wait_for(20)
        _admin(own_postgres, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
        until(lambda: _waiting(own_postgres, "SyncRep") >= 2, what="commits without an answer")
        _crash(own_postgres)
        own_postgres.start()
        _admin(own_postgres, "ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
        worker.wait_ready()
        load.results()

    assert kept(product, caller.calls)


@pytest.mark.fault("F44", "I1 I3 I11 I12")
def test_a_failover_that_leaves_connections_half_open_is_survived_without_a_restart(
    product: Product, caller: Caller, gateway: Process, worker: Process, network: Proxy
) -> None:
    """No statement in flight will be answered, no idle connection works, and nothing says so; new ones work at once."""
    load = _load(caller, "half-open", 100)

    load.wait_for(20)
    network.half_open("server")
    worker.wait_unready(naming="database")
    load.results()
    assert gateway.problems() == {}
    worker.wait_ready(40)

    assert kept(product, caller.calls)


@pytest.mark.fault("F45", "I1 I3 I11 I12")
def test_a_table_that_is_locked_holds_the_worker_up_and_wears_no_message_out(
    product: Product, caller: Caller, gateway: Process, worker: Process, own_postgres: OwnPostgres, impatience: None
) -> None:
    load = _load(caller, "locked")

    load.wait_for(20)
    with psycopg.connect(product.environ["DATABASE_URL"]) as other:
        other.execute("LOCK TABLE messages")
        waits = [_longest_wait(own_postgres) for _ in _seconds(LOCKED_SECONDS)]
    load.results()

    assert kept(product, caller.calls)
    # The lock timeout, and what a slow machine adds.
    assert 1 < max(waits) < 2 + 2 * SLACK


@pytest.mark.fault("F46", "I1 I3 I11 I12")
def test_a_database_that_became_read_only_pauses_the_worker_and_not_the_gateway(
    product: Product, caller: Caller, gateway: Process, worker: Process, own_postgres: OwnPostgres, impatience: None
) -> None:
    load = _load(caller, "read-only")

    load.wait_for(20)
    with _read_only(own_postgres):
        worker.wait_unready(naming="database")
        problems = worker.problems()
        load.results()
        meanwhile = [caller.send() for _ in range(5)]
        assert gateway.problems() == {}

    assert problems == {"database": "the database is read-only"}
    assert all(call.is_accepted for call in meanwhile)
    assert kept(product, caller.calls)


@pytest.mark.fault("F46", "I1 I3 I11 I12")
def test_a_full_disk_pauses_the_worker_and_not_the_gateway(
    product: Product, caller: Caller, gateway: Process, worker: Process, small_disk: Path | None, impatience: None
) -> None:
    if small_disk is None:
        pytest.skip(f"{MISSING}the right to mount a tmpfs; without it no disk can be filled")

    with _filled(small_disk):
        _send_until_unready(caller, worker)
        problems = worker.problems()
        meanwhile = [caller.send() for _ in range(20)]
        assert gateway.problems() == {}
        unready = [set(worker.problems()) for _ in _seconds(RELAPSES_SECONDS)]

    assert set(problems) == {"database"}
    # It blinks: the database answers, and the next write fails.
    assert unready.count({"database"}) > 0.8 * len(unready)
    assert all(call.is_accepted for call in meanwhile)
    assert kept(product, caller.calls)


def _load(caller: Caller, word: str, count: int = 60) -> Load:
    return Load(count, lambda number: caller.insist(f"{word}-{number}"))


def _crash(server: OwnPostgres) -> None:
    """Stop at once, as `pg_ctl stop -m immediate` does: no checkpoint, no goodbye, the log is replayed at the start."""
    for pid in server.pids:
        os.kill(pid, signal.SIGQUIT)
    until(lambda: not server.is_running, what="the end of PostgreSQL")


@contextmanager
def _read_only(server: OwnPostgres) -> Iterator[None]:
    switch = "ALTER SYSTEM SET default_transaction_read_only = on"
    _admin(server, switch, "SELECT pg_reload_conf()")
    try:
        yield
    finally:
        back = "ALTER SYSTEM RESET default_transaction_read_only"
        _admin(server, "SET default_transaction_read_only = off", back, "SELECT pg_reload_conf()")


@contextmanager
def _filled(directory: Path) -> Iterator[None]:
    """Leave no byte free on the disk of this directory."""
    filler = directory / "filler"
    try:
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(65536))
        assert shutil.disk_usage(directory).free == 0
        yield
    finally:
        filler.unlink()


def _send_until_unready(caller: Caller, worker: Process) -> None:
    """Send until the worker finds that it cannot write any more; what room the database had left is used up then."""

    def sent_more() -> bool:
        Load(50, lambda _number: str(caller.send().tracking_id)).results()
        return "database" in worker.problems()

    until(sent_more, seconds=60, what="an unready worker")


def _seconds(count: float) -> Iterator[None]:
    """Go on for so many seconds, ten times in each."""
    end = time.monotonic() + count
    while time.monotonic() < end:
        yield
        time.sleep(0.1)


def _waiting(server: OwnPostgres, event: str) -> int:
    """Return how many backends wait for this."""
    return int(_ask(server, f"SELECT count(*) FROM pg_stat_activity WHERE wait_event = '{event}'"))


def _longest_wait(server: OwnPostgres) -> float:
    """Return for how many seconds somebody has been waiting for a lock."""
    longest = "SELECT coalesce(extract(epoch FROM max(clock_timestamp() - query_start)), 0) FROM pg_stat_activity"
    return float(_ask(server, f"{longest} WHERE wait_event_type = 'Lock'"))


def _ask(server: OwnPostgres, query: str) -> Any:
    with psycopg.connect(server.url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def _admin(server: OwnPostgres, *statements: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())
