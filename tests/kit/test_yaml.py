"""Every YAML file that is shipped: no key twice, no value that YAML reads otherwise than it looks."""

from pathlib import Path

import pytest
from yamllint import linter
from yamllint.config import YamlLintConfig

from tests.rules.sources import ROOT

RULES = """
rules:
  key-duplicates: enable
  empty-values: enable
  anchors: enable
  indentation: {spaces: 2, indent-sequences: consistent}
  new-line-at-end-of-file: enable
  trailing-spaces: enable
  truthy: {allowed-values: ["true", "false"], check-keys: false}
"""
FILES = sorted([ROOT / "compose.yaml", ROOT / "mkdocs.yml", *(ROOT / "deploy" / "kubernetes").rglob("*.yaml")])


@pytest.mark.parametrize("file", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_it_means_what_it_says(file: Path) -> None:
    problems = linter.run(file.read_text("utf-8"), YamlLintConfig(RULES))

    assert [str(problem) for problem in problems] == []
