"""HTTP/1.1 on the wire, with the deadlines and limits that uvicorn lacks (reliability.md, section 4)."""

import asyncio
from datetime import UTC, datetime
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from smsgw.web.errors import standard_body
from smsgw.web.stopping import StoppableState
from smsgw.web.upgrade import declined
from smsgw.web.wire import LingeringTransport

HEAD_SECONDS: Final = 5.0
HEAD_SECONDS_WHEN_STOPPING: Final = 0.5
WRITE_SECONDS: Final = 30.0
MAX_HEAD: Final = 32 * 1024
MAX_FIELDS: Final = 100
MAX_URL: Final = 8 * 1024
_MAX_BETWEEN_CHUNKS: Final = 16 * 1024
_BYTES_PER_CHUNK: Final = 16
_MAX_TURNED_AWAY: Final = 256
"""Connections over the limit that still get a 503; further ones are only closed."""


# Where the parser stands. Plain numbers: looking up an enumeration's members costs on every request.
_IDLE: Final = 0
_HEAD: Final = 1
_BODY: Final = 2


class _RefusedError(Exception):
    """Raised inside the parser's callbacks to stop it; carries the status to answer with."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class HardenedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with limits on what a stranger may send, how much of it and how slowly.

    A request that comes in one piece, which is nearly every one, costs no timer here.
    """

    head_seconds = HEAD_SECONDS
    write_seconds = WRITE_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._max_connections = self.limit_concurrency
        # uvicorn's own check answers in text/plain and writes a warning for each.
        self.limit_concurrency = None
        self._wire: LingeringTransport
        self._phase: int = _IDLE
        self._begun = 0
        self._fed = 0
        """Bytes since the current request began, at most those of one read too few or too many when pipelined."""
        self._read = 0
        self._body_bytes = 0
        self._chunks = 0
        self._status = 0
        self._is_deaf = False
        self._is_upgrade = False
        self._head_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # --- the connection -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away when there are too many."""
        self._wire = LingeringTransport(transport, is_mid_request=lambda: self._phase != _IDLE)
        super().connection_made(self._wire)  # type: ignore[arg-type]  # all that uvicorn calls of a transport
        over = len(self.connections) - self._max_connections if self._max_connections else 0
        if over > _MAX_TURNED_AWAY:
            self._wire.abort()
        elif over > 0:
            self._answer(503)
        else:
            if self._is_stopping():
                # uvicorn tells connections to end only once; this one was accepted too late to hear it.
                self.head_seconds = HEAD_SECONDS_WHEN_STOPPING
            self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop everything that belongs to the connection."""
        self._forget_head_timer()
        self._forget_write_timer()
        self._wire.lost()
        # uvicorn does so only for a clean end; after a reset its timer would keep this object for another 75 s.
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """End the connection once nothing of a request is in flight."""
        if self._wire.is_lingering:
            self._wire.abort()
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Feed the parser and look at what it made of the bytes."""
        if self._is_deaf or self._wire.is_closing():
            self._wire.discard(data)
            return
        self._unset_keepalive_if_required()
        begun = self._begun
        if self._feed(data) and (self._phase != _IDLE or self._begun == begun):
            self._inspect()

    def _feed(self, data: bytes) -> bool:
        self._read = len(data)
        self._fed += self._read
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            return self._feed_without_upgrade(data[stopped.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._status or 400)
            return False
        return True

    def _feed_without_upgrade(self, rest: bytes) -> bool:
        head = declined(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
        self.parser = httptools.HttpRequestParser(self)
        self._fed = 0
        return self._feed(head + rest)

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keep our side open for a caller that ended its own after a whole request and waits for the answer."""
        if not self._has_work() or self._phase != _IDLE or self._wire.is_closing():
            return False
        self._end_after_response()
        return True

    def pause_writing(self) -> None:
        """Give a peer that does not read its answer a while."""
        super().pause_writing()
        self._write_timer = self.loop.call_later(self.write_seconds, self._wire.abort)

    def resume_writing(self) -> None:
        """The peer reads on."""
        self._forget_write_timer()
        super().resume_writing()

    # --- the parser ---------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Begin to count."""
        self._phase = _HEAD
        self._begun += 1
        self._body_bytes = 0
        self._chunks = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Check the whole head, then let the request begin."""
        self._forget_head_timer()
        if len(self.url) > MAX_URL:
            self._stop(414)
        if len(self.headers) > MAX_FIELDS or self._is_head_too_large():
            self._stop(431)
        self._is_upgrade = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if self._is_upgrade:
            return
        super().on_headers_complete()
        if self._is_stopping():
            self.cycle.keep_alive = False
        # Trailers of a chunked body would be appended to the headers that the application sees.
        self.headers = []
        self._phase = _BODY

    def on_chunk_header(self) -> None:
        """Count a chunk, for what may lie between chunks."""
        self._chunks += 1

    def on_body(self, body: bytes) -> None:
        """Count what is really body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Let the application have the last of the body, unless it was smuggled in too much packaging."""
        if self._is_upgrade:
            return
        if self._has_too_much_packaging():
            self._stop(400)
        self._phase = _IDLE
        self._fed = 0
        super().on_message_complete()

    # --- the rules ----------------------------------------------------------------------------------------------------

    def _stop(self, status: int) -> None:
        self._status = status
        raise _RefusedError(status)

    def _inspect(self) -> None:
        """Look at a request that is not complete yet, or at bytes that did not even begin one."""
        if self._phase == _BODY:
            if self._has_too_much_packaging():
                self._refuse(400)
        elif self._phase == _HEAD and len(self.url) > MAX_URL:
            self._refuse(414)
        elif self._fed > MAX_HEAD:
            self._refuse(431)
        else:
            self._expect_head()

    def _is_head_too_large(self) -> bool:
        if max(self._fed, self._read) <= MAX_HEAD:
            return False
        return len(self.url) + 16 + sum(len(name) + len(value) + 4 for name, value in self.headers) > MAX_HEAD

    def _has_too_much_packaging(self) -> bool:
        """Whether a chunked body came with more bytes around it than chunk sizes need: extensions, trailers."""
        if not self._chunks:
            return False
        allowed = MAX_HEAD + _MAX_BETWEEN_CHUNKS + _BYTES_PER_CHUNK * self._chunks
        return self._fed - self._body_bytes > allowed

    def _expect_head(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._on_head_late)

    def _forget_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _forget_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _on_head_late(self) -> None:
        self._head_timer = None
        if self._has_work():
            # The next request came in part while we still work on this one; its time begins with our answer.
            self._expect_head()
        elif self._phase == _HEAD:
            self._refuse(408)
        elif self.timeout_keep_alive_task is None:
            self._wire.close()

    # --- answers ------------------------------------------------------------------------------------------------------

    def _is_stopping(self) -> bool:
        return isinstance(self.server_state, StoppableState) and self.server_state.is_stopping

    def _has_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: int) -> None:
        """Answer and end the connection, behind the answers that callers before this request still wait for."""
        self._forget_head_timer()
        if not self._has_work():
            self._answer(status)
        elif self._phase != _BODY:
            self._end_after_response()
        elif self.pipeline or self.cycle.response_started:
            self._leave()
        else:
            # This very request: nobody works on it yet, it waits for its body.
            self._leave(status)

    def _leave(self, status: int | None = None) -> None:
        """Tell the waiting application that its client is gone, and end the connection."""
        self.pipeline.clear()
        self.cycle.disconnected = True
        self.cycle.message_event.set()
        if status is None:
            self._wire.linger()
        else:
            self._answer(status)

    def _end_after_response(self) -> None:
        self._is_deaf = True
        if self._has_work():
            self.cycle.keep_alive = False
        else:
            self._wire.linger()

    def _answer(self, status: int) -> None:
        """Write the common error body past the application, and hear no more."""
        self._is_deaf = True
        body = standard_body(status, datetime.now(UTC))
        lines = [
            STATUS_LINE[status],
            b"content-type: application/json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"x-content-type-options: nosniff\r\n",
            b"retry-after: 1\r\n" if status == 503 else b"",
            b"connection: close\r\n\r\n",
            body,
        ]
        self._wire.write(b"".join(lines))
        self._wire.linger()
