"""The gateway's end of the queue on Redis: one XADD for what concurrent requests publish, and every way to fail told
apart."""

import asyncio
from collections.abc import Sequence
from typing import Any

from smsgw import failpoints
from smsgw.core.admission import PublishOutcome
from smsgw.core.envelope import join
from smsgw.core.ports import Observer
from smsgw.settings import QueueSettings
from smsgw.transports.queues.outgoing import PUBLISH_SECONDS, Outbox, Outgoing
from smsgw.transports.queues.redis_streams.link import Link
from smsgw.transports.queues.redis_streams.names import BODY, GROUP, HEARTBEATS_KEPT, key
from smsgw.transports.queues.redis_streams.wire import LostError, NotSentError, RefusedError

# Few, so that batches grow under load; several, so that one slow answer does not stop the others.
PUBLISHES_IN_FLIGHT = 3
LOOK_SECONDS = 1.0


class RedisPublisher:
    """Implements Publisher. Construct, `await open()` (returns at once, also without a Redis), `await close()`."""

    def __init__(self, settings: QueueSettings, *, observer: Observer) -> None:
        self._settings = settings
        self._link = Link(settings, observer, name="publisher", publishes=True, judges=True)
        self._outbox = Outbox(self._write, max_in_flight=PUBLISHES_IN_FLIGHT)

    async def open(self) -> None:
        """Begin to connect in the background."""
        self._link.open()

    async def watch(self) -> None:
        """Wait until closed; raises WrongRedisError, one line for the operator, when the role must stop."""
        await self._link.watch()

    async def publish(self, envelope: bytes) -> PublishOutcome:
        """Publish one encoded envelope, together with those of concurrent callers."""
        return await self._outbox.publish(envelope)

    async def publish_heartbeat(self, body: bytes) -> bool:
        """Publish one heartbeat; the oldest beyond a thousand are dropped."""
        command = ("XADD", key(self._settings.heartbeat), "MAXLEN", "=", HEARTBEATS_KEPT, "*", BODY, body)
        return await add(self._link, *command) is PublishOutcome.CONFIRMED

    async def is_ready(self) -> bool:
        """Whether Redis answers and would take a publish: making the group, which is there, is refused as one is."""
        probe = ("XGROUP", "CREATE", key(self._settings.outbound), GROUP, "0", "MKSTREAM")
        return await self._link.answers(*probe, fine=("BUSYGROUP", "NOPERM"))

    async def close(self) -> None:
        """Wait for the outcomes of what was published, then disconnect."""
        await self._outbox.drain()
        await self._link.close()

    async def _write(self, batch: Sequence[Outgoing]) -> PublishOutcome:
        if not await self._link.is_there(LOOK_SECONDS):
            return PublishOutcome.REFUSED
        members = [outgoing for outgoing in batch if outgoing.start()]
        if not members:
            return PublishOutcome.REFUSED
        body = join([outgoing.body for outgoing in members])
        deadline = max(outgoing.deadline for outgoing in members)
        publishing = _add(self._link, ("XADD", key(self._settings.outbound), "*", BODY, body), deadline)
        return await failpoints.under_way("G4", publishing)


async def add(link: Link, *command: Any) -> PublishOutcome:
    """Add one entry within three seconds, the wait for the first look included."""
    deadline = asyncio.get_running_loop().time() + PUBLISH_SECONDS
    if not await link.is_there(PUBLISH_SECONDS):
        return PublishOutcome.REFUSED
    return await _add(link, command, deadline)


async def _add(link: Link, command: tuple[Any, ...], deadline: float) -> PublishOutcome:
    try:
        await link.call(*command, deadline=deadline)
    except NotSentError:
        return PublishOutcome.REFUSED
    except RefusedError as error:
        link.refused(error)
        return PublishOutcome.REFUSED
    except LostError:
        return PublishOutcome.UNKNOWN
    return PublishOutcome.CONFIRMED
