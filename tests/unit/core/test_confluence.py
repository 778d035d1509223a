"""I8: a message ends as the set of its reports says, for every order, whatever ids a provider writes into them."""

from collections.abc import Iterable, Sequence
from itertools import chain, combinations, permutations, product

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.failure import Outcome
from smsgw.core.message import Attempt, Message, Reason, ReceivedReport, ReportStatus, Status
from tests.unit.core.building import NOW, SECOND, attempt, message
from tests.unit.core.reporting import apply_all, read, received

OWN = ("x", "y", "z")
"""Message ids that attempts 1, 2 and 3 got with their answers."""
KINDS = (
    (None, False),
    (Outcome.UNKNOWN, False),
    (Outcome.ACCEPTED, False),
    (Outcome.ACCEPTED, True),
    (Outcome.ABSENT, False),
    (Outcome.REJECTED, False),
)
"""How an attempt may stand by its own answer, and whether that answer brought a message id."""
End = tuple[Status, str | None, str | None, tuple[Outcome | None, ...]]


def attempts_of(kinds: Iterable[tuple[Outcome | None, bool]], providers: str) -> tuple[Attempt, ...]:
    """Return attempts 1, 2, 3 ... at these providers."""
    numbered = enumerate(zip(providers, kinds, strict=True), 1)
    return tuple(
        attempt(number, provider, outcome, provider_message_id=OWN[number - 1] if has_id else None)
        for number, (provider, (outcome, has_id)) in numbered
    )


def message_of(attempts: Sequence[Attempt]) -> Message:
    """Return a message as these attempts may have left it."""
    outcomes = [each.outcome for each in attempts]
    if None in outcomes:
        return message(status=Status.PROCESSING, attempts_made=len(attempts))
    if Outcome.ACCEPTED in outcomes:
        provider = next(each.provider for each in attempts if each.outcome is Outcome.ACCEPTED)
        return message(status=Status.SENT, provider_final=provider, attempts_made=len(attempts), due_at=NOW + SECOND)
    if Outcome.UNKNOWN in outcomes:
        return message(status=Status.UNKNOWN, reason=Reason.OUTCOME_UNKNOWN, attempts_made=len(attempts))
    return message(status=Status.QUEUED, reason=Reason.RETRY_SCHEDULED, attempts_made=len(attempts))


def end_of(attempts: Sequence[Attempt], reports: Iterable[ReceivedReport]) -> End:
    """Apply reports in this order and return what must not depend on it."""
    end = apply_all(message_of(attempts), attempts, reports)
    outcomes = tuple(each.outcome for each in end.attempts)
    return end.message.status, end.message.reason, end.message.provider_final, outcomes


def letters(statuses: Sequence[ReportStatus], ids: Sequence[str | None], providers: str = "A") -> list[ReceivedReport]:
    """Return every report of these statuses and ids."""
    return [received(who, status, id_) for who, status, id_ in product(providers, statuses, ids)]


_ALL = letters(list(ReportStatus), [None, "x", "h"])
_FEW = letters([ReportStatus.SENT, ReportStatus.FAILED, ReportStatus.UNDELIVERED], [None, "x", "h", "t"])
_PAIRS = list(combinations(_ALL, 2))
_TRIPLES = [each for each in combinations(_FEW, 3) if len({one.report.provider_message_id for one in each}) > 1]


@pytest.mark.fault("F49", "I8")
@pytest.mark.parametrize("kinds", list(product(KINDS[1:], repeat=2)), ids=str)
def test_all_pairs_and_triples_about_two_attempts_at_one_provider(kinds: tuple[tuple[Outcome, bool], ...]) -> None:
    attempts = attempts_of(kinds, "AA")

    astray = [
        told for told in chain(_PAIRS, _TRIPLES) if len({end_of(attempts, each) for each in permutations(told)}) > 1
    ]

    assert astray == []


def _some_attempts() -> st.SearchStrategy[tuple[Attempt, ...]]:
    kinds = st.lists(st.sampled_from(KINDS[1:]), min_size=1, max_size=3)

    def place(chosen: list[tuple[Outcome | None, bool]]) -> st.SearchStrategy[tuple[Attempt, ...]]:
        in_flight = st.booleans().map(lambda flies: [*chosen[:-1], KINDS[0]] if flies else chosen)
        providers = st.text("AB", min_size=len(chosen), max_size=len(chosen))
        return st.builds(attempts_of, in_flight, providers)

    return kinds.flatmap(place)


_anything = letters(list(ReportStatus), [None, *OWN, "h", "t"], providers="AB")


@pytest.mark.fault("F49", "I8")
@given(attempts=_some_attempts(), told=st.lists(st.sampled_from(_anything), max_size=6), data=st.data())
@settings(max_examples=600, deadline=None)
def test_any_order_of_any_reports_ends_alike(
    attempts: tuple[Attempt, ...], told: list[ReceivedReport], data: st.DataObject
) -> None:
    """Up to three attempts at two providers, one of them perhaps in flight, up to six reports, repeated or not."""
    shuffled = data.draw(st.permutations(told))

    assert end_of(attempts, told) == end_of(attempts, shuffled)


