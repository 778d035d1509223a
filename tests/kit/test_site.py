"""The documentation as a site: built without a warning, every link leads somewhere, nothing comes from elsewhere."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.kit.pages import broken, is_elsewhere, read
from tests.rules.sources import ROOT

# Some seconds on a quiet machine, and a minute beside everything else.
pytestmark = pytest.mark.timeout(400)
ROOTS_PAGES = ("start", "adding-a-provider", "contributing", "changelog", "reporting-a-weakness")
REPOSITORY = "https://git.example.org/smsgw"


def build(where: Path, given: Mapping[str, str]) -> Path:
    """Build the site as `make site` does; any warning is a failure."""
    command = [str(Path(sys.executable).with_name("mkdocs")), "build", "--strict", "--site-dir", str(where)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", **given}
    ran = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert "WARNING" not in ran.stderr + ran.stdout
    return where


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("docs").resolve() / "site", {"SMSGW_REPOSITORY": ""})


def pages(site: Path) -> list[Path]:
    """Return every page but the one for addresses that are not there: its links begin at a server's root."""
    return [path for path in sorted(site.rglob("*.html")) if path.name != "404.html"]


def test_every_document_is_a_page_and_in_the_navigation(site: Path) -> None:
    documents = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    wanted = {str(path) for path in documents} | {f"{name}.html" for name in ROOTS_PAGES}
    navigation = {
        link.partition("#")[0]
        for link in re.findall(r'<a href="([^"]+)" class="md-nav__link', (site / "index.html").read_text("utf-8"))
    }

    assert {name for name in wanted if not (site / name).is_file()} == set()
    assert wanted - navigation <= {"index.html"}


def test_every_decision_is_on_their_page() -> None:
    decisions = {path.name for path in (ROOT / "docs/decisions").glob("[0-9]*.md")}

    listed = set(re.findall(r"\]\(([0-9][^)]+)\)", (ROOT / "docs/decisions/index.md").read_text("utf-8")))

    assert decisions == listed


def test_every_link_leads_somewhere(site: Path) -> None:
    wrong = {str(page.relative_to(site)): problems for page in pages(site) if (problems := list(broken(site, page)))}

    assert wrong == {}
    assert sum(len(read(page).links) for page in pages(site)) > 1000


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text(
        '<h1 id="here"></h1><a href="#here"></a><a href="#there"></a><a href="gone.html"></a><a href="/x"></a>'
    )

    found = list(broken(tmp_path, page))

    assert found == ["#there: no such anchor", "gone.html: no such file", "/x: no such file"]


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    loaded = {each for page in site.rglob("*.html") for each in read(page).loaded}
    styles = {
        found
        for sheet in (*site.rglob("*.css"), *pages(site))
        for found in re.findall(r"(?:@import\s*|url\(\s*)[\"']?((?:https?:)?//[^\"')\s]+)", sheet.read_text("utf-8"))
    }

    assert {each for each in loaded if is_elsewhere(each)} == set()
    assert styles == set()
    assert len(loaded) > 3


def test_nothing_asks_the_theme_for_what_it_loads_from_elsewhere(site: Path) -> None:
    # Diagrams and the repository's stars would be fetched by the theme's script.
    wanting = [
        page
        for page in pages(site)
        if re.search(r'class="mermaid"|data-md-component="source"', page.read_text("utf-8"))
    ]

    assert wanting == []


def test_no_markdown_is_left_over(site: Path) -> None:
    left = {
        str(page.relative_to(site)): found
        for page in pages(site)
        if (found := re.findall(r"```|\]\(|\*\*\w|^\|.*\|$", read(page).prose, re.MULTILINE))
    }

    assert left == {}


def test_what_is_code_is_not_published(site: Path) -> None:
    assert list(site.rglob("*.py")) == []
    assert [path.name for path in (site / "files").rglob("*") if path.suffix == ".env"] == []


def test_the_search_knows_the_pages(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))

    places = {entry["location"].partition("#")[0] for entry in index["docs"]}

    assert {"reference/settings.html", "start.html", "how-to/harden.html"} <= places


def test_with_a_repository_source_files_are_linked(tmp_path: Path) -> None:
    there = build(tmp_path.resolve() / "site", {"SMSGW_REPOSITORY": REPOSITORY})

    links = {link for page in pages(there) for link in read(page).links if link.startswith(REPOSITORY)}

    assert f"{REPOSITORY}/blob/main/tests/contract/test_limits.py" in links
    assert [link for link in links if not (ROOT / link.removeprefix(f"{REPOSITORY}/blob/main/")).exists()] == []
