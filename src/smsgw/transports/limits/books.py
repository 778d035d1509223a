"""The limits as plain dictionaries and the five things done to them: what the double holds and the database loads."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from smsgw.core.admission import (
    Admission,
    Ask,
    Claim,
    ClaimRules,
    Limited,
    PublishOutcome,
    Rate,
    Record,
    Verdict,
    answered,
    claimed,
    judge,
    quota_day,
    released,
    seconds_to_midnight,
)
from smsgw.core.buckets import Bucket, counted, take

KEEP_CONFIRMED = timedelta(hours=48)


class Books:
    """Everything a limits store knows. The records are immutable: an entry that changed is another object."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.used: dict[tuple[str, str], int] = {}
        """Units reserved, by client and UTC day."""
        self.buckets: dict[str, Bucket] = {}
        self.confirmed: list[tuple[datetime, UUID]] = []
        """By minute, in the order of the confirms."""

    def copy(self) -> "Books":
        """Return the same entries in other dictionaries."""
        twin = Books()
        twin.records, twin.used, twin.buckets = dict(self.records), dict(self.used), dict(self.buckets)
        twin.confirmed = list(self.confirmed)
        return twin

    def look_up(self, claim: Claim, now: datetime) -> Admission:
        """See ports.Limits.look_up."""
        record = self.records.get(claim.name)
        verdict = judge(record, claim, now)
        if record is None or verdict in (Verdict.FRESH, Verdict.TAKEOVER):
            return Admission(verdict=Verdict.FRESH)
        return _refusal(record, verdict)

    def admit(self, ask: Ask, now: datetime, rules: ClaimRules) -> Admission:
        """See ports.Limits.admit."""
        record, verdict = None, Verdict.FRESH
        if ask.claim:
            known = self.records.get(ask.claim.name)
            verdict = judge(known, ask.claim, now)
            if known is not None and verdict not in (Verdict.FRESH, Verdict.TAKEOVER):
                return _refusal(known, verdict)
            record = claimed(known, ask, ask.claim, now, rules)
        tracking_id = record.tracking_id if record else ask.tracking_id
        if limited := self._take(ask.rates, now):
            self._end(ask, record, None)
            return Admission(verdict=Verdict.RATE_LIMITED, tracking_id=tracking_id, limited=limited)
        day, is_over = self._reserve(ask, record, now)
        if ask.claim and record:
            self.records[ask.claim.name] = _with_day(record, day)
        if is_over:
            wait = seconds_to_midnight(now)
            return Admission(verdict=Verdict.OVER_QUOTA, tracking_id=tracking_id, retry_after_seconds=wait)
        return Admission(verdict=verdict, tracking_id=tracking_id, quota_day=day)

    def answer(self, claim: Claim, now: datetime, *, status: int, body: bytes, ttl_seconds: int) -> None:
        """Store the response if the claim is still its holder's."""
        record = self._held(claim, now)
        if record:
            self.records[claim.name] = answered(record, status, body, now, ttl_seconds)

    def note_confirmed(self, tracking_id: UUID, now: datetime) -> None:
        """Add one line to the audit ledger."""
        self.confirmed.append((now.replace(second=0, microsecond=0), tracking_id))

    def release(self, ask: Ask, admission: Admission, publish: PublishOutcome | None, *, now: datetime) -> None:
        """See ports.Limits.release."""
        if ask.claim:
            self._end(ask, self._held(ask.claim, now), publish)
        elif admission.quota_day and publish in (None, PublishOutcome.REFUSED):
            self._refund(ask.client_key, admission.quota_day)

    def _held(self, claim: Claim, now: datetime) -> Record | None:
        record = self.records.get(claim.name)
        is_held = record is not None and record.token == claim.token and now < record.expires_at
        return record if is_held else None

    def _take(self, rates: Sequence[Rate], now: datetime) -> Limited | None:
        """Take a token of every rate, or of none; return the first that has none."""
        taken: dict[str, Bucket] = {}
        for rate in rates:
            bucket, is_taken = take(self.buckets.get(rate.name), rate=rate.per_second, now=now)
            if not is_taken:
                return Limited(rate, counted(bucket, rate.per_second))
            taken[rate.name] = bucket
        self.buckets |= taken
        return None

    def _reserve(self, ask: Ask, record: Record | None, now: datetime) -> tuple[str | None, bool]:
        """Return the day that holds this request's unit, and whether there was none left to take."""
        if record and record.quota_day:
            return record.quota_day, False
        if ask.daily_quota is None:
            return None, False
        day = quota_day(now)
        used = self.used.get((ask.client_key, day), 0)
        if used >= ask.daily_quota:
            return None, True
        self.used[ask.client_key, day] = used + 1
        return day, False

    def _end(self, ask: Ask, record: Record | None, publish: PublishOutcome | None) -> None:
        if ask.claim is None or record is None:
            return
        self.records[ask.claim.name], day = released(record, publish)
        if day:
            self._refund(ask.client_key, day)

    def _refund(self, client_key: str, day: str) -> None:
        used = self.used.get((client_key, day), 0)
        if used > 0:
            self.used[client_key, day] = used - 1


def _refusal(record: Record, verdict: Verdict) -> Admission:
    if verdict is Verdict.REPLAY:
        return Admission(verdict=verdict, tracking_id=record.tracking_id, status=record.status, body=record.body)
    return Admission(verdict=verdict, tracking_id=record.tracking_id)


def _with_day(record: Record, day: str | None) -> Record:
    return record if record.quota_day == day else msgspec.structs.replace(record, quota_day=day)
