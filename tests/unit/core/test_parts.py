"""Long messages: the reports of parts join into one, in whatever order they come (I8), and what a report costs."""

from collections.abc import Iterable, Sequence
from itertools import permutations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change, answered
from smsgw.core.message import Attempt, Message, NotApplied, Part, Reason, ReceivedReport, ReportStatus, Status, Told
from smsgw.core.parts import distinct, joined, may_be_long, rank, usable
from smsgw.core.reports import apply_report
from tests.unit.core.building import NOW, SECOND, TIMERS, answer, attempt, message
from tests.unit.core.reporting import Inbox, apply_all, read

LONG = "Your parcel waits for you at the shop around the corner until Friday. " * 3
IDS = ("p1", "p2", "p3")
_TAKEN = attempt(1, "A", Outcome.ACCEPTED, provider_message_id="p1", part_ids=IDS)
_NAMED = attempt(1, "A", Outcome.ACCEPTED, provider_message_id="x")
_FLYING = attempt(1, "A")
_STATUSES = st.sampled_from(ReportStatus)


def _sent(known: Attempt) -> tuple[Message, tuple[Attempt, ...]]:
    return message(text=LONG, status=Status.SENT, provider_final="A", attempts_made=1), (known,)


def _in_flight() -> tuple[Message, tuple[Attempt, ...]]:
    return message(text=LONG, status=Status.PROCESSING, attempts_made=1), (_FLYING,)


def _end(state: tuple[Message, tuple[Attempt, ...]], told: Iterable[ReceivedReport]) -> tuple[object, ...]:
    """Apply reports in this order and return what must not depend on it."""
    end = apply_all(*state, told)
    (known,) = end.attempts
    waiting = frozenset(each.report.dedupe_key for each in end.waiting)
    return end.message.status, end.message.reason, known.outcome, known.report, waiting


def _by_id(words: Sequence[str]) -> list[ReceivedReport]:
    """Read `1:delivered`: a report under the id of that part."""
    return read(f"A:{IDS[int(word[0]) - 1]}:{word[2:]}" for word in words)


def _by_part(words: Sequence[str]) -> list[ReceivedReport]:
    """Read `1:delivered`: a report about that part of three, under the message's id."""
    return read(f"A:x:{word[2:]}:{word[0]}/3" for word in words)


_WAYS = {"by id": (_by_id, _TAKEN), "by part": (_by_part, _NAMED)}
_TALES: list[tuple[str, Status, Reason | None, ReportStatus | None]] = [
    ("1:delivered", Status.SENT, None, ReportStatus.SENT),
    ("1:delivered 2:delivered", Status.SENT, None, ReportStatus.SENT),
    ("1:delivered 2:delivered 3:sent", Status.SENT, None, ReportStatus.SENT),
    ("1:delivered 2:delivered 3:delivered", Status.DELIVERED, None, ReportStatus.DELIVERED),
    ("1:sent 1:delivered 2:delivered 3:delivered", Status.DELIVERED, None, ReportStatus.DELIVERED),
    ("1:failed 2:failed", Status.SENT, None, None),
    ("2:undelivered", Status.SENT, None, ReportStatus.SENT),
    ("1:delivered 2:failed 3:delivered", Status.FAILED, Reason.REPORTED_FAILED, ReportStatus.FAILED),
    ("1:rejected 2:undelivered 3:expired", Status.FAILED, Reason.UNDELIVERED, ReportStatus.UNDELIVERED),
    ("1:rejected 2:rejected 3:rejected", Status.FAILED, Reason.REPORTED_REJECTED, ReportStatus.REJECTED),
    # A part that was bad at first arrived after all.
    ("1:delivered 2:failed 2:delivered 3:delivered", Status.DELIVERED, None, ReportStatus.DELIVERED),
    ("1:undelivered 1:delivered 2:failed 3:delivered", Status.FAILED, Reason.REPORTED_FAILED, ReportStatus.UNDELIVERED),
]


