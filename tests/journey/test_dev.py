"""`smsgw dev`: everything in one process on one directory, which a kill does not harm."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.journey.calling import accepted, reaches
from tests.journey.process import Process, http, until
from tests.journey.product import NUMBER, improper
from tests.servers import free_port


class Dev:
    """One `smsgw dev` and its greeting; talk to it through `process`."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        directory.mkdir(exist_ok=True)
        port = free_port()
        arguments = ("dev", "--port", str(port), "--data", str(directory / "data"), *arguments)
        self.process = Process("dev", list(arguments), {}, directory, f"http://127.0.0.1:{port}")

    def greeting(self) -> dict[str, Any]:
        """Wait until it is ready and return its newest greeting."""
        self.process.wait_ready()
        return until(lambda: self.greetings()[-1:], what=self.process.log_tail)[0]

    def greetings(self) -> list[dict[str, Any]]:
        """Return every greeting so far, one for each start."""
        return [line for line in self.process.log_lines() if line["message"] == "dev.ready"]


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    started = Dev(tmp_path)
    yield started
    started.process.end()
    assert [line for line in started.process.log_path.read_text().splitlines() if improper(line)] == []


def test_the_curl_line_ends_delivered(dev: Dev) -> None:
    greeting = dev.greeting()

    ran = subprocess.run(["bash", "-c", greeting["curl"]], capture_output=True, text=True, timeout=30, check=True)
    tracking_id = json.loads(ran.stdout[ran.stdout.index("{") :])["tracking_id"]
    told = reaches(dev.process, tracking_id, "DELIVERED", key=greeting["api_key"], seconds=15)

    assert told["provider_final"] == "Provider-A"
    assert greeting["url"] == dev.process.url


def test_the_second_door_is_on_the_one_port(dev: Dev) -> None:
    key = dev.greeting()["api_key"]
    url, body = dev.process.url, {"phone": NUMBER, "text": "Parcel 4711 waits"}

    answer = http.post(f"{url}/api/sms/", json=body, headers={"API-Key": key})

    assert (answer.status_code, answer.json()["message"]) == (200, "SMS queued for sending")
    assert reaches(dev.process, answer.json()["message_id"], "DELIVERED", key=key, seconds=15)["to"] == NUMBER
    assert http.get(f"{url}/health").json() == {"status": "healthy"}


def test_a_kill_after_the_202_loses_nothing(dev: Dev) -> None:
    key = dev.greeting()["api_key"]

    tracking_ids = [accepted(dev.process, key=key) for _ in range(5)]
    dev.process.kill()
    dev.process.restart()
    key_after = dev.greeting()["api_key"]
    told = [reaches(dev.process, each, "DELIVERED", key=key, seconds=30) for each in tracking_ids]

    assert key_after == key
    assert [each["status"] for each in told] == ["DELIVERED"] * 5


def test_ctrl_c_stops_it(dev: Dev) -> None:
    key = dev.greeting()["api_key"]
    tracking_id = accepted(dev.process, key=key)

    dev.process.popen.send_signal(signal.SIGINT)
    code = dev.process.popen.wait(25)
    dev.process.restart()
    dev.greeting()

    assert code == 0
    reaches(dev.process, tracking_id, "DELIVERED", key=key, seconds=30)


def test_one_directory_is_for_one_process(dev: Dev, tmp_path: Path) -> None:
    dev.greeting()

    second = Dev(tmp_path)
    code = second.process.popen.wait(20)

    assert code == 2
    (line,) = second.process.log_path.read_text().splitlines()
    assert "another `smsgw dev` is using this directory" in line


def test_port_0_takes_a_free_one(tmp_path: Path) -> None:
    dev = Dev(tmp_path, "--port", "0")
    greetings = until(dev.greetings, what=dev.process.log_tail)

    dev.process.url = greetings[0]["url"]
    dev.process.wait_ready()
    code = dev.process.stop()

    assert code == 0
