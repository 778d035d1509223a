"""Limits in Redis: what concurrent requests ask in one loop tick is one script call, atomic, on the server's clock."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core.admission import Admission, Ask, Claim, ClaimRules, PublishOutcome, Verdict, quota_day
from smsgw.core.ports import LimitsUnavailableError, Observer
from smsgw.transports.batching import Batcher
from smsgw.transports.limits.kept import KeptReleases
from smsgw.transports.limits.redis_link import PROBE_SECONDS, RedisAwayError, RedisLink, error_code
from smsgw.transports.limits.redis_script import RedisScript, joined

CALL_SECONDS = 0.28
READY_SECONDS = 0.9
LEDGER_SECONDS = 5.0
"""How long an audit waits for a Redis that does not answer."""
MAX_BATCH = 128
MAX_IN_FLIGHT = 2
PARTS = ("record", "look_up", "admit", "answer", "release", "run")


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    claim: Claim | None
    status: int = 0
    ttl_seconds: int = 0
    is_confirmed: bool


class _Release(msgspec.Struct, frozen=True, kw_only=True):
    client_key: str
    claim: Claim | None
    quota_day: str | None
    is_maybe_published: bool


class _Call(msgspec.Struct, frozen=True):
    operation: str
    argument: Claim | Ask | _Answer | _Release
    asked_at: float
    blob: bytes | None = None
    """What msgpack in Lua cannot carry: bytes that are no text."""


_Reply = Admission | bool | str
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[_Reply]).decode


class RedisLimits:
    """Limits shared by every gateway that names the same Redis. Connects at its first call, and again by itself."""

    def __init__(
        self,
        url: str,
        *,
        rules: ClaimRules,
        quota_prefix: str,
        key_prefix: str = "",
        observer: Observer | None = None,
    ) -> None:
        self.link = RedisLink(url, observer=observer, resume=self._run_kept)
        """For what else this process keeps in the same Redis: one outage is one fact."""
        self._kept: KeptReleases[_Release] = KeptReleases(lease_seconds=rules.lease.total_seconds())
        self._script = RedisScript(script())
        # With the quota's prefix in it: installations that share a Redis keep apart books, and so does `smsgw bench`.
        self._ledger = f"{key_prefix}confirmed:{quota_prefix}:"
        self._settings = (key_prefix, quota_prefix, _milliseconds(rules.lease), _milliseconds(rules.ttl))
        self._batcher: Batcher[_Call, _Reply] = Batcher(self._flush, max_items=MAX_BATCH, max_in_flight=MAX_IN_FLIGHT)

    async def watch(self) -> None:
        """Wait until closed; raises RedisClusterError, one line for the operator, when the role must stop.

        Looks as soon as Redis answers, and states what it is set to that would lose data.
        """
        await self.link.watch()

    async def look_up(self, claim: Claim) -> Admission:
        """See ports.Limits."""
        return _admission(await self._ask("look_up", claim))

    async def admit(self, ask: Ask) -> Admission:
        """See ports.Limits."""
        return _admission(await self._ask("admit", ask))

    async def answer(self, claim: Claim, *, status: int, body: bytes, ttl_seconds: int, confirmed: UUID | None) -> None:
        """See ports.Limits."""
        blob = confirmed.bytes + body if confirmed else body
        answer = _Answer(claim=claim, status=status, ttl_seconds=ttl_seconds, is_confirmed=confirmed is not None)
        await self._ask("answer", answer, blob)

    async def note_confirmed(self, tracking_id: UUID) -> None:
        """See ports.Limits."""
        await self._ask("answer", _Answer(claim=None, is_confirmed=True), tracking_id.bytes)

    async def release(self, ask: Ask, admission: Admission, publish: PublishOutcome | None) -> None:
        """See ports.Limits. What ends a claim and finds Redis away raises, and is done as soon as Redis is back."""
        release = _Release(
            client_key=ask.client_key,
            claim=ask.claim,
            quota_day=admission.quota_day,
            is_maybe_published=publish not in (None, PublishOutcome.REFUSED),
        )
        try:
            await self._ask("release", release)
        except RedisAwayError:
            # Ending a claim twice is ending it once. A refund without a claim may have been made already.
            if ask.claim is not None:
                self._kept.keep(release, asyncio.get_running_loop().time())
                if not self.link.is_away:
                    await self._run_kept()
            raise

    async def confirmed(self, since: datetime, until: datetime) -> Sequence[tuple[datetime, Sequence[UUID]]]:
        """See ports.Limits."""
        minutes: list[tuple[datetime, Sequence[UUID]]] = []
        minute = since.astimezone(UTC).replace(second=0, microsecond=0)
        while minute < until:
            if noted := await self._noted(minute):
                minutes.append((minute, _ids(noted)))
            minute += timedelta(minutes=1)
        return minutes

    async def used(self, client_keys: Sequence[str]) -> dict[str, int]:
        """See ports.Limits. Today is what Redis says it is."""
        if not client_keys:
            return {}
        deadline = asyncio.get_running_loop().time() + CALL_SECONDS
        seconds, _ = await self.link.call("TIME", deadline=deadline)
        key_prefix, quota_prefix, *_ = self._settings
        day = quota_day(datetime.fromtimestamp(int(seconds), UTC))
        names = [f"{key_prefix}{quota_prefix}:{each}:{day}" for each in client_keys]
        counts = await self.link.call("MGET", *names, deadline=deadline)
        return {each: int(count or 0) for each, count in zip(client_keys, counts, strict=True)}

    async def _noted(self, minute: datetime) -> bytes | None:
        """Return one minute of the ledger. No request waits for it: a Redis that hesitates is asked again."""
        clock = asyncio.get_running_loop().time
        patient_until = clock() + LEDGER_SECONDS
        while True:
            try:
                command = ("GET", f"{self._ledger}{int(minute.timestamp())}")
                noted: bytes | None = await self.link.call(*command, deadline=clock() + CALL_SECONDS)
            except RedisAwayError:
                if clock() > patient_until:
                    raise
                await asyncio.sleep(PROBE_SECONDS)
            else:
                return noted

    async def is_ready(self) -> bool:
        """See ports.Limits; true when Redis answers within a second."""
        try:
            await self.link.call("PING", deadline=asyncio.get_running_loop().time() + READY_SECONDS)
        except LimitsUnavailableError:
            return False
        return True

    async def close(self) -> None:
        """Finish what was asked and close the connections."""
        await self._batcher.drain()
        await self.link.close()

    async def _run_kept(self) -> bool:
        """Run the releases that were kept, before anybody's retry can meet the claim; False: Redis is away again."""
        now = asyncio.get_running_loop().time
        while taken := self._kept.take(MAX_BATCH, now()):
            packed, blobs = _pack([_Call("release", release, now()) for _, release in taken])
            try:
                await self._run(packed, blobs, now() + CALL_SECONDS, is_resuming=True)
            except RedisAwayError:
                self._kept.put_back(taken)
                return False
            except LimitsUnavailableError:
                # It answers and refuses (OOM, READONLY): these claims end with their leases.
                continue
        return True

    def _ask(
        self, operation: str, argument: Claim | Ask | _Answer | _Release, blob: bytes | None = None
    ) -> asyncio.Future[_Reply]:
        return self._batcher.submit(_Call(operation, argument, asyncio.get_running_loop().time(), blob))

    async def _flush(self, calls: Sequence[_Call]) -> Sequence[_Reply | BaseException]:
        # Batches are first in, first out, and each ends by its oldest call's deadline: so no call waits longer than
        # CALL_SECONDS, also behind frozen ones.
        deadline = calls[0].asked_at + CALL_SECONDS
        packed, blobs = _pack(calls)
        reply = await self._run(packed, blobs, deadline)
        return _results(_decode(reply[0]), reply[1:])

    async def _run(self, packed: bytes, blobs: Sequence[bytes], deadline: float, *, is_resuming: bool = False) -> Any:
        call = partial(self.link.call, deadline=deadline, is_resuming=is_resuming)
        return await self._script.run(call, packed, *self._settings, *blobs)


