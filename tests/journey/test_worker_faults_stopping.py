"""Workers that freeze, stop under load, or are away for longer than messages live."""

import signal
import time
from collections.abc import Iterator, Sequence

import psycopg
import pytest

from tests.faults.proxy import Proxy, proxy_thread
from tests.invariants import check, read_books
from tests.journey.books import all_reach, statuses, unexplained_duplicates
from tests.journey.calling import Load, accepted, event_types, insist, ledger, outcomes, stories
from tests.journey.process import Process, until
from tests.journey.product import Product, running

COUNT = 150
DRAIN_ALLOWED = 25
SLOW, QUIET, HANGING = "Slow", "Quiet", "Hanging"


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A gateway and providers; every test starts workers of its own."""
    settings = {**services, "UNKNOWN_SETTLE_SECONDS": "60", "PROVIDER_TIMEOUT_SECONDS": "3", "LEASE_SECONDS": "13"}
    with running(tmp_path_factory.mktemp("stopping"), settings) as product:
        product.add_provider(SLOW, "--latency", "0.2")
        product.add_provider(QUIET, "--latency", "1.5", "--jitter", "0", "--no-report-rate", "1", "--no-look-up")
        product.add_provider(HANGING, "--hang-rate", "1", "--no-report-rate", "1")
        yield product.start(workers=0)


@pytest.fixture
def gateway(product: Product) -> Process:
    return product.named("gateway")


@pytest.fixture
def proxy(product: Product) -> Iterator[tuple[Proxy, str]]:
    with proxy_thread(product.environ["DATABASE_URL"]) as proxy_and_url:
        yield proxy_and_url


def _stopped(product: Product, worker: Process) -> int:
    code = worker.stop(DRAIN_ALLOWED + 10)
    product.processes.remove(worker)
    return code


def _accepts(product: Product, provider: str, ids: Sequence[str]) -> list[int]:
    return [len(ledger(product.named(f"provider-{provider}"), each)) for each in ids]


@pytest.mark.fault("F40", "I1 I3 I10")
def test_what_expired_while_no_worker_was_there_is_not_sent(product: Product, gateway: Process) -> None:
    ids = [accepted(gateway, providers=[SLOW], ttl_seconds=1) for _ in range(10)]
    over = time.monotonic() + 1
    until(lambda: time.monotonic() > over, what="the end of their lives")

    worker = product.worker().wait_ready()
    all_reach(product, ids, "FAILED")

    told = stories(worker, ids)
    assert {(each["reason"], len(each["attempts"])) for each in told} == {("expired", 0)}
    assert _accepts(product, SLOW, ids) == [0] * len(ids)
    assert _stopped(product, worker) == 0


@pytest.mark.fault("F32", "I1 I3 I7")
def test_a_worker_frozen_with_outcomes_in_hand_leaves_them_as_evidence(
    product: Product, gateway: Process, proxy: tuple[Proxy, str]
) -> None:
    """It hears that its messages were accepted, cannot commit that, and freezes until long after its lease. Meanwhile
    nobody can be asked, so the other worker has to wait; what the first one knows then settles the messages."""
    way, url = proxy
    awake = product.worker().wait_ready()
    frozen = product.worker(DATABASE_URL=url).wait_ready()
    ids = [accepted(gateway, providers=[QUIET], ttl_seconds=120) for _ in range(16)]
    all_reach(product, ids, "PROCESSING")

    way.swallow()
    until(lambda: _accepts(product, QUIET, ids) == [1] * len(ids), what="all accepted")
    until(lambda: _answered(awake) | _answered(frozen) >= set(ids), what="all answered")
    frozen.popen.send_signal(signal.SIGSTOP)
    held = _answered(frozen) & set(ids)
    all_reach(product, sorted(held), "UNKNOWN", seconds=40)
    way.heal()
    frozen.popen.send_signal(signal.SIGCONT)
    all_reach(product, ids, "SENT")

    assert held
    until(lambda: frozen.metric(f'smsgw_late_outcomes_total{{provider="{QUIET}"}}') == len(held), what="all too late")
    for told in stories(awake, sorted(held)):
        (entry,) = ledger(product.named(f"provider-{QUIET}"), told["tracking_id"])
        assert outcomes(told) == [(QUIET, "accepted")]
        assert told["attempts"][0]["provider_message_id"] == entry["message_id"]
        assert "UNKNOWN" in event_types(told)
    assert _accepts(product, QUIET, ids) == [1] * len(ids)
    assert check(read_books(product)) == []
    assert [_stopped(product, each) for each in (frozen, awake)] == [0, 0]


@pytest.mark.fault("F42", "I1 I2 I3 I7 I11")
def test_a_worker_stopped_under_load_ends_in_time_and_leaves_long_calls_to_their_lease(
    product: Product, gateway: Process
) -> None:
    patient = {"PROVIDER_TIMEOUT_SECONDS": "60", "LEASE_SECONDS": "70"}
    worker = product.worker(**patient).wait_ready()
    hanging = [accepted(gateway, providers=[HANGING], ttl_seconds=300) for _ in range(5)]
    all_reach(product, hanging, "PROCESSING")
    load = Load(COUNT, lambda number: insist([gateway], f"stopped-{number}", providers=[SLOW], ttl_seconds=300))

    load.wait_for(COUNT // 4)
    began = time.monotonic()
    code = _stopped(product, worker)
    seconds = time.monotonic() - began
    ids = load.results()
    standing = statuses(product)
    successor = product.worker(**patient).wait_ready()
    all_reach(product, ids, "SENT", "DELIVERED")
    _end_leases(product, hanging)
    all_reach(product, hanging, "SENT")

    assert code == 0
    assert seconds < DRAIN_ALLOWED
    assert {standing[each] for each in hanging} == {"PROCESSING"}
    assert not [each for each in ids if standing.get(each) in ("PROCESSING", "UNKNOWN")]
    assert [each for each in ids if each not in standing]
    assert _accepts(product, HANGING, hanging) == [1] * len(hanging)
    assert unexplained_duplicates(product, product.named(f"provider-{SLOW}")) == {}
    assert _kept(product)
    assert _stopped(product, successor) == 0


def _answered(worker: Process) -> set[str]:
    """Return the messages for which this worker has heard a provider's answer."""
    return {line["tracking_id"] for line in worker.log_lines() if line["message"] == "provider.answered"}


def _end_leases(product: Product, ids: Sequence[str]) -> None:
    """Move the clock of these messages: a lease is long where a provider may take long."""
    with psycopg.connect(product.environ["DATABASE_URL"]) as connection:
        connection.execute("UPDATE messages SET due_at = now() WHERE tracking_id = ANY(%s::uuid[])", [list(ids)])


def _kept(product: Product) -> bool:
    """Whether every invariant holds once all is quiet; fails with what is broken."""
    return until(lambda: not check(read_books(product)), what=lambda: str(check(read_books(product))))
