"""Work that outlives its caller: it ends, its result arrives or its exception is stated, and closing waits for it."""

import asyncio
from typing import Any

import pytest

from smsgw.core.events import Crashed
from smsgw.gateway.in_flight import InFlight

DEADLINE = 10


async def _fail_after(event: asyncio.Event) -> None:
    await event.wait()
    raise ZeroDivisionError


async def _set_by(event: asyncio.Event) -> str:
    await event.wait()
    return "done"


async def test_a_result_and_an_exception_reach_who_waits() -> None:
    facts: list[Any] = []
    in_flight = InFlight(observer=facts.append)
    event = asyncio.Event()
    event.set()

    result = await in_flight.finish(_set_by(event))
    with pytest.raises(ZeroDivisionError):
        await in_flight.finish(_fail_after(event))
    await in_flight.drain()

    assert result == "done"
    assert (facts, len(in_flight)) == ([], 0)


async def test_an_exception_that_nobody_waits_for_is_stated() -> None:
    facts: list[Any] = []
    in_flight = InFlight(observer=facts.append)
    event = asyncio.Event()
    leaving = asyncio.create_task(in_flight.finish(_fail_after(event)))
    in_flight.spawn(_fail_after(event), where="a chore")
    await asyncio.wait({leaving}, timeout=0.01)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)

    event.set()
    await asyncio.wait_for(in_flight.drain(), DEADLINE)

    assert leaving.cancelled()
    assert {(type(fact), fact.where) for fact in facts} == {(Crashed, "in flight"), (Crashed, "a chore")}


async def test_draining_waits_for_what_starts_meanwhile() -> None:
    in_flight = InFlight(observer=lambda _: None)
    event = asyncio.Event()
    ended: list[str] = []

    async def second() -> None:
        ended.append(await _set_by(event))

    async def first() -> None:
        in_flight.spawn(second(), where="second")
        event.set()

    in_flight.spawn(first(), where="first")
    await asyncio.wait_for(in_flight.drain(), DEADLINE)

    assert ended == ["done"]
