"""What a trace tells: one trace per message whoever writes it, never a number, never a text."""

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from smsgw.core import events
from smsgw.core.failure import Outcome
from smsgw.core.message import Event, EventType, Status
from smsgw.telemetry.spans import Side, is_sampled, root_id, spans_of, tracking_id_of
from tests.unit.telemetry.samples import ID, NOW, NUMBER, TEXT, every_fact, moved

AT = NOW.timestamp()


def test_an_accepted_request_is_the_first_span() -> None:
    fact = events.RequestAccepted(tracking_id=ID, client_key="shop", to=NUMBER, country="IR", seconds=0.25)

    (span,) = spans_of(fact, AT)

    assert (span.name, span.is_root, span.side, span.began, span.ended) == ("accept", True, Side.SERVER, AT - 0.25, AT)
    assert span.attributes == {"client": "shop", "country": "IR", "takeover": False}


def test_the_way_through_the_queue_ends_when_the_message_is_taken_in() -> None:
    change = moved(Status.PROCESSING, None).change
    taken_in = msgspec.structs.replace(change.message, updated_at=NOW + timedelta(seconds=3))
    fact = events.MessageMoved(change=msgspec.structs.replace(change, message=taken_in))

    (span,) = spans_of(fact, AT + 4)

    assert (span.name, span.side, span.began, span.ended) == ("queue", Side.CONSUMER, AT, AT + 3)
    assert span.attributes["country"] == "IR"


@pytest.mark.parametrize(("outcome", "problem"), [(Outcome.ACCEPTED, ""), (Outcome.UNREACHABLE, "unreachable")])
def test_each_call_is_a_span_with_its_outcome(outcome: Outcome, problem: str) -> None:
    fact = events.AttemptFinished(
        tracking_id=ID,
        client_key="shop",
        provider="Provider-A",
        number=2,
        outcome=outcome,
        seconds=0.5,
        country="IR",
        detail=f"no {NUMBER}",
    )

    (span,) = spans_of(fact, AT)

    assert (span.name, span.began, span.ended, span.problem) == ("send Provider-A", AT - 0.5, AT, problem)
    assert span.attributes["outcome"] == outcome.value
    assert span.attributes["attempt"] == 2


def test_a_report_is_a_moment_of_the_same_trace_days_later() -> None:
    later = NOW + timedelta(days=2)
    told = Event(EventType.REPORT, later, "Provider-A", {"status": "delivered", "error_code": f"E {NUMBER}"})

    (span,) = spans_of(moved(Status.DELIVERED, Status.SENT, told), later.timestamp())

    assert (span.name, span.began, span.ended) == ("report", later.timestamp(), later.timestamp())
    assert span.attributes["status"] == "delivered"
    assert span.attributes["provider"] == "Provider-A"


def test_no_span_holds_a_number_or_a_text() -> None:
    spans = [span for fact in every_fact() for span in spans_of(fact, AT)]

    assert len(spans) > 3
    assert [span for span in spans if NUMBER in str(span) or NUMBER[4:] in str(span) or TEXT in str(span)] == []


def test_what_makes_no_span_belongs_to_no_trace() -> None:
    facts = every_fact()

    assert {tracking_id_of(fact) for fact in facts if spans_of(fact, AT)} == {ID}
    assert [fact for fact in facts if tracking_id_of(fact) is None and spans_of(fact, AT)] == []


def test_the_first_spans_id_is_made_of_the_message_alone() -> None:
    assert root_id(ID) == root_id(UUID(str(ID)))
    assert 0 < root_id(ID) < 2**64
    assert root_id(ID) != root_id(uuid4())


@pytest.mark.parametrize("ratio", [0.1, 0.5])
def test_as_many_are_sampled_as_was_asked_for(ratio: float) -> None:
    ids = [UUID(int=number << 70 | 4 << 76 | 2 << 62, version=4) for number in range(4000)]

    kept = sum(is_sampled(each, ratio) for each in ids)

    assert kept / len(ids) == pytest.approx(ratio, abs=0.03)


def test_all_or_none_is_sampled_at_the_ends() -> None:
    ids = [uuid4() for _ in range(100)]

    assert all(is_sampled(each, 1) for each in ids)
    assert not any(is_sampled(each, 0) for each in ids)


def test_a_trace_that_a_small_share_keeps_a_larger_one_keeps_too() -> None:
    kept = [each for each in (uuid4() for _ in range(500)) if is_sampled(each, 0.2)]

    assert all(is_sampled(each, 0.6) for each in kept)
