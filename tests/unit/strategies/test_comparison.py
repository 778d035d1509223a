"""All strategies beside each other, what is printed and what is drawn."""

from io import StringIO
from pathlib import Path
from xml.etree import ElementTree as ET

from rich.console import Console

from smsgw.strategies.cases import cases_of
from smsgw.strategies.chart import draw
from smsgw.strategies.compare import compare
from smsgw.strategies.table import table_of
from tests.unit.strategies.building import profile, provider

_PROFILE = profile(
    phases=[{"seconds": 50, "messages": 500}],
    providers={"A": provider(price=2, failures={"invalid_number": 0.1}), "B": provider(price=1)},
    variants=[{"name": "A & B <half>", "strategy": "weighted"}],
)
_CASES = cases_of(_PROFILE)
_NAMES = [case.name for case in _CASES]


def _told(_number: int, _done: int) -> None:
    """Hear how far the comparison is."""


def test_side_by_side_gives_the_same_as_one_after_the_other() -> None:
    heard: dict[int, int] = {}

    alone = compare(_PROFILE, _CASES, seed=3, told=_told, processes=1)
    together = compare(_PROFILE, _CASES, seed=3, told=heard.__setitem__, processes=2)

    assert alone == together
    assert [summary.name for summary in alone] == _NAMES
    assert heard == dict.fromkeys(range(len(_CASES)), 500)


def test_the_table_has_a_column_for_each() -> None:
    console = Console(width=200, record=True, file=StringIO())

    console.print(table_of(compare(_PROFILE, _CASES, seed=3, told=_told)))

    text = console.export_text()
    assert all(name in text for name in _NAMES)
    assert all(row in text for row in ("failed: invalid_number", "share of A", "seconds to accepted, p99", "cost"))


def test_the_chart_is_xml_with_every_series_and_the_same_each_time(tmp_path: Path) -> None:
    summaries = compare(_PROFILE, _CASES, seed=3, told=_told)
    first, again, picture = (tmp_path / name for name in ("first", "again", "picture"))

    draw(summaries, {"svg": first, "png": picture})
    draw(summaries, {"svg": again})

    tree = ET.fromstring(first.read_text("utf-8"))
    ids = {element.get("id") for element in tree.iter()}
    assert {f"accepted {name}" for name in _NAMES} | {f"seconds {name}" for name in _NAMES} <= ids
    assert set(_NAMES) <= {element.text for element in tree.iter()}
    assert first.read_bytes() == again.read_bytes()
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_chart_of_nothing_accepted_is_drawn_all_the_same(tmp_path: Path) -> None:
    down = provider(outages=[{"from_seconds": 0, "to_seconds": 9, "kind": "invalid_number"}])
    of = profile(phases=[{"seconds": 1, "messages": 5}], providers={"A": down})
    summaries = compare(of, cases_of(of), seed=1, told=_told)

    draw(summaries, {"svg": tmp_path / "chart.svg"})

    assert [summary.sent for summary in summaries] == [0, 0, 0]
    assert (tmp_path / "chart.svg").stat().st_size > 0
