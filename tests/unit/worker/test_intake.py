"""Intake: copies, poison, duplicates, outages, slots."""

import asyncio

from smsgw.core.envelope import encode, join
from smsgw.core.events import CopyDropped, DependencyBack, DependencyLost, Poisoned
from smsgw.core.message import Reason, Status
from tests.unit.worker.rig import Rig, ScriptedProvider, envelope


async def test_a_copy_is_acknowledged_and_nothing_else() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent, sent)

    await rig.take_in()
    await rig.take_in() if rig.queue.ready(rig.queue.settings.outbound) else None

    assert 1 == len(provider.submits)
    assert [CopyDropped(tracking_id=sent.tracking_id)] == [each for each in rig.facts if isinstance(each, CopyDropped)]


async def test_an_array_is_taken_in_whole() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, capacity=2)
    members = [envelope("A") for _ in range(5)]
    rig.put(join([encode(each) for each in members]))

    for _ in range(3):
        await rig.take_in()

    assert {Status.SENT} == {rig.message(each.tracking_id).status for each in members}
    assert not rig.queue.ready(rig.queue.settings.outbound)


async def test_poison_goes_to_the_dead_letters_and_disturbs_no_neighbour() -> None:
    rig = Rig(ScriptedProvider("A"))
    good = envelope("A")
    rig.put(join([b'{"version": 7}', encode(good)]))

    await rig.take_in()

    dead = rig.queue.ready(rig.queue.settings.dead)
    assert [(b'{"version": 7}', "unknown version 7")] == [(each.body, each.reason) for each in dead]
    assert Status.SENT == rig.message(good.tracking_id).status
    assert 1 == len([each for each in rig.facts if isinstance(each, Poisoned)])


async def test_a_second_tracking_id_for_one_idempotency_hash_is_not_sent() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    first, second = (envelope("A", idempotency_hash="a" * 64) for _ in range(2))
    rig.put(first)
    await rig.take_in()
    rig.put(second)

    await rig.take_in()

    message = rig.message(second.tracking_id)
    assert (Status.FAILED, Reason.DUPLICATE_OF) == (message.status, message.reason)
    assert 1 == len(provider.submits)


async def test_a_commit_of_unknown_outcome_is_asked_again_and_sent_once() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    rig.store.fail_after_commit = True

    await rig.take_in()

    assert 1 == len(provider.submits)
    assert Status.SENT == rig.message(sent.tracking_id).status


async def test_an_outage_gives_deliveries_back_and_takes_them_in_afterwards() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    rig.store.fail = True
    taking_in = asyncio.create_task(rig.intake.run_until(rig.stopping))
    async with asyncio.timeout(10):
        while not any(isinstance(fact, DependencyLost) for fact in rig.facts):
            await asyncio.sleep(0.01)

    rig.store.fail = False
    async with asyncio.timeout(10):
        while not provider.submits:
            await asyncio.sleep(0.01)
    rig.stopping.set()
    await taking_in
    await rig.rest()

    assert 1 == len(provider.submits)
    assert Status.SENT == rig.message(sent.tracking_id).status
    assert any(isinstance(fact, DependencyBack) for fact in rig.facts)


async def test_intake_takes_no_more_than_slots_are_free() -> None:
    provider = ScriptedProvider("A")
    provider.hold = asyncio.Event()
    rig = Rig(provider, capacity=3)
    rig.put(*[envelope("A") for _ in range(5)])

    await rig.intake.run_once(rig.stopping)

    assert 3 == rig.slots.in_use == len(rig.store.messages)
    provider.hold.set()
    await rig.rest()


async def test_what_no_slot_comes_free_for_is_put_away_as_queued() -> None:
    provider = ScriptedProvider("A")
    provider.hold = asyncio.Event()
    rig = Rig(provider, capacity=1)
    first, second, third = (envelope("A") for _ in range(3))
    rig.put(join([encode(each) for each in (first, second, third)]))
    await rig.intake.run_once(rig.stopping)

    await rig.intake.run_once(rig.stopping)

    assert [rig.message(each.tracking_id).status for each in (first, second, third)] == [
        "PROCESSING",
        "QUEUED",
        "QUEUED",
    ]
    assert not rig.queue.ready(rig.queue.settings.outbound)
    provider.hold.set()
    await rig.rest()
    await rig.sweep()
    await rig.sweep()
    await rig.sweep()
    assert {rig.message(each.tracking_id).status for each in (first, second, third)} == {"SENT"}
