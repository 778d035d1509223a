"""What happens next to a message: each rule on its own, and what no sequence of answers may ever break."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.decision import LookUpDue, Refusal, Round, after_look_up, decide, start, when_due
from smsgw.core.failure import POLICIES, LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.lifecycle import TRANSITIONS, Change, Timers
from smsgw.core.message import Attempt, EventType, Message, Reason, Status
from smsgw.core.routing import NoCandidate
from tests.unit.core.building import NOW, SECOND, TIMERS, answer, attempt, message

_HOLD = Timers(resend_unknown=False)
_NOBODY = NoCandidate(Reason.NO_PROVIDER_AVAILABLE, is_final=False)


def _calling(*, attempts_made: int = 1, expires_at: datetime = NOW + 600 * SECOND) -> Message:
    return message(status=Status.PROCESSING, attempts_made=attempts_made, expires_at=expires_at)


def _decide(
    result: SendResult,
    *,
    left: Sequence[str] = (),
    refusals: Sequence[Refusal] = (),
    standing: Message | None = None,
    now: datetime = NOW,
) -> tuple[Change, Round | None]:
    calling = standing or _calling()
    round_ = Round(left=tuple(left), refusals=tuple(refusals))
    asked = attempt(calling.attempts_made)
    return decide(calling, asked, round_, result, now, timers=TIMERS, jitter=1, can_look_up=False)


def _stands(change: Change) -> tuple[Status, str | None, datetime | None]:
    return change.message.status, change.message.reason, change.message.due_at


# --- start ------------------------------------------------------------------------------------------------------------


def test_a_round_begins_with_the_first_candidate() -> None:
    change, round_ = start(message(), ("A", "B"), NOW, timers=TIMERS, jitter=1)

    assert (Status.PROCESSING, None, NOW + TIMERS.lease) == _stands(change)
    assert change.started == attempt(1, "A")
    assert round_ == Round(left=("B",))


@pytest.mark.parametrize(
    ("standing", "candidates", "reason"),
    [
        (message(expires_at=NOW), ("A",), Reason.EXPIRED),
        (message(attempts_made=10), ("A",), Reason.MAX_ATTEMPTS),
        (message(), NoCandidate(Reason.PROVIDER_DISABLED, is_final=True), Reason.PROVIDER_DISABLED),
        (message(), NoCandidate(Reason.ALL_PROVIDERS_DISABLED, is_final=True), Reason.ALL_PROVIDERS_DISABLED),
        (message(expires_at=NOW + SECOND), _NOBODY, Reason.NO_PROVIDER_AVAILABLE),
    ],
)
def test_a_round_that_cannot_begin_fails(
    standing: Message, candidates: tuple[str, ...] | NoCandidate, reason: Reason
) -> None:
    change, round_ = start(standing, candidates, NOW, timers=TIMERS, jitter=1)

    assert (Status.FAILED, reason, None) == _stands(change)
    assert round_ is None
    assert change.started is None


def test_smart_selection_waits_for_a_provider() -> None:
    change, _ = start(message(rounds=2), _NOBODY, NOW, timers=TIMERS, jitter=1)

    assert _stands(change) == (Status.QUEUED, Reason.RETRY_SCHEDULED, NOW + 8 * SECOND)
    assert change.events[0].details["because"] == Reason.NO_PROVIDER_AVAILABLE


# --- decide -----------------------------------------------------------------------------------------------------------


def test_accepted_is_sent_even_when_it_comes_late() -> None:
    late = NOW + 700 * SECOND

    change, round_ = _decide(answer(Outcome.ACCEPTED, provider_message_id="x"), left=["B"], now=late)

    assert (Status.SENT, None, late + TIMERS.report_deadline) == _stands(change)
    assert change.finished is not None
    assert change.finished.provider_message_id == "x"
    assert round_ is None


def test_unknown_asks_nobody_else() -> None:
    change, round_ = _decide(answer(Outcome.UNKNOWN, detail="read timeout"), left=["B"])

    assert (Status.UNKNOWN, Reason.OUTCOME_UNKNOWN, NOW + TIMERS.unknown_settle) == _stands(change)
    assert round_ is None


@pytest.mark.parametrize("outcome", [Outcome.INVALID_NUMBER, Outcome.OPTED_OUT])
def test_what_no_provider_would_take_fails_at_once(outcome: Outcome) -> None:
    change, round_ = _decide(answer(outcome), left=["B"])

    assert (Status.FAILED, outcome.value, None) == _stands(change)
    assert round_ is None


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.CREDENTIALS, Outcome.THROTTLED, Outcome.UNREACHABLE])
def test_what_was_not_sent_goes_to_the_next_provider_at_once(outcome: Outcome) -> None:
    change, round_ = _decide(answer(outcome), left=["B", "C"])

    assert Status.PROCESSING is change.message.status
    assert change.started == attempt(2, "B")
    assert [each.event_type for each in change.events] == [EventType.PROVIDER_SWITCHED, EventType.PROCESSING]
    assert change.events[0].details == {"from": "A", "to": "B", "outcome": outcome.value}
    assert round_ == Round(left=("C",), refusals=(Refusal("A", outcome),))


@pytest.mark.parametrize("outcome", [Outcome.CREDENTIALS, Outcome.THROTTLED, Outcome.UNREACHABLE])
def test_a_round_with_something_temporary_is_tried_again(outcome: Outcome) -> None:
    change, _ = _decide(answer(outcome), refusals=[Refusal("B", Outcome.REJECTED)])

    assert _stands(change) == (Status.QUEUED, Reason.RETRY_SCHEDULED, NOW + 2 * SECOND)
    assert change.events[0].details["refused"] == {"A": outcome.value, "B": "rejected"}
    assert change.message.rounds == 1


@pytest.mark.parametrize("standing", [_calling(), _calling(attempts_made=10), _calling(expires_at=NOW)])
def test_a_round_of_plain_refusals_fails_as_rejected(standing: Message) -> None:
    change, _ = _decide(answer(Outcome.REJECTED), standing=standing, refusals=[Refusal("B", Outcome.REJECTED)])

    assert _stands(change) == (Status.FAILED, Reason.REJECTED, None)


@pytest.mark.parametrize(
    ("standing", "reason"),
    [(_calling(attempts_made=10), Reason.MAX_ATTEMPTS), (_calling(expires_at=NOW), Reason.EXPIRED)],
)
@pytest.mark.parametrize("left", [[], ["B"]])
def test_nothing_more_after_the_last_attempt_or_the_expiry(standing: Message, reason: Reason, left: list[str]) -> None:
    change, round_ = _decide(answer(Outcome.UNREACHABLE), standing=standing, left=left)

    assert (Status.FAILED, reason, None) == _stands(change)
    assert round_ is None


def test_a_retry_never_passes_the_expiry() -> None:
    change, _ = _decide(answer(Outcome.UNREACHABLE), standing=_calling(expires_at=NOW + 2 * SECOND))

    assert _stands(change) == (Status.FAILED, Reason.EXPIRED, None)


@pytest.mark.parametrize(
    ("mine", "others", "seconds"),
    [(30, None, 2), (30, 90, 30), (90, 30, 30), (-5, -5, 2), (10**6, 10**6, 300), (None, None, 2)],
)
def test_retry_after_is_kept_where_everybody_asked_for_it_and_clamped(
    mine: int | None, others: int | None, seconds: int
) -> None:
    def wait(value: int | None) -> timedelta | None:
        return None if value is None else value * SECOND

    refusals = [Refusal("B", Outcome.THROTTLED, wait(others)), Refusal("C", Outcome.REJECTED)]

    change, _ = _decide(answer(Outcome.THROTTLED, retry_after=wait(mine)), refusals=refusals)

    assert NOW + seconds * SECOND == change.message.due_at


# --- timers and look-ups ----------------------------------------------------------------------------------------------


def _due(
    standing: Message, last: Attempt | None, now: datetime, *, timers: Timers = TIMERS, ask: bool = False
) -> Change:
    plan = when_due(standing, last, now, timers=timers, can_look_up=ask)
    assert isinstance(plan, Change)
    return plan


_LOST = attempt(1, "A", Outcome.UNKNOWN)
_UNKNOWN = message(status=Status.UNKNOWN, attempts_made=1)
_SETTLED = NOW + 61 * SECOND


def test_sent_without_a_report_becomes_final() -> None:
    standing = message(status=Status.SENT, provider_final="A", due_at=NOW)

    change = _due(standing, attempt(1, "A", Outcome.ACCEPTED), NOW)

    assert _stands(change) == (Status.SENT, Reason.NO_REPORT, None)
    assert EventType.REPORT_DEADLINE is change.events[0].event_type


def test_a_dead_lease_with_an_open_attempt_is_unknown() -> None:
    change = _due(_calling(), attempt(1), NOW + 45 * SECOND)

    assert Status.UNKNOWN is change.message.status
    assert change.finished is not None
    assert Outcome.UNKNOWN is change.finished.outcome


def test_a_dead_lease_without_an_open_attempt_goes_back() -> None:
    change = _due(_calling(), attempt(1, outcome=Outcome.UNREACHABLE), NOW)

    assert _stands(change) == (Status.QUEUED, Reason.RETRY_SCHEDULED, NOW)


@pytest.mark.parametrize("standing", [_calling(), _UNKNOWN])
@pytest.mark.parametrize("ask", [True, False])
def test_late_evidence_of_acceptance_is_never_sent_again(standing: Message, ask: bool) -> None:
    change = _due(standing, attempt(1, outcome=Outcome.ACCEPTED), _SETTLED, ask=ask)

    assert (change.message.status, change.message.provider_final) == (Status.SENT, "A")


def test_unknown_is_looked_up_under_a_lease_where_it_can_be() -> None:
    plan = when_due(_UNKNOWN, _LOST, NOW, timers=TIMERS, can_look_up=True)

    assert isinstance(plan, LookUpDue)
    assert (Status.UNKNOWN, None, NOW + TIMERS.lease) == _stands(plan.change)
    assert plan.attempt == _LOST


def test_resend_waits_for_the_settle_time_then_asks_the_same_provider_at_a_risk() -> None:
    early, settled = _due(_UNKNOWN, _LOST, NOW + SECOND), _due(_UNKNOWN, _LOST, _SETTLED)

    assert _stands(early) == (Status.UNKNOWN, None, _SETTLED)
    assert _stands(settled) == (Status.QUEUED, Reason.RETRY_SCHEDULED, _SETTLED)
    assert (settled.message.duplicate_risk, settled.message.prefer) == (True, "A")
    assert settled.events[0].details["duplicate_risk"]


def test_hold_never_sends_again() -> None:
    held = _due(_UNKNOWN, _LOST, _SETTLED, timers=_HOLD)
    ended = _due(_UNKNOWN, _LOST, _UNKNOWN.expires_at, timers=_HOLD)

    assert (Status.UNKNOWN, None, _UNKNOWN.expires_at) == _stands(held)
    assert _stands(ended) == (Status.FAILED, Reason.OUTCOME_UNKNOWN, None)


@pytest.mark.parametrize(
    ("standing", "now"),
    [(_UNKNOWN, _UNKNOWN.expires_at), (message(status=Status.UNKNOWN, attempts_made=10), _SETTLED)],
)
def test_an_unknown_that_may_not_be_resent_says_that_nobody_knows(standing: Message, now: datetime) -> None:
    assert _stands(_due(standing, _LOST, now)) == (Status.FAILED, Reason.OUTCOME_UNKNOWN, None)


def test_found_is_sent() -> None:
    found = LookUpResult(answer=LookUp.FOUND, provider_message_id="x")

    change = after_look_up(_UNKNOWN, _LOST, found, NOW, timers=TIMERS)

    assert Status.SENT is change.message.status
    assert change.finished is not None
    assert (change.finished.provider_message_id, change.finished.outcome) == ("x", Outcome.ACCEPTED)


def test_absent_twice_is_another_round_without_the_mark() -> None:
    absent = LookUpResult(answer=LookUp.ABSENT)

    once = after_look_up(_UNKNOWN, _LOST, absent, NOW, timers=TIMERS)
    twice = after_look_up(once.message, _LOST, absent, _SETTLED, timers=TIMERS)

    assert (Status.UNKNOWN, None, NOW + TIMERS.unknown_settle) == _stands(once)
    assert _stands(twice) == (Status.QUEUED, Reason.RETRY_SCHEDULED, _SETTLED)
    assert (twice.message.duplicate_risk, twice.message.prefer) == (False, "A")
    assert twice.finished is not None
    assert Outcome.ABSENT is twice.finished.outcome


def test_an_answer_in_between_starts_the_count_of_absences_anew() -> None:
    once = after_look_up(_UNKNOWN, _LOST, LookUpResult(answer=LookUp.ABSENT), NOW, timers=_HOLD)

    unsure = after_look_up(once.message, _LOST, LookUpResult(answer=LookUp.CANNOT_SAY), NOW, timers=_HOLD)

    assert unsure.message.absences == 0


@pytest.mark.parametrize(
    ("standing", "reason"),
    [
        (message(status=Status.UNKNOWN, absences=1, expires_at=NOW), Reason.EXPIRED),
        (message(status=Status.UNKNOWN, absences=1, attempts_made=10), Reason.MAX_ATTEMPTS),
    ],
)
def test_absent_for_good_fails_when_nothing_may_follow(standing: Message, reason: Reason) -> None:
    change = after_look_up(standing, _LOST, LookUpResult(answer=LookUp.ABSENT), NOW, timers=TIMERS)

    assert (Status.FAILED, reason, None) == _stands(change)


# --- whatever happens -------------------------------------------------------------------------------------------------


class _Life:
    """One message driven by drawn answers; checks after every step what must always hold."""

    def __init__(self, data: st.DataObject) -> None:
        self.data = data
        self.can_look_up = data.draw(st.booleans())
        attempts = data.draw(st.integers(1, 5))
        self.timers = Timers(max_attempts=attempts, resend_unknown=data.draw(st.booleans()))
        self.now = NOW
        self.message = message(due_at=NOW)
        self.attempts: list[Attempt] = []

    def take(self, change: Change) -> None:
        assert change.message.status in TRANSITIONS[self.message.status]
        assert change.message.fence == self.message.fence + 1
        assert change.message.status is not Status.QUEUED or change.message.due_at < change.message.expires_at  # type: ignore[operator]
        if change.finished is not None:
            self.attempts[change.finished.number - 1] = change.finished
        if change.started is not None:
            assert self.now < self.message.expires_at, "sent after its expiry"
            open_before = [each for each in self.attempts if each.outcome in (None, Outcome.ACCEPTED)]
            assert not open_before, "sent again although it may be with a provider"
            is_risky = any(each.outcome is Outcome.UNKNOWN for each in self.attempts)
            assert change.message.duplicate_risk or not is_risky, "a second send without its mark"
            assert not (is_risky and not self.timers.resend_unknown), "hold sent again"
            self.attempts.append(change.started)
        self.message = change.message
        assert len(self.attempts) == self.message.attempts_made <= self.timers.max_attempts

    def live(self) -> None:
        for _ in range(200):
            if self.message.due_at is None:
                return
            self.now = max(self.now, self.message.due_at)
            if self.message.status is Status.QUEUED:
                self.walk()
            else:
                self.ring()
        raise AssertionError("it never ends")

    def walk(self) -> None:
        choices: list[tuple[str, ...] | NoCandidate] = [("A", "B"), ("B",), _NOBODY]
        candidates = self.data.draw(st.sampled_from(choices))
        change, round_ = start(self.message, candidates, self.now, timers=self.timers, jitter=0.5)
        self.take(change)
        while round_ is not None:
            if self.data.draw(st.integers(0, 5)) == 0:
                return  # the worker dies; its lease rings
            self.now += self.data.draw(st.sampled_from([SECOND, 20 * SECOND]))
            outcome = self.data.draw(st.sampled_from([each for each in POLICIES if each is not Outcome.ABSENT]))
            change, round_ = decide(
                self.message,
                self.attempts[-1],
                round_,
                answer(outcome),
                self.now,
                timers=self.timers,
                jitter=0.5,
                can_look_up=self.can_look_up,
            )
            self.take(change)

    def ring(self) -> None:
        last = self.attempts[-1] if self.attempts else None
        plan = when_due(self.message, last, self.now, timers=self.timers, can_look_up=self.can_look_up)
        if isinstance(plan, Change):
            self.take(plan)
            return
        self.take(plan.change)
        said = LookUpResult(answer=self.data.draw(st.sampled_from(LookUp)))
        self.take(after_look_up(self.message, plan.attempt, said, self.now, timers=self.timers))


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_every_message_ends_and_no_rule_is_ever_broken(data: st.DataObject) -> None:
    life = _Life(data)

    life.live()

    assert life.message.status in (Status.FAILED, Status.SENT)
    assert life.message.reason is not None
