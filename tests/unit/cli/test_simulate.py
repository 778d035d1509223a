"""`smsgw simulate`: exit codes, and what goes where."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from smsgw.cli import app

PROFILE = {"phases": [{"seconds": 10, "messages": 20}], "providers": {"A": {"price": 1}, "B": {}}}


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    """Return a small profile."""
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(PROFILE), "utf-8")
    return path


def _run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["simulate", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_it_prints_a_table_and_writes_the_charts(profile: Path, tmp_path: Path) -> None:
    code, out, err = _run(profile, "--svg", tmp_path / "a.svg", "--png", tmp_path / "a.png")

    assert (code, err) == (0, "")
    assert all(word in out for word in ("priority", "round_robin", "weighted", "share of A", "accepted"))
    assert (tmp_path / "a.svg").exists()
    assert (tmp_path / "a.png").exists()


def test_the_same_seed_prints_the_same(profile: Path) -> None:
    first, again, other = (_run(profile, "--seed", seed, "--json") for seed in (4, 4, 5))

    assert first == again
    assert first != other
    assert [each["name"] for each in json.loads(first[1])] == ["priority", "round_robin", "weighted"]


def test_only_the_wanted_strategies_are_compared(profile: Path) -> None:
    _, out, _ = _run(profile, "--strategy", "weighted", "--json")

    assert [each["name"] for each in json.loads(out)] == ["weighted"]


def test_the_example_can_be_replayed(tmp_path: Path) -> None:
    _, out, _ = _run("--example")

    shortened = json.loads(out)
    shortened["phases"] = [{"seconds": 5, "messages": 50}]
    (tmp_path / "example.json").write_text(json.dumps(shortened), "utf-8")
    assert _run(tmp_path / "example.json")[0] == 0


def test_a_providers_config_counts(profile: Path, tmp_path: Path) -> None:
    (tmp_path / "providers.json").write_text('{"A": {"is_active": true, "is_operational": true}}', "utf-8")

    code, out, _ = _run(profile, "--providers", tmp_path / "providers.json", "--json")

    assert code == 0
    assert json.loads(out)[1]["sent_by"] == {"A": 20}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "smsgw simulate --example"),
        (["{dir}/nothing.json"], "nothing.json': No such file"),
        (["{dir}"], "Is a directory"),
        (["{profile}", "--strategy", "best"], "strategy 'best' does not exist"),
        (["{profile}", "--providers", "{dir}/nothing.json"], "PROVIDERS_CONFIG_FILE: cannot read"),
        (["{profile}", "--svg", "{dir}/nowhere/a.svg"], "no such directory"),
        (["{profile}", "--svg", "{dir}"], "it is a directory"),
        (["{profile}", "--svg", "{dir}/" + "x" * 300], "File name too long"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: list[str], complaint: str, profile: Path, tmp_path: Path) -> None:
    code, out, err = _run(*(each.format(dir=tmp_path, profile=profile) for each in arguments))

    assert (code, out) == (2, "")
    assert complaint in err
    assert err.count("\n") == 1


def test_a_wrong_profile_has_a_line_for_each_mistake(tmp_path: Path) -> None:
    wrong = {**PROFILE, "phases": [{"seconds": 1}, {"seconds": 1, "messages": 3, "per_second": 1}]}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), "utf-8")

    code, _, err = _run(tmp_path / "wrong.json")

    assert code == 2
    assert [line.split(":")[1].strip() for line in err.splitlines()] == ["phases[0]", "phases[1]"]


def test_a_chart_that_cannot_be_written_takes_no_numbers_along(profile: Path) -> None:
    # Known only when it is drawn.
    code, out, err = _run(profile, "--strategy", "priority", "--json", "--svg", "/dev/full")

    assert code == 2
    assert "'/dev/full': No space left" in err
    assert [each["name"] for each in json.loads(out)] == ["priority"]


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="on one core there are no processes of a pool")
def test_whoever_kills_the_comparison_leaves_no_process_behind(profile: Path) -> None:
    profile.write_text(json.dumps({**PROFILE, "phases": [{"seconds": 4000, "messages": 400_000}]}), "utf-8")
    running = psutil.Popen([sys.executable, "-m", "smsgw", "simulate", str(profile)], stdout=subprocess.DEVNULL)
    children: list[psutil.Process] = []
    deadline = time.monotonic() + 60
    while sum("spawn_main" in " ".join(child.cmdline()) for child in children) < 2:
        assert time.monotonic() < deadline
        children = running.children()

    running.kill()
    running.wait()

    # Well before they would be through.
    _, left = psutil.wait_procs(children, timeout=20)
    for child in left:
        child.kill()
    assert left == []
