"""The port `Provider` over SMPP: binds held open while it runs, messages sent over whichever has room."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from smsgw.core import smpp
from smsgw.core.events import BindMoved
from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Forged, Keep, Observer, ReportRequest, Submit, Unreadable
from smsgw.providers.smpp.binding import Binding, Failure
from smsgw.providers.smpp.building import Builder, Built
from smsgw.providers.smpp.config import Config, Mode, tls_context
from smsgw.providers.smpp.inbox import Inbox
from smsgw.providers.smpp.link import Gone, Link, Reply
from smsgw.providers.smpp.pool import Pool
from smsgw.providers.smpp.receipts import Receipts
from smsgw.providers.smpp.statuses import STATUSES, TEMPORARY, read_statuses, shown

PATIENCE_SECONDS = 3.0
"""So long a send waits for a bind with room, or half of its time when that is less."""
DRAIN_SECONDS = 0.8
"""To wait for answers and commits when it ends; unbinding takes another second at most."""
PROBE_SECONDS = 10.0
_COMMANDS = {
    Mode.TRANSCEIVER: (smpp.BIND_TRANSCEIVER,),
    Mode.PAIR: (smpp.BIND_TRANSMITTER, smpp.BIND_RECEIVER),
}
_DELAYED = (Outcome.THROTTLED, TEMPORARY)
"""A later part of a message whose first part was taken is tried again after these."""


class SmppProvider:
    """Sends only while `run` does."""

    can_look_up = False
    """query_sm wants the message id, which is just what is not known."""

    def __init__(self, name: str, config: Config, *, timeout: timedelta) -> None:
        self.name = name
        self._config = config
        self._seconds = timeout.total_seconds()
        self._tls = tls_context(config)
        self._statuses = read_statuses(config.statuses)
        self._builder = Builder(config)
        self._receipts = Receipts(config)
        self._pool = Pool()
        self._failure = Failure("not running")
        self._bound: set[Link] = set()

    # --- send ---------------------------------------------------------------------------------------------------------

    async def send(self, submit: Submit) -> SendResult:
        """Send the message, part by part; every way that this can end is a value."""
        built = self._builder.build(submit)
        if isinstance(built, SendResult):
            return built
        deadline = asyncio.get_running_loop().time() + self._seconds
        first = await self._send_part(built.bodies[0], deadline)
        if first.outcome is not Outcome.ACCEPTED or len(built.bodies) == 1:
            return first if built.segments is None else _with_segments(first, built.segments)
        return await self._send_rest(built, first, deadline)

    async def _send_rest(self, built: Built, first: SendResult, deadline: float) -> SendResult:
        """Send the parts behind the first, one after the other: where the first is refused nothing was sent, and where
        a later one is, everything before it was."""
        ids = [first.provider_message_id]
        total = len(built.bodies)
        for number, body in enumerate(built.bodies[1:], 2):
            result = await self._insist(body, deadline)
            if result.outcome is not Outcome.ACCEPTED:
                return _broken_off(result, number, total)
            ids.append(result.provider_message_id)
        return SendResult(
            outcome=Outcome.ACCEPTED,
            # Without all of them nobody could tell when the last part has arrived: one part's receipt is not enough.
            provider_message_id=ids[0] if all(ids) else None,
            part_ids=tuple(each for each in ids if each) if all(ids) else (),
            segments=built.segments,
        )

    async def _insist(self, body: bytes, deadline: float) -> SendResult:
        """Send a part of which others are taken: what is only put off is tried again while there is time."""
        loop = asyncio.get_running_loop()
        while True:
            result = await self._send_part(body, deadline)
            rest = result.retry_after.total_seconds() if result.retry_after else 0.5
            if result.outcome not in _DELAYED or loop.time() + rest >= deadline:
                return result
            await asyncio.sleep(rest)

    async def _send_part(self, body: bytes, deadline: float) -> SendResult:
        loop, pool = asyncio.get_running_loop(), self._pool
        if pause := pool.pause_left:
            return _throttled("not asked: the SMSC gets too much", pause)
        left = deadline - loop.time()
        link = await pool.link(seconds=min(PATIENCE_SECONDS, left / 2))
        if link is None:
            return self._no_bind()
        seconds = min(self._config.response_seconds, max(0.01, deadline - loop.time()))
        reply = await link.submit(body, seconds=seconds)
        if isinstance(reply, Gone):
            outcome = Outcome.UNKNOWN if reply.was_written else Outcome.UNREACHABLE
            return SendResult(outcome=outcome, detail=reply.why)
        return self._meaning(reply)

    def _meaning(self, reply: Reply) -> SendResult:
        if reply.status == smpp.ROK:
            self._pool.taken()
            message_id = self._receipts.sent_id(smpp.decode_id(reply.body))
            detail = None if message_id else "submit_sm_resp without a message id"
            return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=message_id, detail=detail)
        known = STATUSES.get(reply.status)
        outcome = self._statuses.get(reply.status) or (known.outcome if known else TEMPORARY)
        if outcome is Outcome.THROTTLED:
            return _throttled(shown(reply.status), self._pool.throttled())
        return SendResult(outcome=outcome, detail=shown(reply.status))

    def _no_bind(self) -> SendResult:
        if len(self._pool):
            return SendResult(outcome=Outcome.UNREACHABLE, detail="every bind's window is full")
        outcome = Outcome.CREDENTIALS if self._failure.is_account else Outcome.UNREACHABLE
        return SendResult(outcome=outcome, detail=f"not bound: {self._failure.why}")

    # --- everything else ----------------------------------------------------------------------------------------------

    async def look_up(self, reference: UUID) -> LookUpResult:  # noqa: ARG002
        """SMPP has no way to ask for a reference of ours."""
        return LookUpResult(answer=LookUp.CANNOT_SAY, detail="SMPP answers no look-ups")

    async def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:  # noqa: ARG002
        """Nobody may tell a report over HTTP."""
        return Forged("receipts of this provider come over its binds")

    async def close(self) -> None:
        """What is open belongs to `run`."""

    async def run(self, keep: Keep, observer: Observer) -> None:
        """Hold the binds; on cancellation wait a little for what is under way, unbind and close."""
        inbox = Inbox(self.name, self._receipts, observer)
        bindings = [
            self._binding(command, inbox, observer)
            for _ in range(self._config.binds)
            for command in _COMMANDS[self._config.bind]
        ]
        self._failure = Failure("no bind yet")
        tasks = [asyncio.create_task(inbox.work(keep), name=f"{self.name} receipts")]
        tasks += [asyncio.create_task(each.keep(), name=f"{self.name} bind") for each in bindings]
        try:
            # None of them ends by itself; a bug in one shall not go unnoticed.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        finally:
            await self._end(inbox, bindings, tasks, observer)

    async def _end(
        self, inbox: Inbox, bindings: Sequence[Binding], tasks: Sequence[asyncio.Task[None]], observer: Observer
    ) -> None:
        self._failure = Failure("not running")
        links = list(self._bound)
        for link in links:
            self._pool.remove(link)
        under_way = [asyncio.create_task(inbox.settled()), *(asyncio.create_task(link.idle()) for link in links)]
        await asyncio.wait(under_way, timeout=DRAIN_SECONDS)
        for task in tasks[1:]:
            task.cancel()
        await asyncio.gather(*(each.unbind() for each in bindings), return_exceptions=True)
        for task in (*tasks, *under_way):
            task.cancel()
        await asyncio.gather(*tasks, *under_way, return_exceptions=True)
        self._bound.clear()
        if links:
            observer(BindMoved(provider=self.name, binds=0, why="stopped"))

    def _binding(self, command: int, inbox: Inbox, observer: Observer) -> Binding:
        can_send = command != smpp.BIND_RECEIVER

        def bound(link: Link) -> None:
            self._bound.add(link)
            if can_send:
                self._pool.add(link)
            observer(BindMoved(provider=self.name, binds=len(self._bound)))

        def lost(link: Link | None, failure: Failure) -> None:
            if link is not None:
                self._bound.discard(link)
                self._pool.remove(link)
            if can_send:
                self._failure = failure
            observer(BindMoved(provider=self.name, binds=len(self._bound), why=failure.why))

        def new_link() -> Link:
            return Link(
                window=self._config.window,
                probe_seconds=min(PROBE_SECONDS, self._config.response_seconds),
                on_delivery=inbox.deliver,
                on_room=self._pool.wake,
            )

        return Binding(command, self._config, tls=self._tls, new_link=new_link, on_bound=bound, on_lost=lost)


def _throttled(detail: str, seconds: float) -> SendResult:
    return SendResult(outcome=Outcome.THROTTLED, detail=detail, retry_after=timedelta(seconds=seconds))


def _with_segments(result: SendResult, segments: int) -> SendResult:
    if result.outcome is not Outcome.ACCEPTED:
        return result
    return SendResult(
        outcome=result.outcome,
        provider_message_id=result.provider_message_id,
        detail=result.detail,
        segments=segments,
    )


def _broken_off(result: SendResult, number: int, total: int) -> SendResult:
    """Return what a message comes to whose beginning was taken and whose rest was not. A refusal is certain: the whole
    text will not arrive from here, so that another provider may send it; this one must not, or its first parts would
    be paid for and shown twice. Where nobody knows about the part, nobody knows about the message. It has no id in
    either case: the receipt of a part that was taken must not be taken for the message's."""
    outcome = Outcome.UNKNOWN if result.outcome is Outcome.UNKNOWN else Outcome.REJECTED
    return SendResult(outcome=outcome, detail=f"part {number} of {total}, those before it taken: {result.detail}")
