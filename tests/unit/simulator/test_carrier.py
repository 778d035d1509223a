"""One carrier without a network, on a clock of the test's."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smsgw.simulator.carrier import Carrier, Surroundings
from smsgw.simulator.control import read_order
from smsgw.simulator.dialects import phone_text
from smsgw.simulator.journal import Journal
from smsgw.simulator.outages import Outage
from smsgw.simulator.replies import Reply
from smsgw.simulator.reports import Reporter
from smsgw.simulator.settings import CarrierSettings

AT = datetime(2026, 11, 21, tzinfo=UTC)


class World:
    """Carriers on a clock that stands until it is moved."""

    def __init__(self, reporter: Reporter) -> None:
        self.now = 0.0
        self.stop = asyncio.Event()
        self._around = Surroundings(
            reporter=reporter,
            journal=Journal(None),
            stop=self.stop,
            clock=lambda: AT + timedelta(seconds=self.now),
            ticks=lambda: self.now,
        )

    def carrier(self, name: str = "provider1", **settings: Any) -> Carrier:
        return Carrier(name, CarrierSettings(**{"latency": 0, **settings}), self._around)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with Reporter(clock=lambda: AT) as reporter:
        yield World(reporter)


async def send(carrier: Carrier, *, text: str = "x") -> Reply:
    body = json.dumps({"phone": "+4915112345678", "text": text}).encode()
    return await carrier.send(phone_text(CarrierSettings()), [], body, _gone)


async def _gone() -> Any:
    return {"type": "http.disconnect"}


MIXED: dict[str, Any] = {"error_rate": 0.2, "throttle_rate": 0.2, "reject_rate": 0.2, "garbage_rate": 0.3}


async def behaviours(carrier: Carrier, count: int = 60) -> list[tuple[int, bytes]]:
    replies = [await send(carrier) for _ in range(count)]
    return [(reply.status, reply.body[:20] if reply.status != 202 else b"") for reply in replies]


async def test_the_same_seed_and_order_give_the_same_behaviours(world: World) -> None:
    first = await behaviours(world.carrier(**MIXED))
    again = await behaviours(world.carrier(**MIXED))

    assert first == again
    assert len({status for status, _ in first}) == 5


async def test_every_provider_has_dice_of_its_own_and_so_has_every_seed(world: World) -> None:
    first = await behaviours(world.carrier(**MIXED))
    neighbour = await behaviours(world.carrier("provider2", **MIXED))
    other = await behaviours(world.carrier(seed=2, **MIXED))

    assert first != neighbour
    assert first != other


async def test_an_outage_or_a_limit_in_between_does_not_change_the_dice(world: World) -> None:
    undisturbed = await behaviours(world.carrier(**MIXED))
    down = (Outage(kind="http_401", from_seconds=0, to_seconds=1),)
    carrier = world.carrier(outages=down, **MIXED)

    disturbed = await behaviours(carrier, 30)
    world.now = 2
    disturbed += await behaviours(carrier, 30)

    assert {status for status, _ in disturbed[:30]} == {401}
    assert disturbed[30:] == undisturbed[30:]


async def test_the_limit_answers_429_with_when_to_come_again(world: World) -> None:
    carrier = world.carrier(rate_limit=3)

    statuses = [(await send(carrier)).status for _ in range(5)]
    throttled = await send(carrier)
    world.now = 1.0
    later = await send(carrier)

    assert statuses == [202, 202, 202, 429, 429]
    assert (b"retry-after", b"1") in throttled.headers
    assert later.status == 202
    summary = carrier.tally.summary("provider1")
    assert (summary.max_in_any_second.asked, summary.max_in_any_second.accepted) == (6, 3)


async def test_a_limit_can_count_segments(world: World) -> None:
    carrier = world.carrier(rate_limit=5, rate_unit="segment")

    statuses = [(await send(carrier, text="x" * 200)).status for _ in range(3)]

    assert statuses == [202, 202, 429]
    summary = carrier.tally.summary("provider1")
    assert (summary.asked, summary.max_in_any_second.asked, summary.max_in_any_second.accepted) == (3, 6, 4)


async def test_a_limit_that_is_changed_holds_at_once(world: World) -> None:
    carrier = world.carrier(rate_limit=1)
    await send(carrier)

    changed = carrier.obey(read_order(b'{"rate_limit": 2, "latency": 0}', carrier.conduct, seconds=0))

    assert changed == ("rate_limit",)
    assert [(await send(carrier)).status for _ in range(3)] == [202, 202, 429]


async def test_an_outage_by_hand_ends_by_itself(world: World) -> None:
    carrier = world.carrier()
    world.now = 50
    carrier.obey(read_order(b'{"outage": {"kind": "http_500", "seconds": 5}}', carrier.conduct, seconds=50))

    statuses = []
    for world.now in (50, 54.9, 55):
        statuses.append((await send(carrier)).status)

    assert statuses == [500, 500, 202]


async def test_silence_takes_nothing_and_hanging_does(world: World) -> None:
    silent = world.carrier(outages=(Outage(kind="silence", from_seconds=0, to_seconds=1),))
    hanging = world.carrier(outages=(Outage(kind="hang", from_seconds=0, to_seconds=1),))

    for carrier in (silent, hanging):
        await send(carrier)

    assert [len(carrier.ledger.entries()) for carrier in (silent, hanging)] == [0, 1]
    assert silent.tally.summary("p").results["silent"] == 1
    assert hanging.tally.summary("p").accepted == 1


async def test_look_ups_share_an_outage(world: World) -> None:
    carrier = world.carrier(outages=(Outage(kind="http_500", from_seconds=0, to_seconds=1),))

    down = await carrier.look_up("r", _gone)
    world.now = 1
    up = await carrier.look_up("r", _gone)

    assert (down.status, up.status) == (500, 404)


async def test_a_reset_forgets_and_ids_stay_new(world: World) -> None:
    carrier = world.carrier()
    first = await send(carrier)

    carrier.reset()
    second = await send(carrier)

    assert len(carrier.ledger.entries()) == 1
    assert carrier.tally.summary("p").asked == 1
    assert first.body != second.body
