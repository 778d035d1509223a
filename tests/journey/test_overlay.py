"""A change at one place is in force everywhere within 5 s: other workers, and gateways that are given the database."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from smsgw.core.fingerprint import config_fingerprint
from tests.journey.calling import reaches
from tests.journey.process import Process, http, until
from tests.journey.product import NUMBER, TEXT, Product, running

# The starts of three processes are in the first test's time.
pytestmark = pytest.mark.timeout(400)
PROMISE = 5.0
OPS = "journey-key-ops"


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("overlay"), services) as product:
        product.clients[OPS] = {"name": "ops", "id": "ops", "is_active": True, "daily_quota": None, "scopes": ["ops"]}
        product.configure("Local-SMS")
        product.configure("Other", kind="local_sms", is_active=False)
        # One after the other: side by side, the starts on a small machine take longer than any of them waits.
        product.gateway(DATABASE_URL=services["DATABASE_URL"]).wait_ready(90)
        product.worker().wait_ready(90)
        product.worker().wait_ready(90)
        yield product


def connected(product: Product) -> Process:
    return product.processes[0]


def workers(product: Product) -> list[Process]:
    return [each for each in product.processes if each.name == "worker"]


def sending(gateway: Process, key: str) -> Any:
    body = {"to": NUMBER, "text": TEXT}
    return http.post(f"{gateway.url}/api/v1/sms/send", json=body, headers={"API-Key": key})


def _knows(worker: Process, key: str) -> bool:
    answer = http.get(f"{worker.url}/api/status/00000000-0000-4000-8000-000000000001", headers={"API-Key": key})
    return answer.status_code == 404


def in_force(condition: Callable[[], Any], what: str) -> float:
    """Wait for a change, and return how many seconds it took."""
    began = time.monotonic()
    until(condition, seconds=15, what=what)
    return time.monotonic() - began


def test_a_new_key_opens_at_both_workers_and_the_connected_gateway_within_5_s(product: Product) -> None:
    made = product.run("key", "create", "late", "--name", "Late", "--quota", "5")
    key = made.stdout.strip()

    took = in_force(lambda: sending(connected(product), key).status_code == 202, "the key opens at the gateway")
    tracking_id = sending(connected(product), key).json()["tracking_id"]

    took += in_force(lambda: all(_knows(worker, key) for worker in workers(product)), "the key opens at the workers")

    assert (0, "") == (made.returncode, made.stderr)
    assert took < PROMISE
    for worker in workers(product):
        reaches(worker, tracking_id, "SENT", key=key)


def test_a_revoked_key_opens_nothing_within_5_s(product: Product) -> None:
    key = product.run("key", "create", "short").stdout.strip()
    in_force(lambda: sending(connected(product), key).status_code == 202, "the key opens")

    revoked = product.run("key", "revoke", key[:12])
    took = in_force(lambda: sending(connected(product), key).status_code == 401, "the key opens nothing")

    assert (0, f"{key[:12]} of short is revoked\n") == (revoked.returncode, revoked.stdout)
    assert took < PROMISE


def test_what_is_exported_brings_an_isolated_gateway_up_to_date(product: Product, tmp_path: Path) -> None:
    clients = tmp_path / "clients.json"
    clients.write_text(json.dumps(product.clients))
    isolated = product.gateway(CLIENT_CONFIG_FILE=str(clients)).wait_ready(90)
    key = product.run("key", "create", "exported").stdout.strip()
    in_force(lambda: sending(connected(product), key).status_code == 202, "the key opens where the database is read")
    before = sending(isolated, key).status_code

    exported = product.run("config", "export", str(tmp_path))
    isolated.popen.send_signal(signal.SIGHUP)
    in_force(lambda: sending(isolated, key).status_code == 202, "the key opens after the reload")

    text = clients.read_text().removesuffix("\n")
    printed = product.run("config", "fingerprint").stdout
    assert 401 == before
    assert "exported" in {entry.get("id") for entry in json.loads(text).values()}
    assert config_fingerprint(text) in exported.stdout
    assert f"EXPECTED_CLIENTS_FINGERPRINT={config_fingerprint(text)}" in printed
    assert "# CLIENT_CONFIG: client exported" in exported.stdout
    assert key not in exported.stdout + printed + text


def test_a_user_made_on_the_command_line_signs_in_by_the_link_once(product: Product) -> None:
    worker = workers(product)[0]
    made = product.run("user", "create", "eva", "--role", "admin", CONSOLE_URL=worker.url)

    first = http.get(made.stdout.strip())
    listed = product.run("user", "list")

    assert (0, "") == (made.returncode, made.stderr)
    assert made.stdout.startswith(f"{worker.url}/console/link/")
    assert (200, True) == (first.status_code, "Welcome, eva" in first.text)
    assert "eva  admin  enabled  never signed in" in listed.stdout
