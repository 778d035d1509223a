"""One way to look into every limits store and to let its time pass."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import sqlalchemy as sa
from redis.asyncio import Redis

from smsgw.core.admission import Admission, Ask, Claim, ClaimRules, quota_day
from smsgw.core.ports import Limits
from smsgw.transports.limits import tables
from smsgw.transports.limits.database import DatabaseLimits
from smsgw.transports.limits.memory import MemoryLimits
from smsgw.transports.limits.redis import RedisLimits
from smsgw.transports.sql import Database, open_database

LEASE = 1.0
TTL = 60
RULES = ClaimRules(lease=timedelta(seconds=LEASE), ttl=timedelta(seconds=TTL))
NOON = datetime(2026, 2, 28, 12, 0, tzinfo=UTC)
CLIENT = "shop"
BODY = b'{"success":true,\xff\x00}'


class MovableClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


class World(Protocol):
    """A limits store with a window into it."""

    @property
    def limits(self) -> Limits: ...

    @property
    def clock(self) -> MovableClock | None:
        """None where time cannot be moved."""

    async def used(self, client_key: str) -> int:
        """Units of today's quota."""

    async def snapshot(self) -> dict[str, Any]:
        """Everything stored, by the names it is stored under."""


class MemoryWorld:
    def __init__(self, rules: ClaimRules = RULES) -> None:
        self.clock = MovableClock()
        self.limits = MemoryLimits(rules=rules, clock=self.clock)

    async def used(self, client_key: str) -> int:
        return self.limits.used_today(client_key)

    async def snapshot(self) -> dict[str, Any]:
        books = self.limits.books
        used = {f"{client_key}:{day}": count for (client_key, day), count in books.used.items()}
        return {**books.records, **used, **books.buckets, "confirmed": list(books.confirmed)}


class DatabaseWorld:
    def __init__(self, database: Database, rules: ClaimRules = RULES) -> None:
        self.clock = MovableClock()
        self.database = database
        self.limits = DatabaseLimits(database, rules=rules, quota_prefix="quota", clock=self.clock)

    async def used(self, client_key: str) -> int:
        row = (tables.quotas.c.name == f"quota:{client_key}") & (tables.quotas.c.day == quota_day(self.clock()))
        async with self.database.read() as connection:
            return (await connection.execute(sa.select(tables.quotas.c.used).where(row))).scalar() or 0

    async def snapshot(self) -> dict[str, Any]:
        async with self.database.read() as connection:
            return {
                str(row[0]): tuple(row)
                for table in tables.metadata.sorted_tables
                for row in await connection.execute(sa.select(table))
            }


class RedisWorld:
    clock = None

    def __init__(self, url: str, prefix: str, *, rules: ClaimRules = RULES) -> None:
        self.prefix = prefix
        self.client = Redis.from_url(url)
        self.limits = RedisLimits(url, rules=rules, quota_prefix="quota", key_prefix=prefix)

    async def used(self, client_key: str) -> int:
        day = quota_day(await self.now())
        return int(await self.client.get(f"{self.prefix}quota:{client_key}:{day}") or 0)

    async def now(self) -> datetime:
        seconds, microseconds = await self.client.time()
        return datetime.fromtimestamp(seconds + microseconds / 1e6, UTC)

    async def snapshot(self) -> dict[str, Any]:
        return {name.decode(): await self.client.dump(name) for name in await self.names()}

    async def names(self) -> list[bytes]:
        return sorted([name async for name in self.client.scan_iter(match=f"{self.prefix}*", count=1000)])

    async def remove(self) -> None:
        names = await self.names()
        if names:
            await self.client.unlink(*names)
        await self.client.aclose()


@asynccontextmanager
async def open_memory(*, rules: ClaimRules = RULES) -> AsyncIterator[MemoryWorld]:
    yield MemoryWorld(rules)


@asynccontextmanager
async def open_sqlite(path: Path, *, rules: ClaimRules = RULES) -> AsyncIterator[DatabaseWorld]:
    world = DatabaseWorld(open_database(f"sqlite:///{path}"), rules)
    await world.limits.open()
    try:
        yield world
    finally:
        await world.limits.close()
        await world.database.close()


@asynccontextmanager
async def open_redis(url: str, run_id: str, *, rules: ClaimRules = RULES) -> AsyncIterator[RedisWorld]:
    world = RedisWorld(url, f"{run_id}:{uuid4().hex[:8]}:", rules=rules)
    try:
        yield world
    finally:
        await world.limits.close()
        await world.remove()


def ask(claim: Claim | None = None, **changes: Any) -> Ask:
    """A request of CLIENT with a tracking_id of its own."""
    return Ask(**{"tracking_id": uuid4(), "client_key": CLIENT, "claim": claim, **changes})


def claim(key: str = "order-1", *, fingerprint: str = "f" * 64) -> Claim:
    """A claim with a token of its own."""
    return Claim(name=f"{CLIENT}:{key}", fingerprint=fingerprint, token=uuid4().hex)


async def until(is_so: Callable[[], Awaitable[bool]], *, seconds: float = 5.0) -> None:
    """Wait for a condition; fails the test when it does not come true."""
    deadline = time.monotonic() + seconds
    while not await is_so():
        assert time.monotonic() < deadline, "it did not come true in time"
        await asyncio.sleep(0.01)


async def pass_time(world: World, seconds: float, *, until_fresh: Claim) -> None:
    """Let time pass until a retry of this key would be let in."""
    if world.clock:
        world.clock.now += timedelta(seconds=seconds)

    async def is_fresh() -> bool:
        return (await world.limits.look_up(until_fresh)).verdict == "fresh"

    await until(is_fresh)


async def admitted(world: World, wanted: Ask) -> Admission:
    """Admit a request that has to be let in."""
    admission = await world.limits.admit(wanted)
    assert admission.is_admitted, admission
    return admission
