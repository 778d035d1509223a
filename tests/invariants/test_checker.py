"""Every invariant catches books that break it, and only those: a check that cannot fail is not a check."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from tests.invariants.checker import INVARIANTS, check
from tests.invariants.ledgers import Accept, Attempt, Books, Call, Event, Quota, Row

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
BODY = {"to": "+447700909999", "text": "Parcel 1"}


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def call(tracking_id: str = ONE, status: int | None = 202, **fields: Any) -> Call:
    body = json.dumps({"tracking_id": tracking_id, **({} if status == 202 else {"error_code": "BROKER_UNAVAILABLE"})})
    defaults = {"client_key": "one", "idempotency_key": "key", "asked": BODY, "began_at": NOON, "seconds": 0.1}
    waits = {"retry_after": "1"} if status == 503 else {}
    return Call(**{**defaults, "status": status, "body": body.encode(), **waits, **fields})


def row(tracking_id: str = ONE, status: str = "DELIVERED", **fields: Any) -> Row:
    defaults = {"client_key": "one", "to": BODY["to"], "text": BODY["text"], "provider_final": "Provider-A"}
    times = {"created_at": NOON, "expires_at": at(60)}
    return Row(**{"tracking_id": tracking_id, "status": status, **defaults, **times, "fence": 9, **fields})


def accept(seconds: float = 1, tracking_id: str = ONE) -> Accept:
    return Accept(reference=tracking_id, provider="Provider-A", accepted_at=at(seconds))


def attempt(number: int = 1, *, report: int | None = 6, outcome: str | None = "accepted") -> Attempt:
    return Attempt(
        tracking_id=ONE,
        number=number,
        provider="Provider-A",
        started_at=at(number),
        outcome=outcome,
        report=report,
    )


def trail(*types: str, begun: int = 1, **details: Any) -> list[Event]:
    """Events one second apart; each PROCESSING begins the next attempt, a REPORT is about the newest one."""
    events = []
    number = begun - 1
    for place, word in enumerate(types):
        event_type, _, status = word.partition(" ")
        number += event_type == "PROCESSING"
        told = {"attempt": number, **({"status": status} if status else {}), **details}
        events.append(
            Event(number=place, tracking_id=ONE, event_type=event_type, details=told, created_at=at(place * 0.1))
        )
    return events


HAPPY = ("PROCESSING", "SENT", "REPORT delivered", "DELIVERED")


def books(**fields: Any) -> Books:
    """Books of one delivered message, all in order, with something changed."""
    clean: dict[str, Any] = {
        "read_at": at(100),
        "calls": [call(status=503), call(), call(status=None, body=b"")],
        "accepts": [accept()],
        "ledgered": frozenset({"Provider-A"}),
        "rows": [row(attempts_made=1)],
        "attempts": [attempt()],
        "events": trail(*HAPPY),
        "quotas": [Quota(client_key="one", day="2026-03-01", used=1, limit=5)],
        "queues": {"outbound": 0},
        "dead": 0,
        "unready": {},
        "texts": {"log": '{"message": "request.accepted", "to": "+44770…"}'},
        "secrets": ["Parcel", "44770090"],
    }
    return Books(**clean | fields)


def quota(used: int, *, limit: int = 5) -> dict[str, Any]:
    return {"quotas": [Quota(client_key="one", day="2026-03-01", used=used, limit=limit)]}


def story(*types: str, **fields: Any) -> dict[str, Any]:
    """A message whose trail is this, and whose row and attempts fit the number of its PROCESSING events."""
    begun = types.count("PROCESSING")
    status = fields.pop("status")
    attempts = fields.pop("attempts", [attempt(number, report=None) for number in range(1, begun + 1)])
    return {"rows": [row(status=status, attempts_made=begun, **fields)], "attempts": attempts, "events": trail(*types)}


UNKNOWN_TWICE = story(
    "PROCESSING", "UNKNOWN", "LOOKED_UP", "RETRY_SCHEDULED", "PROCESSING", "SENT", status="SENT", due_at=at(9999)
)

BROKEN = {
    "I1 no row": ("I1", "accepted, and 0 rows", {"rows": []}),
    "I1 two rows": ("I1", "2 rows", {"rows": [row(attempts_made=1), row(attempts_made=1)]}),
    "I1 unfinished": ("I1", "still PROCESSING", story("PROCESSING", status="PROCESSING")),
    "I1 never taken": ("I1", "Provider-A never took it", {"accepts": []}),
    "I2 unknown to the database": ("I2", "no row knows it", {"accepts": [accept(), accept(tracking_id=TWO)]}),
    "I2 unasked": ("I2", "nobody asked for it", {"calls": [call(asked={**BODY, "text": "Parcel 2"})]}),
    "I3 twice": ("I3", "taken 2 times, unknown 0", {"accepts": [accept(1), accept(2)]}),
    "I3 doubt came too late": ("I3", "taken 2 times", {**UNKNOWN_TWICE, "accepts": [accept(-2), accept(-1)]}),
    "I3 more often than in doubt": (
        "I3",
        "taken 3 times",
        {**UNKNOWN_TWICE, "accepts": [accept(1), accept(2), accept(3)]},
    ),
    "I3 hold": ("I3", "hold", {**UNKNOWN_TWICE, "accepts": [accept(1), accept(2)], "is_resending": False}),
    "I4 two ids": ("I4", "2 tracking_ids", {"calls": [call(), call(TWO)]}),
    "I4 other bytes": (
        "I4",
        "different bytes",
        {"calls": [call(), call(body=b'{"tracking_id" : "%s"}' % ONE.encode())]},
    ),
    "I5 two bodies": ("I5", "2 different bodies", {"calls": [call(), call(asked={**BODY, "ttl_seconds": 60})]}),
    "I6 over the limit": ("I6", "1 of 0", quota(1, limit=0)),
    "I6 negative": ("I6", "-1 of 5", quota(-1)),
    "I6 uncounted": ("I6", "a counter of 0", quota(0)),
    "I6 a unit too many": ("I6", "1 units too many", quota(2)),
    "I7 no such edge": ("I7", "SENT -> PROCESSING", story("PROCESSING", "SENT", "PROCESSING", "SENT", status="SENT")),
    "I7 out of nowhere": ("I7", "None -> SENT", story("SENT", status="SENT")),
    "I7 uncorrected": ("I7", "corrected", story("PROCESSING", "FAILED", "DELIVERED", status="DELIVERED")),
    "I7 the row says otherwise": ("I7", "its row says FAILED", story("PROCESSING", "SENT", status="FAILED")),
    "I7 attempt numbers": (
        "I7",
        "in order of time are [2]",
        story("PROCESSING", "SENT", status="SENT", attempts=[attempt(2, report=None)]),
    ),
    "I7 an attempt without intent": ("I7", "begins attempts [1]", story("PROCESSING", status="SENT", attempts=[])),
    "I7 the fence stood still": ("I7", "a fence of 1", story("PROCESSING", "SENT", status="SENT", fence=1)),
    "I8 a report forgotten": ("I8", "has report None", story(*HAPPY, status="DELIVERED")),
    "I8 taken back": (
        "I8",
        "its reports say DELIVERED",
        story(*HAPPY, "REPORT failed", "FAILED", status="FAILED", attempts=[attempt()]),
    ),
    "I8 still SENT": (
        "I8",
        "its reports say FAILED",
        story("PROCESSING", "SENT", "REPORT undelivered", status="SENT", attempts=[attempt(report=5)]),
    ),
    "I8 unfounded": ("I8", "no report says so", story("PROCESSING", "SENT", "DELIVERED", status="DELIVERED")),
    "I10 after its time": ("I10", "3.0 s after", {"accepts": [accept(63)]}),
    "I11 not ready": ("I11", "worker is not ready", {"unready": {"worker": "database"}}),
    "I11 a message waits": ("I11", "1 messages wait", {"queues": {"outbound": 1}}),
    "I11 a dead letter": ("I11", "1 dead letters", {"dead": 1}),
    "I11 an expired lease": ("I11", "its timer rang", story("PROCESSING", status="PROCESSING", due_at=at(50))),
    "I12 a bug": ("I12", "answered 500", {"calls": [call(), call(status=500)]}),
    "I12 without a code": ("I12", "without an error_code", {"calls": [call(status=503, body=b"<html>")]}),
    "I12 without Retry-After": ("I12", "without Retry-After", {"calls": [call(status=503, retry_after=None)]}),
    "I12 too late": ("I12", "after 5.6 s", {"calls": [call(seconds=5.6)]}),
    "I13 a log": ("I13", "log gives away", {"texts": {"log": "sent Parcel 1"}}),
    "I13 an error body": (
        "I13",
        "error body 503",
        {"calls": [call(status=503, body=b'{"error_code": "X", "to": "+447700909999"}')]},
    ),
}

SOUND = {
    "delivered": {},
    "nothing looked at": dict.fromkeys(("calls", "accepts", "rows", "quotas", "queues", "dead", "unready", "texts")),
    "still at work": {**story("PROCESSING", status="PROCESSING", due_at=at(50)), "is_quiet": False},
    "the answer was lost": {"calls": [call(status=None, body=b"")]},
    "sent twice in doubt": {**UNKNOWN_TWICE, "accepts": [accept(-1), accept(2)]},
    "corrected": {
        **story("PROCESSING", "SENT", "REPORT failed", "FAILED", "REPORT delivered", status="DELIVERED"),
        "attempts": [attempt()],
        "events": [
            *trail("PROCESSING", "SENT", "REPORT failed", "FAILED", "REPORT delivered"),
            Event(
                number=5,
                tracking_id=ONE,
                event_type="DELIVERED",
                details={"attempt": 1, "corrected": True},
                created_at=at(1),
            ),
        ],
    },
    "one provider asked twice": story(
        *("PROCESSING", "UNKNOWN", "REPORT undelivered", "RETRY_SCHEDULED"),
        *("PROCESSING", "SENT", "REPORT undelivered"),
        status="SENT",
        attempts=[attempt(1, report=5), attempt(2, report=5)],
    ),
    "a unit of a request that was never told": {**quota(2), "calls": [call(), call(idempotency_key=None, status=503)]},
    "two clients, one key": {"calls": [call(), call(TWO, client_key="two")], "rows": None},
    "a frozen gateway": {"calls": [call(seconds=9)], "stalls": [(at(1), at(6))]},
    "a slow machine": {"calls": [call(seconds=9)], "slack": 2.0},
    "at the last moment": {"accepts": [accept(61)]},
}


@pytest.mark.parametrize(("invariant", "seen", "changed"), BROKEN.values(), ids=BROKEN)
def test_broken_books_are_caught(invariant: str, seen: str, changed: dict[str, Any]) -> None:
    violations = check(books(**changed))

    assert [each for each in violations if each.invariant == invariant and seen in each.seen], violations


@pytest.mark.parametrize("changed", SOUND.values(), ids=SOUND)
def test_sound_books_pass(changed: dict[str, Any]) -> None:
    assert check(books(**changed)) == []


def test_every_invariant_has_broken_books() -> None:
    assert {invariant for invariant, _, _ in BROKEN.values()} == set(INVARIANTS)


def test_the_message_is_named() -> None:
    (lost,) = check(books(rows=[], accepts=[], attempts=[], events=[]))

    assert (lost.invariant, lost.tracking_id) == ("I1", ONE)
    assert str(lost) == f"I1 {ONE}: accepted, and 0 rows"


def test_a_caller_may_write_the_same_body_in_another_order() -> None:
    turned = call(asked=dict(reversed(BODY.items())))

    assert turned.fingerprint == call().fingerprint
    assert msgspec.structs.replace(turned, asked={}).fingerprint != turned.fingerprint
