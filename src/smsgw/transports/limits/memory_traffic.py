"""What workers share, in dictionaries: the double for tests, with an outage at the flick of a switch."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from smsgw.core.buckets import Bucket, Limit
from smsgw.core.ports import Clock, LimitsUnavailableError
from smsgw.core.traffic import Document, Lease, LeaseAsk
from smsgw.transports.limits.traffic_books import TrafficBooks


class MemoryTraffic:
    """Traffic of this process. While `fail` is true every call raises LimitsUnavailableError and does nothing."""

    def __init__(self, *, clock: Clock) -> None:
        self.books = TrafficBooks()
        self.fail = False
        self._clock = clock

    async def lease(self, ask: LeaseAsk) -> Lease:
        """See Traffic."""
        return self._open().lease(ask, self._clock())

    async def narrow(self, bucket: str, limit: Limit, retry_after: timedelta) -> None:
        """See Traffic."""
        self._open().narrow(bucket, limit, retry_after, now=self._clock())

    async def buckets(self, limits: Mapping[str, Limit]) -> Mapping[str, Bucket]:
        """See Traffic."""
        return self._open().now(limits, self._clock())

    async def turns(self, sequence: str, count: int) -> int:
        """See Traffic."""
        return self._open().turns(sequence, count, self._clock())

    async def read(self, names: Sequence[str]) -> tuple[datetime, Sequence[Document]]:
        """See Traffic."""
        return self._open().read(names, self._clock())

    async def write(self, name: str, body: bytes, *, version: int) -> bool:
        """See Traffic."""
        return self._open().write(name, body, version=version, now=self._clock())

    async def close(self) -> None:
        """Nothing to close."""

    def _open(self) -> TrafficBooks:
        if self.fail:
            raise LimitsUnavailableError("switched off")
        return self.books