@pytest.mark.fault("F51", "I8")
@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize(("tale", "status", "reason", "said"), _TALES, ids=[tale[0] for tale in _TALES])
def test_all_orders_of_the_reports_of_parts_have_one_end(
    tale: str, status: Status, reason: Reason | None, said: ReportStatus | None, way: str
) -> None:
    read_words, known = _WAYS[way]
    told = read_words(tale.split())

    ends = {_end(_sent(known), [*order, *order[:1]]) for order in permutations(told)}

    assert ends == {(status, reason, Outcome.ACCEPTED, said, frozenset())}


@pytest.mark.fault("F51", "I8")
@pytest.mark.parametrize("way", _WAYS)
@given(told=st.lists(st.tuples(st.integers(1, 3), _STATUSES), max_size=7), data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_reports_of_parts_mean_what_the_parts_mean_together(
    way: str, told: list[tuple[int, ReportStatus]], data: st.DataObject
) -> None:
    read_words, known = _WAYS[way]
    words = [f"{number}:{status.word}" for number, status in told]

    straight = _end(_sent(known), read_words(words))
    mixed = _end(_sent(known), read_words(data.draw(st.permutations(words))))

    assert straight == mixed
    assert straight[0] is _expected(told)


def _expected(told: Iterable[tuple[int, ReportStatus]]) -> Status:
    """The rule, told in another way than the code does it."""
    best = [max((status for part, status in told if part == number), default=None) for number in (1, 2, 3)]
    if any(each is None or not each.is_final for each in best):
        return Status.SENT
    return Status.DELIVERED if set(best) == {ReportStatus.DELIVERED} else Status.FAILED


@pytest.mark.fault("F51", "I8")
@given(data=st.data())
@settings(max_examples=250, deadline=None)
def test_parts_and_wholes_of_several_attempts_end_alike_in_any_order(data: st.DataObject) -> None:
    """Two attempts at one provider or two, answers with and without ids of parts, reports of every kind."""
    kinds = data.draw(st.lists(st.sampled_from(range(5)), min_size=2, max_size=2))
    providers = data.draw(st.sampled_from(["AA", "AB"]))
    attempts = tuple(_attempt(number, providers[number - 1], kind) for number, kind in enumerate(kinds, 1))
    letter = st.builds(
        "{}:{}:{}{}".format,
        st.sampled_from(providers),
        st.sampled_from(["", "p1", "p2", "q1", "q2", "h"]),
        st.sampled_from([each.word for each in ReportStatus]),
        st.sampled_from(["", ":1/2", ":2/2", ":1/3"]),
    )
    told = data.draw(st.lists(letter, max_size=6))
    shuffled = data.draw(st.permutations(told))
    start = _message_of(attempts)

    ends = [apply_all(start, attempts, read(order)) for order in (told, shuffled)]

    assert len({(end.message.status, end.message.reason, end.message.provider_final) for end in ends}) == 1
    assert len({tuple(each.outcome for each in end.attempts) for end in ends}) == 1
    assert len({frozenset(each.report.dedupe_key for each in end.waiting) for end in ends}) == 1


def _attempt(number: int, provider: str, kind: int) -> Attempt:
    ids = ("p1", "p2") if number == 1 else ("q1", "q2")
    return [
        attempt(number, provider, Outcome.UNKNOWN),
        attempt(number, provider, Outcome.ACCEPTED),
        attempt(number, provider, Outcome.ACCEPTED, provider_message_id=ids[0]),
        attempt(number, provider, Outcome.ACCEPTED, provider_message_id=ids[0], part_ids=ids),
        attempt(number, provider, None if number == 2 else Outcome.ABSENT),
    ][kind]


def _message_of(attempts: Sequence[Attempt]) -> Message:
    outcomes = [each.outcome for each in attempts]
    settled = Status.SENT if Outcome.ACCEPTED in outcomes else Status.UNKNOWN
    status = Status.PROCESSING if None in outcomes else settled
    taker = next((each.provider for each in attempts if each.outcome is Outcome.ACCEPTED), None)
    return message(text=LONG, status=status, provider_final=taker, attempts_made=2, due_at=NOW + SECOND)


# --- before the answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [each.word for each in ReportStatus])
def test_a_report_under_an_unknown_id_waits_for_the_answer_of_a_long_message(word: str) -> None:
    end = apply_all(*_in_flight(), read([f"A:p2:{word}"]))

    assert (end.message.status, len(end.waiting)) == (Status.PROCESSING, 1)


@pytest.mark.parametrize("told", ["A:p2:delivered:1/2", "A::delivered"])
def test_what_cannot_be_about_a_part_with_an_id_of_its_own_does_not_wait(told: str) -> None:
    assert apply_all(*_in_flight(), read([told])).waiting == ()


def test_a_report_of_a_short_message_does_not_wait() -> None:
    short = message(status=Status.PROCESSING, attempts_made=1)

    assert apply_all(short, (_FLYING,), read(["A:p2:delivered"])).message.status is Status.DELIVERED


def test_an_id_that_is_known_does_not_wait_for_a_call_in_flight() -> None:
    """The second call to the provider of the first one's parts is in flight."""
    attempts = (msgspec.structs.replace(_TAKEN, outcome=Outcome.UNKNOWN), attempt(2, "A"))

    end = apply_all(message(text=LONG, status=Status.PROCESSING, attempts_made=2), attempts, read(["A:p2:sent"]))

    assert (end.message.status, end.waiting) == (Status.SENT, ())


def test_a_call_that_never_answers_is_waited_for_no_longer_than_its_lease() -> None:
    """Then nobody can tell of how many parts the id is one: it counts as the message."""
    end = apply_all(*_in_flight(), read(["A:p2:delivered"]))
    waited = len(end.waiting)

    end.pass_lease()

    assert (waited, end.waiting, end.message.status) == (1, (), Status.DELIVERED)


def test_bad_news_that_the_last_part_completes_waits_for_a_call_in_flight_elsewhere() -> None:
    attempts = (msgspec.structs.replace(_TAKEN, outcome=Outcome.UNKNOWN), attempt(2, "B"))
    start = message(text=LONG, status=Status.UNKNOWN, attempts_made=2)
    told = read(["A:p1:delivered", "A:p2:delivered", "A:p3:failed"])

    lasts = {
        tuple(each.report.provider_message_id for each in apply_all(start, attempts, order).waiting)
        for order in permutations(told)
    }

    assert lasts == {("p3",)}


# --- the story --------------------------------------------------------------------------------------------------------


def test_the_story_tells_of_which_part_a_report_was() -> None:
    (told,) = read(["A:x:delivered:2/3"])

    change = _change(_sent(_NAMED), told)

    assert change.events[0].details == {
        "status": "delivered",
        "attempt": 1,
        "provider_message_id": "x",
        "part": 2,
        "parts": 3,
    }
    assert change.message.status is Status.SENT


def test_equal_reports_of_two_parts_are_both_told() -> None:
    first, second = read(["A:x:delivered:1/2", "A:x:delivered:2/2"])

    change = _change(_sent(_NAMED), second, frozenset({Told.by(first)}))

    assert [each.event_type for each in change.events] == ["REPORT", "DELIVERED"]


# --- what is not one of several ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [Part(1, 1), Part(0, 2), Part(3, 2), Part(1, 256), Part(-1, -1), Part(10**30, 10**30)])
def test_a_part_that_cannot_be_is_the_whole(part: Part) -> None:
    told = Told("A", ReportStatus.DELIVERED, "x", part)

    assert usable(part) is None
    assert joined((_NAMED,), frozenset({told})) == {Told("A", ReportStatus.DELIVERED, "x")}


@pytest.mark.parametrize(
    ("given_ids", "kept"),
    [
        ((), ()),
        (("a",), ()),
        (("a", "a"), ()),
        (("a", "b", "a"), ("a", "b")),
        (("", "a"), ()),
        (("b", "a"), ("b", "a")),
    ],
)
def test_ids_of_parts_are_told_apart(given_ids: tuple[str, ...], kept: tuple[str, ...]) -> None:
    assert distinct(given_ids) == kept


def test_no_answer_makes_more_parts_than_there_can_be() -> None:
    ids = tuple(map(str, range(100_000)))

    known = answered(_FLYING, answer(Outcome.ACCEPTED, part_ids=ids), NOW)

    assert (len(known.part_ids), known.provider_message_id) == (255, "0")


def test_totals_that_contradict_each_other_are_messages_of_their_own() -> None:
    told = frozenset(Told("A", ReportStatus.DELIVERED, "x", part) for part in (Part(1, 2), Part(2, 3)))

    assert joined((_NAMED,), told) == {Told("A", ReportStatus.SENT, "x")}
    assert rank((_NAMED,), told, Told("A", ReportStatus.DELIVERED, "x", Part(1, 2))) is ReportStatus.SENT


@pytest.mark.parametrize(
    ("text", "is_long"), [("a" * 70, False), ("a" * 71, True), ("😀" * 35, False), ("😀" * 36, True)]
)
def test_a_text_of_seventy_units_fits_one_sms_in_every_encoding(text: str, is_long: bool) -> None:
    assert may_be_long(text) is is_long


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "told", "after"),
    [
        ((None, None, None), (2, "0.07", "EUR"), (2, "0.07", "EUR")),
        ((1, "0.05", "USD"), (None, None, None), (1, "0.05", "USD")),
        ((1, "0.05", "USD"), (2, "0.07", None), (2, "0.07", "USD")),
        ((None, None, "USD"), (0, "free", "euros"), (None, None, "USD")),
        ((1, "0.05", "USD"), (10**12, "1e999999", ""), (1, "0.05", "USD")),
        ((1, "0.05", "USD"), (1, "0", "USD"), (1, "0", "USD")),
    ],
)
def test_a_report_fills_or_corrects_what_is_known_of_the_price_and_never_erases_it(
    before: tuple[int | None, str | None, str | None],
    told: tuple[int | None, str | None, str | None],
    after: tuple[int | None, str | None, str | None],
) -> None:
    known = _priced(_NAMED, before)
    (said,) = read(["A:x:delivered"])
    report = msgspec.structs.replace(said.report, segments=told[0], price=told[1], currency=told[2])

    finished = _change(_sent(known), msgspec.structs.replace(said, report=report)).finished

    assert finished is not None
    assert (finished.segments, finished.price, finished.currency) == after


