"""What the gauges of the backlog show: how many wait, and how long the longest."""

from datetime import timedelta

from smsgw.core.events import BacklogSeen
from smsgw.core.message import Status
from smsgw.transports.queues.memory import MemoryAdmin
from smsgw.worker.watch import INTERVAL_SECONDS, Watch
from tests.contract import stores
from tests.unit.worker.rig import Rig

SECOND = timedelta(seconds=1)


def watch(rig: Rig) -> Watch:
    return Watch(store=rig.store, queue=MemoryAdmin(rig.queue), observer=rig.facts.append, clock=lambda: rig.now)


def seen(rig: Rig) -> list[BacklogSeen]:
    return [fact for fact in rig.facts if isinstance(fact, BacklogSeen)]


async def test_what_waits_longest_is_told_with_its_age() -> None:
    rig = Rig()
    made, expires = rig.now - SECOND * 90, rig.now + SECOND * 60
    late = stores.queued(due_at=rig.now - SECOND * 30, created_at=rig.now - SECOND * 100)
    parked = stores.parked("Provider-A", created_at=made, expires_at=expires)
    await rig.store.take_in([late, parked])
    await rig.store.store_reports([stores.report(key="r", message_id="m-1", received_at=rig.now - SECOND * 7)])

    wait = await watch(rig).run_once()

    counts = {Status.QUEUED: 2, Status.PROCESSING: 0, Status.UNKNOWN: 0}
    assert wait == INTERVAL_SECONDS
    assert seen(rig) == [
        BacklogSeen(
            counts=counts, oldest_seconds=100, overdue_seconds=30, in_lane_seconds=90, reports_overdue_seconds=7
        )
    ]


async def test_a_timer_that_is_to_come_is_not_overdue() -> None:
    rig = Rig()
    await rig.store.take_in([stores.queued(due_at=rig.now + SECOND)])

    await watch(rig).run_once()

    assert [fact.overdue_seconds for fact in seen(rig)] == [0.0]
