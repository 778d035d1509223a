"""The corpus of hostile requests, byte for byte over raw sockets, against real servers on doubles."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from smsgw.core.events import Crashed
from smsgw.web.readiness import Readiness
from smsgw.web.server import serve
from tests.http.raw import Answer, Connection
from tests.unit.gateway.rig import Rig as GatewayRig
from tests.unit.worker_http.rig import OF_B
from tests.unit.worker_http.rig import Rig as WorkerRig

DATA = Path(__file__).parent.parent / "data"
ROWS = [
    json.loads(line)
    for name in ("bad_inputs.jsonl", "more_bad_inputs.jsonl")
    for line in (DATA / name).read_text("utf-8").splitlines()
    if line
]
FILLERS = {
    "KEY_A": "key-a",
    "KEY_A_UPPER": "KEY-A",
    "KEY_OFF": "key-off",
    "KEY_QUOTA_0": "key-zero",
    "MSG_ID_OF_B": str(OF_B),
}
MARK = re.compile(rb"@@(REPEAT|HEX)\((.+?)\)@@", re.DOTALL)
DEADLINE = 20


def filled(text: str) -> bytes:
    """Return what a string of the corpus stands for."""
    named = re.sub(r"\{\{(\w+)\}\}", lambda match: FILLERS[match[1]], text)
    return MARK.sub(_expanded, named.encode())


def request_of(row: dict[str, Any]) -> bytes:
    """Return a row as the bytes of one request. A list is a header repeated, null one left out."""
    lines = [row["method"].encode() + b" " + filled(row["path"]) + b" HTTP/1.1", b"Host: a", b"Connection: close"]
    for name, given in row["headers"].items():
        values = given if isinstance(given, list) else [given]
        lines += [name.encode() + b": " + filled(value) for value in values if value is not None]
    body = b"" if row["body"] is None else filled(row["body"])
    if row["body"] is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body])


def _expanded(match: "re.Match[bytes]") -> bytes:
    if match[1] == b"HEX":
        return bytes.fromhex(match[2].decode())
    repeated, _, count = match[2].rpartition(b",")
    return repeated * int(count)


@asynccontextmanager
async def running(app: Any) -> AsyncIterator[int]:
    """Serve an application on a free port."""
    listening: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    serving = serve(
        app,
        host="127.0.0.1",
        port=0,
        readiness=Readiness({}),
        stop=stop,
        drain_seconds=0,
        on_listening=lambda _, port: listening.set_result(port),
    )
    task = asyncio.create_task(serving)
    yield await asyncio.wait_for(listening, DEADLINE)
    stop.set()
    await asyncio.wait_for(task, DEADLINE)


async def exchange(port: int, data: bytes) -> Answer:
    """Send one request and return its response."""
    connection = Connection(*await asyncio.open_connection("127.0.0.1", port))
    await connection.send(data)
    answer = await connection.answer()
    await connection.close()
    assert answer is not None, "the connection ended without an answer"
    return answer


async def _rig_of(row: dict[str, Any]) -> GatewayRig | WorkerRig:
    if row["target"] == "gateway":
        return GatewayRig()
    rig = WorkerRig()
    await rig.put(OF_B, "b")
    return rig


def test_the_corpus_is_whole() -> None:
    names = [row["name"] for row in ROWS]

    assert len(names) == len(set(names))
    assert len(names) >= 49


@pytest.mark.parametrize("row", ROWS, ids=[row["name"] for row in ROWS])
async def test_a_hostile_request(row: dict[str, Any]) -> None:
    rig = await _rig_of(row)

    async with running(rig.app) as port:
        answer = await exchange(port, request_of(row))

    assert answer.status in row["expect_status"]
    if answer.status >= 400:
        assert answer.error_code
    assert [fact for fact in rig.facts if isinstance(fact, Crashed)] == []
