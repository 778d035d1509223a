"""Redis that loses its data, its memory, its rank or an answer: nothing is accepted twice, nothing counted twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from tests.faults.proxy import Proxy, proxy_thread
from tests.invariants import Call, Caller
from tests.journey.books import statuses
from tests.journey.calling import ledger, reaches
from tests.journey.process import Process
from tests.journey.product import OTHER_KEY, Product, running
from tests.journey.promises import kept, violations
from tests.servers import OwnRedis

ADMITTED = b"tracking_id"
"""Stands in the reply to a claim, and in no other."""
STORED = b"\r\n\x91\xc3\r\n"
"""The reply to one answer to be stored: a list of one `true`."""


@pytest.fixture(scope="module")
def proxy_and_url(_module_redis: OwnRedis) -> Iterator[tuple[Proxy, str]]:
    with proxy_thread(_module_redis.url) as proxy_and_url:
        yield proxy_and_url


@pytest.fixture(scope="module")
def shared(
    _module_redis: OwnRedis,
    services: dict[str, str],
    proxy_and_url: tuple[Proxy, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Product]:
    """The gateway reaches Redis through the proxy, the suite without it."""
    with running(tmp_path_factory.mktemp("redis"), {**services, "REDIS_URL": _module_redis.url}) as product:
        product.add_provider("Provider-A")
        product.gateway(REDIS_URL=proxy_and_url[1])
        yield product.start(gateways=0)


@pytest.fixture
def product(own_redis: OwnRedis, shared: Product) -> Product:
    shared.named("gateway").wait_ready()
    return shared


@pytest.fixture
def caller(product: Product) -> Caller:
    return Caller(product.clients, product.named("gateway"))


@pytest.fixture
def worker(product: Product) -> Process:
    return product.named("worker")


@pytest.fixture
def books(own_redis: OwnRedis) -> Iterator["redis.Redis"]:
    """What Redis itself says."""
    with redis.Redis.from_url(own_redis.url, decode_responses=True) as client:
        yield client


@pytest.mark.fault("F07", "I1 I3")
def test_a_retry_after_redis_lost_its_data_is_a_second_message_and_one_sms(
    product: Product, caller: Caller, worker: Process, books: "redis.Redis"
) -> None:
    first = caller.insist("forgotten")
    reaches(worker, first, "DELIVERED", "SENT")

    books.flushall()
    second = caller.insist("forgotten")
    told = reaches(worker, second, "FAILED")

    assert first != second
    assert (told["reason"], told["attempts"]) == ("duplicate_of", [])
    assert [len(ledger(product.named("provider-Provider-A"), each)) for each in (first, second)] == [1, 0]
    # The caller has two ids for its key: what Redis knew is gone, and nobody else could say so before the 202.
    assert [(each.invariant, each.tracking_id) for each in violations(product, caller.calls)] == [("I4", first)]


@pytest.mark.fault("F08", "I1 I3 I4 I6 I12")
@pytest.mark.parametrize("how", ["OOM", "READONLY"])
def test_a_redis_that_cannot_write_refuses_what_is_new_and_still_replays(
    product: Product, caller: Caller, books: "redis.Redis", how: str
) -> None:
    before = caller.send(key=OTHER_KEY, idempotency_key=f"before-{how}")
    known, used = len(statuses(product)), _used(product, books)

    with _unable_to_write(books, how):
        replayed = caller.send(key=OTHER_KEY, idempotency_key=f"before-{how}")
        refused = [caller.send(key=OTHER_KEY, idempotency_key=f"during-{how}"), caller.send(key=OTHER_KEY)]
        used_meanwhile = _used(product, books)
    tracking_id = caller.insist(f"during-{how}", key=OTHER_KEY)

    assert (replayed.status, replayed.body) == (202, before.body)
    assert [_refusal(call) for call in refused] == [(503, "STORE_UNAVAILABLE", "1")] * 2
    assert used_meanwhile == used
    assert kept(product, caller.calls)
    assert _used(product, books) == used + 1
    assert len(statuses(product)) <= known + 2
    assert tracking_id in statuses(product)


@pytest.mark.fault("F09", "I1 I3 I4 I6")
@pytest.mark.parametrize("reply", [ADMITTED, STORED], ids=["claim", "answer"])
def test_a_lost_answer_of_redis_counts_nothing_twice(
    product: Product, caller: Caller, books: "redis.Redis", proxy_and_url: tuple[Proxy, str], reply: bytes
) -> None:
    name = f"lost-{len(reply)}"
    caller.insist(f"{name}-connected", key=OTHER_KEY)
    used, connections = _used(product, books), proxy_and_url[0].connections

    proxy_and_url[0].cut_on(reply, "down")
    first = caller.send(key=OTHER_KEY, idempotency_key=name)
    reserved = _reserved(product, books)
    tracking_id = caller.insist(name, key=OTHER_KEY)

    assert _refusal(first) == (503, "STORE_UNAVAILABLE", "1") if reply == ADMITTED else first.is_accepted
    assert proxy_and_url[0].connections > connections
    assert tracking_id in reserved
    assert kept(product, caller.calls)
    assert _used(product, books) == used + 1


@contextmanager
def _unable_to_write(books: "redis.Redis", how: str) -> Iterator[None]:
    if how == "OOM":
        books.config_set("maxmemory", "1mb")
    else:
        books.replicaof("127.0.0.1", "1")
    try:
        yield
    finally:
        books.config_set("maxmemory", "0")
        books.replicaof("NO", "ONE")


def _refusal(call: Call) -> tuple[int | None, Any, str | None]:
    return call.status, call.answer.get("error_code"), call.retry_after


def _used(product: Product, books: "redis.Redis") -> int:
    """Return what the client with a quota has used, on whatever days."""
    keys = books.scan_iter(match=f"{product.environ['QUOTA_PREFIX']}:two-*", count=1000)
    return sum(int(str(books.get(key))) for key in keys)


def _reserved(product: Product, books: "redis.Redis") -> set[str]:
    """Return the tracking_ids that Redis holds for keys."""
    return {str(books.hget(key, "tracking_id")) for key in books.scan_iter(match="idem:*", count=1000)}
