"""The three queues as RabbitMQ 3.10 and 4.x both take them, and what to say when one exists in another shape."""

import re
from typing import Any

from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import ChannelAccessRefused, ChannelNotFoundEntity, ChannelPreconditionFailed

from smsgw.core.ports import QueueUnavailableError
from smsgw.settings import QueueSettings

DELIVERY_LIMIT = 10
HEARTBEATS_KEPT = 1000
RESERVED = "amq."
"""Nobody may declare a queue whose name begins so."""
# RabbitMQ 4 gives every quorum queue a limit of 20 and drops what exceeds it. Looking at dead letters counts as a
# delivery, so their limit is out of reach; "none" (-1) is refused by 3.10.
DEAD_DELIVERY_LIMIT = 1_000_000_000

_INEQUIVALENT = re.compile(r"inequivalent arg '([^']*)' for queue '([^']*)'[^:]*: (.*)", re.DOTALL)


class TopologyError(Exception):
    """A queue exists with other arguments, or none can have its name. Nothing but an operator can mend that, so the
    role must stop."""


def arguments(settings: QueueSettings) -> dict[str, dict[str, Any]]:
    """Return the arguments of every queue by its name."""
    return {
        settings.dead: {"x-queue-type": "quorum", "x-delivery-limit": DEAD_DELIVERY_LIMIT},
        settings.outbound: {
            "x-queue-type": "quorum",
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": settings.dead,
            # Without these two a full or missing dead-letter queue would lose messages silently.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        },
        settings.heartbeat: {"x-max-length": HEARTBEATS_KEPT, "x-overflow": "drop-head"},
    }


async def declare(connection: AbstractConnection, settings: QueueSettings) -> None:
    """Declare every queue, or see that it is there where this user may declare none. Raises TopologyError when one
    exists with other arguments or has a reserved name, QueueUnavailableError when one has to be declared by somebody
    else first."""
    channel = await connection.channel(publisher_confirms=False)
    for queue, queue_arguments in arguments(settings).items():
        try:
            await channel.queue_declare(queue, durable=True, arguments=queue_arguments)
        except ChannelPreconditionFailed as error:
            raise TopologyError(explain(queue, str(error))) from None
        except ChannelAccessRefused as error:
            if queue.startswith(RESERVED):
                raise TopologyError(explain(queue, str(error))) from None
            # The refusal has closed the channel. Looking needs no permission.
            channel = await connection.channel(publisher_confirms=False)
            await _find(channel, queue)
    await channel.close()


async def _find(channel: AbstractChannel, queue: str) -> None:
    try:
        await channel.queue_declare(queue, passive=True)
    except ChannelNotFoundEntity:
        raise QueueUnavailableError(f"there is no queue '{queue}', and this user may not declare it") from None


def explain(queue: str, reply: str) -> str:
    """Return the one line for an operator, made of the broker's reply to a refused declaration."""
    found = _INEQUIVALENT.search(reply)
    if found is None:
        why = " ".join(reply.split())[:300]
        return f"RabbitMQ queue '{queue}' cannot be declared: {why}"
    argument, name, detail = found.groups()
    detail = " ".join(detail.split())[:200]
    return f"RabbitMQ queue '{name}' exists with another '{argument}' ({detail}); delete it or use another queue name"
