"""The table of reliability.md section 4, and its neighbours, against a real server with raw sockets."""

import asyncio

import pytest

from tests.http.conftest import Server
from tests.http.probes import HEALTH, chunked, refused
from tests.http.raw import Connection

POST = b"POST /echo HTTP/1.1\r\nHost: a\r\n"
REFUSED = refused(POST)


async def test_hostile_bytes_are_refused_in_the_common_schema(server: Server) -> None:
    statuses: dict[str, int] = {}
    for name, (data, _) in REFUSED.items():
        connection = await server.connect()
        await connection.send(data)
        answer = await connection.answer()
        assert answer is not None, name
        assert answer.error_code.isupper(), name
        assert answer.headers["connection"] == "close", name
        assert await connection.is_ended(), name
        statuses[name] = answer.status

    assert statuses == {name: status for name, (_, status) in REFUSED.items()}
    assert server.handled == []
    assert server.facts == []


async def test_two_equal_content_lengths_are_one_request_or_none(server: Server) -> None:
    answer = await server.ask(POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc")

    assert answer.status in (200, 400)


@pytest.mark.parametrize("size", [0, 1, 65_536])
async def test_a_body_up_to_the_limit_arrives_whole(server: Server, size: int) -> None:
    body = b"a" * size

    answer = await server.ask(POST + b"Content-Length: %d\r\n\r\n" % size + body)

    assert (answer.status, answer.body) == (200, body)


async def test_a_chunked_body_in_tiny_pieces_arrives_whole(server: Server) -> None:
    answer = await server.ask(chunked(POST, *[b"1\r\nx\r\n"] * 20_000, b"0\r\n\r\n"))

    assert (answer.status, answer.body) == (200, b"x" * 20_000)


async def test_a_request_in_pieces_arrives_whole(server: Server) -> None:
    connection = await server.connect()

    for piece in (b"POST /echo HT", b"TP/1.1\r\nHo", b"st: a\r\nContent-Length: 4\r\n", b"\r\n", b"ab", b"cd"):
        await connection.send(piece)
        await asyncio.sleep(0)
    answer = await connection.answer()

    assert answer is not None
    assert (answer.status, answer.body) == (200, b"abcd")


async def test_a_trailer_does_not_become_a_header(server: Server) -> None:
    data = b"POST /headers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nAPI-Key: k\r\n\r\n"

    answer = await server.ask(data)

    assert answer.json == ["host", "transfer-encoding"]


async def test_expect_100_continue(server: Server) -> None:
    connection = await server.connect()

    await connection.send(POST + b"Content-Length: 3\r\nExpect: 100-continue\r\n\r\n")
    first = await connection.answer()
    await connection.send(b"abc")
    second = await connection.answer()

    assert first is not None
    assert second is not None
    assert (first.status, second.status, second.body) == (100, 200, b"abc")


async def test_pipelined_requests_are_answered_in_order(server: Server) -> None:
    connection = await server.connect()

    await connection.send((POST + b"Content-Length: 1\r\n\r\n1") + HEALTH + (POST + b"Content-Length: 1\r\n\r\n2"))
    answers = [await connection.answer() for _ in range(3)]

    assert [answer.body for answer in answers if answer] == [b"1", b'{"status":"ok"}', b"2"]


async def test_garbage_behind_a_request_does_not_disturb_its_answer(server: Server) -> None:
    connection = await server.connect()

    await connection.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n\x00garbage\r\n\r\n")
    await asyncio.wait_for(server.is_asked.wait(), 5)
    server.may_answer.set()
    answer = await connection.answer()

    assert answer is not None
    assert answer.status == 200
    assert await connection.is_ended()


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 3\r\n\r\nabc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ],
)
@pytest.mark.parametrize("is_cut", [False, True])
async def test_a_request_to_upgrade_is_served_as_http(server: Server, body: bytes, is_cut: bool) -> None:
    """Java's HttpClient asks for h2c with every POST."""
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
    data = POST + wish + body
    cut = len(data) - 4 if is_cut else len(data)
    connection = await server.connect()

    await connection.send(data[:cut])
    await asyncio.sleep(0)
    await connection.send(data[cut:] + HEALTH)
    first, second = await connection.answer(), await connection.answer()

    assert first is not None
    assert second is not None
    assert (first.status, first.body, second.status) == (200, b"abc", 200)
    assert server.facts == []


async def test_a_client_that_ends_its_side_still_gets_its_answer(server: Server) -> None:
    connection = await server.connect()

    await connection.send(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
    await asyncio.wait_for(server.is_asked.wait(), 5)
    connection.end()
    server.may_answer.set()
    answer = await connection.answer()

    assert answer is not None
    assert answer.status == 200


@pytest.mark.parametrize("how", ["end", "reset"])
async def test_a_client_that_leaves_in_its_body_is_dropped_silently(
    server: Server, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    connection = await server.connect()

    await connection.send(POST + b"Content-Length: 10\r\nExpect: 100-continue\r\n\r\n")
    assert (await connection.answer()) is not None
    await connection.send(b"abc")
    if how == "end":
        connection.end()
        assert await connection.is_ended()
    else:
        connection.reset()
    assert (await server.ask(HEALTH)).status == 200

    assert server.handled == []
    assert server.facts == []
    assert caplog.records == []


@pytest.mark.fault("F14", "I12")
async def test_slow_clients_are_ended_within_seconds(server: Server) -> None:
    """One test for all of them, because each takes the five seconds of its deadline."""

    async def ends_with(data: bytes, *, drip: bytes = b"") -> int | None:
        connection = await server.connect()
        await connection.send(data)
        dripping = asyncio.create_task(_drip(connection, drip)) if drip else None
        try:
            answer = await connection.answer()
            assert await connection.is_ended()
        finally:
            if dripping:
                dripping.cancel()
        return answer.status if answer else None

    loop = asyncio.get_running_loop()
    began = loop.time()

    async with asyncio.timeout(9):
        statuses = await asyncio.gather(
            ends_with(b""),
            ends_with(b"GET / HTTP/1.1\r\nHost: a\r\n"),
            ends_with(b"GET / HTTP/1.1\r\nHost: a\r\n", drip=b"X: 1\r\n"),
            ends_with(b"\r\n", drip=b"\r\n"),
            ends_with(POST + b"Content-Length: 10\r\n\r\nabc"),
            ends_with(POST + b"Content-Length: 10000\r\n\r\n", drip=b"a"),
            ends_with(chunked(POST, b"1\r\nx\r\n"), drip=b"1\r\nx\r\n"),
        )

    assert statuses == [None, 408, 408, None, 408, 408, 408]
    assert loop.time() - began >= 4.5
    assert server.handled == []
    assert server.facts == []


async def _drip(connection: Connection, data: bytes) -> None:
    while True:
        await asyncio.sleep(0.5)
        await connection.send(data)


async def test_a_kept_connection_gets_the_same_deadline_for_its_next_head(server: Server) -> None:
    connection = await server.connect()
    await connection.send(HEALTH)
    first = await connection.answer()

    await connection.send(b"GET /hea")
    second = await connection.answer()

    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (200, 408)
    assert await connection.is_ended()
