"""The states and the pure steps between them."""

from itertools import product

import msgspec
import pytest

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import TRANSITIONS, begin, fail, finish, requeue, sent, step, unknown
from smsgw.core.message import EventType, Reason, Status
from tests.unit.core.building import NOW, SECOND, TIMERS, attempt, message

_LEGAL = {
    ("QUEUED", "QUEUED PROCESSING FAILED SENT DELIVERED"),
    ("PROCESSING", "PROCESSING SENT FAILED QUEUED UNKNOWN DELIVERED"),
    ("UNKNOWN", "UNKNOWN SENT DELIVERED FAILED QUEUED"),
    ("SENT", "SENT DELIVERED FAILED"),
    ("FAILED", "FAILED DELIVERED"),
    ("DELIVERED", "DELIVERED"),
}
_EDGES = {(Status(before), Status(after)) for before, afters in _LEGAL for after in afters.split()}


@pytest.mark.parametrize(("before", "after"), sorted(product(Status, Status)))
def test_only_legal_edges_exist(before: Status, after: Status) -> None:
    standing = message(status=before, fence=7)

    if (before, after) not in _EDGES:
        with pytest.raises(ValueError, match="is not a transition"):
            step(standing, NOW, after)
        return
    moved = step(standing, NOW + SECOND, after)

    assert (after, 8, NOW + SECOND) == (moved.status, moved.fence, moved.updated_at)


def test_every_status_has_its_edges_and_delivered_is_never_taken_back() -> None:
    assert {None, *Status} == set(TRANSITIONS)
    assert TRANSITIONS[Status.DELIVERED] == {Status.DELIVERED}
    assert TRANSITIONS[None] == {Status.QUEUED, Status.PROCESSING, Status.FAILED}


def test_begin_leases_the_message_and_writes_the_intent_down() -> None:
    waiting = message(attempts_made=2, prefer="A", absences=1, reason=Reason.RETRY_SCHEDULED, duplicate_risk=True)

    change = begin(waiting, "A", NOW, TIMERS)

    assert Status.PROCESSING is change.message.status
    assert NOW + TIMERS.lease == change.message.due_at
    assert (
        change.message.attempts_made,
        change.message.reason,
        change.message.prefer,
        change.message.absences,
    ) == (3, None, None, 0)
    assert change.started == attempt(3, "A")
    assert change.events[0].details == {"attempt": 3, "duplicate_risk": True}
    assert Status.QUEUED is change.previous


def test_sent_waits_for_reports_until_the_deadline() -> None:
    known = finish(attempt(provider="A"), Outcome.ACCEPTED, NOW, provider_message_id="x")

    change = sent(message(status=Status.PROCESSING), known, NOW, TIMERS)

    assert (Status.SENT, "A", NOW + TIMERS.report_deadline) == (
        change.message.status,
        change.message.provider_final,
        change.message.due_at,
    )
    assert change.events[0].details == {"attempt": 1, "provider_message_id": "x"}
    assert known == change.finished


def test_fail_ends_a_message_with_its_reason() -> None:
    change = fail(message(due_at=NOW, prefer="A"), Reason.EXPIRED, NOW)

    assert (
        change.message.status,
        change.message.reason,
        change.message.due_at,
        change.message.prefer,
    ) == (Status.FAILED, Reason.EXPIRED, None, None)
    assert EventType.FAILED is change.events[0].event_type


def test_unknown_is_looked_up_at_once_or_settles_first() -> None:
    calling = message(status=Status.PROCESSING)
    lost = finish(attempt(), Outcome.UNKNOWN, NOW, detail="read timeout")

    asked = unknown(calling, lost, NOW, look_up=True, timers=TIMERS)
    settling = unknown(calling, lost, NOW, look_up=False, timers=TIMERS)

    assert asked.message.due_at == NOW
    assert NOW + TIMERS.unknown_settle == settling.message.due_at
    assert settling.events[0].details == {"attempt": 1, "detail": "read timeout"}


def test_unknown_is_looked_at_no_later_than_the_expiry() -> None:
    short = message(status=Status.PROCESSING, expires_at=NOW + SECOND)

    change = unknown(short, attempt(outcome=Outcome.UNKNOWN), NOW, look_up=False, timers=TIMERS)

    assert change.message.due_at == NOW + SECOND


def test_requeue_keeps_a_known_risk() -> None:
    risky = message(status=Status.UNKNOWN, duplicate_risk=True)

    change = requeue(risky, NOW, due_at=NOW, rounds=1, details={})

    assert change.message.duplicate_risk
    assert change.message.reason == Reason.RETRY_SCHEDULED


def test_a_step_changes_nothing_else() -> None:
    before = message(providers=("A",), client_key="shop")

    after = step(before, NOW, Status.PROCESSING)

    restored = msgspec.structs.replace(after, status=before.status, fence=before.fence, updated_at=before.updated_at)
    assert before == restored
