"""A provider that accepts everything at once: `python -m smsgw.bench.provider`, the other side of `provider_a`.

It reads just enough HTTP to find the end of a request, so that its CPU, printed apart, hides nothing of the worker's.
"""

import asyncio
import signal
import sys
from itertools import count
from typing import cast

from smsgw.bench.loop import run

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = b"content-length:"
_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s"
_numbers = count(1)


class Acceptor(asyncio.Protocol):
    """One connection: every whole request gets a 200 with a message_id of its own."""

    def __init__(self) -> None:
        self._waiting = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole by now."""
        self._waiting += data
        answers = []
        while (size := whole_request(self._waiting)) > 0:
            self._waiting = self._waiting[size:]
            body = b'{"message_id":"bench-%d"}' % next(_numbers)
            answers.append(_ANSWER % (len(body), body))
        if answers:
            self._transport.write(b"".join(answers))


def whole_request(data: bytes) -> int:
    """Return the length of the first request in `data`, or 0 while it is not whole."""
    end = data.find(_END_OF_HEAD)
    if end < 0:
        return 0
    head = data[:end].lower()
    start = head.find(_LENGTH)
    length = int(head[start + len(_LENGTH) :].split(b"\r\n", 1)[0]) if start >= 0 else 0
    size = end + len(_END_OF_HEAD) + length
    return size if len(data) >= size else 0


async def serve() -> None:
    """Accept on a free port of loopback, print it, and go on until SIGTERM."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    server = await loop.create_server(Acceptor, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await stop.wait()
    server.close()


def main() -> None:
    """Run the provider."""
    run(serve())


if __name__ == "__main__":
    main()
