"""Redis, RabbitMQ and PostgreSQL away, at the start and while running: fast refusals, recovery, nothing lost."""

import os
import time
from collections.abc import Iterator

import httpx
import pytest

from smsgw.transports.stores.database.migrate import migrate
from tests.invariants import Caller, read_books
from tests.journey.books import all_reach, statuses, strangers, unexplained_duplicates
from tests.journey.calling import Load, accepted, insist, ledger, reaches, send
from tests.journey.process import Process, until
from tests.journey.product import KEY, OTHER_KEY, Product, running
from tests.journey.promises import kept
from tests.servers import OwnPostgres, OwnRabbitmq, OwnRedis

SLOW = 0.5 * float(os.environ.get("SMSGW_TEST_SLACK", "1"))
"""Seconds that a refusal may take while the limits store is away; promised are 0.3."""


@pytest.fixture(scope="module")
def shared(
    _module_redis: OwnRedis,
    _module_rabbitmq: OwnRabbitmq,
    _module_postgres: OwnPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    services = {"REDIS_URL": _module_redis.url, "RABBITMQ_URL": _module_rabbitmq.url}
    services["DATABASE_URL"] = _module_postgres.url
    migrate(_module_postgres.url, wait_seconds=10, say=lambda _line: None)
    with running(tmp_path_factory.mktemp("outages"), services) as product:
        product.add_provider("Provider-A", "--latency", "0.05")
        yield product.start()
        _module_rabbitmq.thaw()
        for server in (_module_redis, _module_rabbitmq, _module_postgres):
            server.start()


@pytest.fixture
def product(own_redis: OwnRedis, own_rabbitmq: OwnRabbitmq, own_postgres: OwnPostgres, shared: Product) -> Product:
    """The module's product with everything there, whatever the test before did."""
    for process in shared.processes:
        process.wait_ready()
    return shared


@pytest.fixture
def gateway(product: Product) -> Process:
    return product.named("gateway")


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker")


def _timed(gateway: Process, **arguments: object) -> tuple[float, httpx.Response]:
    began = time.monotonic()
    answer = send(gateway, **arguments)  # type: ignore[arg-type]
    return time.monotonic() - began, answer


def _check_books(product: Product, tracking_ids: list[str]) -> None:
    provider = product.named("provider-Provider-A")
    all_reach(product, tracking_ids, "DELIVERED", "SENT")
    assert unexplained_duplicates(product, provider) == {}
    assert strangers(product, provider) == set()


@pytest.mark.fault("F05", "I1 I3 I4 I6 I12")
@pytest.mark.fault("F06", "I1 I3 I4 I6 I12")
@pytest.mark.parametrize("how", ["stop", "freeze"])
def test_without_the_limits_store_requests_are_refused_fast_and_nothing_is_published(
    product: Product, gateway: Process, worker: Process, own_redis: OwnRedis, how: str
) -> None:
    caller = Caller(product.clients, gateway)
    asked = [(OTHER_KEY, f"{how}-1"), (KEY, f"{how}-1"), (OTHER_KEY, None)] * 3
    known, used = set(statuses(product)), _used(product)

    getattr(own_redis, how)()
    calls = [caller.send(key=key, idempotency_key=name) for key, name in asked]
    gateway.wait_unready(naming="limits")
    own_redis.thaw()
    own_redis.start()
    gateway.wait_ready(10)
    tracking_id = caller.insist(f"{how}-1", key=OTHER_KEY, seconds=5)

    assert {(call.status, call.answer["error_code"]) for call in calls} == {(503, "STORE_UNAVAILABLE")}
    assert max(call.seconds for call in calls) < SLOW
    assert kept(product, caller.calls)
    assert set(statuses(product)) - known == {tracking_id}
    assert _used(product) == used + 1


def _used(product: Product) -> int:
    """Return what the client with a quota has used, on whatever days."""
    return sum(each.used for each in read_books(product).quotas or ())


@pytest.mark.fault("F18", "I4 I11 I12")
def test_without_the_broker_requests_are_refused_and_accepted_again_after(
    product: Product, gateway: Process, worker: Process, own_rabbitmq: OwnRabbitmq
) -> None:
    own_rabbitmq.kill()
    gateway.wait_unready(naming="broker")
    seconds, refused = _timed(gateway, idempotency_key="no-broker")
    worker.wait_unready(naming="broker")
    own_rabbitmq.start()
    tracking_id = insist([gateway], "no-broker", seconds=15)
    told = reaches(worker, tracking_id, "DELIVERED")

    assert (refused.status_code, refused.json()["error_code"]) == (503, "BROKER_UNAVAILABLE")
    assert refused.headers["Retry-After"]
    assert refused.json()["tracking_id"] == tracking_id == told["tracking_id"]
    assert seconds < 3.5


@pytest.mark.fault("F19", "I1 I3 I4 I12")
def test_a_frozen_broker_and_the_retry_are_one_message(
    product: Product, gateway: Process, worker: Process, own_rabbitmq: OwnRabbitmq
) -> None:
    """The publish was written and never confirmed: it may or may not be on the queue when the broker goes on."""
    own_rabbitmq.freeze()
    seconds, refused = _timed(gateway, idempotency_key="frozen", timeout=20)
    own_rabbitmq.thaw()
    tracking_id = insist([gateway], "frozen", seconds=20)
    _check_books(product, [tracking_id])
    until(lambda: worker.metric("smsgw_queue_depth") == 0, seconds=40, what="an empty queue")

    assert (refused.status_code, refused.json()["error_code"]) == (503, "BROKER_UNAVAILABLE")
    assert seconds < 4
    assert refused.json()["tracking_id"] == tracking_id
    assert len(ledger(product.named("provider-Provider-A"), tracking_id)) == 1


@pytest.mark.fault("F18", "I1 I2 I3")
def test_the_broker_dies_under_load(
    product: Product, gateway: Process, worker: Process, own_rabbitmq: OwnRabbitmq
) -> None:
    load = Load(100, lambda number: insist([gateway], f"dying-broker-{number}"))

    load.wait_for(25)
    own_rabbitmq.kill()
    own_rabbitmq.start()
    tracking_ids = load.results()

    assert len(set(tracking_ids)) == 100
    _check_books(product, tracking_ids)


def test_the_database_dies_under_load(
    product: Product, gateway: Process, worker: Process, own_postgres: OwnPostgres
) -> None:
    """The gateway does not notice; the worker waits, and what was in flight is settled or asked about."""
    load = Load(200, lambda number: insist([gateway], f"dying-database-{number}"))

    load.wait_for(50)
    own_postgres.kill()
    worker.wait_unready(naming="database")
    tracking_ids = load.results()
    during = accepted(gateway)
    own_postgres.start()
    worker.wait_ready(15)

    _check_books(product, [*tracking_ids, during])
    assert set(tracking_ids) <= set(statuses(product))


def test_everything_is_away_at_the_start(
    product: Product, own_redis: OwnRedis, own_rabbitmq: OwnRabbitmq, own_postgres: OwnPostgres
) -> None:
    for server in (own_redis, own_rabbitmq, own_postgres):
        server.stop()
    gateway, worker = product.gateway().wait_alive(), product.worker().wait_alive()
    missed = (set(gateway.problems()), set(worker.problems()))
    for server in (own_redis, own_rabbitmq, own_postgres):
        server.start()
    gateway.wait_ready(15)
    worker.wait_ready(15)
    tracking_id = accepted(gateway)

    reaches(worker, tracking_id, "DELIVERED")
    assert missed == ({"broker", "limits"}, {"broker", "limits", "database"})
    for process in (gateway, worker):
        assert process.stop() == 0
        product.processes.remove(process)
