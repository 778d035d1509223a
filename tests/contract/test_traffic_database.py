"""What workers share, in a SQLite file alone: what outlives the process, pruning, a locked file, a missing table."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from smsgw.core.buckets import Limit
from smsgw.core.ports import LimitsUnavailableError
from smsgw.core.traffic import Document, LeaseAsk, bucket_of
from smsgw.transports.limits import traffic_table
from smsgw.transports.limits.database_traffic import DatabaseTraffic
from smsgw.transports.sql import Database, open_database
from tests.contract.limits_harness import MovableClock

SLACK = float(os.environ.get("SMSGW_TEST_SLACK", "1"))
A = bucket_of("A")
TEN = Limit(20.0)
ONE = LeaseAsk(bucket=A, limit=TEN, units=1)


class Worker:
    """One process: its connections to the file, its clock."""

    def __init__(self, path: Path) -> None:
        self.clock = MovableClock()
        self.database: Database = open_database(f"sqlite:///{path}")
        self.traffic = DatabaseTraffic(self.database, quota_prefix="quota", clock=self.clock)

    async def __aenter__(self) -> "Worker":
        await self.traffic.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.traffic.close()
        await self.database.close()


async def test_everything_outlives_the_process(tmp_path: Path) -> None:
    async with Worker(tmp_path / "limits.db") as worker:
        await worker.traffic.lease(LeaseAsk(bucket=A, limit=TEN, units=7, messages=7))
        await worker.traffic.turns("A=1", 4)
        await worker.traffic.write("health:A", b"\x00well", version=0)

    async with Worker(tmp_path / "limits.db") as worker:
        left = await worker.traffic.buckets({A: TEN})
        turn = await worker.traffic.turns("A=1", 1)
        _, documents = await worker.traffic.read(["health:A"])

    assert left[A].tokens == 3
    assert turn == 4
    assert list(documents) == [Document(1, b"\x00well")]


async def test_two_processes_share_one_file(tmp_path: Path) -> None:
    async with Worker(tmp_path / "limits.db") as one, Worker(tmp_path / "limits.db") as other:
        leases = await asyncio.gather(*(worker.traffic.lease(ONE) for worker in [one, other] * 20))
        firsts = await asyncio.gather(*(worker.traffic.turns("A=1", 2) for worker in [one, other] * 5))

    assert sum(lease.units for lease in leases) == 10
    assert sorted(firsts) == list(range(0, 20, 2))


async def test_what_nobody_uses_is_deleted(tmp_path: Path) -> None:
    async with Worker(tmp_path / "limits.db") as worker:
        await worker.traffic.lease(ONE)
        await worker.traffic.turns("A=1", 1)
        await worker.traffic.write("health:A", b"", version=0)
        worker.clock.now += timedelta(hours=26)

        turn = await worker.traffic.turns("B=1", 1)

        async with worker.database.read() as connection:
            names = (await connection.execute(sa.select(traffic_table.table.c.name))).scalars().all()
        assert turn == 0
        assert names == ["quota:turn:B=1"]


@pytest.mark.fault("F47", "I12")
async def test_a_file_that_another_process_keeps_locked_refuses_in_time_and_takes_nothing(tmp_path: Path) -> None:
    async with Worker(tmp_path / "limits.db") as worker, Worker(tmp_path / "limits.db") as other:
        await worker.traffic.lease(ONE)
        async with other.database.write():
            outcomes = await asyncio.gather(*(_timed(worker) for _ in range(20)))
            with pytest.raises(LimitsUnavailableError):
                await worker.traffic.narrow(bucket_of("B"), TEN, timedelta(seconds=30))
        left = await worker.traffic.buckets({A: TEN, bucket_of("B"): TEN})

    assert all(error is not None for _, error in outcomes)
    assert max(seconds for seconds, _ in outcomes) < 0.35 * SLACK
    assert left[A].tokens == 9, "what nobody waits for any more is not taken"
    assert left[bucket_of("B")].factor == 0.7, "what a provider said is kept"


async def _timed(worker: Worker) -> tuple[float, BaseException | None]:
    began = time.monotonic()
    try:
        await worker.traffic.lease(ONE)
    except LimitsUnavailableError as error:
        return time.monotonic() - began, error
    return time.monotonic() - began, None


async def test_a_missing_table_is_an_outage_and_not_a_bug(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'limits.db'}")
    traffic = DatabaseTraffic(database, quota_prefix="quota", clock=MovableClock())

    outcomes = await asyncio.gather(traffic.lease(ONE), traffic.read(["a"]), return_exceptions=True)
    await traffic.close()
    await database.close()

    assert [type(each) for each in outcomes] == [LimitsUnavailableError] * 2
