"""What an audit says when it can tell, and when it cannot."""

from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

from smsgw.core.admission import ClaimRules
from smsgw.core.envelope import encode
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.queues.memory import MemoryAdmin, MemoryConsumer, MemoryQueue
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.audit import LOOKS_WHILE_HELD, Audit, Balance
from tests.unit.worker.rig import envelope


def test_what_is_lost_is_counted_and_named() -> None:
    tracking_id = uuid4()

    lines = Balance(confirmed=3, lost=(tracking_id,)).lines

    assert lines == ["confirmed 3  in flight 0  dead-lettered 0  lost 1", f"LOST {tracking_id}"]


async def test_an_audit_that_cannot_tell_does_not_say_that_nothing_is_lost() -> None:
    queue = MemoryQueue()
    queue.is_available = False
    now = datetime.now(UTC)
    limits = MemoryLimits(rules=ClaimRules(), quota_prefix="quota", clock=lambda: now)
    await limits.note_confirmed(uuid4())
    audit = Audit(
        store=MemoryStore(),
        limits=limits,
        queue=MemoryAdmin(queue),
        clock=lambda: now + timedelta(minutes=5),
    )

    balance = await audit.run(back=timedelta(hours=1), stuck=0)

    assert balance.problem == "cannot tell: switched off"
    assert balance.lines[0] == "confirmed 1  in flight 0  dead-lettered 0  lost ?"


async def test_what_a_frozen_worker_gives_back_late_is_not_lost() -> None:
    queue, now, looks = MemoryQueue(), datetime.now(UTC), count(1)
    held = envelope()
    queue.put(queue.settings.outbound, encode(held))
    frozen = MemoryConsumer(queue)
    await frozen.receive(1)
    successor = MemoryConsumer(queue)
    limits = MemoryLimits(rules=ClaimRules(), quota_prefix="quota", clock=lambda: now)
    await limits.note_confirmed(held.tracking_id)

    async def sleep(_seconds: float) -> None:
        if next(looks) == LOOKS_WHILE_HELD:
            await frozen.close()

    audit = Audit(
        store=MemoryStore(),
        limits=limits,
        queue=MemoryAdmin(queue),
        clock=lambda: now + timedelta(minutes=5),
        sleep=sleep,
    )

    balance = await audit.run(back=timedelta(hours=1), stuck=0)

    assert (balance.lost, balance.in_flight, balance.problem) == ((), 1, None)
    await successor.close()


async def test_what_nobody_puts_away_in_time_is_lost_although_workers_run() -> None:
    queue, now, slept = MemoryQueue(), datetime.now(UTC), list[float]()
    worker = MemoryConsumer(queue)
    tracking_id = uuid4()
    limits = MemoryLimits(rules=ClaimRules(), quota_prefix="quota", clock=lambda: now)
    await limits.note_confirmed(tracking_id)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    audit = Audit(
        store=MemoryStore(),
        limits=limits,
        queue=MemoryAdmin(queue),
        clock=lambda: now + timedelta(minutes=5),
        sleep=sleep,
    )

    balance = await audit.run(back=timedelta(hours=1), stuck=0)

    assert (balance.lost, len(slept)) == ((tracking_id,), 1 + LOOKS_WHILE_HELD)
    await worker.close()
