"""Delivery reports: which attempt they belong to, what they do, and that their order never matters (I8)."""

from collections.abc import Sequence
from itertools import permutations, product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change
from smsgw.core.message import (
    Attempt,
    EventType,
    Message,
    NotApplied,
    Reason,
    ReceivedReport,
    ReportStatus,
    Status,
    Told,
)
from smsgw.core.reports import MOST_TOLD, apply_report
from tests.unit.core.building import NOW, SECOND, TIMERS, attempt, message
from tests.unit.core.reporting import apply_all, read, received

State = tuple[Message, tuple[Attempt, ...]]


def _apply(state: State, told: Sequence[str]) -> State:
    """Apply reports one after the other, as a store does."""
    end = apply_all(*state, read(told))
    return end.message, end.attempts


def _change(state: State, told: ReceivedReport, before: frozenset[Told] = frozenset()) -> Change:
    change = apply_report(*state, before, told, NOW, TIMERS)
    assert isinstance(change, Change)
    return change


def _row(state: State) -> State:
    """Return what must not depend on the order: everything but how often and when the row was written."""
    current, attempts = state
    return msgspec.structs.replace(current, fence=0, updated_at=NOW), attempts


_UNKNOWN = attempt(1, "A", Outcome.UNKNOWN)
_ACCEPTED = attempt(1, "A", Outcome.ACCEPTED, provider_message_id="x")
_STATES: dict[str, State] = {
    "sent": (message(status=Status.SENT, provider_final="A", attempts_made=1), (_ACCEPTED,)),
    "sent without an id": (
        message(status=Status.SENT, provider_final="A", attempts_made=1),
        (attempt(1, "A", Outcome.ACCEPTED),),
    ),
    "in flight": (message(status=Status.PROCESSING, attempts_made=1), (attempt(1, "A"),)),
    "unknown": (message(status=Status.UNKNOWN, attempts_made=1), (_UNKNOWN,)),
    "resend scheduled": (message(status=Status.QUEUED, prefer="A", attempts_made=1), (_UNKNOWN,)),
    "absent": (message(status=Status.QUEUED, attempts_made=1), (attempt(1, "A", Outcome.ABSENT),)),
    "resent elsewhere": (
        message(status=Status.SENT, provider_final="B", attempts_made=2),
        (_UNKNOWN, attempt(2, "B", Outcome.ACCEPTED, provider_message_id="y")),
    ),
    "both unknown": (message(status=Status.UNKNOWN, attempts_made=2), (_UNKNOWN, attempt(2, "B", Outcome.UNKNOWN))),
    "resend in flight": (message(status=Status.PROCESSING, attempts_made=2), (_UNKNOWN, attempt(2, "B"))),
    "failed": (
        message(status=Status.FAILED, reason=Reason.OUTCOME_UNKNOWN, attempts_made=2),
        (_UNKNOWN, attempt(2, "B", Outcome.REJECTED)),
    ),
    "no report": (
        message(status=Status.SENT, reason=Reason.NO_REPORT, provider_final="A", attempts_made=1),
        (_ACCEPTED,),
    ),
}
_WORDS = [status.word for status in ReportStatus]


