"""The heartbeat: what it says, how often, and what it does when the broker is away."""

import asyncio
import json

from smsgw.core.events import Crashed, HeartbeatFailed, HeartbeatSent
from smsgw.core.ports import Publisher
from smsgw.gateway.heartbeat import Heartbeat
from smsgw.transports.queues.memory import MemoryPublisher
from tests.unit.gateway.rig import DEADLINE, Rig


def _heartbeat(rig: Rig, publisher: Publisher | None = None) -> Heartbeat:
    return Heartbeat(
        publisher=publisher or rig.publisher,
        config=rig.gateway.config,
        settings=rig.settings,
        observer=rig.facts.append,
        clock=lambda: rig.now,
        dice=lambda: 1.0,
    )


async def test_a_heartbeat_says_who_lives_with_which_configuration() -> None:
    rig = Rig()

    rest = await _heartbeat(rig).run_once()

    (message,) = rig.queue.ready("a.heartbeat")
    assert json.loads(message.body) == {
        "service": "server-a",
        "instance": rig.settings.http.instance,
        "interval_seconds": 60.0,
        "ts": "2026-11-21T12:00:00Z",
        "config_fingerprint": {
            "clients": rig.settings.clients_document.fingerprint,
            "providers": rig.settings.providers_document.fingerprint,
        },
    }
    assert rest == 60
    assert rig.facts == [HeartbeatSent()]


async def test_a_failed_heartbeat_is_tried_again_with_backoff() -> None:
    rig = Rig(HEARTBEAT_INTERVAL_SECONDS="5")
    heartbeat = _heartbeat(rig)
    rig.queue.is_available = False

    rests = [await heartbeat.run_once() for _ in range(5)]
    rig.queue.is_available = True
    rests += [await heartbeat.run_once()]
    rig.queue.is_available = False
    rests += [await heartbeat.run_once()]

    assert rests == [1, 2, 4, 5, 5, 5, 1]
    assert [fact.retry_in_seconds for fact in rig.stated(HeartbeatFailed)] == [1, 2, 4, 5, 5, 1]


async def test_a_publisher_with_a_bug_does_not_end_the_heartbeats() -> None:
    class Broken(MemoryPublisher):
        async def publish_heartbeat(self, body: bytes) -> bool:
            raise ZeroDivisionError

    rig = Rig()

    rest = await _heartbeat(rig, Broken(rig.queue)).run_once()

    assert rest == 1
    assert [fact.where for fact in rig.stated(Crashed)] == ["heartbeat"]


async def test_heartbeats_come_until_the_stop() -> None:
    rig = Rig(HEARTBEAT_INTERVAL_SECONDS="0.1")
    stop = asyncio.Event()
    running = asyncio.create_task(_heartbeat(rig).run(stop))
    async with asyncio.timeout(DEADLINE):
        while len(rig.queue.ready("a.heartbeat")) < 2:
            await rig.queue.change()

    stop.set()
    await asyncio.wait_for(running, DEADLINE)

    assert len(rig.stated(HeartbeatSent)) >= 2
