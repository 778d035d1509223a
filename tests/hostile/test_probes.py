"""The raw-socket probes of reliability.md section 4 against `smsgw gateway` and `smsgw worker` as they are run."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from smsgw.web.errors import STANDARD
from tests.http.probes import HEALTH, chunked, refused
from tests.http.raw import Answer, Connection
from tests.journey.calling import accepted, reaches
from tests.journey.process import Process
from tests.journey.product import KEY, NUMBER, TEXT, Product

SEND = (
    b"POST /api/v1/sms/send HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nAPI-Key: " + KEY.encode() + b"\r\n"
)
REPORT = b"POST /webhooks/delivery-report/Provider-A HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
POSTS = {"gateway": SEND, "worker": REPORT}
MESSAGE = json.dumps({"to": NUMBER, "text": TEXT, "providers": ["Local-SMS"]}).encode()
ROLES = pytest.mark.parametrize("role", POSTS)


@asynccontextmanager
async def connected(process: Process) -> AsyncIterator[Connection]:
    """A raw connection to a role, closed with the block."""
    place = urlsplit(process.url)
    connection = Connection(*await asyncio.open_connection(place.hostname, place.port))
    try:
        yield connection
    finally:
        await connection.close()


async def _ask(process: Process, data: bytes) -> tuple[Answer | None, bool]:
    """Send bytes on a connection of their own; return the answer and whether the connection ended behind it."""
    async with connected(process) as connection:
        await connection.send(data)
        answer = await connection.answer()
        if answer is None or answer.headers.get("connection") != "close":
            return answer, False
        return answer, await connection.is_ended()


async def _answer(process: Process, data: bytes) -> Answer:
    answer, _ = await _ask(process, data)
    assert answer is not None
    return answer


@ROLES
async def test_every_probe_is_refused_and_its_connection_ended(product: Product, role: str) -> None:
    probes = refused(POSTS[role])
    expected = {name: (status, STANDARD[status][0], True) for name, (_, status) in probes.items()}

    answers = await asyncio.gather(*(_ask(product.named(role), data) for data, _ in probes.values()))

    told = {
        name: (answer.status, answer.error_code, is_ended) if answer else None
        for name, (answer, is_ended) in zip(probes, answers, strict=True)
    }
    assert told == expected


@pytest.mark.fault("F14", "I12")
@ROLES
async def test_slow_heads_and_bodies_are_ended_within_their_five_seconds(product: Product, role: str) -> None:
    process, post = product.named(role), POSTS[role]
    unfinished = {
        "nothing": b"",
        "a line": b"GET /healthz HT",
        "a head": b"GET /healthz HTTP/1.1\r\nHost: a\r\n",
        "a body": post + b"Content-Length: 10\r\n\r\nabc",
        "a chunk": chunked(post, b"5\r\nab"),
        "no last chunk": chunked(post, b"1\r\n{\r\n"),
    }

    async def ends(data: bytes) -> tuple[int | None, float]:
        async with connected(process) as connection:
            began = time.monotonic()
            await connection.send(data)
            answer = await connection.answer()
            assert await connection.is_ended()
            return answer.status if answer else None, time.monotonic() - began

    ended = dict(zip(unfinished, await asyncio.gather(*map(ends, unfinished.values())), strict=True))

    assert {name: status for name, (status, _) in ended.items()} == {**dict.fromkeys(unfinished, 408), "nothing": None}
    # Five seconds to give up, two to let the peer read the answer, and a busy machine.
    assert max(seconds for _, seconds in ended.values()) < 10


@ROLES
async def test_a_body_that_is_cut_off_is_nobodys_fault(product: Product, role: str) -> None:
    async with connected(product.named(role)) as connection:
        await connection.send(POSTS[role] + b"Content-Length: 10\r\n\r\nabc")
        connection.end()

        assert await connection.answer() is None
    assert (await _answer(product.named(role), HEALTH)).status == 200


@ROLES
@pytest.mark.parametrize("path", [b"/healthz", b"/readyz"])
async def test_health_probes_of_load_balancers(product: Product, role: str, path: bytes) -> None:
    process = product.named(role)

    async with connected(process) as connection:
        await connection.send(b"HEAD " + path + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        head, body = await connection.everything()

    assert (head.split(b"\r\n")[0], body) == (b"HTTP/1.1 200 OK", b"")
    assert (await _answer(process, b"GET " + path + b" HTTP/1.0\r\n\r\n")).status == 200
    assert (await _answer(process, b"OPTIONS " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")).status == 405


async def test_a_hundred_is_continued_and_two_equal_lengths_are_one_message_or_none(product: Product) -> None:
    gateway = product.named("gateway")
    length = b"Content-Length: %d\r\n" % len(MESSAGE)

    async with connected(gateway) as connection:
        await connection.send(SEND + length + b"Expect: 100-continue\r\n\r\n")
        first = await connection.answer()
        await connection.send(MESSAGE)
        second = await connection.answer()
    doubled = await _answer(gateway, SEND + length * 2 + b"\r\n" + MESSAGE)

    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (100, 202)
    assert doubled.status in (202, 400)


async def test_a_refused_request_is_not_the_prefix_of_another(product: Product) -> None:
    """Smuggling: what hides behind a contradictory request is never read as a request of its own."""
    hidden = SEND + b"Content-Length: %d\r\n\r\n" % len(MESSAGE) + MESSAGE
    gateway = product.named("gateway")
    before = gateway.metric("sms_send_requests_total")

    for lie in (b"Content-Length: 3\r\nTransfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked"):
        async with connected(gateway) as connection:
            await connection.send(SEND + lie + b"\r\n\r\n0\r\n\r\n" + hidden)
            head, rest = await connection.everything()
        assert head.startswith(b"HTTP/1.1 400 ")
        assert b"HTTP/1.1" not in rest

    assert gateway.metric("sms_send_requests_total") == before


def test_both_roles_work_as_before(product: Product) -> None:
    tracking_id = accepted(product.named("gateway"))

    assert reaches(product.named("worker"), tracking_id, "DELIVERED")
