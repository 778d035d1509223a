"""The second front door, providers by their addresses, and a full queue: gateway and worker as processes."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.journey.calling import reaches, send
from tests.journey.process import Process, http, until
from tests.journey.product import KEY, TEXT, Product, running

DEPTH = 3
NATIONAL, NUMBER = "01921-317475", "+8801921317475"


@pytest.fixture(scope="module")
def product(services_of_each_queue: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("second-door"), services_of_each_queue) as product:
        provider = product.add_provider("Provider-A").wait_alive()
        numbered = {"PROVIDERS_CONFIG": "", "PROVIDER1_URL": f"{provider.url}/api/sms/provider1"}
        limits = {"DEFAULT_REGION": "BD", "MAX_QUEUE_DEPTH": str(DEPTH)}
        product.gateway(**numbered, **limits).wait_ready()
        product.worker(**numbered).wait_ready()
        yield product


def _phone(gateway: Process, **headers: str) -> httpx.Response:
    body = {"phone": NATIONAL, "text": TEXT}
    return http.post(f"{gateway.url}/api/sms/", json=body, headers={"API-Key": KEY, **headers}, timeout=10)


def _sent(product: Product, message_id: str) -> dict[str, Any]:
    # It sends no reports: SENT is where its messages stay.
    return reaches(product.named("worker"), message_id, "SENT")


def test_a_national_number_goes_through_a_provider_that_is_one_address(product: Product) -> None:
    gateway = product.named("gateway")

    response = _phone(gateway)

    told = _sent(product, response.json()["message_id"])
    assert (response.status_code, response.json()["queued"]) == (200, True)
    assert (told["to"], told["provider_final"]) == (NUMBER, "provider1")
    assert told["attempts"][0]["provider_message_id"].startswith("m-")
    assert http.get(f"{gateway.url}/health", timeout=10).json() == {"status": "healthy"}


def test_a_queue_that_is_full_is_told_at_both_doors_until_it_has_room(product: Product) -> None:
    gateway, worker = product.named("gateway"), product.named("worker")
    worker.stop()
    accepted: list[str] = []

    def refused() -> httpx.Response | None:
        response = _phone(gateway)
        if response.status_code != 200:
            return response
        accepted.append(response.json()["message_id"])
        return None

    full = until(refused, what=gateway.log_tail)
    first_door, ready = send(gateway), http.get(f"{gateway.url}/readyz", timeout=10)
    was_full = gateway.metric("smsgw_queue_full")
    worker.restart()
    retried = until(lambda: response if (response := _phone(gateway)).is_success else None, what=gateway.log_tail)

    assert len(accepted) > DEPTH
    assert (full.status_code, full.json()["error_code"]) == (503, "BROKER_UNAVAILABLE")
    assert full.json()["details"]["limit"] == DEPTH < full.json()["details"]["queue_depth"]
    assert (first_door.status_code, first_door.headers["retry-after"]) == (503, "1")
    assert (ready.status_code, was_full) == (200, 1)
    for message_id in (*accepted, retried.json()["message_id"]):
        _sent(product, message_id)
    said = [line["message"] for line in gateway.log_lines()]
    assert (said.count("queue.full"), said.count("queue.has_room")) == (1, 1)
