"""What people without a key learn and leave behind: nothing."""

import asyncio
import json
import random
import re

import pytest
import redis

from tests.hostile.test_probes import REPORT, SEND, connected
from tests.journey.calling import accepted, send
from tests.journey.process import Process, http, until
from tests.journey.product import KEY, NUMBER, TEXT, Product

STRANGERS = 10_000
CONNECTIONS = 20
METHODS = ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "PURGE", "PROPFIND")
BODY = json.dumps({"to": NUMBER, "text": TEXT}).encode()
_TIMES = re.compile(rb'(?m)^date: .*\r\n|"timestamp":"[^"]*"')

# What is wrong with each of these keys is nobody's business.
BAD_KEYS = {
    "unknown": [b"API-Key: nobodys-key-at-all"],
    "inactive": [b"API-Key: a-key-that-is-off"],
    "malformed": [b"API-Key: \xff\xfe"],
    "too long": [b"API-Key: " + b"a" * 300],
    "empty": [b"API-Key:"],
    "missing": [],
    "twice": [b"API-Key: " + KEY.encode()] * 2,
    "in another case": [b"API-Key: " + KEY.upper().encode()],
}


async def _bytes(process: Process, data: bytes) -> bytes:
    async with connected(process) as connection:
        await connection.send(data)
        head, body = await connection.everything()
    return _TIMES.sub(b"", head + body)


@pytest.mark.parametrize("role", ["gateway", "worker"])
async def test_every_bad_key_gets_the_same_bytes(product: Product, role: str) -> None:
    line = {"gateway": b"POST /api/v1/sms/send", "worker": b"GET /api/status/00000000-0000-4000-8000-000000000000"}
    body = BODY if role == "gateway" else b""

    def request(headers: list[bytes]) -> bytes:
        fixed = [line[role] + b" HTTP/1.1", b"Host: a", b"Connection: close", b"Content-Type: application/json"]
        return b"\r\n".join([*fixed, b"Content-Length: %d" % len(body), *headers, b"", body])

    answers = [await _bytes(product.named(role), request(headers)) for headers in BAD_KEYS.values()]

    assert answers[0].startswith(b"HTTP/1.1 401 ")
    assert set(answers) == {answers[0]}


async def test_ten_thousand_strangers_leave_nothing_in_redis_and_no_new_series(product: Product) -> None:
    gateway, dice = product.named("gateway"), random.Random(1)
    await _flood(gateway, 200, dice)
    with redis.Redis.from_url(product.environ["REDIS_URL"]) as client:
        keys, series = client.dbsize(), _series(gateway)

        answered = await _flood(gateway, STRANGERS, dice)

        assert answered == {401: STRANGERS // 2, 404: STRANGERS // 4, 405: STRANGERS // 4}
        assert client.dbsize() == keys
    assert _series(gateway) == series


def test_clients_and_providers_that_invent_names_make_no_series(product: Product) -> None:
    gateway, worker, dice = product.named("gateway"), product.named("worker"), random.Random(2)

    def invent(times: int) -> set[int]:
        statuses: set[int] = set()
        for _ in range(times):
            name = f"{dice.getrandbits(64):x}"
            statuses.add(send(gateway, providers=[name]).status_code)
            statuses.add(http.post(f"{worker.url}/webhooks/delivery-report/{name}", content=name).status_code)
            statuses.add(http.post(f"{worker.url}/webhooks/delivery-report/Provider-A", content=name).status_code)
        return statuses

    invent(3)
    before = _series(gateway), _series(worker)

    assert invent(100) == {401, 404, 422}
    assert (_series(gateway), _series(worker)) == before


async def test_no_header_of_an_answer_is_made_of_the_request(product: Product) -> None:
    """Neither the idempotency key nor anything else comes back, so that nothing can be smuggled into a response."""
    canary = b"canary%0d%0aX-Injected:1"
    headers = b"Idempotency-Key: " + canary + b"\r\nX-Request-ID: " + canary + b"\r\nOrigin: http://" + canary + b"\r\n"
    whole = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY

    first = await _bytes(product.named("gateway"), SEND + headers + whole)
    replayed = await _bytes(product.named("gateway"), SEND + headers + whole)
    reported = await _bytes(product.named("worker"), REPORT + headers + whole)

    assert (first[:12], replayed[:12], reported[:12]) == (b"HTTP/1.1 202", b"HTTP/1.1 202", b"HTTP/1.1 401")
    assert b"idempotent-replayed: true" in replayed.lower()
    assert not [each for each in (first, replayed, reported) if b"canary" in each or b"njected" in each]


def test_line_ends_in_what_callers_say_make_no_line_of_the_log(product: Product) -> None:
    gateway, worker = product.named("gateway"), product.named("worker")
    injected = 'x\r\n{"level":"error","message":"canary"}\n\u2028\x1b[31m'

    refused = send(gateway, providers=[injected])
    spoken = http.post(f"{worker.url}/webhooks/delivery-report/Provider-A", json={injected: injected})
    tracking_id = accepted(gateway, idempotency_key="line-ends")

    assert (refused.status_code, spoken.status_code) == (422, 401)
    until(lambda: any(line.get("tracking_id") == tracking_id for line in gateway.log_lines()))
    for process in (gateway, worker):
        assert [line for line in process.log_lines() if line["message"] == "canary"] == []
        assert process.log_path.read_bytes().count(b"\x1b") == 0


async def _flood(process: Process, count: int, dice: random.Random) -> dict[int, int]:
    """Send so many requests without a good key over some connections; return how often each status came."""
    each = count // CONNECTIONS
    told = await asyncio.gather(*(_pipeline(process, each, random.Random(dice.random())) for _ in range(CONNECTIONS)))
    statuses = [status for one in told for status in one]
    return {status: statuses.count(status) for status in sorted(set(statuses))}


async def _pipeline(process: Process, count: int, dice: random.Random) -> list[int]:
    statuses = []
    async with connected(process) as connection:
        for start in range(0, count, 4):
            await connection.send(b"".join(_stranger(number, dice) for number in range(start, min(start + 4, count))))
            for _ in range(start, min(start + 4, count)):
                answer = await connection.answer()
                assert answer is not None
                statuses.append(answer.status)
    return statuses


def _stranger(number: int, dice: random.Random) -> bytes:
    word = f"{dice.getrandbits(64):x}"
    if number % 4 == 0:
        return f"GET /{word}/{word}?{word}={word} HTTP/1.1\r\nHost: {word}\r\n\r\n".encode()
    if number % 4 == 1:
        return f"{dice.choice(METHODS)} /api/v1/sms/send HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    head = f"POST /api/v1/sms/send HTTP/1.1\r\nHost: a\r\nAPI-Key: {word}\r\nIdempotency-Key: {word}\r\n"
    return (head + f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n").encode() + BODY


def _series(process: Process) -> list[str]:
    """Return the names and labels of every series, without their values."""
    lines = http.get(process.url + "/metrics").text.splitlines()
    return sorted(line.rpartition(" ")[0] for line in lines if not line.startswith("#"))
