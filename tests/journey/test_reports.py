"""Delivery reports: early, twice, negative, corrected, forged."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.journey.calling import accepted, event_types, ledger, outcomes, reaches
from tests.journey.process import http, until
from tests.journey.product import MAGIC, Product, running


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("reports"), services) as product:
        product.add_provider("Provider-A", aliases=["alpha"])
        yield product.start()


def _send(product: Product, ending: str) -> str:
    return accepted(product.named("gateway"), to=MAGIC + ending, providers=["Provider-A"])


def _report(product: Product, tracking_id: str, status: str, **headers: str) -> httpx.Response:
    """Report by hand, as the provider would."""
    (entry,) = ledger(product.named("provider-Provider-A"), tracking_id)
    report = {"message_id": entry["message_id"], "reference": tracking_id, "status": status}
    body = json.dumps({**report, "timestamp": "2026-03-01T12:00:05Z"}).encode()
    signature = hmac.new(b"key-of-Provider-A", body, hashlib.sha256).hexdigest()
    url = product.named("worker").url + "/webhooks/delivery-report/ALPHA"
    return http.post(url, content=body, headers={"X-Signature": signature, **headers})


def _story(product: Product, tracking_id: str, *statuses: str) -> dict[str, Any]:
    return reaches(product.named("worker"), tracking_id, *statuses)


@pytest.mark.fault("F48", "I1 I8")
def test_a_report_before_the_answer(product: Product) -> None:
    told = _story(product, _send(product, "0008"), "DELIVERED")

    assert outcomes(told) == [("Provider-A", "accepted")]
    assert len(ledger(product.named("provider-Provider-A"), told["tracking_id"])) == 1


def test_a_report_settles_an_unknown_outcome(product: Product) -> None:
    tracking_id = _send(product, "0005")

    told = _story(product, tracking_id, "DELIVERED")

    assert outcomes(told) == [("Provider-A", "accepted")]
    assert len(ledger(product.named("provider-Provider-A"), tracking_id)) == 1


@pytest.mark.fault("F49", "I8")
def test_a_report_twice_is_told_once(product: Product) -> None:
    tracking_id = _send(product, "0010")

    _story(product, tracking_id, "DELIVERED")
    again = _report(product, tracking_id, "delivered")
    told = _story(product, tracking_id, "DELIVERED")

    assert again.status_code == 200
    assert event_types(told).count("DELIVERED") == 1


@pytest.mark.fault("F49", "I8")
def test_a_negative_report_fails_the_message_and_a_positive_one_corrects_that(product: Product) -> None:
    tracking_id = _send(product, "0006")
    failed = _story(product, tracking_id, "FAILED")

    corrected = _report(product, tracking_id, "delivered")
    told = _story(product, tracking_id, "DELIVERED")

    assert failed["reason"] == "undelivered"
    assert corrected.status_code == 200
    assert told["reason"] is None
    assert [event for event in told["events"] if event["details"].get("corrected")]


@pytest.mark.fault("F49", "I8")
def test_delivered_is_never_taken_back(product: Product) -> None:
    tracking_id = _send(product, "9999")
    _story(product, tracking_id, "DELIVERED")

    late = _report(product, tracking_id, "failed")
    told = until(lambda: _with_reports(product, tracking_id, 2), what="the second report in the story")

    assert late.status_code == 200
    assert told["status"] == "DELIVERED"


@pytest.mark.fault("F50", "I8")
@pytest.mark.parametrize("signature", ["", "0" * 64, "not hex"])
def test_a_forged_report_changes_nothing(product: Product, signature: str) -> None:
    tracking_id = _send(product, "0007")
    _story(product, tracking_id, "SENT")

    forged = _report(product, tracking_id, "failed", **{"X-Signature": signature})
    told = _story(product, tracking_id, "SENT", "FAILED")

    assert (forged.status_code, told["status"]) == (401, "SENT")
    assert "REPORT" not in event_types(told)


def test_a_report_for_a_provider_that_does_not_exist(product: Product) -> None:
    answer = http.post(product.named("worker").url + "/webhooks/delivery-report/nobody", content=b"{}")

    assert (answer.status_code, answer.json()["error_code"]) == (404, "NOT_FOUND")


def _with_reports(product: Product, tracking_id: str, count: int) -> dict[str, Any] | None:
    told = _story(product, tracking_id, "DELIVERED", "FAILED")
    return told if event_types(told).count("REPORT") >= count else None
