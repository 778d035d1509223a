"""The gateway's end of RabbitMQ: persistent, mandatory and confirmed, and every way to fail told apart."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import uuid4

from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from smsgw import failpoints
from smsgw.core.admission import PublishOutcome
from smsgw.core.envelope import join
from smsgw.core.ports import Observer, QueueUnavailableError
from smsgw.settings import QueueSettings
from smsgw.transports.queues.outgoing import PUBLISH_SECONDS, Outbox, Outgoing
from smsgw.transports.queues.rabbitmq.connection import REDECLARE_SECONDS, Link, Session
from smsgw.transports.queues.rabbitmq.wire import is_blocked, translated

REASON_HEADER = "x-smsgw-reason"
# Few, so that batches grow under load; several, so that one slow confirm does not stop the others.
PUBLISHES_IN_FLIGHT = 3
SESSION_SECONDS = 1.0


class RabbitPublisher:
    """Implements Publisher. Construct, `await open()` (returns at once, also without a broker), `await close()`."""

    def __init__(self, settings: QueueSettings, *, observer: Observer) -> None:
        self._settings = settings
        self._link = Link(settings, observer, name="publisher")
        self._outbox = Outbox(self._write, max_in_flight=PUBLISHES_IN_FLIGHT)

    async def open(self) -> None:
        """Begin to connect in the background."""
        self._link.open()

    async def watch(self) -> None:
        """Wait until closed; raises TopologyError, one line for the operator, when the role must stop."""
        await self._link.watch()

    async def publish(self, envelope: bytes) -> PublishOutcome:
        """Publish one encoded envelope, together with those of concurrent callers."""
        return await self._outbox.publish(envelope)

    async def publish_heartbeat(self, body: bytes) -> bool:
        """Publish one heartbeat; False when it was not confirmed."""
        outcome = await publish_confirmed(self._link, self._settings.heartbeat, body)
        return outcome is PublishOutcome.CONFIRMED

    async def is_ready(self) -> bool:
        """Whether the broker answers, has the queue and, as far as it told, takes publishes."""
        return await self._link.ready_messages(self._settings.outbound) is not None

    async def close(self) -> None:
        """Wait for the outcomes of what was published, then disconnect."""
        await self._outbox.drain()
        await self._link.close()

    async def _write(self, batch: Sequence[Outgoing]) -> PublishOutcome:
        session = await usable(self._link, SESSION_SECONDS)
        if session is None:
            return PublishOutcome.REFUSED
        members = [outgoing for outgoing in batch if outgoing.start()]
        if not members:
            return PublishOutcome.REFUSED
        body = join([outgoing.body for outgoing in members])
        deadline = max(outgoing.deadline for outgoing in members)
        publishing = publish_on(session, self._settings.outbound, body, deadline=deadline)
        return await failpoints.under_way("G4", publishing)


async def publish_confirmed(link: Link, queue: str, body: bytes, *, reason: str | None = None) -> PublishOutcome:
    """Publish one message within three seconds, the wait for a connection included."""
    deadline = asyncio.get_running_loop().time() + PUBLISH_SECONDS
    session = await usable(link, PUBLISH_SECONDS)
    if session is None:
        return PublishOutcome.REFUSED
    return await publish_on(session, queue, body, deadline=deadline, reason=reason)


async def usable(link: Link, seconds: float) -> Session | None:
    """Return a session on which a publish would be written and read now."""
    session = await link.session(seconds)
    if session is None or not session.is_open or is_blocked(session.connection):
        return None
    return session


async def publish_on(
    session: Session, queue: str, body: bytes, *, deadline: float, reason: str | None = None
) -> PublishOutcome:
    """Write one message on an open session and wait for its confirm until `deadline` (loop time)."""
    properties = Basic.Properties(
        delivery_mode=2,
        content_type="application/json",
        # Returns are matched by it, so it is random for every publish, also of the same message (aio-pika #689).
        message_id=uuid4().hex,
        headers=None if reason is None else {REASON_HEADER: reason},
        # When it died: what the broker buries itself carries that in x-death, what we bury has it from here.
        timestamp=None if reason is None else datetime.now(UTC),
    )
    session.enter()
    try:
        with translated():
            async with asyncio.timeout_at(deadline):
                confirmation = await session.channel.basic_publish(
                    body, routing_key=queue, properties=properties, mandatory=True, wait=False
                )
    except PublishError:
        # The queue is gone; a new session declares it again.
        session.retire(rest_seconds=REDECLARE_SECONDS)
        return PublishOutcome.REFUSED
    except DeliveryError:
        return PublishOutcome.REFUSED
    except QueueUnavailableError:
        session.retire()
        return PublishOutcome.UNKNOWN
    finally:
        session.leave()
    return PublishOutcome.CONFIRMED if isinstance(confirmation, Basic.Ack) else PublishOutcome.UNKNOWN
