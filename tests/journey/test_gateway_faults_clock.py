"""Gateways whose clocks are ten minutes wrong: one quota for all, and no message lives longer than it was given."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import services as found_services
from tests.conftest import MISSING
from tests.invariants import Caller
from tests.journey.calling import ledger, reaches
from tests.journey.process import Process
from tests.journey.product import Product, running
from tests.journey.promises import kept

OFF_SECONDS = 600
FEW = 20
AWAY = {"base_url": "http://127.0.0.1:1", "api_key": "key-of-Away"}


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One gateway's clock is ahead, the other's behind; the worker's, the database's and Redis's are right."""
    with running(tmp_path_factory.mktemp("clocks"), services) as product:
        product.clients["secret-few"] = {
            "name": "few",
            "is_active": True,
            "daily_quota": FEW,
            "id": f"few-{product.word}",
        }
        product.add_provider("Provider-A")
        product.configure("Away", kind="provider_a", options=AWAY, priority=200)
        for seconds in (OFF_SECONDS, -OFF_SECONDS):
            product.gateway(**_moved(seconds))
        yield product.start(gateways=0)


def _moved(seconds: int) -> dict[str, str]:
    """Return the environment of a process whose wall clock is off by so much; its monotonic one is right."""
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    if not found and found_services.is_ci():
        pytest.fail(f"{MISSING}libfaketime", pytrace=False)
    if not found:
        pytest.skip(f"{MISSING}libfaketime (Debian: faketime); without it no clock can be wrong")
    return {"LD_PRELOAD": str(found[0]), "FAKETIME": f"{seconds:+d}", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker")


@pytest.fixture
def ahead(product: Product) -> Process:
    return product.processes[1]


@pytest.fixture
def behind(product: Product) -> Process:
    return product.processes[2]


@pytest.mark.fault("F16", "I1 I3 I6")
def test_gateways_with_wrong_clocks_share_one_quota_of_one_day(
    product: Product, ahead: Process, behind: Process
) -> None:
    caller = Caller(product.clients, ahead, behind)

    with ThreadPoolExecutor(8) as pool:
        calls = list(pool.map(lambda _: caller.send(key="secret-few"), range(2 * FEW)))

    told = [abs(_timestamp(call.answer["timestamp"])) for call in calls if call.status == 429]
    assert Counter(call.status for call in calls) == {202: FEW, 429: FEW}
    assert {round(seconds / OFF_SECONDS) for seconds in told} == {1}, "the clocks are wrong"
    assert kept(product, caller.calls)


def _timestamp(text: str) -> float:
    return (datetime.fromisoformat(text) - datetime.now(UTC)).total_seconds()


@pytest.mark.fault("F16", "I1 I10")
def test_a_message_of_a_gateway_that_is_ahead_expires_in_its_own_time(
    product: Product, ahead: Process, worker: Process
) -> None:
    caller = Caller(product.clients, ahead)
    sent_at = datetime.now(UTC)

    late = caller.insist("ahead-away", providers=["Away"], ttl_seconds=3)
    fine = caller.insist("ahead-fine", ttl_seconds=60)
    told = [reaches(worker, late, "FAILED"), reaches(worker, fine, "DELIVERED", "SENT")]
    lives = [datetime.fromisoformat(each["expires_at"]) - sent_at for each in told]

    assert told[0]["reason"] == "expired"
    assert lives[0] < timedelta(seconds=3 + 10)
    assert lives[1] < timedelta(seconds=60 + 10)
    assert kept(product, caller.calls)


@pytest.mark.fault("F16", "I1 I10")
def test_a_message_of_a_gateway_that_is_behind_lives_shorter_and_is_never_sent_late(
    product: Product, behind: Process, worker: Process
) -> None:
    """Nobody can tell it from one that waited in the queue: what is over by its own date is not sent."""
    caller = Caller(product.clients, behind)

    over = caller.insist("behind-over", ttl_seconds=OFF_SECONDS // 2)
    fine = caller.insist("behind-fine")
    told = reaches(worker, over, "FAILED")
    reaches(worker, fine, "DELIVERED", "SENT")

    assert told["reason"] == "expired"
    assert [len(ledger(product.named("provider-Provider-A"), each)) for each in (over, fine)] == [0, 1]
    assert kept(product, caller.calls)
