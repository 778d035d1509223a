"""Vendors that are away, lie, flood, refuse or say nothing: what the worker makes of it, and what it costs."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import psutil
import pytest

from tests.invariants import check, read_books
from tests.journey.books import all_reach, statuses
from tests.journey.calling import accepted, event_types, ledger, outcomes, reaches, stories
from tests.journey.process import Process, until
from tests.journey.product import Product, running
from tests.journey.vendor import ACCOUNTS, THROTTLES, Vendor, one_answer_per_connection, tls_vendors, vendors
from tests.providers.hostile import FAILURES, UNBOUNDED, USELESS, silence
from tests.providers.raw_server import silent_port
from tests.servers import free_port

SLACK = float(os.environ.get("SMSGW_TEST_SLACK", "1"))
BACKUP, GOING = "Backup", "Going"
CALM = {
    "PROVIDER_TIMEOUT_SECONDS": "2",
    "LEASE_SECONDS": "12",
    "UNKNOWN_SETTLE_SECONDS": "60",
    "MAX_SEND_ATTEMPTS": "100",
    # A vendor that was away is probed again within the tests' patience.
    "HEALTH_OPEN_SECONDS": "0.5",
}
LIFE = 5
"""Seconds that a message to a vendor that is no use may live."""
UNKNOWN = {**USELESS, **FAILURES, **UNBOUNDED, "silence": silence}
UNREACHABLE = ("refused", "no-such-name", "silent-port", "no-tls", "self-signed", "expired", "other-name")
NOBODYS_PROXIES = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"), "http://127.0.0.1:1")
"""In the worker's environment, where they must not matter."""


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with vendors() as vendor:
        yield vendor


