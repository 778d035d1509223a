"""Delivery reports by the thousand: forged, unknown, repeated, contradictory. Messages go their way beside them."""

import hashlib
import hmac
import json
import random
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO
from urllib.parse import urlsplit
from uuid import uuid4

import psutil
import pytest

from tests.invariants import Caller
from tests.journey.calling import Load, event_types, ledger, reaches
from tests.journey.process import Process, http
from tests.journey.product import MAGIC, NUMBER, Product, running
from tests.journey.promises import kept

CONNECTIONS = 20
PIPELINED = 50
FORGED, UNKNOWN = 10_000, 2_000
MEGABYTE = 1024 * 1024
PATH = "/webhooks/delivery-report/Provider-A"


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("flood"), {**services, "LOG_LEVEL": "info"}) as product:
        product.add_provider("Provider-A")
        yield product.start()


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker")


@pytest.fixture
def caller(product: Product) -> Caller:
    return Caller(product.clients, product.named("gateway"))


@pytest.mark.fault("F50", "I1 I3 I11 I12 I13")
def test_a_flood_of_reports_is_answered_parked_and_not_in_the_way(
    product: Product, worker: Process, caller: Caller
) -> None:
    forged = [(_unknown(), "0" * 64) for _ in range(FORGED)]
    signed = [(body := _unknown(), _signature(body)) for _ in range(UNKNOWN)]
    before = psutil.Process(worker.popen.pid).memory_info().rss

    load = Load(100, lambda number: caller.insist(f"flood-{number}"))
    with ThreadPoolExecutor(2 * CONNECTIONS) as pool:
        shares = [reports[start::CONNECTIONS] for reports in (forged, signed) for start in range(CONNECTIONS)]
        answers = sum(pool.map(lambda share: _flood(worker, share), shares), Counter())
    load.results()
    replayed = _flood(worker, signed[:100])

    assert answers == {401: FORGED, 200: UNKNOWN}
    assert replayed == {200: 100}
    assert kept(product, caller.calls)
    assert worker.metric('smsgw_reports_total{provider="Provider-A",result="forged"}') == FORGED
    assert worker.metric('smsgw_reports_total{provider="Provider-A",result="known"}') == 100
    assert psutil.Process(worker.popen.pid).memory_info().rss - before < 50 * MEGABYTE


@pytest.mark.fault("F50", "I12 I13")
@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"[" * 60_000, b'{"reference": "\\u0000' + NUMBER.encode() + b'"}'])
def test_what_is_not_signed_is_refused_unread_and_what_is_signed_is_taken_whatever_it_says(
    worker: Process, body: bytes
) -> None:
    unsigned = http.post(worker.url + PATH, content=body)
    signed = http.post(worker.url + PATH, content=body, headers={"X-Signature": _signature(body)})

    assert (unsigned.status_code, unsigned.json()["error_code"]) == (401, "UNAUTHORIZED")
    assert signed.status_code == 200


@pytest.mark.fault("F49", "I8")
def test_reports_in_any_order_and_twice_end_alike(product: Product, worker: Process, caller: Caller) -> None:
    provider, dice, ends = product.named("provider-Provider-A"), random.Random(49), []

    for _ in range(6):
        tracking_id = str(caller.send(to=MAGIC + "0007").tracking_id)
        reaches(worker, tracking_id, "SENT")
        (entry,) = ledger(provider, tracking_id)
        order = ["sent", "undelivered", "delivered", "failed", "expired", "queued"] * 2
        dice.shuffle(order)
        bodies = [_report(tracking_id, entry["message_id"], status) for status in order]
        assert _flood(worker, [(body, _signature(body)) for body in bodies]) == {200: len(bodies)}
        ends.append(reaches(worker, tracking_id, "DELIVERED"))

    assert {(end["status"], end["reason"], end["provider_final"]) for end in ends} == {
        ("DELIVERED", None, "Provider-A")
    }
    assert all(event_types(end).count("DELIVERED") == 1 for end in ends)
    assert kept(product, caller.calls)


def _report(tracking_id: str, message_id: str, status: str) -> bytes:
    fields = {"message_id": message_id, "reference": tracking_id, "status": status}
    return json.dumps({**fields, "timestamp": "2026-03-01T12:00:05Z"}).encode()


def _unknown() -> bytes:
    """A report of a message that is none of ours; it brings a number that nobody may log."""
    return _report(str(uuid4()), f"m-{NUMBER}-{uuid4()}", "delivered")


def _signature(body: bytes) -> str:
    return hmac.new(b"key-of-Provider-A", body, hashlib.sha256).hexdigest()


def _flood(worker: Process, reports: Iterable[tuple[bytes, str]]) -> Counter[int]:
    """Send reports over one connection without waiting for answers in between; return how they were answered."""
    place = urlsplit(worker.url)
    requests = [
        b"POST %b HTTP/1.1\r\nhost: worker\r\nx-signature: %b\r\ncontent-length: %d\r\n\r\n%b"
        % (PATH.encode(), signature.encode(), len(body), body)
        for body, signature in reports
    ]
    answers: Counter[int] = Counter()
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as connection:
        stream = connection.makefile("rb")
        for start in range(0, len(requests), PIPELINED):
            burst = requests[start : start + PIPELINED]
            connection.sendall(b"".join(burst))
            answers.update(_answer(stream) for _ in burst)
    return answers


def _answer(stream: BinaryIO) -> int:
    """Read one response and return its status."""
    status, length = int(stream.readline().split()[1]), 0
    while line := stream.readline().strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    stream.read(length)
    return status
