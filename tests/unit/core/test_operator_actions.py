"""What an operator may do to a message, and what he is refused."""

from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import TRANSITIONS, Change
from smsgw.core.message import EventType, Message, Reason, Status
from smsgw.core.operator_actions import (
    ERASED,
    NotPossible,
    Resend,
    Verdict,
    cancel,
    copy_id,
    resend,
    resend_warning,
    resolve,
)
from tests.unit.core.building import NOW, SECOND, TIMERS, attempt, message

COPY = UUID("00000000-0000-4000-8000-000000000002")
UNKNOWN = attempt(1, "A", Outcome.UNKNOWN, detail="read timeout")


def unknown(**fields: object) -> Message:
    standing = {"status": Status.UNKNOWN, "reason": Reason.OUTCOME_UNKNOWN, "attempts_made": 1, "due_at": NOW}
    return message(**{**standing, **fields})


def test_a_message_that_waits_is_cancelled_out_of_its_lane() -> None:
    waiting = message(due_at=NOW + SECOND, lane="A,B", fence=4, prefer="A")

    change = cancel(waiting, NOW)

    assert isinstance(change, Change)
    ended = change.message
    assert (ended.status, ended.reason, ended.due_at, ended.lane) == (Status.FAILED, Reason.CANCELLED, None, None)
    assert ended.fence == 5
    assert change.events[0].details == {"reason": "cancelled", "by": "operator"}


def test_a_cancelled_message_that_may_have_left_before_says_so() -> None:
    change = cancel(message(duplicate_risk=True), NOW)

    assert isinstance(change, Change)
    assert change.events[0].details["duplicate_risk"] is True


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.QUEUED}))
def test_nothing_else_is_cancelled(status: Status) -> None:
    refused = cancel(message(status=status), NOW)

    assert isinstance(refused, NotPossible)
    assert refused.why.endswith(".")


def test_an_operator_says_that_it_was_sent() -> None:
    change = resolve(unknown(), UNKNOWN, Verdict.SENT, NOW, timers=TIMERS)

    assert isinstance(change, Change)
    assert (change.message.status, change.message.provider_final) == (Status.SENT, "A")
    assert change.message.due_at == NOW + TIMERS.report_deadline
    assert change.finished is not None
    assert (change.finished.outcome, change.finished.detail) == (Outcome.ACCEPTED, "read timeout")
    assert change.events[0].details == {"attempt": 1, "by": "operator"}


def test_an_operator_says_that_it_was_not_sent_and_it_is_sent_again_without_a_mark() -> None:
    change = resolve(unknown(), UNKNOWN, Verdict.NOT_SENT, NOW, timers=TIMERS)

    assert isinstance(change, Change)
    assert (change.message.status, change.message.due_at, change.message.prefer) == (Status.QUEUED, NOW, "A")
    assert change.message.duplicate_risk is False
    assert change.finished is not None
    assert change.finished.outcome is Outcome.ABSENT


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"expires_at": NOW}, Reason.EXPIRED),
        ({"expires_at": NOW, "duplicate_risk": True}, Reason.OUTCOME_UNKNOWN),
        ({"attempts_made": TIMERS.max_attempts}, Reason.MAX_ATTEMPTS),
    ],
)
def test_what_was_not_sent_ends_when_its_time_or_attempts_are_over(fields: dict[str, object], reason: Reason) -> None:
    standing = unknown(**fields)
    last = attempt(standing.attempts_made, "A", Outcome.UNKNOWN)

    change = resolve(standing, last, Verdict.NOT_SENT, NOW, timers=TIMERS)

    assert isinstance(change, Change)
    assert (change.message.status, change.message.reason) == (Status.FAILED, reason)
    assert change.finished is not None
    assert change.finished.outcome is Outcome.ABSENT
    assert change.events[0].details["by"] == "operator"


def test_an_operator_gives_up_and_a_late_report_may_still_settle_the_attempt() -> None:
    change = resolve(unknown(), UNKNOWN, Verdict.GIVE_UP, NOW, timers=TIMERS)

    assert isinstance(change, Change)
    assert (change.message.status, change.message.reason) == (Status.FAILED, Reason.OUTCOME_UNKNOWN)
    assert change.finished is None


@pytest.mark.parametrize("verdict", Verdict)
@pytest.mark.parametrize(
    ("standing", "about"),
    [
        (message(status=Status.SENT, attempts_made=1), UNKNOWN),
        (unknown(attempts_made=2), UNKNOWN),
        (unknown(), None),
    ],
    ids=["not unknown", "an older attempt", "no attempt"],
)
def test_a_verdict_about_something_else_is_refused(standing: Message, about: object, verdict: Verdict) -> None:
    assert isinstance(resolve(standing, about, verdict, NOW, timers=TIMERS), NotPossible)  # type: ignore[arg-type]