@pytest.fixture(scope="module")
def product(services: dict[str, str], vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    directory = tmp_path_factory.mktemp("vendors")
    authority = directory / "authority.pem"
    with running(directory, {**services, **CALM}) as product, silent_port() as silent:
        port = vendor.serve_paths({**UNKNOWN, **THROTTLES, **ACCOUNTS})
        addresses = {path: f"http://127.0.0.1:{port}/{path}" for path in (*UNKNOWN, *THROTTLES, *ACCOUNTS)}
        addresses |= tls_vendors(vendor, authority)
        addresses["refused"] = f"http://127.0.0.1:{free_port()}"
        addresses["no-such-name"] = "http://vendor.invalid"
        addresses["silent-port"] = f"http://127.0.0.1:{silent}"
        addresses["stale"] = f"http://127.0.0.1:{vendor.serve(one_answer_per_connection)}"
        for name, url in addresses.items():
            product.configure(name, kind="provider_a", options={"base_url": url, "api_key": f"key-of-{name}"})
        product.add_provider(BACKUP)
        product.add_provider(GOING)
        product.worker(SSL_CERT_FILE=str(authority), **NOBODYS_PROXIES)
        yield product.start(workers=0)


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker")


def _send(product: Product, *providers: str, ttl_seconds: int = LIFE) -> str:
    return accepted(product.named("gateway"), providers=list(providers), ttl_seconds=ttl_seconds)


def _seconds(earlier: str, later: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def _sent_by_backup(product: Product, tracking_id: str) -> int:
    return len(ledger(product.named(f"provider-{BACKUP}"), tracking_id))


def _answers(worker: Process, tracking_id: str) -> list[dict[str, Any]]:
    """Return what the worker logged about every call for this message."""
    lines = worker.log_lines()
    return [each for each in lines if each["message"] == "provider.answered" and each["tracking_id"] == tracking_id]


def _lived_through(product: Product, ids: Mapping[str, str]) -> Mapping[str, dict[str, Any]]:
    """Wait until the lives of messages are over, and return their stories under the names that their ids have."""
    all_reach(product, list(ids.values()), "FAILED", seconds=30)
    return dict(zip(ids, stories(product.named("worker"), list(ids.values())), strict=True))


# --- nobody can know -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def unknown(product: Product) -> Mapping[str, dict[str, Any]]:
    """The stories of messages that had such a vendor first and a good one second, when their lives were over."""
    return _lived_through(product, {name: _send(product, name, BACKUP) for name in UNKNOWN})


def _assert_asked_once_and_nobody_else(product: Product, vendor: Vendor, told: dict[str, Any], name: str) -> None:
    tracking_id = told["tracking_id"]
    assert outcomes(told) == [(name, "unknown")]
    assert vendor.posts(tracking_id) == 1
    assert _sent_by_backup(product, tracking_id) == 0
    assert told["reason"] == "outcome_unknown"
    assert "UNKNOWN" in event_types(told)
    worker = product.named("worker")
    assert worker.metric(f'sms_provider_attempts_total{{outcome="unknown",provider="{name}"}}')
    (line,) = _answers(worker, tracking_id)
    assert (line["outcome"], line["provider"]) == ("unknown", name)
    assert line["detail"]


@pytest.mark.fault("F33", "I1 I3")
def test_a_vendor_that_took_it_and_says_nothing_is_not_asked_again_and_nobody_else_is(
    product: Product, vendor: Vendor, unknown: Mapping[str, dict[str, Any]]
) -> None:
    _assert_asked_once_and_nobody_else(product, vendor, unknown["silence"], "silence")


@pytest.mark.fault("F35", "I1 I3")
@pytest.mark.parametrize("name", USELESS)
def test_a_good_status_with_nothing_in_it_is_neither_a_success_nor_sent_again(
    product: Product, vendor: Vendor, unknown: Mapping[str, dict[str, Any]], name: str
) -> None:
    _assert_asked_once_and_nobody_else(product, vendor, unknown[name], name)


@pytest.mark.fault("F36", "I1 I3")
@pytest.mark.parametrize("name", FAILURES)
def test_a_server_error_may_have_been_passed_on(
    product: Product, vendor: Vendor, unknown: Mapping[str, dict[str, Any]], name: str
) -> None:
    _assert_asked_once_and_nobody_else(product, vendor, unknown[name], name)


@pytest.mark.fault("F38", "I1 I3")
@pytest.mark.parametrize("name", UNBOUNDED)
def test_an_answer_without_bounds_is_no_answer(
    product: Product, vendor: Vendor, unknown: Mapping[str, dict[str, Any]], name: str
) -> None:
    _assert_asked_once_and_nobody_else(product, vendor, unknown[name], name)


@pytest.mark.fault("F38", "I1 I3 I12 I14")
def test_many_answers_without_bounds_at_once_cost_no_memory_no_files_and_no_neighbour(
    product: Product, vendor: Vendor, worker: Process, unknown: Mapping[str, dict[str, Any]]
) -> None:
    process = psutil.Process(worker.popen.pid)
    before, files = process.memory_info().rss, process.num_fds()
    peak = before

    ids = [_send(product, name) for name in UNBOUNDED for _ in range(8)]
    neighbour = _send(product, BACKUP, ttl_seconds=60)
    told = reaches(worker, neighbour, "DELIVERED")

    def is_over() -> bool:
        nonlocal peak
        peak = max(peak, process.memory_info().rss)
        known = statuses(product)
        return all(known.get(each) == "FAILED" for each in ids)

    until(is_over, seconds=40, what="all over")
    posts = [vendor.posts(each) for each in ids]
    assert max(posts) == 1
    assert sum(posts) > len(ids) / 2
    assert peak - before < 96 << 20
    assert _seconds(told["created_at"], told["attempts"][0]["finished_at"]) < 3 * SLACK
    until(lambda: process.num_fds() <= files * 1.05, what=lambda: f"{files} files, have {process.num_fds()}")


@pytest.mark.fault("F39", "I1 I3")
def test_a_connection_that_breaks_under_its_second_request_is_not_tried_again(
    product: Product, vendor: Vendor, worker: Process
) -> None:
    first = reaches(worker, _send(product, "stale", ttl_seconds=60), "SENT")
    second = _send(product, "stale", BACKUP)
    told = reaches(worker, second, "FAILED")

    assert outcomes(first) == [("stale", "accepted")]
    assert outcomes(told) == [("stale", "unknown")]
    assert vendor.posts(second) == 1
    assert _sent_by_backup(product, second) == 0


# --- nothing left ----------------------------------------------------------------------------------------------------


@pytest.mark.fault("F34", "I1 I3")
@pytest.mark.parametrize("name", UNREACHABLE)
def test_what_never_left_goes_to_the_next_provider_at_once(
    product: Product, vendor: Vendor, worker: Process, name: str
) -> None:
    tracking_id = _send(product, name, BACKUP, ttl_seconds=60)
    told = reaches(worker, tracking_id, "DELIVERED")

    assert outcomes(told) == [(name, "unreachable"), (BACKUP, "accepted")]
    first, second = told["attempts"]
    assert _seconds(first["finished_at"], second["started_at"]) < 0.5 * SLACK
    assert vendor.posts(tracking_id) == 0
    assert _sent_by_backup(product, tracking_id) == 1
    assert worker.metric(f'sms_provider_attempts_total{{outcome="unreachable",provider="{name}"}}')


def test_a_certificate_that_the_system_trusts_serves(product: Product, vendor: Vendor, worker: Process) -> None:
    told = reaches(worker, _send(product, "trusted", ttl_seconds=60), "SENT")

    assert outcomes(told) == [("trusted", "accepted")]
    assert vendor.posts(told["tracking_id"]) == 1


# --- not now ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def throttled(product: Product) -> Mapping[str, dict[str, Any]]:
    """The stories of messages that had only such a vendor, when their lives were over."""
    return _lived_through(product, {name: _send(product, name) for name in THROTTLES})


@pytest.mark.fault("F37", "I1 I3 I10")
@pytest.mark.parametrize("name", THROTTLES)
def test_no_retry_after_makes_a_message_wait_longer_than_our_own_bounds(
    vendor: Vendor, throttled: Mapping[str, dict[str, Any]], name: str
) -> None:
    """RETRY_MAX_SECONDS is 1 here: the longest of our own waits bounds the vendor's."""
    told = throttled[name]

    assert told["reason"] == "expired"
    # On a slow machine the last second may come between a round's plan and its call, which is not made then.
    assert {outcome for _, outcome in outcomes(told)} <= {"throttled", "unreachable"}
    starts = [each["started_at"] for each in told["attempts"] if each["outcome"] == "throttled"]
    waits = [_seconds(*pair) for pair in pairwise(starts)]
    assert len(starts) >= 3
    assert max(waits) < 1 + SLACK
    if name.endswith(("-5", "-86400", "-far")):
        assert min(waits) >= 0.99
    assert max(starts) < told["expires_at"]
    assert vendor.posts(told["tracking_id"]) == len(starts)


@pytest.mark.fault("F37", "I1 I3")
@pytest.mark.parametrize("name", THROTTLES)
def test_a_vendor_that_cannot_take_it_now_leads_to_the_next(product: Product, worker: Process, name: str) -> None:
    told = reaches(worker, _send(product, name, BACKUP, ttl_seconds=60), "DELIVERED")

    assert outcomes(told) == [(name, "throttled"), (BACKUP, "accepted")]
    assert _sent_by_backup(product, told["tracking_id"]) == 1


@pytest.mark.fault("F41", "I1 I3")
@pytest.mark.parametrize("name", ACCOUNTS)
def test_trouble_with_our_account_fails_no_message(
    product: Product, vendor: Vendor, worker: Process, name: str
) -> None:
    led_on = reaches(worker, _send(product, name, BACKUP, ttl_seconds=60), "DELIVERED")
    waiting = _send(product, name, ttl_seconds=60)
    until(lambda: vendor.posts(waiting) >= 2, what="two refusals")
    standing = statuses(product)[waiting]
    vendor.healed.add(name)
    told = reaches(worker, waiting, "SENT")

    assert outcomes(led_on) == [(name, "credentials"), (BACKUP, "accepted")]
    assert standing in ("QUEUED", "PROCESSING")
    assert Counter(outcome for _, outcome in outcomes(told))["accepted"] == 1
    assert {outcome for _, outcome in outcomes(told)} == {"credentials", "accepted"}


# --- nobody for too long ---------------------------------------------------------------------------------------------


@pytest.mark.fault("F40", "I1 I3 I10 I11")
def test_what_nobody_could_take_in_its_life_has_expired_and_is_not_sent_when_they_are_back(
    product: Product, worker: Process
) -> None:
    going = product.named(f"provider-{GOING}")
    going.kill()
    ids = [_send(product, *names, ttl_seconds=3) for names in _ways(GOING, "refused", "429-86400") for _ in range(10)]

    all_reach(product, ids, "FAILED", seconds=20)
    going.restart().wait_ready()
    after = reaches(worker, _send(product, GOING, ttl_seconds=60), "DELIVERED")

    told = stories(worker, ids)
    assert {each["reason"] for each in told} == {"expired"}
    assert max(_seconds(each["expires_at"], each["updated_at"]) for each in told) < SLACK
    assert [entry["reference"] for entry in ledger(going)] == [after["tracking_id"]]
    until(lambda: worker.metric("smsgw_queue_depth") == 0, what="an empty queue")
    assert not {"QUEUED", "PROCESSING", "UNKNOWN"} & {statuses(product)[each] for each in ids}


def _ways(*names: str) -> Sequence[tuple[str, ...]]:
    """Return one exclusive provider, and failover over all of them."""
    return [names[:1], names]


def test_every_promise_is_kept_after_all_that(product: Product) -> None:
    """Last of this file."""
    assert check(read_books(product)) == []
