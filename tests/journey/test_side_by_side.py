"""Two gateways and two workers on one set of services, and configuration that changes while they run."""

import hashlib
import json
import signal
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.journey.books import all_reach, statuses
from tests.journey.calling import Load, accepted, event_types, insist, ledger, outcomes, reaches, send, stories
from tests.journey.process import Process, until
from tests.journey.product import KEY, OTHER_KEY, Product, running

COUNT = 400
EXPECTED = hashlib.sha256(b"another configuration").hexdigest()


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("side"), services) as product:
        product.add_provider("Provider-A", "--latency", "0.02")
        product.add_provider("Quiet", "--latency", "0.6", "--no-report-rate", "1", priority=200)
        product.worker(EXPECTED_CLIENTS_FINGERPRINT=EXPECTED)
        yield product.start(gateways=2, workers=1)


@pytest.fixture
def gateways(product: Product) -> list[Process]:
    return [process for process in product.processes if process.name == "gateway"]


@pytest.fixture
def workers(product: Product) -> list[Process]:
    return [process for process in product.processes if process.name == "worker"]


def test_every_message_is_delivered_once(product: Product, gateways: list[Process], workers: list[Process]) -> None:
    load = Load(COUNT, lambda number: accepted(gateways[number % 2], idempotency_key=f"side-{number}"))

    tracking_ids = load.results()
    all_reach(product, tracking_ids, "DELIVERED")

    sent = Counter(entry["reference"] for entry in ledger(product.named("provider-Provider-A")))
    assert len(set(tracking_ids)) == COUNT
    assert [sent[each] for each in tracking_ids] == [1] * COUNT
    accepts = 'sms_provider_attempts_total{outcome="accepted",provider="Provider-A"}'
    shares = [worker.metric(accepts) or 0 for worker in workers]
    assert sum(shares) >= COUNT
    assert min(shares) > 0


@pytest.mark.fault("F02", "I1 I4")
def test_one_key_at_both_gateways_at_the_same_instant_is_one_message(
    product: Product, gateways: list[Process], workers: list[Process]
) -> None:
    before = len(statuses(product))

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: send(gateways[n % 2], idempotency_key=f"same-{n // 16}"), range(16 * 8)))
    winners = [{answer.content for answer in answers[n * 16 : n * 16 + 16] if answer.is_success} for n in range(8)]
    tracking_ids = [json.loads(body)["tracking_id"] for bodies in winners for body in bodies]
    all_reach(product, tracking_ids, "DELIVERED")

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert {answer.json()["error_code"] for answer in answers if answer.is_error} <= {"IDEMPOTENCY_KEY_IN_USE"}
    assert [len(bodies) for bodies in winners] == [1] * 8
    assert len(statuses(product)) == before + 8


@pytest.mark.fault("F32", "I1 I3")
def test_a_worker_that_slept_past_its_lease_changes_nothing(
    product: Product, gateways: list[Process], workers: list[Process]
) -> None:
    """Its messages are asked about by the other worker; when it wakes up, the outcomes it holds come too late."""
    tracking_ids = [accepted(gateways[0], providers=["Quiet"]) for _ in range(20)]
    all_reach(product, tracking_ids, "PROCESSING")
    asleep = workers[1]

    asleep.popen.send_signal(signal.SIGSTOP)
    all_reach(product, tracking_ids, "SENT", seconds=30)
    settled = stories(workers[0], tracking_ids)
    asleep.popen.send_signal(signal.SIGCONT)
    asleep.wait_ready()
    until(lambda: asleep.metric('smsgw_late_outcomes_total{provider="Quiet"}'), what="a late outcome")

    assert [len(ledger(product.named("provider-Quiet"), each)) for each in tracking_ids] == [1] * 20
    assert "UNKNOWN" in {event for told in settled for event in event_types(told)}
    after = stories(workers[0], tracking_ids)
    assert [(told["status"], outcomes(told)) for told in after] == [("SENT", [("Quiet", "accepted")])] * 20


