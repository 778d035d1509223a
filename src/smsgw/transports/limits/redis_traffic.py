"""What workers share, in Redis: what a worker's tasks ask in one loop tick is one script call, atomic, on its clock."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import msgspec

from smsgw.core.buckets import Bucket, Limit
from smsgw.core.ports import Clock, LimitsUnavailableError
from smsgw.core.traffic import Document, Lease, LeaseAsk
from smsgw.transports.batching import Batcher
from smsgw.transports.limits.redis_link import RedisLink, error_code
from smsgw.transports.limits.redis_script import RedisScript, joined

CALL_SECONDS = 0.28
MAX_BATCH = 128
MAX_IN_FLIGHT = 2
PARTS = ("traffic", "run")

_EPOCH = datetime.fromtimestamp(0, UTC)
_MICROSECOND = timedelta(microseconds=1)


class _Call(msgspec.Struct, frozen=True):
    operation: str
    argument: Any
    asked_at: float
    blob: bytes | None = None
    """What msgpack in Lua cannot carry: bytes that are no text."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Any]).decode


class RedisTraffic:
    """Traffic of every worker that names the same Redis and QUOTA_PREFIX. The link is its opener's to close."""

    def __init__(self, link: RedisLink, *, quota_prefix: str, key_prefix: str = "", clock: Clock | None = None) -> None:
        """`clock` replaces the server's in tests, and nowhere else."""
        self._link = link
        self._prefix = f"{key_prefix}traffic:{quota_prefix}:"
        self._clock = clock
        self._script = RedisScript(joined(PARTS))
        self._batcher: Batcher[_Call, Any] = Batcher(self._flush, max_items=MAX_BATCH, max_in_flight=MAX_IN_FLIGHT)

    async def lease(self, ask: LeaseAsk) -> Lease:
        """See Traffic."""
        units, messages, wait = await self._ask("lease", ask)
        return Lease(units=units, messages=messages, wait_seconds=float(wait))

    async def narrow(self, bucket: str, limit: Limit, retry_after: timedelta) -> None:
        """See Traffic."""
        await self._ask("narrow", {"bucket": bucket, "limit": limit, "retry_after": retry_after // _MICROSECOND})

    async def buckets(self, limits: Mapping[str, Limit]) -> Mapping[str, Bucket]:
        """See Traffic."""
        found = await self._ask("buckets", list(limits.items()))
        return {name: _bucket(*numbers) for name, numbers in zip(limits, found, strict=True)}

    async def turns(self, sequence: str, count: int) -> int:
        """See Traffic."""
        return int(await self._ask("turns", (sequence, count)))

    async def read(self, names: Sequence[str]) -> tuple[datetime, Sequence[Document]]:
        """See Traffic."""
        (now, *versions), bodies = await self._ask("read", names)
        return _time(now), [Document(version, body) for version, body in zip(versions, bodies, strict=True)]

    async def write(self, name: str, body: bytes, *, version: int) -> bool:
        """See Traffic."""
        return bool(await self._ask("write", (name, version), body))

    async def close(self) -> None:
        """Finish what was asked."""
        await self._batcher.drain()

    def _ask(self, operation: str, argument: Any, blob: bytes | None = None) -> asyncio.Future[Any]:
        return self._batcher.submit(_Call(operation, argument, asyncio.get_running_loop().time(), blob))

    async def _flush(self, calls: Sequence[_Call]) -> Sequence[Any]:
        # Batches are first in, first out, and each ends by its oldest call's deadline (see RedisLimits).
        call = partial(self._link.call, deadline=calls[0].asked_at + CALL_SECONDS)
        now = "" if self._clock is None else (self._clock() - _EPOCH) // _MICROSECOND
        packed, blobs = _pack(calls)
        replies, *bodies = await self._script.run(call, packed, self._prefix, now, *blobs)
        return _results(calls, _decode(replies), bodies)


def _pack(calls: Sequence[_Call]) -> tuple[bytes, list[bytes]]:
    blobs: list[bytes] = []
    items = []
    for call in calls:
        if call.blob is not None:
            blobs.append(call.blob)
        items.append((call.operation, call.argument, len(blobs)))
    return _encode(items), blobs


def _results(calls: Sequence[_Call], replies: Sequence[Any], bodies: Sequence[bytes]) -> list[Any]:
    """Give readers their bodies, which come beside the packed replies in their order; make errors exceptions."""
    rest = iter(bodies)
    results: list[Any] = []
    for call, reply in zip(calls, replies, strict=True):
        if isinstance(reply, str):
            results.append(LimitsUnavailableError(f"redis: {error_code(reply)}"))
        elif call.operation == "read":
            results.append((reply, [next(rest) for _ in reply[1:]]))
        else:
            results.append(reply)
    return results


def _bucket(tokens: float, at: int, factor: float, narrowed_at: int, closed_until: int) -> Bucket:
    return Bucket(
        tokens=float(tokens),
        at=_time(at),
        factor=float(factor),
        narrowed_at=_time(narrowed_at) if narrowed_at else None,
        closed_until=_time(closed_until) if closed_until else None,
    )


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)
