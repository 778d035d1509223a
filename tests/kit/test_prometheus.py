"""The rules for Prometheus: they load, each alert fires and stays quiet as it should, and each has its entry."""

import re
import shutil
import subprocess

import pytest
import yaml

from smsgw.core.health import State
from smsgw.core.message import EventType
from tests.kit.expressions import PROMETHEUS, alerts, problems, rules, shown
from tests.rules.sources import PACKAGE, ROOT
from tests.rules.test_docs_examples import anchors

_RUNBOOK = ROOT / "docs" / "runbook.md"
_TESTS = ("tests.yml", "tests_days.yml")


def promtool(*arguments: str) -> str:
    """Run promtool beside the rules; what it says is empty when all is well."""
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not there: apt-get install prometheus (RUNLEVEL=1 keeps the server from starting)")
    ran = subprocess.run([found, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else ran.stdout + ran.stderr


def test_the_rules_are_rules() -> None:
    assert promtool("check", "rules", "recording.yml", "alerts.yml") == ""


def test_the_configuration_is_one() -> None:
    assert promtool("check", "config", "prometheus.yml") == ""


@pytest.mark.parametrize("file", _TESTS)
def test_each_alert_fires_and_stays_quiet(file: str) -> None:
    assert promtool("test", "rules", file) == ""


def test_each_alert_is_tried_both_ways() -> None:
    tried = [
        (found[1], bool(check["exp_samples"]))
        for file in _TESTS
        for test in yaml.safe_load((PROMETHEUS / file).read_text("utf-8"))["tests"]
        for check in test["promql_expr_test"]
        if (found := re.search(r'alertname="(\w+)"', check["expr"]))
    ]

    assert sorted(tried) == sorted((name, fires) for name in alerts() for fires in (False, True))


def test_the_rules_ask_for_what_the_product_shows() -> None:
    known = shown()

    wrong = {rule.get("alert") or rule["record"]: list(problems(rule["expr"], known)) for rule in rules()}

    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("sum(smsgw_queue_dept) > 1", "no series smsgw_queue_dept"),
        ('rate(smsgw_reports_total{results=\'new\', provider="A", outcome="new"}[5m])', "has no label outcome"),
        ('sms_messages_total{status="LOST"}', "status is never LOST"),
    ],
)
def test_a_name_that_nobody_shows_is_found(expression: str, problem: str) -> None:
    assert problem in " ".join(problems(expression, shown()))


def test_each_alert_says_how_bad_it_is_and_where_to_read_on() -> None:
    for name, alert in alerts().items():
        assert alert["labels"]["severity"] in ("critical", "warning"), name
        assert alert["annotations"]["runbook_url"] == f"docs/runbook.md#{name.lower()}"
        assert alert["annotations"]["summary"].endswith("."), name


def test_each_alert_has_an_entry_and_each_entry_an_alert() -> None:
    entries = re.findall(r"^### (Smsgw\w+)$", _RUNBOOK.read_text("utf-8"), re.MULTILINE)

    assert sorted(entries) == sorted(alerts())
    assert {name.lower() for name in alerts()} <= anchors(_RUNBOOK)


def test_the_runbook_names_log_lines_that_exist() -> None:
    sources = "".join(path.read_text("utf-8") for path in (PACKAGE / "telemetry").glob("*.py"))
    known = set(re.findall(r'"([a-z_]+\.[a-z_]+)"', sources))
    known |= {f"circuit.{state}" for state in State} | {f"message.{each.value.lower()}" for each in EventType}

    named = set(re.findall(r"\blog `([a-z_]+\.[a-z_]+)`", _RUNBOOK.read_text("utf-8"), re.IGNORECASE))

    assert named - known == set()
    assert len(named) > 20


def test_the_runbook_names_series_that_exist() -> None:
    named = set(re.findall(r"`((?:sms|smsgw|db|process|server_a)_[a-z_]+)", _RUNBOOK.read_text("utf-8")))
    histograms = {name.removesuffix("_bucket") for name in shown()}

    assert named - histograms == set()
