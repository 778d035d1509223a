"""What only the SQLite limits have: a file that outlives the process, pruning, and a missing or broken file."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from smsgw.core.admission import Claim, Verdict
from smsgw.core.ports import LimitsUnavailableError
from smsgw.transports.limits import tables
from smsgw.transports.limits.database import DatabaseLimits
from smsgw.transports.limits.patience import CALL_SECONDS
from smsgw.transports.sql import open_database
from tests.contract.limits_harness import BODY, RULES, DatabaseWorld, MovableClock, admitted, ask, claim, open_sqlite

SLACK = float(os.environ.get("SMSGW_TEST_SLACK", "1"))


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


@pytest.mark.fault("F47", "I4 I6 I12")
async def test_a_file_that_another_process_keeps_locked_refuses_in_time_and_counts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "limits.db"
    async with open_sqlite(path) as world, open_sqlite(path) as other:
        held = claim("held")
        await admitted(world, ask(held, daily_quota=9))
        async with other.database.write():
            outcomes = await asyncio.gather(*(_timed(world, claim(f"order-{number % 5}")) for number in range(20)))
            with pytest.raises(LimitsUnavailableError):
                await world.limits.answer(held, status=202, body=BODY, ttl_seconds=60, confirmed=None)
        again = await admitted(world, ask(claim("order-1"), daily_quota=9))
        replay = await world.limits.look_up(claim("held"))
        used = await world.used("shop")

    assert all(error is not None for _, error in outcomes)
    assert max(seconds for seconds, _ in outcomes) < 0.35 * SLACK
    assert again.verdict is Verdict.FRESH, "what nobody waits for any more has made no claim"
    assert (replay.verdict, replay.body) == (Verdict.REPLAY, BODY), "what was said is kept"
    assert used == 2


async def test_a_slow_disk_is_waited_for(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "limits.db") as world:
        async with world.database.write():
            asked = asyncio.ensure_future(admitted(world, ask(claim("order-1"), daily_quota=9)))
            await asyncio.wait({asked}, timeout=2 * CALL_SECONDS)
            was_refused = asked.done()
        admission = await asked

    assert not was_refused
    assert admission.verdict is Verdict.FRESH


async def _timed(world: DatabaseWorld, held: Claim) -> tuple[float, BaseException | None]:
    began = time.monotonic()
    try:
        await world.limits.admit(ask(held, daily_quota=9))
    except LimitsUnavailableError as error:
        return time.monotonic() - began, error
    return time.monotonic() - began, None
