"""Why this provider and not the others, in words: a table of cases."""

from typing import Any

import pytest

from smsgw.core.choice import PassedOver
from smsgw.core.explaining import Explanation, explain
from smsgw.core.failure import Outcome
from smsgw.core.message import Attempt, Event, EventType, Reason
from smsgw.core.providers import ProviderConfig, Providers
from smsgw.core.records import Story
from smsgw.core.wording import OUTCOMES, OVER, REASONS, event_words, reason_words
from tests.unit.core.building import NOW, attempt, message


def config(*, is_active: bool = True, priority: int | None = None, weight: int = 1) -> ProviderConfig:
    return ProviderConfig(is_active=is_active, is_operational=True, priority=priority, weight=weight)


PROVIDERS = Providers(
    {"A": config(priority=10, weight=3), "B": config(priority=20), "C": config(), "D": config(is_active=False)}
)


def explained(*events: Event, attempts: tuple[Attempt, ...] = (), **about: Any) -> tuple[Explanation, ...]:
    story = Story(message=message(**about), attempts=attempts, events=events)
    return explain(story, PROVIDERS, default_priority=100)


def begun(provider: str, number: int = 1, **details: Any) -> Event:
    return Event(EventType.PROCESSING, NOW, provider, {"attempt": number, **details})


@pytest.mark.parametrize(
    ("event", "wanted", "chosen", "others"),
    [
        (begun("A", choice="exclusive"), ("A",), "The client asked for A and nobody else.", ()),
        (
            begun("B", choice="order", over={"A": "at_limit"}),
            ("A", "B", "C"),
            "The client asked for A, B and C, in this order; B was the first who could be asked.",
            ("A was not asked: it is at its limit.", "C comes later in the client's order."),
        ),
        (
            begun("A", choice="priority"),
            (),
            "A was the first by priority who could be asked (10, as configured now).",
            (
                "B (20) and C (100) come later by priority, as configured now.",
                "Not in use, as configured now: D.",
            ),
        ),
        (
            begun("B", choice="priority", over={"A": "circuit_open"}),
            (),
            "B was the first by priority who could be asked (20, as configured now).",
            (
                "A was not asked: its circuit is open: it failed too often.",
                "C (100) comes later by priority, as configured now.",
                "Not in use, as configured now: D.",
            ),
        ),
        (
            begun("C", choice="round_robin", over={"B": "draining"}),
            (),
            "It was the turn of C: providers are asked one after the other.",
            (
                "B was not asked: it is being drained.",
                "It was not the turn of A.",
                "Not in use, as configured now: D.",
            ),
        ),
        (
            begun("A", choice="weighted"),
            (),
            "It was the turn of A, which gets 3 of 5 messages by weight, as configured now.",
            ("It was not the turn of B and C.", "Not in use, as configured now: D."),
        ),
        (
            begun("gone", choice="weighted", more=2),
            (),
            "It was the turn of gone by weight.",
            ("2 more were passed over.",),
        ),
        (begun("A", choice="direct"), ("A",), "An operator tested A: nobody else was to be asked.", ()),
        (begun("A"), (), "The story does not say why: an older release wrote it.", ()),
        (begun("A", choice="by_moon"), (), "The story does not say why: an older release wrote it.", ()),
    ],
)
def test_one_attempt_is_explained(event: Event, wanted: tuple[str, ...], chosen: str, others: tuple[str, ...]) -> None:
    (said,) = explained(event, providers=wanted)

    assert (said.attempt, said.provider) == (1, event.provider)
    assert said.chosen == chosen
    assert said.others == others


def test_the_next_attempt_says_how_the_one_before_ended() -> None:
    attempts = (attempt(1, "A", Outcome.THROTTLED), attempt(2, "B"))

    _, second = explained(
        begun("A", choice="order"), begun("B", 2, choice="order"), attempts=attempts, providers=("A", "B")
    )

    assert second.others == ("A was asked before, in attempt 1, and said that it was too much, or had no room here.",)


def test_a_second_sms_goes_through_the_same_provider_for_a_reason() -> None:
    attempts = (attempt(1, "A", Outcome.UNKNOWN), attempt(2, "A"))

    risky, plain = explained(
        begun("A", 2, choice="prefer", duplicate_risk=True), begun("A", 3, choice="prefer"), attempts=attempts
    )

    assert "another one would surely send it a second time" in risky.chosen
    assert "surely" not in plain.chosen
    assert risky.others == ()


def test_every_word_of_a_story_has_its_meaning() -> None:
    assert set(Reason) == set(REASONS)
    assert set(Outcome) == set(OUTCOMES)
    assert set(PassedOver) == set(OVER)
    assert reason_words("of_tomorrow") == "of_tomorrow"
    assert reason_words(None) == ""


@pytest.mark.parametrize(
    ("event_type", "details", "words"),
    [
        (EventType.QUEUED, {}, "Stored."),
        (EventType.QUEUED, {"because": "provider_at_limit"}, REASONS[Reason.PROVIDER_AT_LIMIT]),
        (EventType.QUEUED, {"resend_of": "x"}, "Made from message x, to be sent again."),
        (
            EventType.PROCESSING,
            {"attempt": 2, "duplicate_risk": True},
            "Attempt 2: A is asked. It may be the second SMS.",
        ),
        (EventType.SENT, {"by": "operator"}, "A took it. By an operator's word."),
        (
            EventType.FAILED,
            {"reason": "rejected", "detail": "code 7"},
            "Failed. No provider would take this message. Code 7.",
        ),
        (EventType.FAILED, {"reason": "cancelled", "by": "operator"}, "Failed. An operator cancelled it."),
        (EventType.DELIVERED, {"corrected": True}, "Delivered, although it had been given up."),
        (
            EventType.PROVIDER_SWITCHED,
            {"from": "B", "to": "A", "outcome": "unreachable"},
            "B could not be reached; A is next.",
        ),
        (
            EventType.RETRY_SCHEDULED,
            {"refused": {"B": "throttled"}},
            "Another round is scheduled. B said that it was too much, or had no room here.",
        ),
        (
            EventType.RETRY_SCHEDULED,
            {"because": "the worker went away"},
            "Another round is scheduled. The worker went away.",
        ),
        (EventType.UNKNOWN, {"detail": "read timeout"}, "Nobody knows whether A took it. Read timeout."),
        (EventType.LOOKED_UP, {"answer": "absent"}, "A was asked about it: absent."),
        (
            EventType.REPORT,
            {"status": "failed", "part": 1, "parts": 2, "error_code": "7"},
            "A reported: failed. Part 1 of 2. Code 7.",
        ),
        (EventType.REPORT_DEADLINE, {}, REASONS[Reason.NO_REPORT]),
        (EventType.RESENT, {"resent_as": "y"}, "Sent again as message y."),
    ],
)
def test_an_event_is_told_in_a_sentence(event_type: EventType, details: dict[str, Any], words: str) -> None:
    assert event_words(Event(event_type, NOW, "A", details)) == words


@pytest.mark.parametrize("event_type", EventType)
def test_an_event_without_details_is_told_too(event_type: EventType) -> None:
    assert event_words(Event(event_type, NOW)).endswith(".")
