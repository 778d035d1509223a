"""Limits in a dictionary: the double for tests, with an outage at the flick of a switch."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from smsgw.core.admission import Admission, Ask, Claim, ClaimRules, PublishOutcome, quota_day
from smsgw.core.ports import Clock, LimitsUnavailableError
from smsgw.transports.limits.books import Books


class MemoryLimits:
    """Limits of this process. While `fail` is true every call raises LimitsUnavailableError and does nothing."""

    def __init__(self, *, rules: ClaimRules, quota_prefix: str = "quota", clock: Clock) -> None:
        self.books = Books()
        self.fail = False
        self.quota_prefix = quota_prefix
        self._rules = rules
        self._clock = clock

    def used_today(self, client_key: str) -> int:
        """Return the units that this client has used of today's quota."""
        return self.books.used.get((client_key, quota_day(self._clock())), 0)

    async def look_up(self, claim: Claim) -> Admission:
        """See ports.Limits."""
        return self._open().look_up(claim, self._clock())

    async def admit(self, ask: Ask) -> Admission:
        """See ports.Limits."""
        return self._open().admit(ask, self._clock(), self._rules)

    async def answer(self, claim: Claim, *, status: int, body: bytes, ttl_seconds: int, confirmed: UUID | None) -> None:
        """See ports.Limits."""
        self._open().answer(claim, self._clock(), status=status, body=body, ttl_seconds=ttl_seconds)
        if confirmed:
            self.books.note_confirmed(confirmed, self._clock())

    async def note_confirmed(self, tracking_id: UUID) -> None:
        """See ports.Limits."""
        self._open().note_confirmed(tracking_id, self._clock())

    async def release(self, ask: Ask, admission: Admission, publish: PublishOutcome | None) -> None:
        """See ports.Limits."""
        self._open().release(ask, admission, publish, now=self._clock())

    async def confirmed(self, since: datetime, until: datetime) -> Sequence[tuple[datetime, Sequence[UUID]]]:
        """See ports.Limits."""
        minutes: dict[datetime, list[UUID]] = defaultdict(list)
        first = since.replace(second=0, microsecond=0)
        for minute, tracking_id in self._open().confirmed:
            if first <= minute < until:
                minutes[minute].append(tracking_id)
        return sorted(minutes.items())

    async def used(self, client_keys: Sequence[str]) -> dict[str, int]:
        """See ports.Limits."""
        self._open()
        return {each: self.used_today(each) for each in client_keys}

    async def is_ready(self) -> bool:
        """See ports.Limits."""
        return not self.fail

    async def close(self) -> None:
        """Nothing to close."""

    def _open(self) -> Books:
        if self.fail:
            raise LimitsUnavailableError("switched off")
        return self.books