@pytest.mark.parametrize("verdict", [Verdict.NOT_SENT, Verdict.GIVE_UP])
def test_evidence_counts_more_than_an_operator(verdict: Verdict) -> None:
    taken = attempt(1, "A", Outcome.ACCEPTED)

    assert isinstance(resolve(unknown(), taken, verdict, NOW, timers=TIMERS), NotPossible)


@pytest.mark.parametrize(
    "standing",
    [
        message(status=Status.FAILED, reason=Reason.EXPIRED, providers=("B", "A"), sender="Shop", fence=9),
        message(status=Status.SENT, reason=Reason.NO_REPORT, due_at=None, fence=9),
    ],
    ids=["failed", "no report"],
)
def test_a_resend_is_a_new_message_that_knows_the_old_one(standing: Message) -> None:
    later = NOW + timedelta(days=1)

    made = resend(standing, COPY, later)

    assert isinstance(made, Resend)
    copy = made.copy.message
    same = ("client_key", "to", "text", "sender", "providers", "ttl_seconds")
    assert all(getattr(copy, name) == getattr(standing, name) for name in same)
    assert (copy.tracking_id, copy.status, copy.due_at, copy.fence) == (COPY, Status.QUEUED, later, 1)
    assert copy.expires_at == later + timedelta(seconds=standing.ttl_seconds)
    assert made.copy.events[0].details["resend_of"] == str(standing.tracking_id)
    assert made.mark.message.status is standing.status
    assert made.mark.message.reason == standing.reason
    assert made.mark.message.fence == 10
    assert [event.event_type for event in made.mark.events] == [EventType.RESENT]
    assert made.mark.events[0].details["resent_as"] == str(COPY)


@pytest.mark.parametrize(
    "standing",
    [message(status=status, due_at=NOW) for status in sorted(set(Status) - {Status.FAILED})],
    ids=lambda each: each.status,
)
def test_what_may_still_arrive_is_not_sent_again(standing: Message) -> None:
    assert isinstance(resend(standing, COPY, NOW), NotPossible)


@pytest.mark.parametrize("erased", [{"text": ""}, {"to": ""}])
def test_what_was_erased_is_not_sent_again(erased: dict[str, str]) -> None:
    assert resend(message(status=Status.FAILED, **erased), COPY, NOW) is ERASED


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (message(status=Status.SENT), "may well have arrived"),
        (message(status=Status.FAILED, reason=Reason.OUTCOME_UNKNOWN), "may have arrived"),
        (message(status=Status.FAILED, reason=Reason.CANCELLED, duplicate_risk=True), "may have arrived"),
        (message(status=Status.FAILED, reason=Reason.OPTED_OUT), "does not want"),
        (message(status=Status.FAILED, reason=Reason.DUPLICATE_OF), "Idempotency-Key"),
    ],
)
def test_who_sends_again_is_warned(standing: Message, words: str) -> None:
    assert words in (resend_warning(standing) or "")


def test_what_cannot_have_arrived_is_sent_again_without_a_warning() -> None:
    assert resend_warning(message(status=Status.FAILED, reason=Reason.EXPIRED)) is None


def test_one_form_makes_one_copy_and_another_state_another() -> None:
    first = message().tracking_id

    assert copy_id(first, 4) == copy_id(first, 4)
    assert len({copy_id(first, 4), copy_id(first, 5), copy_id(COPY, 4), first}) == 4


@given(
    status=st.sampled_from(Status),
    outcome=st.sampled_from([None, *Outcome]),
    made=st.integers(1, 12),
    seconds=st.integers(-5, 700),
    verdict=st.sampled_from(Verdict),
    risk=st.booleans(),
)
def test_every_step_is_a_legal_one_and_takes_the_next_fence(
    status: Status, outcome: Outcome | None, made: int, seconds: int, verdict: Verdict, risk: bool
) -> None:
    now = NOW + timedelta(seconds=seconds)
    standing = message(status=status, attempts_made=made, duplicate_risk=risk, fence=7, due_at=NOW)
    last = attempt(made, "A", outcome)

    again = resend(standing, COPY, now)
    steps = [cancel(standing, now), resolve(standing, last, verdict, now, timers=TIMERS)]
    steps += [again.mark] if isinstance(again, Resend) else []

    for change in steps:
        if isinstance(change, Change):
            after = change.message
            assert after.status in TRANSITIONS[status]
            assert (after.fence, after.attempts_made, after.lane) == (8, made, None)
            assert change.previous is status
            assert all(event.details.get("by", "operator") == "operator" for event in change.events)
            assert after.due_at is not None or after.status in (Status.FAILED, Status.SENT)
            assert after.status is not Status.QUEUED or now < after.expires_at
