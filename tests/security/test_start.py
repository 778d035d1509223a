"""What a start says about a dangerous configuration: one loud line, or none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.process import Process, free_port, until

CONFIG = {
    "CLIENT_CONFIG": '{"a-key": {"name": "a", "is_active": true, "daily_quota": 1}}',
    "PROVIDERS_CONFIG": '{"Local-SMS": {"is_active": true, "is_operational": true}}',
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "DATABASE_URL": "postgresql://smsgw@127.0.0.1:1/smsgw",
    "DRAIN_SECONDS": "0",
}
# 0.0.0.0 is this machine too, but no loopback address; nobody listens on port 1.
GUEST_ABROAD = ["amqp://guest:guest@0.0.0.0:1/", "amqp://0.0.0.0:1/"]
HARMLESS = ["amqp://guest:guest@127.0.0.1:1/", "amqp://guest:guest@localhost:1/", "amqp://shop:guest@0.0.0.0:1/"]


@pytest.fixture
def started(tmp_path: Path, role: str, url: str) -> Iterator[Process]:
    port = str(free_port())
    place = {"SERVER_A_HOST": "127.0.0.1", "SERVER_B_HOST": "127.0.0.1", "SERVER_A_PORT": port, "SERVER_B_PORT": port}
    process = Process(role, [role], {**CONFIG, **place, "RABBITMQ_URL": url}, tmp_path, f"http://127.0.0.1:{port}")
    try:
        yield process.wait_alive()
    finally:
        process.end()


def _warnings(process: Process) -> list[str]:
    lines = [line for line in process.log_lines() if line["message"] == "dependency.warned"]
    assert all(line["level"] == "warning" for line in lines)
    return [line["why"] for line in lines if line["dependency"] == "broker"]


@pytest.mark.parametrize("role", ["gateway", "worker"])
@pytest.mark.parametrize("url", GUEST_ABROAD)
def test_the_account_that_everybody_knows_is_warned_of_once(started: Process) -> None:
    (why,) = until(lambda: _warnings(started))

    assert "guest" in why


@pytest.mark.parametrize(("role", "url"), [("gateway", url) for url in HARMLESS])
def test_there_is_nothing_to_warn_of_on_loopback_or_with_an_account_of_its_own(started: Process) -> None:
    assert _warnings(started) == []