@pytest.mark.parametrize("name", _STATES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_order_with_any_duplicates_ends_in_the_same_rows(name: str, data: st.DataObject) -> None:
    """I8, where one provider tells of one SMS under one message id."""
    ids = data.draw(st.fixed_dictionaries({"A": st.sampled_from(["", "x"]), "B": st.sampled_from(["", "y"])}))
    letters = st.sampled_from([f"{who}:{ids[who]}:{word}" for who, word in product("AB", _WORDS)])
    told = data.draw(st.lists(letters, min_size=1, max_size=4, unique=True))
    shuffled = data.draw(st.permutations([*told, *data.draw(st.lists(st.sampled_from(told), max_size=3))]))

    straight, mixed = _apply(_STATES[name], told), _apply(_STATES[name], shuffled)

    assert _row(straight) == _row(mixed)


@pytest.mark.parametrize("name", [name for name, (_, attempts) in _STATES.items() if len(attempts) == 1])
@given(told=st.lists(st.sampled_from([f"A:{i}:{w}" for i, w in product(["", "x", "z"], _WORDS)]), max_size=4))
@settings(max_examples=60, deadline=None)
def test_contradicting_message_ids_end_in_the_same_message(name: str, told: list[str]) -> None:
    """Several ids for one call (a vendor that reports each part of a long text): the message ends alike."""
    ends = [_apply(_STATES[name], list(order)) for order in permutations(told)]

    assert len({repr(_row(end)[0]) for end in ends}) == 1
    assert len({repr([(each.outcome, each.report) for each in attempts]) for _, attempts in ends}) == 1


@pytest.mark.parametrize("told", list(permutations(["A::sent", "A::undelivered", "A::undelivered"])))
def test_a_repeated_report_without_an_id_settles_one_attempt_only(told: tuple[str, ...]) -> None:
    state = message(status=Status.UNKNOWN, attempts_made=2), (_UNKNOWN, attempt(2, "A", Outcome.UNKNOWN))

    end, attempts = _apply(state, told)

    assert [(each.outcome, each.report) for each in attempts] == [
        (Outcome.UNKNOWN, None),
        (Outcome.ACCEPTED, ReportStatus.UNDELIVERED),
    ]
    assert Status.SENT is end.status


@pytest.mark.parametrize(
    ("state", "told", "status", "reason", "provider"),
    [
        ("sent", ["A:x:queued"], Status.SENT, None, "A"),
        ("sent", ["A:x:sent"], Status.SENT, None, "A"),
        ("sent", ["A:x:delivered"], Status.DELIVERED, None, "A"),
        ("sent", ["A:x:undelivered"], Status.FAILED, Reason.UNDELIVERED, "A"),
        ("sent", ["A:x:failed"], Status.FAILED, Reason.REPORTED_FAILED, "A"),
        ("sent", ["A:x:rejected"], Status.FAILED, Reason.REPORTED_REJECTED, "A"),
        ("sent", ["A:x:expired"], Status.FAILED, Reason.REPORTED_EXPIRED, "A"),
        ("sent", ["A:x:failed", "A:x:delivered"], Status.DELIVERED, None, "A"),
        ("sent", ["A:x:delivered", "A:x:failed"], Status.DELIVERED, None, "A"),
        ("in flight", ["A:x:queued"], Status.SENT, None, "A"),
        ("in flight", ["A:x:delivered"], Status.DELIVERED, None, "A"),
        ("unknown", ["A::queued"], Status.SENT, None, "A"),
        ("unknown", ["A::failed"], Status.FAILED, Reason.REPORTED_FAILED, "A"),
        ("resend scheduled", ["A:x:sent"], Status.SENT, None, "A"),
        ("resend scheduled", ["A:x:undelivered"], Status.FAILED, Reason.UNDELIVERED, "A"),
        ("absent", ["A:x:sent"], Status.SENT, None, "A"),
        ("absent", ["A:x:rejected"], Status.QUEUED, None, None),
        ("resent elsewhere", ["B:y:undelivered"], Status.SENT, None, "B"),
        ("resent elsewhere", ["B:y:undelivered", "A:x:failed"], Status.FAILED, Reason.UNDELIVERED, "B"),
        ("resent elsewhere", ["A:x:delivered"], Status.DELIVERED, None, "A"),
        ("both unknown", ["B:y:failed"], Status.UNKNOWN, None, None),
        ("both unknown", ["B:y:undelivered"], Status.SENT, None, "B"),
        ("resend in flight", ["A:x:failed"], Status.PROCESSING, None, None),
        ("failed", ["A:x:sent"], Status.FAILED, Reason.OUTCOME_UNKNOWN, None),
        ("failed", ["A:x:delivered"], Status.DELIVERED, None, "A"),
        ("failed", ["B:y:failed"], Status.FAILED, Reason.OUTCOME_UNKNOWN, None),
        ("no report", ["A:x:delivered"], Status.DELIVERED, None, "A"),
        ("sent", ["B:x:delivered"], Status.SENT, None, "A"),
    ],
)
def test_what_reports_do(
    state: str, told: list[str], status: Status, reason: Reason | None, provider: str | None
) -> None:
    end, _ = _apply(_STATES[state], told)

    assert (status, reason, provider) == (end.status, end.reason, end.provider_final)


def test_what_changes_nothing_keeps_the_fence() -> None:
    """A call in flight must still be able to settle."""
    start = _STATES["resend in flight"][0]

    end, _ = _apply(_STATES["resend in flight"], ["A:x:failed"])

    assert start == end


def test_sent_waits_for_a_final_report_and_keeps_its_first_deadline() -> None:
    waiting, _ = _apply(_STATES["both unknown"], ["A::sent"])
    again, _ = _apply(_STATES["both unknown"], ["A::sent", "B::sent"])

    assert NOW + 5 * SECOND + TIMERS.report_deadline == waiting.due_at
    assert (waiting.due_at, "B") == (again.due_at, again.provider_final)


def test_a_positive_report_corrects_a_failure_and_says_so() -> None:
    failed, attempts = _STATES["failed"]

    (told,) = read(["A:x:delivered"])

    change = _change((failed, attempts), told)

    assert [each.event_type for each in change.events] == [EventType.REPORT, EventType.DELIVERED]
    assert change.events[1].details == {"attempt": 1, "corrected": True}
    assert change.finished == msgspec.structs.replace(
        attempts[0], outcome=Outcome.ACCEPTED, report=ReportStatus.DELIVERED, provider_message_id="x"
    )


def test_the_story_tells_what_the_provider_said() -> None:
    failed, attempts = _STATES["sent"]
    (bad,) = read(["A:x:undelivered"])
    told = msgspec.structs.replace(bad.report, error_code="7", reported_at=NOW)

    change = _change((failed, attempts), msgspec.structs.replace(bad, report=told))

    assert change.events[0].details == {
        "status": "undelivered",
        "attempt": 1,
        "provider_message_id": "x",
        "error_code": "7",
        "reported_at": NOW.isoformat(),
    }
    assert change.events[1].details == {"attempt": 1, "reason": "undelivered"}


_ATTEMPTS = (
    attempt(1, "A", Outcome.UNKNOWN),
    attempt(2, "B", Outcome.UNKNOWN),
    attempt(3, "A", Outcome.UNKNOWN),
    attempt(4, "A", Outcome.ACCEPTED, provider_message_id="w"),
    attempt(5, "A", Outcome.REJECTED),
)


@pytest.mark.parametrize(
    ("provider", "message_id", "number"),
    [("A", "w", 4), ("A", "other", 3), ("A", None, 3), ("B", "other", 2), ("B", "w", 2)],
)
@pytest.mark.parametrize("status", [ReportStatus.SENT, ReportStatus.FAILED])
def test_a_report_belongs_to_an_attempt_of_its_provider(
    provider: str, message_id: str | None, number: int, status: ReportStatus
) -> None:
    change = _change((message(status=Status.UNKNOWN), _ATTEMPTS), received(provider, status, message_id))

    assert change.finished is not None
    assert number == change.finished.number == change.events[0].details["attempt"]


def test_a_report_of_a_provider_that_was_never_asked_fits_nothing() -> None:
    state = message(status=Status.UNKNOWN), _ATTEMPTS

    applied = apply_report(*state, frozenset(), received("C", ReportStatus.DELIVERED, "w"), NOW, TIMERS)

    assert applied is NotApplied.UNMATCHED


def test_a_repeat_that_changes_nothing_is_not_told_again() -> None:
    (told,) = read(["A:x:queued"])

    change = _change(_STATES["sent"], told)
    assert change.finished is not None
    again = _change((change.message, (change.finished,)), told, frozenset({Told.by(told)}))

    assert [each.event_type for each in change.events] == [EventType.REPORT]
    assert again.events == ()
    assert again.message is change.message


def test_a_message_that_heard_enough_still_hears_that_it_was_delivered() -> None:
    enough = frozenset(Told("A", ReportStatus.QUEUED, str(number)) for number in range(MOST_TOLD))

    idle, delivered = (_change(_STATES["sent"], each, enough) for each in read(["A:new:queued", "A:x:delivered"]))

    assert idle.events == ()
    assert Status.DELIVERED is delivered.message.status
    assert [each.event_type for each in delivered.events] == [EventType.REPORT, EventType.DELIVERED]
