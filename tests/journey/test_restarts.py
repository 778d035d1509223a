"""Processes that die or are stopped with messages in flight: every 202 ends, nothing is sent twice in silence."""

from collections.abc import Iterator

import pytest

from tests.journey.books import all_reach, statuses, strangers, unexplained_duplicates
from tests.journey.calling import Load, accepted, insist, ledger
from tests.journey.process import Process, until
from tests.journey.product import Product, running

COUNT = 200


@pytest.fixture(scope="module")
def product(services_of_each_queue: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("restarts"), services_of_each_queue) as product:
        product.add_provider("Provider-A", "--latency", "0.2")
        product.add_provider("Quiet", "--latency", "0.5", "--no-report-rate", "1", priority=200)
        yield product.start()


@pytest.fixture
def gateway(product: Product) -> Process:
    return product.named("gateway").wait_ready()


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker").wait_ready()


def _load(gateway: Process, word: str) -> Load:
    return Load(COUNT, lambda number: insist([gateway], f"{word}-{number}"))


def _check_books(product: Product, tracking_ids: list[str]) -> None:
    """Every key has an id of its own, every id a row and its SMS, and nothing that nobody asked for was sent.

    SENT is an end, too: the provider gives a report up after 4 s, and a worker may be away for longer.
    """
    provider = product.named("provider-Provider-A")
    all_reach(product, tracking_ids, "DELIVERED", "SENT")
    assert {each["reference"] for each in ledger(provider)} >= set(tracking_ids)
    assert len(set(tracking_ids)) == COUNT
    assert unexplained_duplicates(product, provider) == {}
    assert strangers(product, provider) == set()


@pytest.mark.fault("F12", "I1 I2 I3")
def test_the_gateway_is_killed_under_load(product: Product, gateway: Process, worker: Process) -> None:
    before = len(statuses(product))
    load = _load(gateway, "killed-gateway")

    load.wait_for(COUNT // 4)
    gateway.kill()
    gateway.restart()
    tracking_ids = load.results()

    _check_books(product, tracking_ids)
    assert len(statuses(product)) == before + COUNT


def test_the_worker_is_killed_under_load(product: Product, gateway: Process, worker: Process) -> None:
    load = _load(gateway, "killed-worker")

    load.wait_for(COUNT // 4)
    worker.kill()
    load.wait_for(COUNT // 2)
    worker.restart()
    tracking_ids = load.results()

    _check_books(product, tracking_ids)


def test_what_a_killed_worker_was_sending_is_looked_up(product: Product, gateway: Process, worker: Process) -> None:
    """Without a report to help: the lease runs out, the outcome is unknown, the provider is asked."""
    provider = product.named("provider-Quiet")
    tracking_ids = [accepted(gateway, providers=["Quiet"]) for _ in range(10)]
    all_reach(product, tracking_ids, "PROCESSING")

    worker.kill()
    worker.restart()
    all_reach(product, tracking_ids, "SENT", seconds=30)

    assert [len(ledger(provider, each)) for each in tracking_ids] == [1] * len(tracking_ids)


@pytest.mark.fault("F15", "I1 I2 I3 I12")
def test_the_gateway_is_stopped_under_load(product: Product, gateway: Process, worker: Process) -> None:
    load = _load(gateway, "stopped-gateway")

    load.wait_for(COUNT // 4)
    code = gateway.stop()
    gateway.restart()
    tracking_ids = load.results()

    assert code == 0
    _check_books(product, tracking_ids)
    refused = [line for line in gateway.log_lines() if line["message"] == "request.refused"]
    assert [line for line in refused if line["status"] >= 500] == []


@pytest.mark.fault("F42", "I1 I2 I3")
def test_the_worker_is_stopped_under_load(product: Product, gateway: Process, worker: Process) -> None:
    """What it is sending is finished and committed: no lease is left to run out, nothing has become unknown."""
    load = _load(gateway, "stopped-worker")

    load.wait_for(COUNT // 4)
    code = worker.stop()
    standing = statuses(product)
    load.wait_for(COUNT)
    worker.restart()
    tracking_ids = load.results()

    assert code == 0
    assert not [each for each in tracking_ids if standing.get(each) in ("PROCESSING", "UNKNOWN")]
    _check_books(product, tracking_ids)


@pytest.mark.fault("F34", "I1")
def test_the_provider_is_killed_under_load(product: Product, gateway: Process, worker: Process) -> None:
    """Its ledger is in its memory, so only the gateway's books can be looked at."""
    provider = product.named("provider-Provider-A")
    load = _load(gateway, "killed-provider")

    load.wait_for(COUNT // 4)
    provider.kill()
    load.wait_for(COUNT)
    provider.restart()
    tracking_ids = load.results()

    all_reach(product, tracking_ids, "DELIVERED", "SENT")
    assert len(set(tracking_ids)) == COUNT
    assert until(lambda: worker.metric("smsgw_queue_depth") == 0, what="an empty queue")
