"""The operations API on the one port of `smsgw dev`, beside both front doors: every example of the page runs."""

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journey.calling import reaches
from tests.journey.process import Process, http
from tests.journey.test_dev import Dev

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "operate.md"
SCRIPTS = [each for each in re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL) if "export" not in each]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Process, str]]:
    """`smsgw dev` and its key."""
    started = Dev(tmp_path_factory.mktemp("operations"))
    yield started.process, started.greeting()["api_key"]
    started.process.end()


def _post(process: Process, key: str, path: str) -> Any:
    body = {"phone": "+989121234567", "text": "A test"}
    response = http.post(process.url + path, json=body, headers={"API-Key": key})
    assert response.status_code == 200, response.text
    return response.json()


def test_a_direct_send_and_both_front_doors_share_the_port(dev: tuple[Process, str]) -> None:
    process, key = dev

    direct = _post(process, key, "/api/sms/provider-b")
    queued = [_post(process, key, path) for path in ("/api/sms/", "/api/sms/send")]
    stories = [reaches(process, each["message_id"], "DELIVERED", key=key) for each in (direct, *queued)]

    assert (direct["success"], direct["outcome"], direct["status"]) == (True, "accepted", "SENT")
    assert [each["queued"] for each in queued] == [True, True]
    assert [each["provider_final"] for each in stories] == ["Provider-B", "Provider-A", "Provider-A"]


@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_every_example_of_the_operators_page_runs(dev: tuple[Process, str], script: str) -> None:
    process, key = dev
    _post(process, key, "/api/sms/Local-SMS")
    environ = {"SMSGW_WORKER_URL": process.url, "SMSGW_API_KEY": key, "PATH": "/usr/local/bin:/usr/bin:/bin"}

    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environ, capture_output=True, text=True, timeout=30, check=False
    )

    assert ran.returncode == 0, ran.stderr
    answers, decoder, rest = 0, json.JSONDecoder(), ran.stdout.strip()
    while rest:
        told, end = decoder.raw_decode(rest)
        assert "error_code" not in told
        answers, rest = answers + 1, rest[end:].lstrip()
    assert answers >= 1


def test_what_an_operator_does_is_logged(dev: tuple[Process, str]) -> None:
    process, key = dev

    http.post(f"{process.url}/api/sms/health/provider-a/reset", headers={"API-Key": key})
    metrics = http.get(f"{process.url}/metrics").text

    lines = [line for line in process.log_lines() if line["message"] == "operator.acted"]
    assert (lines[-1]["action"], lines[-1]["provider"], lines[-1]["client_key"]) == (
        "health.reset",
        "Provider-A",
        "dev",
    )
    assert re.search(r'^smsgw_operator_actions_total\{action="health.reset"\} [1-9]', metrics, re.MULTILINE)
