"""What all workers share about their providers: tokens, whose turn it is, and small documents such as their health.

The second port of the limits store (the first one, `ports.Limits`, is the gateway's).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from smsgw.core import buckets
from smsgw.core.buckets import Bucket, Limit

TOTAL = "total"
"""The bucket of TOTAL_RATE_LIMIT. No provider's bucket: theirs are named `provider:{name}`."""


def bucket_of(provider: str) -> str:
    """Return the name of a provider's bucket."""
    return f"provider:{provider}"


class LeaseAsk(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker wants to send through one provider now. The tokens of both buckets are taken, or none."""

    bucket: str
    limit: Limit | None
    """None: this provider has no limit of its own; then `total` has one."""
    units: int
    """Tokens of its bucket that are wanted, for all messages at hand and at most a block more."""
    least: int = 1
    """What the dearest message at hand costs; `units` is at least that."""
    total: Limit | None = None
    messages: int = 1
    """Tokens of the bucket TOTAL that are wanted: one per message."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens to use within `buckets.Limit.life_seconds`. Without any: when to ask again."""

    units: int = 0
    messages: int = 0
    wait_seconds: float = 0.0


class Document(msgspec.Struct, frozen=True):
    """A document as it was read; version 0 is one that nobody has written."""

    version: int = 0
    body: bytes = b""


class Traffic(Protocol):
    """Shared by all workers of one installation. Each call is atomic in the store and on its clock. Every method raises
    LimitsUnavailableError within 0.3 s of an outage (embedded stores: while they wait for their own slow disk, 2 s)."""

    async def lease(self, ask: LeaseAsk) -> Lease:
        """Take tokens for one provider. Concurrent calls share a round trip."""

    async def narrow(self, bucket: str, limit: Limit, retry_after: timedelta) -> None:
        """Note that a provider said "too much" (buckets.narrow)."""

    async def buckets(self, limits: Mapping[str, Limit]) -> Mapping[str, Bucket]:
        """Return each named bucket as it is now, refilled; nothing is taken."""

    async def turns(self, sequence: str, count: int) -> int:
        """Take the next `count` positions of a sequence; return the first of them. A sequence begins with 0; one that
        nobody has used for a day may begin anew."""

    async def read(self, names: Sequence[str]) -> tuple[datetime, Sequence[Document]]:
        """Return the store's clock, and the documents in the order of their names."""

    async def write(self, name: str, body: bytes, *, version: int) -> bool:
        """Replace the document if its version still is `version`; False when it is not. One that nobody has written for
        a day may be forgotten."""


def lease(
    bucket: Bucket | None, total: Bucket | None, ask: LeaseAsk, now: datetime
) -> tuple[Bucket | None, Bucket | None, Lease]:
    """Decide on a lease: what both buckets are afterwards (None: not used), and what was granted."""
    own = buckets.refill(bucket, ask.limit, now) if ask.limit else None
    every = buckets.refill(total, ask.total, now) if ask.total else None
    waits = [0.0]
    if own is not None and ask.limit is not None:
        waits.append(buckets.missing_seconds(own, ask.limit, ask.least))
    if every is not None and ask.total is not None:
        waits.append(buckets.missing_seconds(every, ask.total, 1))
    if max(waits) > 0:
        return own, every, Lease(wait_seconds=max(waits))
    units = ask.units if own is None else buckets.whole(own, wanted=ask.units, least=ask.least)
    # Of long messages fewer can leave with part of the units: no more of the total than those need.
    messages = min(units, -(-ask.messages * units // ask.units))
    if every is not None and (left := buckets.whole(every, wanted=messages, least=1)) < messages:
        # The rest of the units would be void, and another worker's message waits for them.
        messages, units = left, max(ask.least, -(-units * left // messages))
    return (
        buckets.draw(own, units) if own is not None else None,
        buckets.draw(every, messages) if every is not None else None,
        Lease(units=units, messages=messages),
    )
