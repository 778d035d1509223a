"""The pure rules of idempotency and quota."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from smsgw.core.admission import (
    Admission,
    Ask,
    Claim,
    ClaimRules,
    PublishOutcome,
    Record,
    Verdict,
    answered,
    claimed,
    judge,
    quota_day,
    released,
    seconds_to_midnight,
)

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
RULES = ClaimRules(lease=timedelta(seconds=10), ttl=timedelta(hours=24))
CLAIM = Claim(name="shop:abc", fingerprint="same", token="mine")
ASK = Ask(tracking_id=UUID(int=1, version=4), client_key="shop", claim=CLAIM)
SECOND = timedelta(seconds=1)


def _running(**changes: object) -> Record:
    return msgspec.structs.replace(claimed(None, ASK, CLAIM, NOW, RULES), **changes)


def test_a_key_that_nobody_knows_is_fresh() -> None:
    assert judge(None, CLAIM, NOW) is Verdict.FRESH


@pytest.mark.parametrize(
    ("record", "after", "expected"),
    [
        (_running(), 0, Verdict.IN_USE),
        (_running(), 9.999, Verdict.IN_USE),
        (_running(), 10, Verdict.TAKEOVER),
        (_running(), 86_400, Verdict.FRESH),
        (_running(fingerprint="other"), 0, Verdict.REUSED),
        (_running(fingerprint="other"), 50, Verdict.REUSED),
        (_running(fingerprint="other"), 86_400, Verdict.FRESH),
        (answered(_running(), 429, b"", NOW, 60), 59, Verdict.REPLAY),
        (answered(_running(), 429, b"", NOW, 60), 60, Verdict.TAKEOVER),
        (answered(_running(), 202, b"", NOW + SECOND, 86_400), 86_400, Verdict.REPLAY),
        (answered(_running(), 202, b"", NOW + SECOND, 86_400), 86_401, Verdict.FRESH),
        (released(_running(), None)[0], 0, Verdict.TAKEOVER),
    ],
)
def test_what_a_record_means_for_a_claim(record: Record, after: float, expected: Verdict) -> None:
    assert judge(record, CLAIM, NOW + timedelta(seconds=after)) is expected


def test_a_takeover_keeps_the_tracking_id_and_hands_the_lease_over() -> None:
    retry = msgspec.structs.replace(CLAIM, token="theirs")
    other = msgspec.structs.replace(ASK, tracking_id=UUID(int=2, version=4))

    taken = claimed(_running(), other, retry, NOW + 20 * SECOND, RULES)

    assert (taken.tracking_id, taken.token) == (ASK.tracking_id, "theirs")
    assert taken.leased_until == NOW + 30 * SECOND
    assert taken.expires_at == NOW + RULES.ttl


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (_running(), True),
        (released(_running(), PublishOutcome.REFUSED)[0], False),
        (released(_running(), PublishOutcome.UNKNOWN)[0], True),
        (released(_running(), PublishOutcome.CONFIRMED)[0], True),
        (answered(_running(), 429, b"", NOW, 60), False),
    ],
    ids=["went silent", "released", "released unknown", "released confirmed", "answered"],
)
def test_a_holder_that_went_silent_may_have_published(record: Record, expected: bool) -> None:
    assert claimed(record, ASK, CLAIM, NOW + 100 * SECOND, RULES).is_publish_unknown is expected


def test_a_takeover_forgets_the_old_answer() -> None:
    record = answered(_running(), 429, b"over", NOW, 60)

    taken = claimed(record, ASK, CLAIM, NOW + 61 * SECOND, RULES)

    assert (taken.status, taken.body, taken.answer_until) == (0, b"", None)


def test_an_expired_record_begins_anew() -> None:
    other = msgspec.structs.replace(ASK, tracking_id=UUID(int=2, version=4))

    record = claimed(_running(is_publish_unknown=True, quota_day="2026-07-01"), other, CLAIM, NOW + RULES.ttl, RULES)

    assert (record.tracking_id, record.is_publish_unknown, record.quota_day) == (other.tracking_id, False, None)


def test_the_key_lives_as_long_as_its_answer() -> None:
    brief, long = answered(_running(), 429, b"", NOW, 60), answered(_running(), 202, b"", NOW + SECOND, 86_400)

    assert (brief.expires_at, long.expires_at) == (NOW + RULES.ttl, NOW + RULES.ttl + SECOND)


@pytest.mark.parametrize(
    ("publish", "was_unknown", "refund"),
    [
        (PublishOutcome.REFUSED, False, "2026-07-01"),
        (None, False, "2026-07-01"),
        (PublishOutcome.UNKNOWN, False, None),
        (PublishOutcome.CONFIRMED, False, None),
        (PublishOutcome.REFUSED, True, None),
        (None, True, None),
    ],
)
def test_quota_is_given_back_only_when_nothing_can_have_been_published(
    publish: PublishOutcome | None, was_unknown: bool, refund: str | None
) -> None:
    record, day = released(_running(quota_day="2026-07-01", is_publish_unknown=was_unknown), publish)

    assert day == refund
    assert record.quota_day == (None if refund else "2026-07-01")
    assert record.token == ""


def test_only_fresh_and_taken_over_claims_are_admitted() -> None:
    admitted = {each for each in Verdict if Admission(verdict=each).is_admitted}

    assert admitted == {Verdict.FRESH, Verdict.TAKEOVER}


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2026, 7, 1, 0, 0, tzinfo=UTC), 86_400),
        (datetime(2026, 7, 1, 23, 59, 59, tzinfo=UTC), 1),
        (datetime(2026, 7, 1, 23, 59, 59, 999_999, tzinfo=UTC), 1),
        (datetime(2026, 12, 31, 23, 0, tzinfo=UTC), 3600),
    ],
)
def test_the_wait_ends_at_midnight(now: datetime, seconds: int) -> None:
    assert seconds_to_midnight(now) == seconds


def test_a_quota_day_is_the_utc_date() -> None:
    assert quota_day(NOW) == "2026-07-01"