def test_one_quota_for_both_gateways(product: Product, gateways: list[Process]) -> None:
    product.clients["few"] = {"name": "few", "is_active": True, "daily_quota": 10, "id": f"few-{product.word}"}
    two = [product.gateway(), product.gateway()]
    for gateway in two:
        gateway.wait_ready()

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda number: send(two[number % 2], key="few"), range(40)))

    counts = Counter(answer.status_code for answer in answers)
    assert counts == {202: 10, 429: 30}
    assert {answer.json()["error_code"] for answer in answers if answer.is_error} == {"TOO_MANY_REQUESTS"}
    for gateway in two:
        assert gateway.stop() == 0


@pytest.mark.parametrize("rank", [0, 1])
def test_every_worker_knows_the_heartbeat(workers: list[Process], rank: int) -> None:
    gauge = "server_a_heartbeat_last_ts"
    first = until(lambda: workers[rank].metric(gauge), what="a heartbeat")

    newer = until(lambda: _newer(workers[rank].metric(gauge), first), what="a newer heartbeat")

    assert abs(time.time() - newer) < 10


def test_another_configuration_than_expected_is_counted(workers: list[Process]) -> None:
    name = 'sms_config_fingerprint_mismatch_total{kind="clients"}'

    until(lambda: workers[0].metric(name), what="a mismatch")

    assert not workers[0].metric(name.replace("clients", "providers"))
    assert not workers[1].metric(name)
    assert "config.fingerprint_mismatch" in {line["message"] for line in workers[0].log_lines()}


def test_a_reload_revokes_a_key_also_for_replays_and_a_bad_file_changes_nothing(
    product: Product, workers: list[Process], tmp_path: Path
) -> None:
    clients = tmp_path / "clients.json"
    clients.write_text(json.dumps(product.clients))
    gateway = product.gateway(CLIENT_CONFIG_FILE=str(clients)).wait_ready()
    tracking_id = insist([gateway], "revoked-1")

    clients.write_text('{"half a')
    _reload(gateway, "config.reload_failed")
    after_bad = send(gateway, idempotency_key="revoked-1")
    clients.write_text(json.dumps({OTHER_KEY: product.clients[OTHER_KEY]}))
    _reload(gateway, "config.loaded")
    after_good = send(gateway, idempotency_key="revoked-1")
    other = send(gateway, key=OTHER_KEY)

    assert (after_bad.status_code, after_bad.json()["tracking_id"]) == (202, tracking_id)
    assert (after_good.status_code, after_good.json()["error_code"]) == (401, "UNAUTHORIZED")
    assert other.status_code == 202
    assert gateway.metric("smsgw_reload_failures_total") == 1
    reaches(workers[0], tracking_id, "DELIVERED")
    assert KEY in product.clients


def test_a_reload_opens_a_provider_and_a_client_at_the_worker(product: Product, tmp_path: Path) -> None:
    clients, providers = tmp_path / "clients.json", tmp_path / "providers.json"
    clients.write_text(json.dumps({OTHER_KEY: product.clients[OTHER_KEY]}))
    providers.write_text(json.dumps({"Local-SMS": {"is_active": True, "is_operational": False}}))
    worker = product.worker(CLIENT_CONFIG_FILE=str(clients), PROVIDERS_CONFIG_FILE=str(providers)).wait_ready()
    unknown = "00000000-0000-4000-8000-000000000000"
    before = httpx.get(f"{worker.url}/api/status/{unknown}", headers={"API-Key": KEY}, trust_env=False)

    clients.write_text(json.dumps(product.clients))
    providers.write_text(json.dumps({"Local-SMS": {"is_active": True, "is_operational": True}}))
    _reload(worker, "config.loaded")
    after = httpx.get(f"{worker.url}/api/status/{unknown}", headers={"API-Key": KEY}, trust_env=False)
    operational = worker.metric('sms_provider_operational{provider="Local-SMS"}')
    providers.write_text(json.dumps({"Local-SMS": {"is_active": True, "is_operational": True, "kind": "no_such"}}))
    _reload(worker, "config.reload_failed")

    assert (before.status_code, after.status_code) == (401, 404)
    assert operational == 1
    assert worker.stop() == 0


def _newer(value: float | None, then: float) -> float | None:
    return value if value and value > then else None


def _reload(gateway: Process, told: str) -> None:
    """SIGHUP, and wait until the gateway has said what came of it."""
    before = [line["message"] for line in gateway.log_lines()].count(told)
    gateway.popen.send_signal(signal.SIGHUP)
    until(lambda: [line["message"] for line in gateway.log_lines()].count(told) > before, what=told)
