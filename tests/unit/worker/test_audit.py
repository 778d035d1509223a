"""What an audit says when it can tell, and when it cannot."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from smsgw.core.admission import ClaimRules
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.queues.memory import MemoryAdmin, MemoryQueue
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.audit import Audit, Balance


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
