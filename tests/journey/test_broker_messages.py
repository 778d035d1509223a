"""What the broker may bring a worker: copies, garbage, other versions, a message that kills. Nothing else is harmed."""

import asyncio
import json
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import aiormq
import pytest

from tests.faults.proxy import Proxy, proxy_thread
from tests.invariants import Caller
from tests.journey.books import all_reach, statuses
from tests.journey.calling import ledger, outcomes, reaches
from tests.journey.process import Process, until
from tests.journey.product import KEY, NUMBER, TEXT, Product, running
from tests.journey.promises import kept

SENT = ("SENT", "DELIVERED")
DELIVERY_LIMIT = 10
DEATHS = 3
"""Of a real worker; to the broker, a bare connection that drops what it was given looks the same and is faster."""


@pytest.fixture(scope="module")
def way(services: dict[str, str]) -> Iterator[tuple[Proxy, str]]:
    with proxy_thread(services["RABBITMQ_URL"]) as proxy_and_url:
        yield proxy_and_url


@pytest.fixture(scope="module")
def product(
    services: dict[str, str], way: tuple[Proxy, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """A product whose worker reaches the broker through a proxy."""
    with running(tmp_path_factory.mktemp("messages"), services) as product:
        product.environ.update(PROVIDER_TIMEOUT_SECONDS="5", LEASE_SECONDS="15")
        product.add_provider("Provider-A")
        product.add_provider("Slow", "--latency", "2", "--jitter", "0", priority=200)
        product.gateway()
        product.worker(RABBITMQ_URL=way[1])
        for process in product.processes:
            process.wait_ready()
        yield product


@pytest.fixture(autouse=True)
def _no_dead_letters(product: Product) -> Iterator[None]:
    """Leave the next test an empty dead-letter queue."""

    async def purge() -> None:
        async with aiormq.connect(product.environ["RABBITMQ_URL"]) as connection:
            await (await connection.channel()).queue_purge(f"{product.environ['RABBITMQ_QUEUE_OUTBOUND']}.dead")

    yield
    asyncio.run(purge())


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker")


@pytest.fixture
def caller(product: Product) -> Caller:
    return Caller(product.clients, product.named("gateway"))


def _envelope(product: Product, **fields: Any) -> dict[str, Any]:
    """Return an envelope as a gateway writes it."""
    return {
        "version": 1,
        "tracking_id": str(uuid.uuid4()),
        "client_key": product.clients[KEY]["id"],
        "to": NUMBER,
        "text": TEXT,
        "ttl_seconds": 600,
        "providers_effective": [],
        "created_at": datetime.now(UTC).isoformat(),
        **fields,
    }


def _publish(product: Product, *bodies: bytes) -> None:
    """Publish as no gateway would."""

    async def publish() -> None:
        async with aiormq.connect(product.environ["RABBITMQ_URL"]) as connection:
            channel = await connection.channel()
            for body in bodies:
                await channel.basic_publish(body, routing_key=product.environ["RABBITMQ_QUEUE_OUTBOUND"])

    asyncio.run(publish())


def _take_and_drop(product: Product, count: int) -> None:
    """Take messages from the queue and be gone without a word, as a worker that is killed."""

    async def take() -> None:
        async with aiormq.connect(product.environ["RABBITMQ_URL"]) as connection:
            channel, taken = await connection.channel(), asyncio.Queue[Any]()
            await channel.basic_consume(product.environ["RABBITMQ_QUEUE_OUTBOUND"], taken.put)
            async with asyncio.timeout(15):
                for _ in range(count):
                    await taken.get()

    asyncio.run(take())


def _dead(product: Product) -> dict[str, str]:
    """Return the dead letters: reason by id."""
    listed = product.run("dead", "list", COLUMNS="200")
    assert listed.returncode == 0, listed.stderr
    rows = [[cell.strip() for cell in line.split("│")] for line in listed.stdout.splitlines() if "│" in line]
    return {row[1]: row[3] for row in rows}


def _replay(product: Product, dead: dict[str, str]) -> None:
    for letter_id in dead:
        replayed = product.run("dead", "replay", letter_id)
        assert replayed.returncode == 0, replayed.stderr


@pytest.mark.fault("F25", "I1 I2 I3 I11")
def test_a_reset_while_a_provider_is_called_harms_neither_call_nor_message(
    product: Product, worker: Process, caller: Caller, way: tuple[Proxy, str]
) -> None:
    """The acknowledgement never reaches the broker, so that it delivers again while the first copy is being sent."""
    proxy, slow = way[0], product.named("provider-Slow")
    copies = worker.metric("smsgw_copies_dropped_total") or 0
    proxy.swallow("up")
    tracking_id = caller.insist("reset", providers=["Slow"])
    reaches(worker, tracking_id, "PROCESSING")
    proxy.cut()
    proxy.heal()
    until(lambda: worker.metric("smsgw_copies_dropped_total") == copies + 1, what="one copy dropped")
    meanwhile = statuses(product)[tracking_id]
    told = reaches(worker, tracking_id, *SENT)

    assert meanwhile == "PROCESSING"
    assert outcomes(told) == [("Slow", "accepted")]
    assert len(ledger(slow, tracking_id)) == 1
    assert kept(product, caller.calls)


@pytest.mark.fault("F26", "I1 I11 I13")
def test_garbage_is_buried_once_with_its_reason_and_disturbs_no_neighbour(
    product: Product, worker: Process, caller: Caller
) -> None:
    buried = worker.metric("smsgw_poisoned_total") or 0
    huge = json.dumps(_envelope(product, text="x" * 1_000_000)).encode()
    good = [_envelope(product) for _ in range(3)]
    garbage = {
        b"not json": "undecodable",
        b'{"version": 1, "to": "\xff"}': "undecodable: invalid UTF-8",
        b"": "undecodable",
        b"[" * 100_000: "undecodable array",
        json.dumps(_envelope(product, version=99)).encode(): "unknown version 99",
        json.dumps(_envelope(product, to="12")).encode(): "undecodable: `to` is not E.164",
        huge: "undecodable: larger than 32768 bytes",
    }
    mixed = b"[" + b",".join([b'{"no": 1}', *(json.dumps(each).encode() for each in good[1:]), b"3"]) + b"]"

    _publish(product, *list(garbage)[:4], json.dumps(good[0]).encode(), *list(garbage)[4:], mixed)
    all_reach(product, [each["tracking_id"] for each in good], *SENT)
    until(lambda: worker.metric("smsgw_poisoned_total") == buried + 9, what="nine buried")
    dead = _dead(product)

    reasons = sorted(dead.values())
    assert [each for each in garbage.values() if not any(reason.startswith(each) for reason in reasons)] == []
    assert len(reasons) == 9, reasons
    assert kept(product, caller.calls, dead_expected=9)


@pytest.mark.fault("F28", "I1 I11")
def test_a_newer_gateways_envelopes_are_taken_or_kept_for_a_newer_worker(
    product: Product, worker: Process, caller: Caller
) -> None:
    """Unknown fields are ignored. An unknown version waits among the dead letters, and comes back to them."""
    buried = worker.metric("smsgw_poisoned_total") or 0
    minor = _envelope(product, sender="SHOP", nested={"priority": [1, 2]})
    major = _envelope(product, version=2, message={"body": TEXT})
    _publish(product, json.dumps(minor).encode(), json.dumps(major).encode())
    reaches(worker, minor["tracking_id"], *SENT)
    until(lambda: worker.metric("smsgw_poisoned_total") == buried + 1, what="one buried")
    dead = _dead(product)
    _replay(product, dead)
    until(lambda: worker.metric("smsgw_poisoned_total") == buried + 2, what="buried again")
    again = _dead(product)
    shown = product.run("dead", "show", next(iter(again)))

    assert list(dead.values()) == list(again.values()) == ["unknown version 2"]
    assert major["tracking_id"] in shown.stdout
    assert major["tracking_id"] not in statuses(product)
    assert kept(product, caller.calls, dead_expected=1)


@pytest.mark.fault("F27", "I1 I2 I3 I11")
def test_a_message_that_kills_its_worker_is_buried_and_who_died_with_it_is_replayed(
    product: Product, worker: Process, caller: Caller
) -> None:
    worker.stop()
    innocents = [caller.insist(f"innocent-{number}") for number in range(3)]
    for _ in range(DELIVERY_LIMIT - DEATHS + 1):
        _take_and_drop(product, 3)
    worker.environ["SMSGW_FAILPOINT"] = "W1=kill"
    killed = [worker.restart().popen.wait(30) for _ in range(DEATHS)]
    del worker.environ["SMSGW_FAILPOINT"]
    until(lambda: len(_dead(product)) == 3, seconds=20, what="three dead letters")
    dead, known = _dead(product), statuses(product)
    worker.restart().wait_ready()
    _replay(product, dead)
    all_reach(product, innocents, *SENT)

    assert killed == [-signal.SIGKILL] * DEATHS
    assert set(dead.values()) == {"delivery_limit"}
    assert not set(innocents) & set(known)
    assert kept(product, caller.calls)
