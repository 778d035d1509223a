"""`smsgw dev` killed over its SQLite file, locked out of it, or out of disk: no 500, nothing lost."""

import json
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path

import pytest

from tests.conftest import MISSING
from tests.invariants import Caller, check, read_books
from tests.invariants.ledgers import Quota
from tests.journey.calling import Load
from tests.journey.process import Process, until
from tests.journey.product import FAST, KEY, improper
from tests.servers import free_port

LOCKED_SECONDS = 10
"""No wait of the process itself is longer than 8 s, so 30 s would only repeat what 10 s show."""
QUOTA = 1_000_000
CLIENTS = {KEY: {"name": "dev", "id": "dev", "is_active": True, "daily_quota": QUOTA, "scopes": ["send", "ops"]}}
REFUSALS = ("BROKER_UNAVAILABLE", "STORE_UNAVAILABLE")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where `dev` keeps everything."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


@pytest.fixture
def dev(data: Path) -> Iterator[Process]:
    port = free_port()
    arguments = ["dev", "--port", str(port), "--data", str(data)]
    environ = {**FAST, "CLIENT_CONFIG": json.dumps(CLIENTS), "LOG_LEVEL": "warning"}
    process = Process("dev", arguments, environ, data.parent, f"http://127.0.0.1:{port}").wait_ready()
    yield process
    process.end()
    assert [line for line in process.log_path.read_text().splitlines() if improper(line)] == []


@pytest.fixture
def caller(dev: Process) -> Caller:
    return Caller(CLIENTS, dev)


@pytest.fixture
def small_data(data: Path) -> Iterator[Path]:
    """The same on a disk that is easily filled."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(data)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip(f"{MISSING}the right to mount a tmpfs; without it no disk can be filled")
    yield data
    subprocess.run(["umount", "--lazy", str(data)], check=True)


@pytest.mark.fault("F47", "I1 I3 I4 I6 I7")
def test_kills_in_the_middle_of_transactions(dev: Process, caller: Caller, data: Path) -> None:
    load = Load(90, lambda number: caller.insist(f"killed-{number}"))

    for turn in (1, 2, 3):
        load.wait_for(turn * 20)
        dev.kill()
        dev.restart().wait_ready()
    load.results()

    assert _kept(dev, data, caller)


@pytest.mark.fault("F47", "I1 I4 I6 I12")
def test_a_file_that_another_process_keeps_locked(dev: Process, caller: Caller, data: Path) -> None:
    Load(20, lambda number: caller.insist(f"before-{number}")).results()

    with closing(sqlite3.connect(data / "smsgw.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        _send_for(caller, LOCKED_SECONDS)
        meanwhile = caller.calls[20:]
        other.execute("ROLLBACK")
    Load(20, lambda number: caller.insist(f"meanwhile-{number}")).results()

    assert {call.status for call in meanwhile} == {503}
    assert {call.answer["error_code"] for call in meanwhile} <= set(REFUSALS)
    assert _kept(dev, data, caller)


@pytest.mark.fault("F47", "I1 I4 I6 I12")
def test_a_full_disk(small_data: Path, dev: Process, caller: Caller) -> None:
    Load(20, lambda number: caller.insist(f"before-{number}")).results()

    filler = small_data / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(small_data).free == 0
    until(lambda: _is_refused(caller), what="a refusal")
    _send_for(caller, 3)
    filler.unlink()
    Load(20, lambda number: caller.insist(f"meanwhile-{number}")).results()

    assert _kept(dev, small_data, caller)


def _is_refused(caller: Caller) -> bool:
    call = caller.send()
    return call.answer.get("error_code") in REFUSALS


def _send_for(caller: Caller, seconds: float) -> None:
    """Send from several callers at once, with keys and without."""
    end = time.monotonic() + seconds

    def keep_sending(number: int) -> None:
        while time.monotonic() < end:
            caller.send(idempotency_key=f"meanwhile-{number}" if number % 2 else None)

    with ThreadPoolExecutor() as pool:
        list(pool.map(keep_sending, range(10)))


def _kept(dev: Process, data: Path, caller: Caller) -> bool:
    """Whether, once all has come to its end, no invariant is broken. The queue is not looked at: what could not be
    acknowledged comes again after 30 s, as a copy that is dropped."""

    def violations() -> list[str]:
        logs = {"log": dev.log_path.read_text("utf-8", "replace")}
        unready = {"dev": str(problems)} if (problems := dev.problems()) else {}
        known = {"texts": logs, "unready": unready, "quotas": _quotas(data), "queues": None}
        books = read_books(data, caller.calls, **known)
        return [str(each) for each in check(books)]

    return until(lambda: not violations(), seconds=40, what=lambda: "\n".join(violations()))


def _quotas(data: Path) -> list[Quota]:
    with closing(sqlite3.connect(data / "smsgw.db")) as connection:
        rows = connection.execute("SELECT day, used FROM limits_quotas").fetchall()
    return [Quota(client_key="dev", day=day, used=used, limit=QUOTA) for day, used in rows]
