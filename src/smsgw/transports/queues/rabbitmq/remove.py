"""Takes away the queues of one measurement."""

import asyncio

from smsgw.settings import QueueSettings
from smsgw.transports.queues.rabbitmq.topology import arguments
from smsgw.transports.queues.rabbitmq.wire import Wire, translated

REMOVE_SECONDS = 30.0


async def remove_queues(settings: QueueSettings) -> int:
    """Delete every queue of these settings with what is in them; return how many messages were. Raises
    QueueUnavailableError."""
    wire = Wire(settings.url, name="smsgw-remove")
    removed = 0
    try:
        with translated():
            async with asyncio.timeout(REMOVE_SECONDS):
                channel = await (await wire.connect()).channel()
                for queue in arguments(settings):
                    removed += (await channel.queue_delete(queue)).message_count or 0
    finally:
        await wire.close()
    return removed


async def broker_name(settings: QueueSettings) -> str:
    """Return what the broker calls itself. Raises QueueUnavailableError."""
    wire = Wire(settings.url, name="smsgw-name")
    try:
        with translated():
            async with asyncio.timeout(REMOVE_SECONDS):
                connection = await wire.connect()
                properties = getattr(connection, "server_properties", None) or {}
    finally:
        await wire.close()
    return " ".join(_text(properties.get(name)) for name in ("product", "version")).strip() or "AMQP broker"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
