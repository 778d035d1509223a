"""What a start says about a dangerous configuration: one loud line, or none."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.process import Process, http, until
from tests.servers import free_port

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


SECRET_PLACES = {
    "REDIS_URL": "redis://redis-user:redis-word@0.0.0.0:1/0",
    "DATABASE_URL": "postgresql://pg-user:pg-word@0.0.0.0:1/pg-name",
}
AWAY = "amqp://mq-user:mq-word@0.0.0.0:1/mq-host"
_TELLTALE = re.compile(r"0\.0\.0\.0|(redis|pg|mq)-(user|word|name|host)|SELECT|FROM|Traceback|\.py\b")


@pytest.fixture
def started(tmp_path: Path, role: str, url: str) -> Iterator[Process]:
    port = str(free_port())
    place = {"SERVER_A_HOST": "127.0.0.1", "SERVER_B_HOST": "127.0.0.1", "SERVER_A_PORT": port, "SERVER_B_PORT": port}
    process = Process(
        role,
        [role],
        {**CONFIG, **place, **(SECRET_PLACES if url is AWAY else {}), "RABBITMQ_URL": url},
        tmp_path,
        f"http://127.0.0.1:{port}",
    )
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


@pytest.mark.parametrize(("role", "url"), [("gateway", AWAY), ("worker", AWAY)])
def test_an_outage_names_no_host_no_account_and_no_statement(started: Process) -> None:
    headers = {"API-Key": "a-key", "Idempotency-Key": "k"}
    message = {"to": "+447700900000", "text": "hello"}

    answers = [
        http.get(started.url + "/readyz"),
        http.post(started.url + "/api/v1/sms/send", json=message, headers=headers),
        http.get(started.url + "/api/status/00000000-0000-4000-8000-000000000000", headers=headers),
    ]

    assert sorted({answer.status_code for answer in answers}) == [404, 503]
    assert [answer.text for answer in answers if _TELLTALE.search(answer.text + str(answer.headers))] == []
    assert answers[0].json()["error_code"] == "NOT_READY"
