"""Counting what really is in the queues: every accepted message must be there."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import aiormq

IDLE_SECONDS = 1.5


async def _take_all(url: str, queue: str) -> tuple[int, int]:
    """Empty a queue; return how many broker messages and how many distinct tracking ids were in it."""
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    bodies: asyncio.Queue[bytes] = asyncio.Queue()

    async def on_message(message: Any) -> None:
        bodies.put_nowait(message.body)

    tag = uuid4().hex
    await channel.basic_consume(queue, on_message, no_ack=True, consumer_tag=tag)
    broker_messages, ids = 0, set[str]()
    while True:
        try:
            body = json.loads(await asyncio.wait_for(bodies.get(), IDLE_SECONDS))
        except TimeoutError:
            break
        broker_messages += 1
        ids.update(each["tracking_id"] for each in (body if isinstance(body, list) else [body]))
    await connection.close()
    return broker_messages, len(ids)


def take_all(url: str, queue: str) -> tuple[int, int]:
    """Empty a queue; return how many broker messages and how many distinct tracking ids were in it."""
    return asyncio.run(_take_all(url, queue))


async def _depth(url: str, queue: str, *, is_deleted: bool) -> int:
    connection = await aiormq.connect(url)
    channel = await connection.channel()
    found = await channel.queue_declare(queue, passive=True)
    if is_deleted:
        await channel.queue_delete(queue)
    await connection.close()
    return found.message_count or 0


def depth(url: str, queue: str) -> int:
    """Return how many broker messages wait in a queue."""
    return asyncio.run(_depth(url, queue, is_deleted=False))


def delete(url: str, queue: str) -> None:
    """Delete a queue with what is in it."""
    asyncio.run(_depth(url, queue, is_deleted=True))
