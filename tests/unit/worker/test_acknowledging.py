"""When a delivery is acknowledged: once everything in it is committed, and not a moment before."""

import asyncio
from collections.abc import Sequence

from smsgw.core.envelope import encode, join
from smsgw.core.lifecycle import Change
from smsgw.core.message import Status
from smsgw.core.ports import Arrival
from tests.unit.worker.rig import Rig, ScriptedProvider, envelope


async def given_back(rig: Rig) -> int:
    """Return how many deliveries were not acknowledged: a pause gives back just these."""
    await rig.consumer.pause()
    return len(rig.queue.ready(rig.queue.settings.outbound))


async def test_nothing_is_acknowledged_before_it_is_committed() -> None:
    rig = Rig(ScriptedProvider("A"))
    sent = envelope("A")
    rig.put(sent)
    take_in, asked, may_commit = rig.store.take_in, asyncio.Event(), asyncio.Event()

    async def slowly(arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        asked.set()
        await may_commit.wait()
        return await take_in(arrivals)

    rig.store.take_in = slowly  # type: ignore[method-assign]
    taking_in = asyncio.create_task(rig.take_in())
    async with asyncio.timeout(15):
        await asked.wait()
    while_committing = await given_back(rig)
    may_commit.set()
    await taking_in

    assert while_committing == 1
    assert Status.SENT == rig.message(sent.tracking_id).status


async def test_what_is_committed_is_acknowledged() -> None:
    rig = Rig(ScriptedProvider("A"))
    rig.put(envelope("A"), envelope("A"))

    await rig.take_in()

    assert len(rig.store.messages) == 2
    assert await given_back(rig) == 0


async def test_an_array_is_not_acknowledged_while_one_of_its_members_is_not_committed() -> None:
    rig = Rig(ScriptedProvider("A"), capacity=2)
    rig.put(join([encode(envelope("A")) for _ in range(5)]))

    await rig.take_in()
    committed = len(rig.store.messages)

    assert committed == 2
    assert await given_back(rig) == 1


async def test_a_member_that_is_not_buried_yet_keeps_its_array_from_being_acknowledged() -> None:
    rig = Rig(ScriptedProvider("A"))
    rig.put(join([encode(envelope("A")), b'{"version": 7}']))

    async def alarmed(body: bytes, reason: str) -> bool:
        return False

    rig.consumer.bury = alarmed  # type: ignore[method-assign]
    await rig.take_in()

    assert len(rig.store.messages) == 1
    assert await given_back(rig) == 1
