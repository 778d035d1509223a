"""MAX_QUEUE_DEPTH: requests are turned away while too much waits, and for no other reason."""

import asyncio
from typing import Any

import pytest

from smsgw.core.events import QueueFilled, QueueHasRoom
from smsgw.core.ports import QueueUnavailableError
from smsgw.gateway.fullness import LOOK_IS_GOOD_SECONDS, Full, QueueGuard
from tests.unit.gateway.rig import DEADLINE, PHONE, PHONE_PATH, SEND, Rig, error_of


class Watched:
    """A guard on a queue whose depth, outages and clock the test holds."""

    def __init__(self, limit: int = 10) -> None:
        self.depth: int | None = 0
        self.seconds = 100.0
        self.looks = asyncio.Semaphore(0)
        self.facts: list[Any] = []
        self.guard = QueueGuard(self._look, limit=limit, observer=self.facts.append, monotonic=lambda: self.seconds)

    async def _look(self) -> int:
        self.looks.release()
        if self.depth is None:
            raise QueueUnavailableError("away")
        return self.depth

    async def see(self, depth: int | None) -> Full | None:
        """Let the guard look once."""
        self.depth = depth
        await self.guard.run_once()
        return self.guard.full()


async def _filled(*, ingress: str = "0") -> Rig:
    """A gateway that has seen two broker messages wait where one may."""
    rig = Rig(MAX_QUEUE_DEPTH="1", INGRESS_RATE_LIMIT=ingress)
    for _ in range(2):
        rig.queue.put("sms.outbound", b"{}")
    assert rig.gateway.guard
    await rig.gateway.guard.run_once()
    return rig


# --- the guard --------------------------------------------------------------------------------------------------------


async def test_as_many_as_may_wait_are_not_too_many() -> None:
    watched = Watched()

    assert [await watched.see(depth) for depth in (0, 10, 11)] == [None, None, Full(11, 10)]


async def test_changes_are_stated_and_nothing_else() -> None:
    watched = Watched()

    for depth in (11, 12, 13, 10, 9, 11):
        await watched.see(depth)

    filled = [QueueFilled(depth=11, limit=10)]
    assert watched.facts == [*filled, QueueHasRoom(limit=10), *filled]


async def test_a_look_that_fails_leaves_the_last_one_until_that_is_old() -> None:
    watched = Watched()
    await watched.see(11)

    soon = await watched.see(None)
    watched.seconds += LOOK_IS_GOOD_SECONDS + 0.1
    without_a_look = watched.guard.full()
    later = await watched.see(None)

    assert (soon, without_a_look, later) == (Full(11, 10), None, None)
    assert watched.facts[-1] == QueueHasRoom(limit=10)


async def test_it_looks_until_it_is_stopped() -> None:
    watched, stop = Watched(), asyncio.Event()
    running = asyncio.create_task(watched.guard.run(stop))
    async with asyncio.timeout(DEADLINE):
        await watched.looks.acquire()
        await watched.looks.acquire()

        stop.set()
        await running

    assert watched.guard.full() is None


# --- the gateway ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "body"), [("/api/v1/sms/send", SEND), (PHONE_PATH, PHONE)])
@pytest.mark.parametrize("key", [None, "k-1"])
async def test_both_doors_are_closed_while_too_much_waits(path: str, body: dict[str, str], key: str | None) -> None:
    rig = await _filled(ingress="5")

    response = await rig.send(body, path=path, api_key="key-b", key=key)

    assert error_of(response) == (503, "BROKER_UNAVAILABLE")
    assert response.json()["details"] == {"queue_depth": 2, "limit": 1}
    assert response.headers["retry-after"] == "1"
    assert rig.limits.used_today("b") == 0
    assert (rig.limits.books.buckets, rig.limits.books.records) == ({}, {})


async def test_a_used_key_is_still_replayed() -> None:
    before = Rig()
    first = await before.send(key="k-1")
    rig = await _filled()
    rig.limits.books = before.limits.books

    replay, other = await rig.send(key="k-1"), await rig.send({**SEND, "text": "other"}, key="k-1")

    assert (replay.status_code, replay.content) == (202, first.content)
    assert error_of(other) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_the_gate_speaks_first() -> None:
    rig = await _filled()

    response = await rig.send({**SEND, "providers": ["Provider-B"]})

    assert error_of(response) == (409, "PROVIDER_DISABLED")


async def test_requests_go_through_again_when_there_is_room() -> None:
    rig = await _filled()
    shed = await rig.send(key="k-1")
    rig.queue.ready("sms.outbound").clear()
    assert rig.gateway.guard
    await rig.gateway.guard.run_once()

    retried = await rig.send(key="k-1")

    assert (shed.status_code, retried.status_code) == (503, 202)


async def test_without_a_limit_nobody_looks() -> None:
    assert Rig().gateway.guard is None
