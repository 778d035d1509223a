"""`smsgw mock-provider` as its users run it: a process, with options or with a file of many providers."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from smsgw.cli import app
from tests.journey.process import Process, http
from tests.servers import free_port

SIMPLE = {"phone": "+4915112345678", "text": "Your code is 1234"}


def start(directory: Path, *arguments: str) -> Process:
    port = free_port()
    flags = ["mock-provider", "--port", str(port), *arguments]
    return Process("mock-provider", flags, {}, directory, f"http://127.0.0.1:{port}").wait_ready()


def configured(directory: Path, document: Any) -> str:
    path = directory / "carriers.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_a_file_of_many_providers_with_the_options_as_its_defaults(tmp_path: Path) -> None:
    config = configured(tmp_path, {"alpha": {"rate_limit": 1}, "beta": {"error_rate": 1}})
    process = start(tmp_path, "--config", config, "--latency", "0", "--seed", "7")

    statuses = [http.post(f"{process.url}/api/sms/{name}", json=SIMPLE).status_code for name in ("alpha", "beta")]
    shown = http.get(f"{process.url}/control/alpha").json()
    http.post(f"{process.url}/control/alpha", json={"magic": False}).raise_for_status()
    process.end()

    assert statuses == [202, 500]
    assert (shown["latency"], shown["rate_limit"]) == (0, 1)
    lines = [json.loads(line) for line in process.log_path.read_text().splitlines()]
    assert [(line["message"], line.get("providers"), line.get("changes")) for line in lines] == [
        ("simulator.ready", "alpha, beta", None),
        ("simulator.changed", None, "magic"),
    ]


def test_what_was_accepted_outlives_the_process_at_each_provider(tmp_path: Path) -> None:
    flags = ["--latency", "0", "--journal", str(tmp_path / "journal")]
    first = start(tmp_path, *flags)
    for name in ("provider1", "provider2"):
        http.post(f"{first.url}/api/sms/{name}", json=SIMPLE).raise_for_status()
    http.post(f"{first.url}/ledger/reset", params={"provider": "provider1"}).raise_for_status()
    first.kill()

    second = start(tmp_path, *flags)
    ledger = http.get(f"{second.url}/ledger").json()
    second.end()

    assert [(entry["provider"], entry["to"]) for entry in ledger] == [("provider2", SIMPLE["phone"])]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({"alpha": {"latancy": 1}}, "alpha: Object contains unknown field `latancy`"),
        ({"ledger": {}}, "'ledger' is an address of the simulator's own"),
        ([], "an object"),
    ],
)
def test_a_wrong_file_stops_the_start_with_one_line(tmp_path: Path, document: Any, why: str) -> None:
    ran = CliRunner().invoke(app, ["mock-provider", "--config", configured(tmp_path, document)])

    assert ran.exit_code == 2
    assert why in ran.output
    assert len(ran.output.splitlines()) == 1


def test_a_file_that_is_not_there_stops_the_start_with_one_line(tmp_path: Path) -> None:
    ran = CliRunner().invoke(app, ["mock-provider", "--config", str(tmp_path / "nothing.json")])

    assert ran.exit_code == 2
    assert "nothing.json: cannot read: No such file or directory" in ran.output


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--as", "nobody"], "default: nobody called 'nobody' can be played; one of "),
        (["--as", "twilio", "--credential", "hunter2"], "--credential: name=value expected"),
        (["--as", "twilio", "--credential", "auth_tokin=hunter2"], "default: twilio: no credential 'auth_tokin' there"),
    ],
)
def test_a_vendor_that_cannot_be_played_stops_the_start_with_one_line(arguments: list[str], why: str) -> None:
    ran = CliRunner().invoke(app, ["mock-provider", *arguments])

    assert ran.exit_code == 2
    assert why in ran.output
    assert "hunter2" not in ran.output
    assert len(ran.output.splitlines()) == 1


def test_a_vendor_is_played_with_the_credentials_of_the_command_line(tmp_path: Path) -> None:
    process = start(tmp_path, "--as", "telnyx", "--credential", "api_key=KEY-of-a-test", "--latency", "0")
    message = {"from": "ACME", "to": "+4915112345678", "text": "Your code is 1234"}

    answers = [
        http.post(f"{process.url}/v2/messages", json=message, headers={"authorization": f"Bearer {key}"})
        for key in ("KEY-of-a-test", "KEYdemo")
    ]
    simple = http.post(f"{process.url}/api/sms/provider1", json=SIMPLE)
    ledger = http.get(f"{process.url}/ledger").json()
    process.end()

    assert [answer.status_code for answer in (*answers, simple)] == [200, 401, 404]
    assert [entry["message_id"] for entry in ledger] == [answers[0].json()["data"]["id"]]
    assert ledger[0]["details"] == {"sender": "ACME", "extra": {"profile": ""}}
