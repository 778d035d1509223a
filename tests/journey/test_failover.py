"""Providers that refuse, throttle, are away or stay silent: who is asked next, when, and how it ends."""

from collections.abc import Iterator
from datetime import datetime
from itertools import pairwise
from typing import Any

import pytest

from tests.journey.calling import accepted, event_types, ledger, outcomes, reaches
from tests.journey.process import Process, until
from tests.journey.product import MAGIC, Product, running
from tests.servers import free_port

A, LOCAL, REFUSING, SILENT, BLIND, GOING = "Provider-A", "Local-SMS", "Refusing", "Silent", "Blind", "Going"
BUSY = {"0003": "Busy-1", "0012": "Busy-2", "0011": "Busy-3"}
"""By the ending of its number: a provider that says "too much" is left alone for a while."""


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    settings = {**services, "REPORT_DEADLINE_SECONDS": "2", "MAX_SEND_ATTEMPTS": "100"}
    with running(tmp_path_factory.mktemp("failover"), settings) as product:
        product.add_provider(A)
        product.configure(LOCAL)
        nobody = {"base_url": f"http://127.0.0.1:{free_port()}", "api_key": "none"}
        product.configure(REFUSING, kind="provider_a", options=nobody)
        product.add_provider(SILENT, "--hang-rate", "1", "--no-report-rate", "1")
        product.add_provider(BLIND, "--hang-rate", "1", "--no-report-rate", "1", "--no-look-up")
        product.add_provider(GOING)
        for name in BUSY.values():
            product.add_provider(name)
        yield product.start()


def _send(product: Product, *providers: str, ending: str = "9999", ttl_seconds: int = 60) -> str:
    gateway = product.named("gateway")
    return accepted(gateway, to=MAGIC + ending, providers=list(providers), ttl_seconds=ttl_seconds)


def _ends(product: Product, tracking_id: str, status: str, seconds: float = 20) -> dict[str, Any]:
    return reaches(product.named("worker"), tracking_id, status, seconds=seconds)


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _provider(product: Product, name: str) -> Process:
    return product.named(f"provider-{name}")


@pytest.mark.fault("F34", "I1")
def test_a_refused_connection_leads_to_the_next_provider_at_once(product: Product) -> None:
    told = _ends(product, _send(product, REFUSING, A), "DELIVERED")

    assert outcomes(told) == [(REFUSING, "unreachable"), (A, "accepted")]
    (switched,) = [event for event in told["events"] if event["event_type"] == "PROVIDER_SWITCHED"]
    assert (switched["details"]["from"], switched["details"]["to"]) == (REFUSING, A)
    assert _seconds(told["created_at"], told["attempts"][1]["started_at"]) < 1


@pytest.mark.parametrize("ending", BUSY)
def test_a_provider_that_does_not_take_it_now_or_ever_leads_to_the_next(product: Product, ending: str) -> None:
    told = _ends(product, _send(product, BUSY[ending], LOCAL, ending=ending), "SENT")

    assert outcomes(told) == [(BUSY[ending], "rejected" if ending == "0011" else "throttled"), (LOCAL, "accepted")]


@pytest.mark.fault("F37", "I1 I3")
def test_a_throttled_message_waits_as_long_as_the_provider_says(product: Product) -> None:
    tracking_id = _send(product, A, ending="0003", ttl_seconds=4)

    told = _ends(product, tracking_id, "FAILED")

    assert told["reason"] == "expired"
    assert event_types(told).count("RETRY_SCHEDULED") >= 2
    # Retry-After is 2 s; RETRY_MAX_SECONDS, 1 s here, bounds it.
    starts = [attempt["started_at"] for attempt in told["attempts"] if attempt["outcome"] == "throttled"]
    assert min(_seconds(*pair) for pair in pairwise(starts)) >= 0.99
    assert ledger(_provider(product, A), tracking_id) == []


@pytest.mark.fault("F34", "I1 I3")
def test_a_provider_that_comes_back_gets_the_message(product: Product) -> None:
    going = _provider(product, GOING)
    going.kill()
    tracking_id = _send(product, GOING)
    told = until(lambda: _with_attempts(product, tracking_id, 3), what="three attempts")
    assert told["status"] == "QUEUED"

    going.restart().wait_ready()
    told = _ends(product, tracking_id, "DELIVERED")

    assert {outcome for _, outcome in outcomes(told)[:-1]} == {"unreachable"}
    assert outcomes(told)[-1] == (GOING, "accepted")
    waits = [event["details"] for event in told["events"] if event["event_type"] == "RETRY_SCHEDULED"]
    assert len(waits) == len(told["attempts"]) - 1
    assert len(ledger(going, tracking_id)) == 1


