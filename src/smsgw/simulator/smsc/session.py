"""One connection to the simulated SMSC."""

import asyncio
import hmac
from collections.abc import Callable, Coroutine
from typing import Protocol, cast

from smsgw.core import smpp
from smsgw.simulator.behaviour import Behaviour
from smsgw.simulator.carrier import Carrier
from smsgw.simulator.ledger import Entry
from smsgw.simulator.smsc.words import plain_text, status_of

SYSTEM_ID = b"smsgw-mock\0"
RINVPASWD, RINVSYSID, RALYBND = 0x0E, 0x0F, 0x05
ANSWER_SECONDS = 10.0
GARBAGE = b"\0\0\0\5 It works!"


class Account(Protocol):
    """What a session asks the SMSC about whoever binds."""

    carrier: Carrier
    password: bytes

    def accept(self, message: smpp.ShortMessage, behaviour: Behaviour, delay: float) -> Entry: ...

    def enter(self, session: "Session") -> None: ...

    def leave(self, session: "Session") -> None: ...

    async def report_now(self, entry: Entry, status: str) -> None: ...


class Session(asyncio.Protocol):
    """Answers binds, messages and links; delivers receipts and hears whether they were taken."""

    def __init__(self, account_of: Callable[[str], Account | None]) -> None:
        self._account_of = account_of
        self._loop = asyncio.get_running_loop()
        self._framer = smpp.Framer()
        self._transport: asyncio.Transport | None = None
        self._account: Account | None = None
        self._command = 0
        self._sequence = 0
        self._waiting: dict[int, asyncio.Future[int | None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._out: list[bytes] = []

    @property
    def can_receive(self) -> bool:
        """Whether it takes receipts."""
        return self._command in (smpp.BIND_RECEIVER, smpp.BIND_TRANSCEIVER)

    async def deliver(self, message: smpp.ShortMessage) -> bool:
        """Deliver a message or receipt; True when it was taken."""
        self._sequence = smpp.next_sequence(self._sequence)
        answer: asyncio.Future[int | None] = self._loop.create_future()
        self._waiting[self._sequence] = answer
        sequence = self._sequence
        self._write(smpp.encode(smpp.DELIVER_SM, sequence, body=smpp.encode_message(message)))
        timer = self._loop.call_later(ANSWER_SECONDS, _give_up, answer)
        try:
            return await answer == smpp.ROK
        finally:
            timer.cancel()
            self._waiting.pop(sequence, None)

    def close(self) -> None:
        """End it."""
        for task in self._tasks:
            task.cancel()
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        # uvloop's transports are none of asyncio's by name.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002
        """Forget whoever was bound."""
        for answer in self._waiting.values():
            _give_up(answer)
        if self._account is not None:
            self._account.leave(self)

    def data_received(self, data: bytes) -> None:
        """Take whatever PDUs are whole."""
        try:
            for pdu in self._framer.feed(data):
                self._take(pdu)
        except smpp.GarbageError:
            self.close()

    def _take(self, pdu: smpp.Pdu) -> None:
        if pdu.command & smpp.RESPONSE:
            answer = self._waiting.get(pdu.sequence)
            if answer is not None and not answer.done():
                answer.set_result(pdu.status)
        elif pdu.command in smpp.BINDS:
            self._bind(pdu)
        elif pdu.command == smpp.SUBMIT_SM:
            self._submit(pdu)
        elif pdu.command == smpp.ENQUIRE_LINK:
            self._answer(pdu, smpp.ROK)
        elif pdu.command == smpp.UNBIND:
            self._answer(pdu, smpp.ROK)
            self._flush()
            if self._transport is not None:
                self._transport.close()
        else:
            self._write(smpp.encode(smpp.GENERIC_NACK, pdu.sequence, status=smpp.RINVCMDID))

    def _bind(self, pdu: smpp.Pdu) -> None:
        bind = smpp.decode_bind(pdu.body)
        account = self._account_of(bind.system_id.decode("latin-1")) if bind else None
        if self._account is not None:
            self._answer(pdu, RALYBND)
        elif bind is None or account is None:
            self._answer(pdu, RINVSYSID)
        elif not hmac.compare_digest(bind.password, account.password):
            self._answer(pdu, RINVPASWD)
        else:
            self._account, self._command = account, pdu.command
            version = smpp.encode_tlvs(((smpp.TLV_SC_VERSION, bytes((smpp.VERSION,))),))
            self._answer(pdu, smpp.ROK, SYSTEM_ID + version)
            account.enter(self)

    # --- messages -----------------------------------------------------------------------------------------------------

    def _submit(self, pdu: smpp.Pdu) -> None:
        account = self._account
        if account is None or self._command == smpp.BIND_RECEIVER:
            self._answer(pdu, smpp.RINVBNDSTS)
            return
        message = smpp.decode_message(pdu.body)
        if message is None:
            self._answer(pdu, smpp.RINVCMDLEN)
            return
        to = "+" + message.destination.digits.decode("latin-1")
        fate = account.carrier.judge(to, plain_text(message))
        behaviour = fate.behaviour
        if behaviour.is_reported_first:
            self._keep(self._report_first(pdu, account, message, behaviour))
        elif fate.latency:
            self._loop.call_later(fate.latency, self._finish, pdu, account, message, behaviour, fate.report_delay)
        else:
            self._finish(pdu, account, message, behaviour, fate.report_delay)

    def _finish(
        self, pdu: smpp.Pdu, account: Account, message: smpp.ShortMessage, behaviour: Behaviour, delay: float
    ) -> None:
        if status := status_of(behaviour):
            self._answer(pdu, status)
        elif not behaviour.is_lost:
            self._accepted(pdu, account.accept(message, behaviour, delay), behaviour)

    async def _report_first(
        self, pdu: smpp.Pdu, account: Account, message: smpp.ShortMessage, behaviour: Behaviour
    ) -> None:
        entry = account.accept(message, behaviour, 0)
        for status in behaviour.reports:
            await account.report_now(entry, status)
        self._accepted(pdu, entry, behaviour)

    def _accepted(self, pdu: smpp.Pdu, entry: Entry, behaviour: Behaviour) -> None:
        if behaviour.is_garbled:
            self._write(GARBAGE)
        elif not behaviour.is_hanging:
            message_id = b"" if behaviour.is_nameless else entry.message_id.encode()
            self._answer(pdu, smpp.ROK, message_id + b"\0")

    # --- out ----------------------------------------------------------------------------------------------------------

    def _answer(self, pdu: smpp.Pdu, status: int, body: bytes = b"") -> None:
        self._write(smpp.encode(pdu.command | smpp.RESPONSE, pdu.sequence, status=status, body=body))

    def _write(self, data: bytes) -> None:
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def _flush(self) -> None:
        if self._out and self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._out))
        self._out.clear()

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _give_up(answer: asyncio.Future[int | None]) -> None:
    if not answer.done():
        answer.set_result(None)