@pytest.mark.fault("F49", "I8")
@given(attempts=_some_attempts(), told=st.lists(st.sampled_from(_anything), max_size=6), data=st.data())
@settings(max_examples=600, deadline=None)
def test_a_call_that_never_answers_ends_alike_whenever_its_reports_come(
    attempts: tuple[Attempt, ...], told: list[ReceivedReport], data: st.DataObject
) -> None:
    """Some reports come before the lease of the call is over and some after it, in any order; none waits for ever."""
    text = data.draw(st.sampled_from(["1234", "1234" * 50]))
    attempts = (*attempts[:-1], msgspec.structs.replace(attempts[-1], outcome=None, finished_at=None))
    told = [each for each in told if each.provider in {known.provider for known in attempts}]
    ends = set()
    for order in (told, data.draw(st.permutations(told))):
        early = data.draw(st.integers(0, len(told)))
        end = apply_all(msgspec.structs.replace(message_of(attempts), text=text), attempts, order[:early])
        end.pass_lease()
        for each in order[early:]:
            end.take(each)
        outcomes = tuple(each.outcome or Outcome.UNKNOWN for each in end.attempts)
        ends.add((end.message.status, end.message.provider_final, outcomes))
        assert end.waiting == ()

    assert len(ends) == 1


def test_nothing_waits_for_a_call_whose_lease_is_over() -> None:
    """A of unknown outcome, B killed in its call; A says sent, so nobody ever closes the call at B."""
    attempts = attempts_of([KINDS[1], KINDS[0]], "AB")
    end = apply_all(message_of(attempts), attempts, read(["A:x:sent"]))
    end.pass_lease()

    for told in read(["A:x:undelivered", "B:y:failed"]):
        end.take(told)

    assert (Status.FAILED, ()) == (end.message.status, end.waiting)


@pytest.mark.parametrize(
    ("kinds", "told", "status"),
    [
        # Two ids, two attempts: both are spoken of.
        ((1, 1), ["A:h:failed", "A:t:failed"], Status.FAILED),
        ((1, 1), ["A:h:failed"], Status.UNKNOWN),
        ((1, 1), ["A:h:undelivered"], Status.SENT),
        # Without an id it may be the same one again.
        ((1, 1), ["A:h:rejected", "A::expired", "A:t:sent"], Status.SENT),
        ((1, 1), ["A::undelivered", "A::undelivered"], Status.SENT),
        # The id of an answer names its attempt; what names none is about the other one.
        ((1, 3), ["A:y:undelivered"], Status.SENT),
        ((1, 3), ["A:y:undelivered", "A:h:failed"], Status.FAILED),
        ((3, 3), ["A:h:undelivered"], Status.SENT),
        # What the provider had denied is not waited for; yet a foreign report is rather about that one than another.
        ((4, 3), ["A:y:undelivered"], Status.FAILED),
        ((4, 3), ["A:h:undelivered"], Status.SENT),
        ((4, 1), ["A:h:undelivered"], Status.FAILED),
        # A refused call is over; a report about it says nothing, unless it says delivered.
        ((5, 1), ["A:h:sent"], Status.SENT),
        ((5, 5), ["A:h:sent"], Status.QUEUED),
        ((5, 5), ["A:h:delivered"], Status.DELIVERED),
    ],
)
def test_what_reports_with_strange_ids_mean(kinds: Sequence[int], told: list[str], status: Status) -> None:
    attempts = attempts_of([KINDS[number] for number in kinds], "AA")

    assert status is end_of(attempts, read(told))[0]


@pytest.mark.parametrize(
    ("in_flight_at", "told", "waits"),
    [
        ("B", "A:h:failed", True),
        ("B", "A:h:undelivered", True),
        ("B", "A:h:sent", False),
        ("B", "B:h:failed", True),
        ("B", "B:h:undelivered", False),
        ("A", "A:h:undelivered", True),
        ("A", "A:h:delivered", False),
    ],
)
def test_bad_news_waits_for_the_answer_of_a_call_in_flight(in_flight_at: str, told: str, waits: bool) -> None:
    """The answer may bring the id that the report names, or end the call that a failure would take for hopeful."""
    attempts = attempts_of([KINDS[1], KINDS[0]], f"A{in_flight_at}")

    end = apply_all(message_of(attempts), attempts, read([told]))

    assert waits is bool(end.waiting)


def test_an_id_is_kept_only_where_it_can_mean_one_attempt() -> None:
    alone, twice = attempts_of([KINDS[1], KINDS[1]], "AB"), attempts_of([KINDS[1], KINDS[1]], "AA")

    kept = apply_all(message_of(alone), alone, read(["A:h:sent"]))
    open_ = apply_all(message_of(twice), twice, read(["A:h:sent"]))

    assert [each.provider_message_id for each in kept.attempts] == ["h", None]
    assert [(each.provider_message_id, each.outcome) for each in open_.attempts] == [
        (None, Outcome.UNKNOWN),
        (None, Outcome.ACCEPTED),
    ]
