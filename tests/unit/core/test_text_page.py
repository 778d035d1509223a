"""The Python on the page about texts does what it says."""

import doctest
from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "text-and-segments.md"


def test_the_examples_of_the_page_run() -> None:
    python = PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]
    test = doctest.DocTestParser().get_doctest(python, {}, PAGE.name, str(PAGE), 0)
    told: list[str] = []

    results = doctest.DocTestRunner().run(test, out=told.append)

    assert (results.failed, told) == (0, [])
    assert results.attempted >= 8
