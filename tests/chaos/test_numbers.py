"""What a run prints and publishes: counted right, complete, safe to open."""

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import msgspec

from tests.chaos.load import intention
from tests.chaos.nemesis import Happening
from tests.chaos.page import page
from tests.chaos.results import Results, line, markdown, save
from tests.chaos.run import Plan, Result
from tests.chaos.schedule import schedule
from tests.chaos.tally import Tally, per_second, tally
from tests.invariants import check
from tests.invariants.test_checker import TWO, UNKNOWN_TWICE, accept, books, call

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def result(*violations: str) -> Result:
    faults = schedule(7, 60)
    return Result(
        plan=Plan(seed=7, seconds=60.0),
        began_at=NOON,
        happenings=[Happening(each, after(each.at), after(each.at + each.seconds)) for each in faults],
        tally=tally(books(), []),
        violations=violations,
        reasons={"expired": 1},
        answers={"202": 2},
        quiet_seconds=12.3,
        audit="confirmed 2  in flight 0  dead-lettered 0  lost 0",
        audit_code=0,
        accepted=[1, 0, 3],
        sent=[0, 2, 2],
        leaks={"worker 1: threads": (1, 5)},
        directory="/tmp/somewhere",
    )


def test_what_is_in_order_counts_as_such() -> None:
    counted = tally(books(), check(books()))

    assert (counted.accepted, counted.sent, counted.delivered) == (1, 1, 1)
    assert (counted.lost, counted.duplicated, counted.unexplained, counted.recovered) == (0, 0, 0, 0)


def test_the_lost_and_the_doubled_are_counted() -> None:
    broken = books(accepts=[accept(1), accept(2)], calls=[call(), call(TWO, idempotency_key="other")])

    counted = tally(broken, check(broken))

    assert (counted.accepted, counted.lost, counted.duplicated, counted.unexplained) == (2, 1, 1, 1)


def test_an_explained_double_is_no_violation() -> None:
    doubtful = books(**UNKNOWN_TWICE, accepts=[accept(-1), accept(2)], calls=[call(status=None, body=b"")])

    counted = tally(doubtful, check(doubtful))

    assert (counted.unknown, counted.duplicated, counted.unexplained, counted.recovered) == (1, 1, 0, 1)


def test_moments_fall_into_their_seconds() -> None:
    assert per_second([after(0), after(0.9), after(2), after(7)], since=NOON, seconds=4) == [2, 0, 1, 0]


def test_a_number_wants_the_same_from_every_caller() -> None:
    wanted = [intention(7, number) for number in range(500)]

    assert wanted == [intention(7, number) for number in range(500)]
    assert {each.key for each in wanted} == {"journey-key-1", "journey-key-2"}
    assert len({each.idempotency_key for each in wanted if each.idempotency_key}) > 350


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def test_the_page_is_whole_and_loads_nothing() -> None:
    html = page(result(), "a machine")
    tags = _Tags(html).seen

    assert len([tag for tag, attributes in tags if attributes.get("rx")]) == len(schedule(7, 60))
    assert [tag for tag, attributes in tags if {"src", "href"} & set(attributes)] == []
    assert not re.search(r"url\(|@import|<script", html)
    assert "no violation" in html
    assert "--seed 7" in html


def test_violations_are_listed_and_escaped() -> None:
    html = page(result("I1 <b>x</b>: lost"), "a machine")

    assert "1 violations" in html
    assert "I1 &lt;b&gt;x&lt;/b&gt;: lost" in html


def test_results_are_kept_as_data_and_as_a_table(tmp_path: Path) -> None:
    runs = (line(result()), line(result("I1 lost")))
    results = Results(machine="2 cores", commit="abc", command="python -m tests.chaos --seeds 7-8", runs=runs)

    save(results, tmp_path / "results.json")
    kept = msgspec.json.decode((tmp_path / "results.json").read_bytes(), type=Results)
    table = (tmp_path / "results.md").read_text().splitlines()

    assert kept == results
    assert markdown(kept).splitlines() == table
    assert {text.count("|") for text in table if text.startswith("|")} == {len(Tally.__struct_fields__) + 6}
    assert table[4].endswith("**1** |")
