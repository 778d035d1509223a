"""A caller of the gateway that costs as little as Python allows: one connection, one request at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import cast

from smsgw.bench.histogram import Histogram

ACCEPTED = 202
_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Tally:
    """What one generator process saw."""

    def __init__(self) -> None:
        self.latencies = Histogram()
        self.refused: Counter[int] = Counter()
        self.broken = 0
        """Requests that got no answer; whether they were accepted is not known."""
        self.accepted = 0

    def answered(self, status: int, seconds: float) -> None:
        """Count one answer."""
        if status != ACCEPTED:
            self.refused[status] += 1
            return
        self.accepted += 1
        self.latencies.add(int(seconds * 1_000_000))


class Caller(asyncio.Protocol):
    """Sends what `next_request` returns, waits for the answer, and goes on until it returns None."""

    def __init__(self, next_request: Callable[[], bytes | None], tally: Tally) -> None:
        self._next_request = next_request
        self._tally = tally
        self._answer = b""
        self._began = 0.0
        self._is_waiting = False
        self._transport: asyncio.Transport
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast("asyncio.Transport", transport)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Count the answer once it is whole, and send the next request."""
        self._answer += data
        answer = self._answer
        end = answer.find(_END_OF_HEAD)
        if end < 0 or len(answer) < end + len(_END_OF_HEAD) + _content_length(answer[:end]):
            return
        self._answer = b""
        self._is_waiting = False
        self._tally.answered(int(answer[9:12]), time.perf_counter() - self._began)
        self._send()

    def connection_lost(self, _exc: Exception | None) -> None:
        """A request without an answer is counted apart."""
        if self._is_waiting:
            self._tally.broken += 1
        if not self.ended.done():
            self.ended.set_result(None)

    def abort(self) -> None:
        """Wait no longer."""
        self._transport.abort()

    def _send(self) -> None:
        request = self._next_request()
        if request is None:
            self._transport.close()
            return
        self._is_waiting = True
        self._began = time.perf_counter()
        self._transport.write(request)


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    start = lowered.find(_LENGTH)
    return int(lowered[start + len(_LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0
