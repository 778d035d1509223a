"""The broker dies, freezes, raises an alarm, fills up, loses the queue, stays away: no 202 is lost, no 503 is a lie."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator

import aiormq
import pytest

from smsgw.transports.stores.database.migrate import migrate
from tests.invariants import Call, Caller, read_books
from tests.journey.books import all_reach, statuses
from tests.journey.calling import Load
from tests.journey.process import Process, until
from tests.journey.product import OTHER_KEY, Product, running
from tests.journey.promises import kept
from tests.servers import OwnRabbitmq, OwnServer
from tests.services import free_database

SLACK = float(os.environ.get("SMSGW_TEST_SLACK", "1"))
PUBLISH_SECONDS = 3
AWAY_SECONDS = 12
"""Instead of 70 s, which is longer than the 60 s of aio-pika's iterators that we do not use. It is longer than each of
our own waits for a broker that is away: 5 s to connect, 2 s between tries."""


EACH = pytest.mark.parametrize("_module_broker", ["rabbitmq", "redis"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def _module_broker(request: pytest.FixtureRequest) -> OwnServer:
    """RabbitMQ for every test, and a Redis for those that ask for it: the limits are on another one."""
    server = request.getfixturevalue(f"_module_{getattr(request, 'param', 'rabbitmq')}")
    assert isinstance(server, OwnServer)
    return server


@pytest.fixture(scope="module")
def shared(
    _module_broker: OwnServer, redis_url: str, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with free_database(postgres_url) as database_url:
        migrate(database_url, wait_seconds=10, say=lambda _line: None)
        services = {"REDIS_URL": redis_url, "QUEUE_URL": _module_broker.url, "DATABASE_URL": database_url}
        if isinstance(_module_broker, OwnRabbitmq):
            services["RABBITMQ_URL"] = _module_broker.url
        with running(tmp_path_factory.mktemp("broker"), services) as product:
            product.add_provider("Provider-A", "--latency", "0.05")
            product.start()
            if isinstance(_module_broker, OwnRabbitmq):
                # RabbitMQ 3.10 loses a quorum queue that was declared just before a SIGKILL.
                _module_broker.ctl("eval", "dets:sync(ra_directory_reverse).")
            yield product
            _module_broker.thaw()
            _module_broker.start()


@pytest.fixture
def broker(_module_broker: OwnServer) -> Iterator[OwnServer]:
    """The broker, running when the test begins, whatever the test before did to it."""
    _module_broker.thaw()
    _module_broker.start()
    yield _module_broker
    _module_broker.thaw()


@pytest.fixture
def own_rabbitmq(broker: OwnServer) -> OwnRabbitmq:
    """The broker, for tests of what only RabbitMQ does."""
    assert isinstance(broker, OwnRabbitmq)
    return broker


@pytest.fixture
def product(broker: OwnServer, shared: Product) -> Product:
    """The module's product with everything there, whatever the test before did."""
    for process in shared.processes:
        process.wait_ready()
    return shared


@pytest.fixture
def gateway(product: Product) -> Process:
    return product.named("gateway")


@pytest.fixture
def worker(product: Product) -> Iterator[Process]:
    worker = product.named("worker")
    yield worker
    worker.popen.send_signal(signal.SIGCONT)


@pytest.fixture
def caller(product: Product, gateway: Process) -> Caller:
    return Caller(product.clients, gateway)


def _until_refused(caller: Caller, *, limit: int = 50, **arguments: str) -> list[Call]:
    """Send, a key each, until one is not accepted; return all of them."""
    calls: list[Call] = []
    while not calls or calls[-1].is_accepted:
        assert len(calls) < limit
        calls.append(caller.send(idempotency_key=f"{arguments['word']}-{len(calls)}", key=OTHER_KEY))
    return calls


def _is_honest(call: Call) -> bool:
    """Whether a refusal says what a caller needs: why, when again, and the id that the message will have."""
    told = (call.status, call.answer.get("error_code"))
    return told == (503, "BROKER_UNAVAILABLE") and bool(call.retry_after) and bool(call.tracking_id)


@EACH
@pytest.mark.fault("F18", "I1 I2 I3 I4 I12")
def test_a_killed_broker_under_load(product: Product, gateway: Process, caller: Caller, broker: OwnServer) -> None:
    load = Load(150, lambda number: caller.insist(f"killed-{number}"))

    load.wait_for(40)
    broker.kill()
    gateway.wait_unready(naming="broker")
    broker.start()
    gateway.wait_ready(10 * SLACK)
    tracking_ids = load.results()

    refused = [call for call in caller.calls if call.status == 503]
    assert len(set(tracking_ids)) == 150
    assert refused
    assert all(_is_honest(call) for call in refused)
    assert {call.tracking_id for call in refused} <= set(tracking_ids)
    assert kept(product, caller.calls)


@EACH
@pytest.mark.fault("F19", "I1 I2 I3 I11 I12")
def test_a_frozen_broker_is_left_and_what_it_was_given_is_sent_after_the_thaw(
    product: Product, gateway: Process, worker: Process, caller: Caller, broker: OwnServer
) -> None:
    """Nobody retries: the publish that timed out is on its way all the same, which is why it is not called failed."""
    broker.freeze()
    written = caller.send(idempotency_key="written", timeout=20)
    for process in (gateway, worker):
        process.wait_unready(naming="broker", seconds=33)
    later = caller.send(idempotency_key="later", timeout=20)
    broker.thaw()
    for process in (gateway, worker):
        process.wait_ready(10 * SLACK)
    assert written.tracking_id is not None
    all_reach(product, [written.tracking_id], "DELIVERED")
    tracking_id = caller.insist("later")

    assert _is_honest(written)
    assert _is_honest(later)
    assert PUBLISH_SECONDS <= written.seconds < PUBLISH_SECONDS + SLACK
    assert later.seconds < PUBLISH_SECONDS + SLACK
    assert later.tracking_id == tracking_id
    assert kept(product, caller.calls)