@pytest.mark.parametrize("order", list(permutations(["queued", "sent", "delivered"])))
def test_the_price_of_the_weightiest_report_counts(order: tuple[str, ...]) -> None:
    prices = {"queued": "0.01", "sent": "0.02", "delivered": "0.03"}
    inbox = Inbox(*_sent(_NAMED))
    for word in order:
        (said,) = read([f"A:x:{word}"])
        inbox.take(msgspec.structs.replace(said, report=msgspec.structs.replace(said.report, price=prices[word])))

    assert inbox.attempts[0].price == "0.03"


def test_the_price_of_a_part_is_not_taken_for_that_of_the_message() -> None:
    (said,) = read(["A:p2:delivered"])
    known = _priced(_TAKEN, (3, "0.0999", "EUR"))

    report = msgspec.structs.replace(said.report, price="0.0333")
    finished = _change(_sent(known), msgspec.structs.replace(said, report=report)).finished

    assert finished is not None
    assert finished.price == "0.0999"


def test_what_an_answer_tells_is_kept_as_it_can_be() -> None:
    told = answer(Outcome.ACCEPTED, part_ids=("a", "b"), segments=2, price="6.66e-2", currency="eur")
    odd = answer(Outcome.ACCEPTED, segments=-1, price="NaN", currency="€")

    known, strange = (answered(_FLYING, each, NOW) for each in (told, odd))

    assert (known.provider_message_id, known.part_ids, known.segments) == ("a", ("a", "b"), 2)
    assert (known.price, known.currency) == ("0.0666", "EUR")
    assert (strange.segments, strange.price, strange.currency) == (None, None, None)


def _priced(known: Attempt, costs: tuple[int | None, str | None, str | None]) -> Attempt:
    segments, price, currency = costs
    return msgspec.structs.replace(known, segments=segments, price=price, currency=currency)


def _change(
    state: tuple[Message, tuple[Attempt, ...]], told: ReceivedReport, before: frozenset[Told] = frozenset()
) -> Change:
    change = apply_report(*state, before, told, NOW, TIMERS)
    assert not isinstance(change, NotApplied)
    return change
