"""Intake: copies, poison, duplicates, outages, slots."""

import asyncio
from collections.abc import Sequence

import pytest

from smsgw.core.envelope import encode, join
from smsgw.core.events import CopyDropped, DependencyBack, DependencyLost, Poisoned
from smsgw.core.failure import SendResult
from smsgw.core.lifecycle import Change
from smsgw.core.message import Reason, Status
from smsgw.core.ports import Arrival, StoreUnavailableError, Submit
from tests.unit.worker.rig import Rig, ScriptedProvider, envelope, until


@pytest.mark.fault("F25", "I3")
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


@pytest.mark.fault("F26", "I1")
@pytest.mark.fault("F28", "I1")
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


async def test_an_outage_gives_deliveries_back_once_and_takes_them_in_afterwards() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider)
    sent = envelope("A")
    rig.put(sent)
    rig.store.fail = True
    taking_in = asyncio.create_task(rig.intake.run_until(rig.stopping))
    await until(lambda: any(isinstance(fact, DependencyLost) for fact in rig.facts))

    rig.store.fail = False
    await until(lambda: sent.tracking_id in rig.store.messages)
    await until(lambda: not rig.queue.ready(rig.queue.settings.outbound))
    await rig.rounds.run_once()
    rig.stopping.set()
    await taking_in
    await rig.rest()

    assert 1 == len(provider.submits)
    assert Status.SENT == rig.message(sent.tracking_id).status
    assert any(isinstance(fact, DependencyBack) for fact in rig.facts)


async def test_a_store_that_reads_but_does_not_write_costs_no_deliveries() -> None:
    rig = Rig(ScriptedProvider("A"))
    rig.put(envelope("A"))
    (message,) = rig.queue.ready(rig.queue.settings.outbound)
    take_in, refusals = rig.store.take_in, 0

    async def full_disk(arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        nonlocal refusals
        refusals += 1
        if refusals < 12:
            raise StoreUnavailableError("disk full")
        return await take_in(arrivals)

    rig.store.take_in = full_disk  # type: ignore[method-assign]
    taking_in = asyncio.create_task(rig.intake.run_until(rig.stopping))
    await until(lambda: rig.store.messages and not rig.queue.ready(rig.queue.settings.outbound))
    rig.stopping.set()
    await taking_in

    assert message.deliveries <= 2
    assert not rig.queue.ready(rig.queue.settings.dead)


@pytest.mark.fault("F26", "I1")
async def test_what_the_store_cannot_keep_is_buried_and_its_neighbours_are_taken_in() -> None:
    rig = Rig(ScriptedProvider("A"))
    good, bad = envelope("A"), envelope("A", client_key="bad")
    rig.put(join([encode(good), encode(bad)]))
    take_in = rig.store.take_in

    async def picky(arrivals: Sequence[Arrival]) -> Sequence[Change | None]:
        if any(arrival.change.message.client_key == "bad" for arrival in arrivals):
            raise ValueError("a value that no column takes")
        return await take_in(arrivals)

    rig.store.take_in = picky  # type: ignore[method-assign]
    await rig.take_in()
    await rig.sweep()

    (dead,) = rig.queue.ready(rig.queue.settings.dead)
    assert dead.reason == "the store cannot keep it: ValueError"
    assert Status.SENT == rig.message(good.tracking_id).status
    assert not rig.queue.ready(rig.queue.settings.outbound)


@pytest.mark.fault("F26", "I1")
async def test_a_burial_that_was_not_confirmed_is_tried_again() -> None:
    rig = Rig(ScriptedProvider("A"))
    good = envelope("A")
    rig.put(join([b'{"version": 7}', encode(good)]))
    bury, refusals = rig.consumer.bury, 0

    async def alarmed(body: bytes, reason: str) -> bool:
        nonlocal refusals
        refusals += 1
        return False if refusals < 3 else await bury(body, reason)

    rig.consumer.bury = alarmed  # type: ignore[method-assign]
    taking_in = asyncio.create_task(rig.intake.run_until(rig.stopping))
    await until(lambda: rig.queue.ready(rig.queue.settings.dead))
    rig.stopping.set()
    await taking_in
    await rig.rest()

    assert Status.SENT == rig.message(good.tracking_id).status
    assert not rig.queue.ready(rig.queue.settings.outbound)


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


async def test_what_slots_trickle_for_is_not_held_until_the_last_of_it_has_one() -> None:
    provider = ScriptedProvider("A")
    rig = Rig(provider, capacity=1)
    members = [envelope("A") for _ in range(40)]
    rig.put(join([encode(each) for each in members]))
    send = provider.send

    async def slowly(submit: Submit) -> SendResult:
        await asyncio.sleep(0.03)
        return await send(submit)

    provider.send = slowly  # type: ignore[method-assign]
    taking_in = asyncio.create_task(rig.intake.run_until(rig.stopping))
    await until(lambda: len(rig.store.messages) == len(members))
    begun = len(provider.submits)
    rig.stopping.set()
    await taking_in
    await rig.rest()

    assert 0 < begun < len(members) / 2
    assert {rig.message(each.tracking_id).status for each in members} == {Status.SENT, Status.QUEUED}
    assert not rig.queue.ready(rig.queue.settings.outbound)
