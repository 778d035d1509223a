"""Every fault of the fault model is shown by a test, or docs/reliability.md says why it cannot be."""

import re
import runpy
from typing import Any

import pytest

from tests.rules.sources import ROOT

_MODULE: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "faults.py"))
_SHOWN = _MODULE["shown"]()
_INVARIANTS = {f"I{number}" for number in range(1, 15)}


def _not_shown() -> set[str]:
    _, _, chapter = (ROOT / "docs" / "reliability.md").read_text("utf-8").partition("## Not shown here")
    return set(re.findall(r"^\| (F\d\d) \|", chapter, re.MULTILINE))


def test_the_fault_model_is_whole() -> None:
    assert list(_MODULE["FAULTS"]) == [f"F{number:02}" for number in range(1, 52)]


@pytest.mark.parametrize("number", _MODULE["FAULTS"])
def test_a_fault_is_shown_or_its_absence_is_explained(number: str) -> None:
    assert {number} & ({each.fault for each in _SHOWN} | _not_shown())


def test_nothing_is_both_shown_and_explained_away() -> None:
    assert {each.fault for each in _SHOWN} & _not_shown() == set()


def test_a_mark_names_a_fault_and_invariants_that_exist() -> None:
    wrong = [each for each in _SHOWN if each.fault not in _MODULE["FAULTS"] or not set(each.checks) <= _INVARIANTS]

    assert wrong == []
    assert all(each.checks for each in _SHOWN)
