"""The carrier's counts."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as some

from smsgw.simulator.tally import Result, Tally, Window

AT = datetime(2026, 11, 21, tzinfo=UTC)


@given(some.lists(some.integers(0, 4000), min_size=1, max_size=60))
def test_the_most_in_any_second_is_as_if_every_second_were_looked_at(milliseconds: list[int]) -> None:
    window = Window()

    for at in sorted(milliseconds):
        window.add(at)  # in milliseconds: whole numbers, so that both ways round alike

    assert window.most == max(sum(end - 1 < at <= end for at in milliseconds) for end in milliseconds)


def test_a_summary_tells_what_was_asked_and_what_became_of_it() -> None:
    tally = Tally()
    ends = [Result.ACCEPTED, Result.ACCEPTED, Result.THROTTLED, Result.SILENT, Result.ACCEPTED]
    for number, result in enumerate(ends):
        now = number * 0.4
        tally.ask(now, AT + timedelta(seconds=now))
        tally.end(result, now)

    summary = tally.summary("provider1")

    assert (summary.asked, summary.accepted, summary.refused) == (5, 3, 2)
    assert (summary.max_in_any_second.asked, summary.max_in_any_second.accepted) == (3, 2)
    assert summary.results["throttled"] == 1
    assert (summary.first_at, summary.last_at) == (AT, AT + timedelta(seconds=1.6))


def test_a_reset_counts_from_0_and_metrics_never_fall() -> None:
    before = Tally()
    before.end(Result.ACCEPTED, 0)

    after = Tally(before)
    after.end(Result.ACCEPTED, 1)

    assert after.summary("p").accepted == 1
    assert after.total()[Result.ACCEPTED] == 2
