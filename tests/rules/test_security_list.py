"""docs/security.md has every item of the security list, each with a test that exists or with a reason."""

import ast
import re

import pytest

from tests.rules.sources import ROOT

ITEMS = range(1, 44)
_ROW = re.compile(r"^\| (\d+) [^|]+\|([^|]*)\|([^|]*)\|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[^`]+)`")
FOUND = _ROW.findall((ROOT / "docs" / "security.md").read_text("utf-8"))
ROWS = {int(number): (done, shown) for number, done, shown in FOUND}


def test_every_item_is_there_once_and_says_what_is_done() -> None:
    assert [int(number) for number, _, _ in FOUND] == list(ITEMS)
    assert [number for number, (done, _) in ROWS.items() if len(done.split()) < 3] == []


@pytest.mark.parametrize("number", ITEMS)
def test_what_an_item_names_exists(number: int) -> None:
    _, shown = ROWS[number]
    named = _TEST.findall(shown)

    assert shown.strip() == " ".join(f"`{each}`" for each in named)
    assert [each for each in named if not _exists(each)] == []


def _exists(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / path
    if not file.is_file():
        return False
    nodes = ast.walk(ast.parse(file.read_text("utf-8")))
    return not name or name in {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
