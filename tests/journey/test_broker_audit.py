"""`smsgw audit` beside a product at work: it names what is lost, and never what a frozen worker still holds."""

import asyncio
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import aiormq
import pytest
import redis

from tests.journey.books import all_reach, grow_older
from tests.journey.calling import Load, accepted, insist
from tests.journey.process import Process, until
from tests.journey.product import Product, running

ENDS = ("SENT", "DELIVERED")


@pytest.fixture(scope="module")
def product(services: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    with running(tmp_path_factory.mktemp("audit"), services) as product:
        # The broker drops a frozen worker two to three heartbeats after its last one: 20 to 30 s with ours.
        product.environ["RABBITMQ_URL"] += "?heartbeat=5"
        product.add_provider("Provider-A")
        yield product.start()


@pytest.fixture(autouse=True)
def _fresh_ledger(product: Product) -> Iterator[None]:
    """Let the next test's audit not find what this one has lost."""
    yield
    with redis.Redis.from_url(product.environ["REDIS_URL"]) as client:
        for key in client.scan_iter(match=f"confirmed:{product.environ['QUOTA_PREFIX']}:*", count=1000):
            client.delete(key)


@pytest.fixture
def gateway(product: Product) -> Process:
    return product.named("gateway").wait_ready()


@pytest.fixture
def worker(product: Product) -> Iterator[Process]:
    worker = product.named("worker").wait_ready()
    yield worker
    worker.popen.send_signal(signal.SIGCONT)


def _audit(product: Product) -> subprocess.CompletedProcess[str]:
    grow_older(product)
    return product.run("audit", "--hours", "1", "--stuck", "0")


@pytest.mark.parametrize("beside", [0, 1], ids=["alone", "beside-another"])
def test_what_a_frozen_worker_holds_is_in_flight_until_another_one_has_it(
    product: Product, gateway: Process, worker: Process, beside: int
) -> None:
    worker.popen.send_signal(signal.SIGSTOP)
    held = [accepted(gateway) for _ in range(3)]
    others = [product.worker().wait_ready() for _ in range(beside)]

    while_frozen = _audit(product)
    worker.popen.send_signal(signal.SIGCONT)
    all_reach(product, held, *ENDS)
    after = _audit(product)
    for other in others:
        other.stop()
        product.processes.remove(other)

    assert (while_frozen.returncode, while_frozen.stderr) == (0, "")
    assert "in flight 3" in while_frozen.stdout or beside
    assert after.returncode == 0
    assert "in flight 0  dead-lettered 0  lost 0" in after.stdout


def test_what_the_broker_lost_is_named_and_nothing_else(product: Product, gateway: Process, worker: Process) -> None:
    worker.stop()
    lost = [accepted(gateway) for _ in range(2)]
    asyncio.run(_purge(product))
    waiting = accepted(gateway)

    while_away = _audit(product)
    worker.restart().wait_ready()
    all_reach(product, [waiting], *ENDS)

    assert while_away.returncode == 1
    assert sorted(while_away.stdout.splitlines()[1:]) == sorted(f"LOST {each}" for each in lost)
    assert "in flight 1  dead-lettered 0  lost 2" in while_away.stdout


def test_traffic_that_flows_is_not_lost(product: Product, gateway: Process, worker: Process) -> None:
    """The ledger is made older while the load runs, so that the audit looks at messages of this very moment."""
    with ThreadPoolExecutor(1) as pool:
        load = Load(400, lambda number: insist([gateway], f"flow-{number}"))
        looks = [pool.submit(_audit, product) for _ in range(3)]
        audits = [each.result() for each in looks]
        tracking_ids = load.results()

    assert [each.returncode for each in audits] == [0, 0, 0], [each.stdout + each.stderr for each in audits]
    all_reach(product, tracking_ids, *ENDS)
    until(lambda: worker.metric("smsgw_queue_depth") == 0, what="an empty queue")


async def _purge(product: Product) -> None:
    """Lose what waits, as an operator's mistake or a broker without its disk would."""
    async with aiormq.connect(product.environ["RABBITMQ_URL"]) as connection:
        await (await connection.channel()).queue_purge(product.environ["RABBITMQ_QUEUE_OUTBOUND"])
