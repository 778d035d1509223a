"""What workers share as plain dictionaries: what the double holds and the database loads. The rules are the core's."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec

from smsgw.core import buckets, traffic
from smsgw.core.buckets import Bucket, Limit
from smsgw.core.traffic import TOTAL, Document, Lease, LeaseAsk

KEEP = timedelta(days=1)
"""How long sequences and documents are kept that nobody writes."""

Value = TypeVar("Value")


class Kept(msgspec.Struct, Generic[Value], frozen=True):
    """An entry, and when it may be forgotten. It is immutable: one that changed is another object."""

    value: Value
    until: datetime


class TrafficBooks:
    """Everything that workers share, at `now` of the store's clock."""

    def __init__(self) -> None:
        self.buckets: dict[str, Kept[Bucket]] = {}
        self.positions: dict[str, Kept[int]] = {}
        self.documents: dict[str, Kept[Document]] = {}

    def copy(self) -> "TrafficBooks":
        """Return the same entries in other dictionaries."""
        twin = TrafficBooks()
        twin.buckets, twin.positions, twin.documents = dict(self.buckets), dict(self.positions), dict(self.documents)
        return twin

    def lease(self, ask: LeaseAsk, now: datetime) -> Lease:
        """See Traffic.lease."""
        own = _alive(self.buckets.get(ask.bucket), now)
        every = _alive(self.buckets.get(TOTAL), now)
        own, every, granted = traffic.lease(own, every, ask, now)
        if own is not None and ask.limit is not None:
            self._keep(ask.bucket, own, ask.limit)
        if every is not None and ask.total is not None:
            self._keep(TOTAL, every, ask.total)
        return granted

    def narrow(self, bucket: str, limit: Limit, retry_after: timedelta, *, now: datetime) -> None:
        """See Traffic.narrow."""
        known = _alive(self.buckets.get(bucket), now)
        self._keep(bucket, buckets.narrow(known, limit, now, retry_after=retry_after), limit)

    def now(self, limits: Mapping[str, Limit], now: datetime) -> dict[str, Bucket]:
        """See Traffic.buckets."""
        known = ((name, _alive(self.buckets.get(name), now), limit) for name, limit in limits.items())
        return {name: buckets.refill(bucket, limit, now) for name, bucket, limit in known}

    def turns(self, sequence: str, count: int, now: datetime) -> int:
        """See Traffic.turns."""
        first = _alive(self.positions.get(sequence), now) or 0
        self.positions[sequence] = Kept(first + count, now + KEEP)
        return first

    def read(self, names: Sequence[str], now: datetime) -> tuple[datetime, list[Document]]:
        """See Traffic.read."""
        return now, [_alive(self.documents.get(name), now) or Document() for name in names]

    def write(self, name: str, body: bytes, *, version: int, now: datetime) -> bool:
        """See Traffic.write."""
        (known,) = self.read([name], now)[1]
        if known.version != version:
            return False
        self.documents[name] = Kept(Document(version + 1, body), now + KEEP)
        return True

    def _keep(self, name: str, bucket: Bucket, limit: Limit) -> None:
        self.buckets[name] = Kept(bucket, bucket.at + timedelta(seconds=buckets.settled_seconds(bucket, limit)))


def _alive(kept: Kept[Value] | None, now: datetime) -> Value | None:
    """Return what is kept, if it is not to be forgotten by now."""
    return kept.value if kept is not None and now < kept.until else None
