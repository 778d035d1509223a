"""Charts: drawn from numbers, told in words, readable as a table, and nothing in them that the policy forbids."""

from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.worker.console.charts import HEIGHT, WIDTH, Bar, Series, bar_chart, line_chart, plain, ticks_up_to

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def _times(count: int) -> list[datetime]:
    return [START + timedelta(minutes=index) for index in range(count)]


def _lines(*series: Series, count: int) -> str:
    return str(line_chart(ident="c", title="Messages", unit="messages per minute", times=_times(count), series=series))


def test_a_line_goes_through_every_value() -> None:
    chart = _lines(Series(name="sent", values=[0, 4, 2]), count=3)

    figure = ElementTree.fromstring(chart)
    path = figure.find(".//path")
    assert path is not None
    points = [tuple(map(float, each.split())) for each in path.attrib["d"].removeprefix("M").split(" L")]
    heights = [y for _, y in points]
    assert len(points) == 3
    assert heights[1] < heights[2] < heights[0]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)


def test_lines_are_told_apart_without_their_colours() -> None:
    chart = ElementTree.fromstring(
        _lines(Series(name="sent", values=[1, 2]), Series(name="failed", values=[0, 1]), count=2)
    )

    groups = [group.attrib["class"] for group in chart.iter("g")]
    dashes = [path.attrib.get("stroke-dasharray") for path in chart.iter("path")]
    assert groups == ["s1", "s2"]
    assert len(set(dashes)) == 2


def test_a_screen_reader_is_told_what_is_drawn() -> None:
    chart = ElementTree.fromstring(_lines(Series(name="sent", values=[1, 30, 7]), count=3))

    svg = chart.find("svg")
    assert svg is not None
    words = {each.attrib["id"]: each.text or "" for each in svg if each.tag in ("title", "desc")}
    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-labelledby"].split() == list(words)
    assert "sent: at most 30, last 7" in words["c-words"]
    assert "messages per minute" in words["c-words"]


def test_the_numbers_are_there_as_a_table_with_heads() -> None:
    chart = ElementTree.fromstring(_lines(Series(name="sent", values=[1, 30]), count=2))

    rows = [["".join(cell.itertext()) for cell in row] for row in chart.iter("tr")]
    assert rows == [["Time", "sent"], ["2026-11-21 12:00 UTC", "1"], ["2026-11-21 12:01 UTC", "30"]]
    assert [cell.attrib["scope"] for cell in chart.iter("th")] == ["col", "col", "row", "row"]


def test_few_times_are_written_below_the_axis() -> None:
    chart = ElementTree.fromstring(_lines(Series(name="sent", values=[1] * 60), count=60))

    marks = [text for text in chart.iter("text") if "data-time" in text.attrib]
    assert 2 <= len(marks) <= 6
    assert marks[0].text == "12:00"


def test_one_value_is_a_dot_and_none_is_said() -> None:
    assert "M254.0 10.0 L254.0 10.0" in _lines(Series(name="sent", values=[1]), count=1)
    assert "nothing to draw yet" in _lines(count=0)
    assert "nothing to draw yet" in bar_chart(ident="b", title="Share", unit="calls", bars=[])


def test_bars_are_as_high_as_their_values() -> None:
    chart = bar_chart(ident="b", title="Share", unit="calls", bars=[Bar("A", 10), Bar("B", 5), Bar("C", 0)])

    figure = ElementTree.fromstring(str(chart))
    heights = [float(each.attrib["height"]) for each in figure.iter("rect")]
    assert heights[0] == pytest.approx(2 * heights[1], abs=0.2)
    assert heights[2] == 0


def test_names_are_escaped_and_nothing_is_styled() -> None:
    evil = '<script>alert("x")</script>'
    chart = _lines(Series(name=evil, values=[1, 2]), count=2)
    bars = str(bar_chart(ident="b", title=evil, unit=evil, bars=[Bar(evil, 1)]))

    assert "<script" not in chart + bars
    assert "style=" not in chart + bars
    assert ElementTree.fromstring(bars).find(".//rect") is not None


@given(st.floats(min_value=0, max_value=1e9))
def test_ticks_are_few_and_reach_the_top(most: float) -> None:
    ticks = ticks_up_to(most)

    assert ticks[0] == 0
    assert ticks[-1] >= most * (1 - 1e-6)
    assert ticks[-1] > 0
    assert 2 <= len(ticks) <= 6


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (3, "3"), (0.25, "0.25"), (12.346, "12.3"), (1234567, "1\u2009234\u2009567")]
)
def test_numbers_are_short(value: float, words: str) -> None:
    assert plain(value) == words