@pytest.mark.fault("F20", "I1 I2 I3 I11 I12")
def test_a_memory_alarm_stops_publishing_only_and_ends_by_itself(
    product: Product, gateway: Process, worker: Process, caller: Caller, own_rabbitmq: OwnRabbitmq
) -> None:
    worker.popen.send_signal(signal.SIGSTOP)
    before = [caller.insist(f"before-alarm-{number}") for number in range(5)]
    own_rabbitmq.ctl("set_vm_memory_high_watermark", "0")
    # It waits for its confirm in vain, or is refused at once when a heartbeat met the alarm first.
    in_alarm = caller.send(idempotency_key="in-alarm", timeout=20)
    gateway.wait_unready(naming="broker")
    refused = caller.send(idempotency_key="refused-in-alarm", timeout=20)
    worker.popen.send_signal(signal.SIGCONT)
    all_reach(product, before, "DELIVERED")
    is_still_unready = bool(gateway.problems())
    own_rabbitmq.ctl("set_vm_memory_high_watermark", "0.6")
    gateway.wait_ready(10 * SLACK)
    all_reach(product, [caller.insist("in-alarm")], "DELIVERED")

    assert is_still_unready
    assert _is_honest(in_alarm)
    assert _is_honest(refused)
    assert refused.seconds < 1 * SLACK
    assert refused.tracking_id not in statuses(product)
    assert kept(product, caller.calls)


@pytest.mark.fault("F21", "I1 I2 I3 I4 I6 I12")
def test_a_full_queue_refuses_gives_quota_and_key_back_and_keeps_what_it_took(
    product: Product, worker: Process, caller: Caller, own_rabbitmq: OwnRabbitmq
) -> None:
    outbound = product.environ["RABBITMQ_QUEUE_OUTBOUND"]
    worker.kill()
    own_rabbitmq.ctl("set_policy", "full", f"^{outbound}$", '{"max-length":10}', "--apply-to", "queues")
    calls = _until_refused(caller, word="full")
    again = caller.send(idempotency_key=f"full-{len(calls) - 1}", key=OTHER_KEY)
    worker.restart()
    last = caller.insist(f"full-{len(calls) - 1}", key=OTHER_KEY)
    own_rabbitmq.ctl("clear_policy", "full")

    assert len(calls) > 10
    assert _is_honest(calls[-1])
    # The key is free: the retry is neither 409 nor another message.
    assert (again.status, again.tracking_id) == (503, calls[-1].tracking_id) == (503, last)
    assert kept(product, caller.calls)
    # The one client with a quota sends in this test only; each message is counted once.
    assert [quota.used for quota in read_books(product).quotas or ()] == [len(calls)]


@pytest.mark.fault("F22", "I1 I2 I3 I11 I12")
def test_a_deleted_queue_is_503_and_counted_never_202_and_comes_back(
    product: Product, gateway: Process, worker: Process, caller: Caller, own_rabbitmq: OwnRabbitmq
) -> None:
    metric = 'smsgw_requests_refused_total{error_code="BROKER_UNAVAILABLE"}'
    counted = gateway.metric(metric) or 0
    # The worker would declare it again before the gateway has noticed anything.
    worker.popen.send_signal(signal.SIGSTOP)
    asyncio.run(_delete_queue(product))

    first = caller.send(idempotency_key="deleted")
    tracking_id = caller.insist("deleted")
    worker.popen.send_signal(signal.SIGCONT)
    refused = [call for call in caller.calls if call.status == 503]

    assert first in refused
    assert all(_is_honest(call) and call.tracking_id == tracking_id for call in refused)
    assert gateway.metric(metric) == counted + len(refused)
    worker.wait_ready()
    assert kept(product, caller.calls)


@pytest.mark.fault("F24", "I1 I2 I3 I11 I12")
@pytest.mark.parametrize(
    ("_module_broker", "how"),
    [("rabbitmq", "restart"), ("rabbitmq", "stop_app"), ("redis", "restart")],
    indirect=["_module_broker"],
    scope="module",
)
def test_what_waits_survives_a_broker_that_is_away_and_flows_again(
    product: Product, worker: Process, caller: Caller, broker: OwnServer, how: str
) -> None:
    """A consumer that the broker shows proves nothing: the messages have to arrive."""
    worker.popen.send_signal(signal.SIGSTOP)
    waiting = [caller.insist(f"waiting-{how}-{number}") for number in range(20)]
    if how == "restart":
        broker.stop()
        worker.popen.send_signal(signal.SIGCONT)
        broker.start()
    else:
        assert isinstance(broker, OwnRabbitmq)
        broker.ctl("stop_app")
        gone = time.monotonic()
        worker.popen.send_signal(signal.SIGCONT)
        worker.wait_unready(naming="broker")
        until(lambda: time.monotonic() - gone > AWAY_SECONDS, seconds=AWAY_SECONDS + 5)
        broker.ctl("start_app")
    returned = time.monotonic()
    all_reach(product, waiting, "DELIVERED", "SENT")
    seconds = time.monotonic() - returned
    caller.insist(f"after-{how}")

    assert seconds < 15 * SLACK
    assert kept(product, caller.calls)


async def _delete_queue(product: Product) -> None:
    async with aiormq.connect(product.environ["RABBITMQ_URL"]) as connection:
        await (await connection.channel()).queue_delete(product.environ["RABBITMQ_QUEUE_OUTBOUND"])
