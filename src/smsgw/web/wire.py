"""The transport under a connection: an answer leaves in one piece, and a close lets the peer read our last one."""

import asyncio
from collections.abc import Callable

_PATIENCE_SECONDS = 2.0
_PATIENCE_TO_WRITE_SECONDS = 30.0
_MAX_DISCARDED = 1024 * 1024


class LingeringTransport:
    """Stands in for a connection's transport. A plain `close` with unread bytes in the socket makes the kernel send a
    reset, which may take the answer away from the peer; `close` here then ends our side only, and throws away what the
    peer still sends until it is done, for two seconds and one megabyte at most.

    uvicorn writes head and body apart; here the head waits for its body, until the end of the loop's tick at most, so
    that an answer is one system call and one packet."""

    def __init__(self, transport: asyncio.Transport, *, is_mid_request: Callable[[], bool]) -> None:
        self._transport = transport
        self._is_mid_request = is_mid_request
        self._timer: asyncio.TimerHandle | None = None
        self._discarded = 0
        self._held = b""
        self._call_soon = asyncio.get_running_loop().call_soon
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.get_extra_info = transport.get_extra_info

    def write(self, data: bytes) -> None:
        """Write, together with what the same tick writes next."""
        if self._held:
            self._transport.write(self._held + data)
            self._held = b""
        elif data:
            self._held = data
            self._call_soon(self._flush)

    def _flush(self) -> None:
        if self._held:
            held, self._held = self._held, b""
            self._transport.write(held)

    @property
    def is_lingering(self) -> bool:
        """Whether our side has ended and the rest of the peer's is being thrown away."""
        return self._timer is not None

    def is_closing(self) -> bool:
        """Whether nothing more can be answered."""
        return self._timer is not None or self._transport.is_closing()

    def close(self) -> None:
        """Close, or linger when the peer may be in the middle of a request."""
        if self._timer is not None:
            return
        self._flush()
        if self._is_mid_request() and not self._transport.is_closing() and self._transport.can_write_eof():
            self.linger()
            return
        if self._transport.get_write_buffer_size() and not self._transport.is_closing():
            # A peer that does not read would hold the connection for ever.
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE_TO_WRITE_SECONDS, self._transport.abort)
        self._transport.close()

    def linger(self) -> None:
        """End our side after what was written, and close once the peer has ended its own."""
        if self.is_closing():
            return
        self._flush()
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE_SECONDS, self._transport.abort)
        self._transport.write_eof()
        # A pause from flow control would keep the peer's end from being seen.
        if not self._transport.is_reading():
            self._transport.resume_reading()

    def discard(self, data: bytes) -> None:
        """Count bytes that come too late; too many end the connection."""
        self._discarded += len(data)
        if self._discarded > _MAX_DISCARDED:
            self._transport.abort()

    def abort(self) -> None:
        """Close at once; whatever was not written is lost."""
        self._held = b""
        self._transport.abort()

    def lost(self) -> None:
        """The connection is gone; forget the timer and what was not written."""
        self._held = b""
        if self._timer is not None:
            self._timer.cancel()