@pytest.mark.fault("F40", "I1 I10")
def test_what_nobody_takes_in_time_has_expired(product: Product) -> None:
    told = _ends(product, _send(product, REFUSING, ttl_seconds=2), "FAILED")

    assert told["reason"] == "expired"
    assert {outcome for _, outcome in outcomes(told)} == {"unreachable"}
    assert _seconds(told["created_at"], told["updated_at"]) < 2.5
    assert _seconds(told["created_at"], told["expires_at"]) == 2


@pytest.mark.parametrize(("ending", "reason"), [("0001", "invalid_number"), ("0002", "opted_out")])
def test_what_no_provider_would_take_is_failed_at_once(product: Product, ending: str, reason: str) -> None:
    told = _ends(product, _send(product, A, LOCAL, ending=ending), "FAILED")

    assert told["reason"] == reason
    assert outcomes(told) == [(A, reason)]


def test_a_refusal_of_the_only_provider_is_final(product: Product) -> None:
    told = _ends(product, _send(product, A, ending="0011"), "FAILED")

    assert (told["reason"], outcomes(told)) == ("rejected", [(A, "rejected")])


@pytest.mark.fault("F33", "I1 I3")
def test_an_unknown_outcome_is_looked_up(product: Product) -> None:
    tracking_id = _send(product, SILENT, LOCAL)

    told = _ends(product, tracking_id, "SENT")

    assert "UNKNOWN" in event_types(told)
    (entry,) = ledger(_provider(product, SILENT), tracking_id)
    assert outcomes(told) == [(SILENT, "accepted")]
    assert told["attempts"][0]["provider_message_id"] == entry["message_id"]


@pytest.mark.fault("F33", "I1 I3")
def test_an_unknown_outcome_that_nobody_can_tell_is_sent_again_and_marked(product: Product) -> None:
    tracking_id = _send(product, BLIND, ttl_seconds=5)

    told = _ends(product, tracking_id, "FAILED")

    assert told["reason"] in ("outcome_unknown", "expired")
    accepts = len(ledger(_provider(product, BLIND), tracking_id))
    assert accepts >= 2
    assert accepts == outcomes(told).count((BLIND, "unknown")) == event_types(told).count("UNKNOWN")
    rounds = [event["details"] for event in told["events"] if event["event_type"] == "PROCESSING"]
    assert [bool(each.get("duplicate_risk")) for each in rounds] == [False] + [True] * (len(rounds) - 1)


@pytest.mark.fault("F36", "I1 I3")
def test_what_the_provider_does_not_know_is_sent_again_without_the_mark(product: Product) -> None:
    """500, and the look-up says twice that the reference is unknown: another round, until the time is over."""
    tracking_id = _send(product, A, ending="0004", ttl_seconds=5)

    told = _ends(product, tracking_id, "FAILED")

    assert len(told["attempts"]) >= 2
    assert told["attempts"][0]["outcome"] == "absent"
    assert not [event for event in told["events"] if event["details"].get("duplicate_risk")]
    assert ledger(_provider(product, A), tracking_id) == []


@pytest.mark.fault("F35", "I1 I3")
def test_no_other_provider_is_asked_while_the_outcome_is_unknown(product: Product) -> None:
    told = _ends(product, _send(product, A, LOCAL, ending="0009"), "DELIVERED")

    assert "UNKNOWN" in event_types(told)
    assert outcomes(told) == [(A, "accepted")]


def test_sent_without_a_report_becomes_final(product: Product) -> None:
    tracking_id = _send(product, A, ending="0007")

    _ends(product, tracking_id, "SENT")
    told = until(lambda: _with_reason(product, tracking_id, "no_report"), what="the report deadline")

    assert told["status"] == "SENT"
    assert event_types(told)[-1] == "REPORT_DEADLINE"


def _with_attempts(product: Product, tracking_id: str, count: int) -> dict[str, Any] | None:
    told = reaches(product.named("worker"), tracking_id, "QUEUED", "PROCESSING")
    return told if len(told["attempts"]) >= count and told["status"] == "QUEUED" else None


def _with_reason(product: Product, tracking_id: str, reason: str) -> dict[str, Any] | None:
    told = reaches(product.named("worker"), tracking_id, "SENT")
    return told if told["reason"] == reason else None
