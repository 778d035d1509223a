"""What an audit says when it can tell, and when it cannot."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from smsgw.core.admission import ClaimRules
from smsgw.core.backlog import Backlog
from smsgw.core.envelope import Envelope, encode
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.queues.memory import MemoryAdmin, MemoryConsumer, MemoryQueue
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.audit import AT_WORK_SECONDS, LOOK_EVERY_SECONDS, LOOK_THROUGH, Audit, Balance
from tests.contract import stores
from tests.unit.worker.rig import envelope


class Admin(MemoryAdmin):
    """Sees what RabbitMQ shows: what waits, unless consumers take from it meanwhile, and never what they hold."""

    hold_seconds = 80.0

    async def look(self, limit: int) -> Backlog:
        seen = await super().look(limit)
        bodies = None if seen.bodies and seen.holders else seen.bodies
        return Backlog(bodies=bodies, holders=seen.holders, hold_seconds=self.hold_seconds)


class Bench:
    """An audit over a queue, whose waits are steps of a story: `then` says what happens after so many seconds."""

    def __init__(self) -> None:
        self.queue = MemoryQueue()
        self.store = MemoryStore()
        self.now = datetime.now(UTC)
        self.limits = MemoryLimits(rules=ClaimRules(), quota_prefix="quota", clock=lambda: self.now)
        self.seconds = 0.0
        self._story: list[tuple[float, Callable[[], object]]] = []

    async def confirmed(self, tracking_id: UUID | None = None) -> UUID:
        """Note a confirmed publish; nothing else of it exists yet."""
        tracking_id = tracking_id or uuid4()
        await self.limits.note_confirmed(tracking_id)
        return tracking_id

    async def published(self) -> Envelope:
        """Note a confirmed publish and put it on the queue."""
        sent = envelope()
        await self.confirmed(sent.tracking_id)
        self.queue.put(self.queue.settings.outbound, encode(sent))
        return sent

    async def rows(self, count: int, *, age: timedelta = timedelta(), noted: int = 0) -> None:
        """Store messages, of which the ledger knows so many."""
        arrivals = [stores.queued(created_at=self.now - age) for _ in range(count)]
        await self.store.take_in(arrivals)
        for arrival in arrivals[:noted]:
            await self.confirmed(arrival.change.message.tracking_id)

    def then(self, seconds: float, happens: Callable[[], object]) -> None:
        """Let something happen when the audit has waited so long."""
        self._story.append((seconds, happens))

    async def audit(self) -> Balance:
        """Run it five minutes later."""
        audit = Audit(
            store=self.store,
            limits=self.limits,
            queue=Admin(self.queue),
            clock=lambda: self.now + timedelta(minutes=5),
            sleep=self._sleep,
        )
        return await audit.run(back=timedelta(hours=1), stuck=0)

    async def _sleep(self, seconds: float) -> None:
        self.seconds += seconds
        due = [each for each in self._story if each[0] <= self.seconds]
        for each in due:
            self._story.remove(each)
            happened = each[1]()
            if hasattr(happened, "__await__"):
                await happened


def test_what_is_lost_is_counted_and_named() -> None:
    tracking_id = uuid4()

    lines = Balance(confirmed=3, lost=(tracking_id,)).lines

    assert lines == ["confirmed 3  in flight 0  dead-lettered 0  lost 1", f"LOST {tracking_id}"]


async def test_an_audit_that_cannot_tell_does_not_say_that_nothing_is_lost() -> None:
    bench = Bench()
    bench.queue.is_available = False
    await bench.confirmed()

    balance = await bench.audit()

    assert balance.problem == "cannot tell: switched off"
    assert balance.lines[0] == "confirmed 1  in flight 0  dead-lettered 0  lost ?"


async def test_what_is_nowhere_is_lost_after_a_second_look_when_nobody_consumes() -> None:
    bench = Bench()
    tracking_id = await bench.confirmed()

    balance = await bench.audit()

    assert (balance.lost, balance.in_flight, balance.problem) == ((tracking_id,), 0, None)
    assert bench.seconds == LOOK_EVERY_SECONDS


async def test_what_waits_without_a_worker_is_in_flight_and_known_at_once() -> None:
    bench = Bench()
    await bench.published()

    balance = await bench.audit()

    assert (balance.lost, balance.in_flight, balance.problem) == ((), 1, None)
    assert bench.seconds == 0


@pytest.mark.parametrize("seconds", [5, 20, 45, 75])
async def test_what_a_frozen_worker_gives_back_to_the_queue_is_not_lost(seconds: float) -> None:
    bench = Bench()
    await bench.published()
    frozen = MemoryConsumer(bench.queue)
    await frozen.receive(1)
    bench.then(seconds, frozen.close)

    balance = await bench.audit()

    assert (balance.lost, balance.in_flight, balance.problem) == ((), 1, None)


@pytest.mark.parametrize("seconds", [5, 20, 45, 75])
async def test_what_a_frozen_worker_gives_back_to_another_one_is_not_lost(seconds: float) -> None:
    """The other one freezes as well, with what it was just given: the wait begins anew when the first one is gone."""
    bench = Bench()
    await bench.published()
    frozen, other = MemoryConsumer(bench.queue), MemoryConsumer(bench.queue)
    await frozen.receive(1)

    async def hand_on() -> None:
        await frozen.close()
        await other.receive(1)

    bench.then(seconds, hand_on)
    bench.then(seconds + 75, other.close)

    balance = await bench.audit()

    assert (balance.lost, balance.in_flight, balance.problem) == ((), 1, None)


async def test_what_nobody_puts_away_in_time_is_lost_although_workers_run() -> None:
    bench = Bench()
    worker = MemoryConsumer(bench.queue)
    tracking_id = await bench.confirmed()

    balance = await bench.audit()

    assert (balance.lost, balance.problem) == ((tracking_id,), None)
    assert bench.seconds == Admin.hold_seconds > AT_WORK_SECONDS
    await worker.close()


async def test_workers_that_come_and_go_all_the_time_give_no_clear_view() -> None:
    bench = Bench()
    await bench.confirmed()
    for seconds in range(0, 500, 10):
        bench.then(seconds, lambda: MemoryConsumer(bench.queue))

    balance = await bench.audit()

    assert (balance.lost, balance.in_flight) == ((), 1)
    assert balance.problem == "cannot tell: 1 ids without a row, and the queue gave no clear view"


async def test_a_backlog_gives_no_clear_view() -> None:
    bench = Bench()
    worker = MemoryConsumer(bench.queue)
    await bench.published()

    balance = await bench.audit()

    assert (balance.lost, balance.in_flight) == ((), 1)
    assert balance.problem is not None
    await worker.close()


async def test_a_queue_that_is_empty_for_moments_only_is_seen_whole() -> None:
    bench = Bench()
    worker = MemoryConsumer(bench.queue)
    tracking_id = await bench.confirmed()
    for _ in range(3):
        bench.queue.put(bench.queue.settings.outbound, b"traffic")
    bench.then(0.5, lambda: worker.receive(3))

    balance = await bench.audit()

    assert (balance.lost, balance.problem) == ((tracking_id,), None)
    await worker.close()


@pytest.mark.fault("F28", "I1")
async def test_a_dead_letter_of_another_version_is_not_lost() -> None:
    bench = Bench()
    newer = msgspec.structs.replace(envelope(), version=2)
    await bench.confirmed(newer.tracking_id)
    bench.queue.put(bench.queue.settings.dead, encode(newer), "unknown version 2")
    bench.queue.put(bench.queue.settings.dead, b"\xff garbage", "undecodable")

    balance = await bench.audit()

    assert (balance.lost, balance.dead, balance.problem) == ((), 1, None)


async def test_what_dies_while_the_audit_looks_is_not_lost() -> None:
    bench = Bench()
    sent = envelope()
    await bench.confirmed(sent.tracking_id)
    bench.then(5, lambda: bench.queue.put(bench.queue.settings.dead, encode(sent), "delivery_limit"))

    balance = await bench.audit()

    assert (balance.lost, balance.dead, balance.problem) == ((), 1, None)


async def test_more_dead_letters_than_it_looks_through_hide_what_may_not_be_called_lost() -> None:
    bench = Bench()
    sent = envelope()
    await bench.confirmed(sent.tracking_id)
    for _ in range(LOOK_THROUGH):
        bench.queue.put(bench.queue.settings.dead, b"garbage", "undecodable")
    bench.queue.put(bench.queue.settings.dead, encode(sent), "delivery_limit")

    balance = await bench.audit()

    assert balance.lost == ()
    assert balance.problem == "cannot tell: 1 ids without a row, and there are too many dead letters to look through"


async def test_a_ledger_that_lacks_what_the_store_has_is_not_taken_for_the_books() -> None:
    bench = Bench()
    await bench.rows(11)

    balance = await bench.audit()

    assert balance.problem == (
        "cannot tell: the ledger lacks 11 of 11 messages of these minutes; is LIMITS_URL / QUOTA_PREFIX the gateways' "
        "one, and did Redis lose its data?"
    )
    assert balance.lines == ["confirmed 0  in flight 0  dead-lettered 0  lost ?"]


@pytest.mark.parametrize(("rows", "noted", "is_problem"), [(10, 0, False), (2000, 1980, False), (2000, 1979, True)])
async def test_a_few_messages_may_be_missing_from_the_ledger(rows: int, noted: int, is_problem: bool) -> None:
    """A gateway may die between the confirm and its note."""
    bench = Bench()
    await bench.rows(rows, noted=noted)

    balance = await bench.audit()

    assert (balance.confirmed, balance.lost, balance.problem is not None) == (noted, (), is_problem)


async def test_what_is_lost_is_named_although_the_ledger_lacks_others() -> None:
    bench = Bench()
    tracking_id = await bench.confirmed()
    await bench.rows(20)

    balance = await bench.audit()

    assert balance.lost == (tracking_id,)
    assert balance.problem is not None


@pytest.mark.parametrize("age", [timedelta(minutes=-3, seconds=-1), timedelta(minutes=54, seconds=1)])
async def test_the_edges_of_the_audited_minutes_ask_nothing_of_the_ledger(age: timedelta) -> None:
    bench = Bench()
    await bench.rows(20, age=age)

    balance = await bench.audit()

    assert (balance.lines, balance.problem) == (["confirmed 0  in flight 0  dead-lettered 0  lost 0"], None)
