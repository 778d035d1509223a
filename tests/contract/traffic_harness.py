"""Every store of what workers share, on a clock that is moved, with as many workers as a test wants."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from redis.asyncio import Redis

from smsgw.core.traffic import Traffic
from smsgw.transports.limits.database_traffic import DatabaseTraffic
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.transports.limits.redis_link import RedisLink
from smsgw.transports.limits.redis_traffic import RedisTraffic
from smsgw.transports.sql import open_database
from tests.contract.limits_harness import MovableClock


class Stage(NamedTuple):
    """A store, and how one more worker opens it."""

    clock: MovableClock
    worker: Callable[..., Traffic]
    """Takes `quota_prefix`: whose installation the worker belongs to."""


@asynccontextmanager
async def open_memory() -> AsyncIterator[Stage]:
    clock = MovableClock()
    places: dict[str, MemoryTraffic] = {}

    def worker(quota_prefix: str = "quota") -> Traffic:
        return places.setdefault(quota_prefix, MemoryTraffic(clock=clock))

    yield Stage(clock, worker)


@asynccontextmanager
async def open_sqlite(path: Path) -> AsyncIterator[Stage]:
    clock = MovableClock()
    database = open_database(f"sqlite:///{path}")
    opened: list[DatabaseTraffic] = []

    def worker(quota_prefix: str = "quota") -> Traffic:
        opened.append(DatabaseTraffic(database, quota_prefix=quota_prefix, clock=clock))
        return opened[-1]

    await DatabaseTraffic(database, quota_prefix="quota", clock=clock).open()
    try:
        yield Stage(clock, worker)
    finally:
        for each in opened:
            await each.close()
        await database.close()


@asynccontextmanager
async def open_redis(url: str, run_id: str) -> AsyncIterator[Stage]:
    clock = MovableClock()
    prefix = f"{run_id}:{uuid4().hex[:8]}:"
    links: list[RedisLink] = []

    def worker(quota_prefix: str = "quota") -> Traffic:
        links.append(RedisLink(url))
        return RedisTraffic(links[-1], quota_prefix=quota_prefix, key_prefix=prefix, clock=clock)

    try:
        yield Stage(clock, worker)
    finally:
        for link in links:
            await link.close()
        await remove(url, prefix)


async def names(client: Any, prefix: str) -> list[bytes]:
    """Return the keys of one test."""
    return sorted([name async for name in client.scan_iter(match=f"{prefix}*", count=1000)])


async def remove(url: str, prefix: str) -> None:
    """Delete the keys of one test."""
    async with Redis.from_url(url) as client:
        if found := await names(client, prefix):
            await client.unlink(*found)
