"""Callers that leave, that all come at once, and whose keys were made to collide: one key is one message."""

import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import httpx
import pytest

from tests.faults.proxy import Proxy, proxy_thread
from tests.invariants import Call, Caller
from tests.journey.books import statuses
from tests.journey.calling import accepted, reaches, send
from tests.journey.process import Process, until
from tests.journey.product import KEY, Product, running
from tests.journey.promises import kept

LEAVES_AFTER = 0.005
REDIS_SECONDS = 0.03
"""How long an answer of the limits store is held back: nothing is done when the callers leave. A call may take 0.28 s,
and a new connection is several of them."""
CROWD = 50
REQUEST = (
    b"POST /api/v1/sms/send HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
    b"API-Key: %s\r\nIdempotency-Key: %s\r\nContent-Length: %d\r\n\r\n%s"
)


@pytest.fixture(scope="module")
def redis_proxy(services: dict[str, str]) -> Iterator[tuple[Proxy, str]]:
    with proxy_thread(services["REDIS_URL"]) as proxy_and_url:
        yield proxy_and_url


@pytest.fixture(scope="module")
def product(
    services: dict[str, str], redis_proxy: tuple[Proxy, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """Two gateways; one of them sees the limits store through the proxy."""
    with running(tmp_path_factory.mktemp("callers"), services) as product:
        for key, client in (("secret-4", "four"), ("secret-4:b", "four-b")):
            name = f"{client}-{product.word}"
            product.clients[key] = {"name": client, "is_active": True, "daily_quota": 100, "id": name}
        product.add_provider("Provider-A")
        product.gateway(REDIS_URL=redis_proxy[1])
        yield product.start()


@pytest.fixture
def gateways(product: Product) -> list[Process]:
    return [process for process in product.processes if process.name == "gateway"]


@pytest.fixture
def caller(product: Product, gateways: list[Process]) -> Caller:
    return Caller(product.clients, *gateways)


@pytest.fixture
def slow_redis(redis_proxy: tuple[Proxy, str], gateways: list[Process], product: Product) -> Iterator[None]:
    proxy, _ = redis_proxy
    reaches(product.named("worker"), accepted(gateways[0], idempotency_key="connected"), "DELIVERED", "SENT")
    proxy.delay(REDIS_SECONDS, "down")
    yield
    proxy.heal()


@pytest.mark.fault("F01", "I1 I3 I4")
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_what_a_caller_that_left_has_asked_for_is_done_and_its_retry_gets_the_answer(
    product: Product, gateways: list[Process], slow_redis: None, how: str
) -> None:
    caller = Caller(product.clients, gateways[0])
    keys = [f"left-{how}-{number}" for number in range(20)]
    before = set(statuses(product))

    for key in keys:
        _ask_and_leave(gateways[0], key, is_reset=how == "reset")
    until(lambda: len(set(statuses(product)) - before) == len(keys), what="a message for each caller that left")
    answers = [_first_answer(gateways[0], key) for key in keys]
    calls = [caller.send(idempotency_key=key) for key in keys]

    assert {answer.headers.get("Idempotent-Replayed") for answer in answers} == {"true"}
    assert {answer.json()["tracking_id"] for answer in answers} == set(statuses(product)) - before
    assert [call.body for call in calls] == [answer.content for answer in answers]
    assert kept(product, caller.calls)


def _ask_and_leave(gateway: Process, key: str, *, is_reset: bool) -> None:
    url, body = httpx.URL(gateway.url), b'{"to":"+447700909999","text":"Parcel 4711 waits"}'
    with socket.create_connection((url.host, url.port or 80), timeout=5) as connection:
        connection.sendall(REQUEST % (KEY.encode(), key.encode(), len(body), body))
        time.sleep(LEAVES_AFTER)  # the fault itself: here a client gives up
        if is_reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _first_answer(gateway: Process, key: str) -> httpx.Response:
    """Return what a retry is told once the first request is over."""

    def answer() -> httpx.Response | None:
        told = send(gateway, idempotency_key=key)
        return None if told.status_code == 409 else told

    return until(answer, what=f"the end of {key}")


@pytest.mark.fault("F02", "I1 I3 I4 I12")
@pytest.mark.parametrize("turn", range(4))
def test_fifty_equal_requests_at_two_gateways_at_the_same_instant_are_one_message(
    product: Product, caller: Caller, turn: int
) -> None:
    before = len(statuses(product))

    calls = _at_once([partial(caller.send, idempotency_key=f"crowd-{turn}")] * CROWD)

    assert set(_codes(calls)) <= {(202, None), (409, "IDEMPOTENCY_KEY_IN_USE")}
    assert len({call.body for call in calls if call.is_accepted}) == 1
    assert len({call.tracking_id for call in calls}) == 1
    assert {call.retry_after for call in calls if call.status == 409} <= {"1"}
    assert kept(product, caller.calls)
    assert len(statuses(product)) == before + 1


@pytest.mark.fault("F03", "I1 I3 I4 I5 I12")
@pytest.mark.parametrize("turn", range(4))
def test_of_two_bodies_under_one_key_at_two_gateways_at_the_same_instant_one_wins(
    product: Product, caller: Caller, turn: int
) -> None:
    before = len(statuses(product))
    texts = ["Parcel one", "Parcel one", "Parcel two", "Parcel two"] * (CROWD // 4)

    calls = _at_once([partial(caller.send, idempotency_key=f"two-{turn}", text=text) for text in texts])

    (winner,) = {call.asked["text"] for call in calls if call.is_accepted}
    same = _codes([call for call in calls if call.asked["text"] == winner])
    other = _codes([call for call in calls if call.asked["text"] != winner])
    assert set(same) <= {(202, None), (409, "IDEMPOTENCY_KEY_IN_USE")}
    assert other == {(422, "IDEMPOTENCY_KEY_REUSED"): len(texts) // 2}
    assert kept(product, caller.calls)
    assert len(statuses(product)) == before + 1


@pytest.mark.fault("F04", "I1 I3 I4")
def test_two_clients_whose_keys_were_made_to_collide_are_strangers_to_each_other(
    product: Product, caller: Caller
) -> None:
    """`secret-4` + `b:c` and `secret-4:b` + `c` are the same string with a colon between them."""
    both = [("secret-4", "b:c", "Parcel one"), ("secret-4:b", "c", "Parcel two")]
    calls = [caller.send(key=key, idempotency_key=name, text=text) for key, name, text in both * 2]

    assert [call.status for call in calls] == [202] * 4
    assert calls[0].body == calls[2].body != calls[1].body == calls[3].body
    assert kept(product, caller.calls)


def _at_once(calls: Sequence[Callable[[], Call]]) -> list[Call]:
    """Make all calls at the same instant, each in a thread of its own."""
    barrier = threading.Barrier(len(calls))

    def make(call: Callable[[], Call]) -> Call:
        barrier.wait(20)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(make, calls))


def _codes(calls: Sequence[Call]) -> Counter[tuple[int | None, str | None]]:
    return Counter((call.status, call.answer.get("error_code")) for call in calls)
