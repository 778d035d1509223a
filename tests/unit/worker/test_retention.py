"""The retention chore: what it asks the store for, how it paces itself, what it tells."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from smsgw.core.data_care import Kept, Retention
from smsgw.core.events import RowsRetired
from smsgw.core.lifecycle import fail
from smsgw.core.message import Reason
from smsgw.core.ports import StoreUnavailableError
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.retention import BATCH, IDLE_SECONDS, LEAST_REST_SECONDS, REST, RetentionChore
from tests.contract import stores
from tests.contract.stores import NOW

DAY = timedelta(days=1)
LATER = NOW + 10 * DAY


class Desk:
    """A chore on a store in memory; every look at the timer is a tenth of a second after the one before."""

    def __init__(self, retention: Retention) -> None:
        self.store = MemoryStore()
        self.facts: list[Any] = []
        self._seconds = 0.0
        self.chore = RetentionChore(
            store=self.store,
            retention=retention,
            observer=self.facts.append,
            clock=lambda: LATER,
            timer=self._tick,
        )

    async def fill(self, count: int) -> None:
        changes = await stores.take_in(self.store, *(stores.queued() for _ in range(count)))
        for change in changes:
            assert await self.store.apply(fail(change.message, Reason.EXPIRED, NOW))

    @property
    def texts(self) -> set[str]:
        return {each.text for each in self.store.messages.values()}

    def _tick(self) -> float:
        self._seconds += 0.1
        return self._seconds


async def test_without_a_setting_nothing_is_asked_for() -> None:
    desk = Desk(Retention())
    await desk.fill(3)
    desk.store.fail = True

    pause = await desk.chore.run_once()

    assert pause == IDLE_SECONDS
    assert desk.facts == []


async def test_what_is_old_is_erased_and_told() -> None:
    desk = Desk(Retention(texts=DAY))
    await desk.fill(3)

    pause = await desk.chore.run_once()

    assert desk.texts == {""}
    assert pause == IDLE_SECONDS
    assert desk.facts == [RowsRetired(what=Kept.TEXTS, rows=3, is_behind=False, oldest_seconds=0)]


async def test_what_is_young_stays_and_its_age_is_told() -> None:
    desk = Desk(Retention(texts=11 * DAY))
    await desk.fill(1)

    await desk.chore.run_once()

    assert desk.texts == {"Your code is 1234"}
    age = (10 * DAY).total_seconds()
    assert desk.facts == [RowsRetired(what=Kept.TEXTS, rows=0, is_behind=False, oldest_seconds=age)]


async def test_one_run_is_one_batch_and_then_it_rests_in_proportion() -> None:
    desk = Desk(Retention(texts=DAY))
    await desk.fill(BATCH + 1)

    first = await desk.chore.run_once()
    second = await desk.chore.run_once()

    assert first == pytest.approx(REST * 0.1)
    assert first > LEAST_REST_SECONDS
    assert second == IDLE_SECONDS
    assert [each.rows for each in desk.facts] == [BATCH, 1]
    assert [each.is_behind for each in desk.facts] == [True, False]


async def test_messages_and_reports_retire_beside_texts() -> None:
    desk = Desk(Retention(texts=DAY, messages=4 * DAY))
    await desk.fill(3)
    await desk.store.store_reports([stores.report(), stores.report()])
    for parked in desk.store.inbox.values():
        parked.due_at = None

    await desk.chore.run_once()

    assert [(each.what, each.rows) for each in desk.facts] == [
        (Kept.TEXTS, 3),
        (Kept.MESSAGES, 2),
        (Kept.REPORTS, 1),
    ]
    assert len(desk.store.messages) == len(desk.store.inbox) == 1


async def test_a_walk_that_another_worker_holds_is_left_to_it() -> None:
    class Held(MemoryStore):
        async def retire(self, *_: Any, **__: Any) -> None:
            return None

    facts: list[Any] = []
    chore = RetentionChore(store=Held(), retention=Retention(texts=DAY), observer=facts.append, clock=lambda: LATER)

    pause = await chore.run_once()

    assert pause == IDLE_SECONDS
    assert facts == []


async def test_an_outage_is_left_to_the_supervisor() -> None:
    desk = Desk(Retention(texts=DAY))
    desk.store.fail = True

    with pytest.raises(StoreUnavailableError):
        await desk.chore.run_once()

    assert desk.facts == []


async def test_a_message_that_may_still_be_sent_is_never_touched() -> None:
    desk = Desk(Retention(texts=DAY, messages=4 * DAY))
    waiting = (await stores.take_in(desk.store, stores.queued()))[0].message
    await desk.fill(2)

    await desk.chore.run_once()

    assert desk.store.messages[waiting.tracking_id] == msgspec.structs.replace(waiting)
    assert len(desk.store.messages) == 3
