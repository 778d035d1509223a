"""What the product may cost: memory of a gateway, time to a help page, time to readiness."""

import resource
import statistics
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from tests.journey.calling import Load, accepted
from tests.journey.process import Process, clean_environment
from tests.journey.product import Product, running

REQUESTS = 2_000
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("memory"), {**services, "LOG_LEVEL": "info"}) as product:
        product.configure("Local-SMS")
        yield product


def test_start_to_ready(product: Product) -> None:
    gateway, worker = product.gateway().wait_ready(), product.worker().wait_ready()

    # Promised are 3 s by the clock; other tests run beside this one, so what it takes of a processor is measured.
    assert max(_cpu_seconds(gateway), _cpu_seconds(worker)) < 6


def _cpu_seconds(process: Process) -> float:
    times = psutil.Process(process.popen.pid).cpu_times()
    return float(times.user + times.system)


def test_a_gateway_stays_small(product: Product) -> None:
    gateway = product.gateway().wait_ready()

    load = Load(REQUESTS, lambda number: accepted(gateway, idempotency_key=f"memory-{number}"))
    load.results()
    size = psutil.Process(gateway.popen.pid).memory_info().rss / MEGABYTE

    assert size < 120


def test_help_is_cheap() -> None:
    seconds = statistics.median(_help_seconds() for _ in range(5))

    # Promised are 0.4 s on a machine that does nothing else; the processor's time does not depend on the neighbours.
    assert seconds < 0.8


def _help_seconds() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "smsgw", "--help"]
    subprocess.run(command, env=clean_environment(), capture_output=True, check=True, timeout=30)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
