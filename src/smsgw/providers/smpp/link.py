"""One bound connection: requests matched with their answers, the peer's requests answered, nothing unbounded."""

import asyncio
from collections.abc import Callable
from typing import NamedTuple, cast

from smsgw.core import smpp

_ENDED = "the connection ended"


class Reply(NamedTuple):
    """The peer's answer to a request."""

    status: int
    body: bytes = b""


class Gone(NamedTuple):
    """No answer, and none to come on this link."""

    why: str
    was_written: bool = True
    """Then the peer may have taken the request."""


class _Waiting(NamedTuple):
    command: int
    answer: "asyncio.Future[Reply | Gone]"


class Link(asyncio.Protocol):
    """A connection from the first octet to the last.

    `on_delivery` hears every deliver_sm and data_sm while the link is bound, with what is to be called with the status
    of its answer, once. `on_room` hears that a request may be written again: an answer came, or the way out is free.
    """

    def __init__(
        self,
        *,
        window: int,
        probe_seconds: float,
        on_delivery: "Callable[[Link, smpp.Pdu], None]",
        on_room: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._window = window
        self._probe_seconds = probe_seconds
        self._on_delivery = on_delivery
        self._on_room = on_room
        self._framer = smpp.Framer()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[int, _Waiting] = {}
        self._sequence = 0
        self._out: list[bytes] = []
        self._unwritten: list[int] = []
        """The sequences of the requests in `_out`."""
        self._is_paused = False
        self._idle: asyncio.Future[None] | None = None
        self._probe: asyncio.Task[None] | None = None
        self.in_flight = 0
        """submit_sm without an answer."""
        self.is_bound = False
        self.heard_at = self._loop.time()
        """When the peer last sent anything."""
        self.ended: asyncio.Future[str] = self._loop.create_future()
        """Why the link is over."""

    @property
    def room(self) -> int:
        """How many more submit_sm may be written now."""
        is_open = self.is_bound and not self._is_paused and not self.ended.done()
        return self._window - self.in_flight if is_open else 0

    # --- ask ----------------------------------------------------------------------------------------------------------

    async def submit(self, body: bytes, *, seconds: float) -> Reply | Gone:
        """Write a submit_sm and wait for its answer. Ask for `room` first, without awaiting in between."""
        self.in_flight += 1
        try:
            return await self.ask(smpp.SUBMIT_SM, body, seconds=seconds)
        finally:
            self.in_flight -= 1
            if self._idle is not None and not self.in_flight and not self._idle.done():
                self._idle.set_result(None)
            self._on_room()

    async def ask(self, command: int, body: bytes = b"", *, seconds: float) -> Reply | Gone:
        """Write a request and wait for its answer."""
        sequence = self._next_sequence()
        answer: asyncio.Future[Reply | Gone] = self._loop.create_future()
        self._waiting[sequence] = _Waiting(command, answer)
        self._unwritten.append(sequence)
        self._write(smpp.encode(command, sequence, body=body))
        timer = self._loop.call_later(seconds, self._expire, sequence, seconds)
        try:
            return await answer
        finally:
            timer.cancel()
            self._waiting.pop(sequence, None)

    def answer(self, request: smpp.Pdu, status: int, body: bytes = b"") -> None:
        """Answer a request of the peer; nothing happens when the link is over."""
        self._write(smpp.encode(request.command | smpp.RESPONSE, request.sequence, status=status, body=body))

    def end(self, why: str) -> None:
        """Close at once; what waits for an answer hears that none will come."""
        if self.ended.done():
            return
        self._flush()
        self.is_bound = False
        self.ended.set_result(why)
        if self._transport is not None and self._is_paused:
            # Nobody reads what is still to be written.
            self._transport.abort()
        elif self._transport is not None:
            self._transport.close()
        unwritten = frozenset(self._unwritten)
        for sequence, waiting in self._waiting.items():
            if not waiting.answer.done():
                waiting.answer.set_result(Gone(why, was_written=sequence not in unwritten))
        self._on_room()

    def abort(self, why: str) -> None:
        """Close without waiting for what is still to be written."""
        self.end(why)
        if self._transport is not None:
            self._transport.abort()

    async def idle(self) -> None:
        """Wait until every submit_sm has its answer."""
        while self.in_flight:
            self._idle = self._loop.create_future()
            await self._idle

    def try_out(self) -> None:
        """Find out whether the peer is still there, once at a time; without an answer the link is over."""
        if self._probe is None and not self.ended.done():
            self._probe = self._loop.create_task(self._enquire(), name="enquire_link")

    async def _enquire(self) -> None:
        try:
            reply = await self.ask(smpp.ENQUIRE_LINK, seconds=self._probe_seconds)
        finally:
            self._probe = None
        if isinstance(reply, Gone):
            self.abort("no answer to enquire_link")

    def _expire(self, sequence: int, seconds: float) -> None:
        waiting = self._waiting.get(sequence)
        if waiting is None or waiting.answer.done():
            return
        waiting.answer.set_result(Gone(f"no answer within {seconds:g} s", sequence not in self._unwritten))
        if waiting.command == smpp.SUBMIT_SM:
            # Is it one lost answer, or is nobody there any more?
            self.try_out()

    def _next_sequence(self) -> int:
        self._sequence = smpp.next_sequence(self._sequence)
        while self._sequence in self._waiting:
            self._sequence = smpp.next_sequence(self._sequence)
        return self._sequence

    def _write(self, data: bytes) -> None:
        if self.ended.done():
            return
        if not self._out:
            # What one turn of the loop writes leaves in one piece.
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
            self._unwritten.clear()
        self._out.clear()

    # --- asyncio.Protocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # uvloop's transports are none of asyncio's by name.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell everybody who waits."""
        self.end(f"{_ENDED} ({type(error).__name__})" if error else _ENDED)

    def pause_writing(self) -> None:
        """The peer does not read: then nobody asks it for more, and what it asks is not read, for it is answered."""
        self._is_paused = True
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._is_paused = False
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        self._on_room()

    def data_received(self, data: bytes) -> None:
        """Take whatever PDUs are whole."""
        self.heard_at = self._loop.time()
        try:
            for pdu in self._framer.feed(data):
                self._take(pdu)
                if self.ended.done():
                    return
        except smpp.GarbageError as error:
            self.abort(f"garbage: {error}")

    def _take(self, pdu: smpp.Pdu) -> None:
        if pdu.command & smpp.RESPONSE:
            self._take_answer(pdu)
        elif pdu.command in (smpp.DELIVER_SM, smpp.DATA_SM):
            if self.is_bound:
                self._on_delivery(self, pdu)
            else:
                self.answer(pdu, smpp.RINVBNDSTS)
        else:
            self._serve(pdu)

    def _take_answer(self, pdu: smpp.Pdu) -> None:
        """An answer that nobody waits for came too late, or twice, or to nothing: it is passed over."""
        waiting = self._waiting.get(pdu.sequence)
        if waiting is None or waiting.answer.done():
            return
        if pdu.command == waiting.command | smpp.RESPONSE:
            if waiting.command in smpp.BINDS and pdu.status == smpp.ROK:
                # At once: the next PDU may have come with it.
                self.is_bound = True
            waiting.answer.set_result(Reply(pdu.status, pdu.body))
        elif pdu.command == smpp.GENERIC_NACK:
            waiting.answer.set_result(Reply(pdu.status or smpp.RINVCMDID))

    def _serve(self, pdu: smpp.Pdu) -> None:
        if pdu.command == smpp.ENQUIRE_LINK:
            self.answer(pdu, smpp.ROK)
        elif pdu.command == smpp.UNBIND:
            self.answer(pdu, smpp.ROK)
            self.end("the SMSC unbound it")
        elif pdu.command not in (smpp.ALERT_NOTIFICATION, smpp.OUTBIND):
            # Those two have no answer.
            self._write(smpp.encode(smpp.GENERIC_NACK, pdu.sequence, status=smpp.RINVCMDID))
