"""Takes away the queues of one measurement, and says what a Redis does with a write."""

import asyncio
from functools import partial

from smsgw.settings import QueueSettings
from smsgw.transports.queues.redis_streams.names import keys
from smsgw.transports.queues.redis_streams.server import server_info
from smsgw.transports.queues.redis_streams.wire import Wires

REMOVE_SECONDS = 30.0


async def remove_queues(settings: QueueSettings) -> int:
    """Delete every queue of these settings with what is in them; return how many entries were. Raises
    QueueUnavailableError."""
    wires = Wires(settings.url)
    call = partial(wires.call, deadline=asyncio.get_running_loop().time() + REMOVE_SECONDS)
    try:
        removed = sum([int(await call("XLEN", each)) for each in keys(settings)])
        await call("DEL", *keys(settings))
    finally:
        await wires.close()
    return removed


async def durability(settings: QueueSettings) -> str:
    """Return what this server does with a write, in its own words. Raises QueueUnavailableError."""
    wires = Wires(settings.url)
    try:
        info = await server_info(partial(wires.call, deadline=asyncio.get_running_loop().time() + REMOVE_SECONDS))
    finally:
        await wires.close()
    return f"Redis {info.get('redis_version', '?')}, appendonly={'yes' if info.get('aof_enabled') == '1' else 'no'}"
