"""Things that are due later, on the loop's own clock."""

import asyncio

from smsgw.simulator.schedule import Schedule


async def test_things_come_in_the_order_of_their_times_however_they_were_added() -> None:
    came: asyncio.Queue[str] = asyncio.Queue()
    schedule = Schedule(came.put_nowait)

    for name, seconds in (("last", 0.06), ("first", 0), ("third", 0.03), ("second", 0.015)):
        schedule.add(name, seconds=seconds)
    async with asyncio.timeout(10):
        order = [await came.get() for _ in range(4)]

    assert order == ["first", "second", "third", "last"]
    assert len(schedule) == 0


async def test_nothing_is_early() -> None:
    loop = asyncio.get_running_loop()
    came: asyncio.Queue[float] = asyncio.Queue()
    schedule: Schedule[float] = Schedule(lambda due: came.put_nowait(loop.time() - due))

    for number in range(20):
        schedule.add(loop.time() + number * 0.003, seconds=number * 0.003)
    async with asyncio.timeout(10):
        late = [await came.get() for _ in range(20)]

    # The loop's clock itself may be a millisecond behind.
    assert min(late) > -0.002


async def test_thousands_share_one_timer() -> None:
    came = asyncio.Event()
    seen: list[int] = []

    def act(number: int) -> None:
        seen.append(number)
        if len(seen) == 5000:
            came.set()

    schedule = Schedule(act)
    for number in range(5000):
        schedule.add(number, seconds=0.01)
    async with asyncio.timeout(10):
        await came.wait()

    assert seen == list(range(5000))


async def test_what_was_cleared_never_comes() -> None:
    came: asyncio.Queue[str] = asyncio.Queue()
    schedule = Schedule(came.put_nowait)

    schedule.add("cleared", seconds=0.01)
    schedule.clear()
    schedule.add("kept", seconds=0.02)
    async with asyncio.timeout(10):
        first = await came.get()

    assert first == "kept"