def _pack(calls: Sequence[_Call]) -> tuple[bytes, list[bytes]]:
    blobs: list[bytes] = []
    items = []
    for call in calls:
        if call.blob is not None:
            blobs.append(call.blob)
        items.append((call.operation, call.argument, len(blobs)))
    return _encode(items), blobs


def _results(replies: Sequence[_Reply], bodies: Sequence[bytes]) -> Sequence[_Reply | BaseException]:
    """Give replays their bodies, which come beside the packed replies in their order; make errors exceptions."""
    rest = iter(bodies)
    results: list[_Reply | BaseException] = []
    for reply in replies:
        if isinstance(reply, str):
            results.append(LimitsUnavailableError(f"redis: {error_code(reply)}"))
        elif isinstance(reply, Admission) and reply.verdict is Verdict.REPLAY:
            results.append(msgspec.structs.replace(reply, body=next(rest)))
        else:
            results.append(reply)
    return results


def _admission(reply: _Reply) -> Admission:
    if not isinstance(reply, Admission):
        raise TypeError(f"the script answered {reply!r} to a claim")
    return reply


def _ids(noted: bytes) -> list[UUID]:
    return [UUID(bytes=noted[start : start + 16]) for start in range(0, len(noted) - 15, 16)]


def _milliseconds(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)


def script() -> bytes:
    """Return the text of the one script that does everything."""
    return joined(PARTS)
