"""The dashboards for Grafana: up to date, asking for what there is, naming no data source of anybody's."""

import json
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kit.expressions import alerts, asked, problems, shown
from tests.rules.sources import ROOT

GRAFANA = ROOT / "deploy" / "grafana"
_PAGES: dict[str, str] = runpy.run_path(str(GRAFANA / "generate.py"))["pages"]()
_BOARDS: dict[str, dict[str, Any]] = {name: json.loads(text) for name, text in _PAGES.items()}
_UNITS = {"short", "reqps", "s", "percentunit", "bytes"}
each_board = pytest.mark.parametrize("name", sorted(_BOARDS))


def panels(name: str) -> list[dict[str, Any]]:
    return [panel for panel in _BOARDS[name]["panels"] if panel["type"] != "row"]


def expressions(name: str) -> list[str]:
    return [target["expr"] for panel in panels(name) for target in panel["targets"]]


def plain(expression: str) -> str:
    """Return what Grafana would ask: with its variables filled in."""
    return expression.replace("$__rate_interval", "1m").replace("$provider", ".*").replace("$instance", ".*")


def test_the_dashboards_are_as_they_are_made() -> None:
    written = {path.name: path.read_text("utf-8") for path in (GRAFANA / "dashboards").iterdir()}

    assert written == _PAGES, "run `python deploy/grafana/generate.py`"


@each_board
def test_no_two_panels_have_one_id_or_one_place(name: str) -> None:
    boxes = [panel["gridPos"] for panel in _BOARDS[name]["panels"]]
    cells = [
        (x, y)
        for box in boxes
        for x in range(box["x"], box["x"] + box["w"])
        for y in range(box["y"], box["y"] + box["h"])
    ]

    assert len({panel["id"] for panel in _BOARDS[name]["panels"]}) == len(_BOARDS[name]["panels"])
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@each_board
def test_each_panel_says_what_it_shows_in_a_unit(name: str) -> None:
    for panel in panels(name):
        assert panel["title"]
        assert panel["description"].endswith((".", "there)."))
        assert panel["fieldConfig"]["defaults"]["unit"] in _UNITS
        assert panel["targets"]


@each_board
def test_no_data_source_is_nailed_down(name: str) -> None:
    sources = re.findall(r'"uid": "([^"]*)"', _PAGES[name])
    variables = {each["name"]: each for each in _BOARDS[name]["templating"]["list"]}

    assert set(sources) == {"${datasource}", name.removesuffix(".json")}
    assert variables["datasource"]["type"] == "datasource"


@each_board
def test_the_panels_ask_for_what_the_product_shows(name: str) -> None:
    known = shown()

    wrong = [(expression, list(problems(expression, known))) for expression in expressions(name)]

    assert [each for each in wrong if each[1]] == []
    assert all(list(asked(expression)) for expression in expressions(name))


@each_board
def test_the_links_lead_to_entries_of_the_runbook(name: str) -> None:
    anchors = {alert.lower() for alert in alerts()}

    linked = {link["url"].partition("#")[2] for panel in panels(name) for link in panel["links"]}

    assert linked
    assert linked - anchors == set()


def test_every_alert_is_on_a_dashboard() -> None:
    linked = {link["url"].partition("#")[2] for name in _BOARDS for panel in panels(name) for link in panel["links"]}

    assert {alert.lower() for alert in alerts()} - linked == set()


def test_every_expression_parses(tmp_path: Path) -> None:
    """As rules: so promtool reads them, of which 2.42 has no other way to check an expression."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not there: apt-get install prometheus (RUNLEVEL=1 keeps the server from starting)")
    every = dict.fromkeys(plain(expression) for name in _BOARDS for expression in expressions(name))
    rules = [{"record": f"panel:{number}", "expr": expression} for number, expression in enumerate(every)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))

    ran = subprocess.run([found, "check", "rules", str(file)], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_is_provisioned_is_the_data_source_and_the_folder() -> None:
    folder = GRAFANA / "provisioning"
    source = yaml.safe_load((folder / "datasources" / "smsgw.yml").read_text("utf-8"))["datasources"][0]
    provider = yaml.safe_load((folder / "dashboards" / "smsgw.yml").read_text("utf-8"))["providers"][0]

    assert (source["type"], source["url"]) == ("prometheus", "${PROMETHEUS_URL}")
    assert (provider["type"], provider["options"]["path"]) == ("file", "/var/lib/grafana/dashboards/smsgw")
