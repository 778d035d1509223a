"""What only the SQLite limits have: a file that outlives the process, pruning, and a missing or broken file."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from smsgw.core.admission import Verdict
from smsgw.core.ports import LimitsUnavailableError
from smsgw.transports.limits import tables
from smsgw.transports.limits.database import DatabaseLimits
from smsgw.transports.sql import open_database
from tests.contract.limits_harness import BODY, RULES, MovableClock, admitted, ask, claim, open_sqlite


async def test_everything_outlives_the_process(tmp_path: Path) -> None:
    held = claim()
    async with open_sqlite(tmp_path / "limits.db") as world:
        await admitted(world, ask(held, daily_quota=5))
        await world.limits.answer(held, status=202, body=BODY, ttl_seconds=60, confirmed=None)

    async with open_sqlite(tmp_path / "limits.db") as world:
        replay = await world.limits.look_up(claim())
        used = await world.used("shop")

    assert (replay.verdict, replay.body, used) == (Verdict.REPLAY, BODY, 1)


async def test_two_processes_share_one_file(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "limits.db") as one, open_sqlite(tmp_path / "limits.db") as other:
        worlds = [one, other] * 20

        admissions = await asyncio.gather(*(world.limits.admit(ask(claim(), daily_quota=9)) for world in worlds))

        assert [each.verdict for each in admissions].count(Verdict.FRESH) == 1
        assert await one.used("shop") == await other.used("shop") == 1


async def test_what_is_past_its_time_is_deleted(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "limits.db") as world:
        await admitted(world, ask(claim(), daily_quota=5))
        await world.limits.note_confirmed(ask().tracking_id)
        world.clock.now += timedelta(days=3)

        await admitted(world, ask(claim("later"), daily_quota=5))

        async with world.database.read() as connection:
            counts = [
                (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar()
                for table in (tables.keys, tables.quotas, tables.ledger)
            ]
        assert counts == [1, 1, 0]


async def test_missing_tables_are_an_outage_and_not_a_bug(tmp_path: Path) -> None:
    database = open_database(f"sqlite:///{tmp_path / 'limits.db'}")
    limits = DatabaseLimits(database, rules=RULES, quota_prefix="quota", clock=MovableClock())

    is_ready = await limits.is_ready()
    with pytest.raises(LimitsUnavailableError):
        await limits.admit(ask())
    await limits.close()
    await database.close()

    assert not is_ready
