"""One simulated carrier: its conduct, its dice, its books, its reports. Idempotent on nothing."""

import asyncio
import random
import secrets
from collections.abc import Callable
from datetime import datetime
from itertools import count
from typing import Any, Protocol

import msgspec
from litestar.types import Receive

from smsgw.core.text import segments
from smsgw.simulator.behaviour import Behaviour, Fate, fate_of, in_outage, over_limit
from smsgw.simulator.control import Order
from smsgw.simulator.desk import Impersonation
from smsgw.simulator.dialects import Dialect
from smsgw.simulator.journal import Journal
from smsgw.simulator.ledger import Entry, Ledger
from smsgw.simulator.limiter import limit_for
from smsgw.simulator.outages import Outage, outage_at
from smsgw.simulator.outgoing import PlainWebhook, Webhook
from smsgw.simulator.replies import GARBAGE, NAMELESS, Reply, json_reply, refusal
from smsgw.simulator.reports import Reporter
from smsgw.simulator.settings import CarrierSettings, Conduct
from smsgw.simulator.tally import Result, Tally
from smsgw.simulator.vendors.base import Asked, Call, Question, Refusal
from smsgw.simulator.vendors.registry import open_vendor

MAX_HANG_SECONDS = 300.0
SMPP = "smpp"
"""What a carrier plays that is an SMSC."""
AFTERWARDS_SECONDS = 0.2
"""So long after the first of a message's reports the next one is due."""
_REFUSED = "The simulated provider refuses this message."
_GONE = refusal(503, "STOPPING", "The simulator waited long enough, or stops.")


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What all carriers of a process share."""

    reporter: Reporter
    journal: Journal
    stop: asyncio.Event
    clock: Callable[[], datetime]
    ticks: Callable[[], float]
    """Seconds that only go forward."""


class Tongue(Protocol):
    """What one kind of caller is answered: a dialect of our own, or a vendor's."""

    def note(self, message: Any, *, token: str, at: datetime, provider: str) -> Entry: ...

    def accepted(self, entry: Entry, message: Any, status: int) -> Reply: ...

    def refused(self, status: int, error_code: str, message: str, *, retry_after: str | None = None) -> Reply: ...


class Carrier:
    """Takes messages, or refuses them, as their numbers, the schedule, the limit and the dice want it."""

    def __init__(self, name: str, settings: CarrierSettings, around: Surroundings) -> None:
        self.name = name
        self._around = around
        self.impersonation = _played(settings)
        """The vendor that it plays."""
        self._webhook: Webhook = self.impersonation or PlainWebhook(settings.webhook_url, settings.secret)
        # A string seeds alike in every process.
        self._dice = random.Random(f"{settings.seed}:{name}").random  # noqa: S311  (dice, repeatable on purpose)
        self._began = around.ticks()
        self._ids, self._run = count(1), secrets.token_hex(8)
        self.ledger = Ledger(settings.ledger_size)
        for entry in around.journal.entries(name):
            self.ledger.add(entry)
        self.tally = Tally()
        self.conduct = settings.conduct
        self._limit = limit_for(settings.rate_limit, settings.rate_burst)
        self.outage_now: Outage | None = None
        """What was ordered by hand; it goes before the schedule."""

    def obey(self, order: Order) -> tuple[str, ...]:
        """Behave so from now on; return the names of what changed. A changed limit begins afresh."""
        before, self.conduct = self.conduct, order.conduct
        changed = [name for name in Conduct.__struct_fields__ if getattr(before, name) != getattr(self.conduct, name)]
        if {"rate_limit", "rate_unit", "rate_burst"} & set(changed):
            self._limit = limit_for(self.conduct.rate_limit, self.conduct.rate_burst)
        if order.outage is not msgspec.UNSET:
            self.outage_now = order.outage
            changed.append("outage")
        return tuple(changed)

    @property
    def now(self) -> datetime:
        """The time of day."""
        return self._around.clock()

    @property
    def seconds(self) -> float:
        """Seconds since the start, as schedules of outages count them."""
        return self._around.ticks() - self._began

    def reset(self) -> None:
        """Empty the ledger and count from 0; what is on its way goes on."""
        self.ledger.clear()
        self._around.journal.reset(self.name)
        self.tally = Tally(self.tally)

    async def send(self, dialect: Dialect, headers: Any, body: bytes, receive: Receive) -> Reply:
        """Take a message, or refuse it."""
        now, at = self._around.ticks(), self._around.clock()
        if not dialect.knows(headers):
            self._count(Result.UNAUTHORIZED, now, at)
            return refusal(401, "UNAUTHORIZED", "Unknown API key.")
        message = dialect.read(body)
        if message is None:
            self._count(Result.MALFORMED, now, at)
            return refusal(400, "MALFORMED", "The body is not a message.")
        return await self._treat(message, dialect, receive)

    async def visit(self, call: Call, receive: Receive) -> Reply:
        """Take a call in the words of the vendor that it plays."""
        vendor = self.impersonation
        assert vendor is not None
        read = vendor.read(call)
        if isinstance(read, Asked):
            return await self._treat(read, vendor, receive)
        if isinstance(read, Question):
            return await self._tell(read, vendor, receive)
        if isinstance(read, Reply):
            return read
        result = Result.UNAUTHORIZED if read is Refusal.UNAUTHORIZED else Result.MALFORMED
        self._count(result, self._around.ticks(), self._around.clock())
        return vendor.refusal(read)

    async def look_up(self, reference: str, receive: Receive) -> Reply:
        """Say what became of a reference."""
        if fails := await self._cannot_tell(receive):
            return fails
        if not self.conduct.look_up:
            return refusal(501, "NOT_SUPPORTED", "Look-ups are switched off.")
        entry = self.ledger.newest(reference)
        if entry is None:
            return refusal(404, "NOT_FOUND", "This reference is unknown.")
        return json_reply(200, {"message_id": entry.message_id, "status": entry.status})

    async def _tell(self, question: Question, vendor: Impersonation, receive: Receive) -> Reply:
        if fails := await self._cannot_tell(receive):
            return fails if fails is _GONE else vendor.refusal(Refusal.INTERNAL)
        if not self.conduct.look_up:
            return refusal(501, "NOT_SUPPORTED", "Look-ups are switched off.")
        return vendor.found(question, self._entries(question))

    def _entries(self, question: Question) -> list[Entry]:
        if question.message_id:
            found = self.ledger.by_id(question.message_id)
            return [found] if found else []
        if question.reference:
            return self.ledger.entries(question.reference)
        return self.ledger.entries(to=question.to or None) if question.is_list else []

    async def _cannot_tell(self, receive: Receive) -> Reply | None:
        """Return what look-ups are answered in this hour of an outage, or None."""
        outage = self._outage(self.seconds)
        if outage and outage.kind in ("silence", "hang"):
            return await self._hang(receive)
        return refusal(500, "INTERNAL", _REFUSED) if outage and outage.kind == "http_500" else None

    async def _treat(self, message: Any, tongue: Tongue, receive: Receive) -> Reply:
        fate = self.judge(message.to, message.text)
        if fate.latency:
            await asyncio.sleep(fate.latency)
        return await self._answer(message, tongue, fate, receive)

    def judge(self, to: str, text: str) -> Fate:
        """Return what happens to a message that is asked for now, and count it."""
        now, at = self._around.ticks(), self._around.clock()
        units = segments(text) if self.conduct.rate_unit == "segment" else 1
        fate = self._fate(to, now, units)
        self._count(_result(fate.behaviour), now, at, units)
        return fate

    def new_token(self) -> str:
        """Return 32 hex digits that no other acceptance has."""
        return f"{self._run}{next(self._ids):016x}"

    def book(self, entry: Entry, behaviour: Behaviour) -> bool:
        """Write an acceptance into the books; False when they did not take it: then it is none."""
        if not self._around.journal.accept(entry, behaviour.reports[0] if behaviour.reports else None):
            return False
        self.ledger.add(entry)
        return True

    def take_up(self, entry: Entry, status: str) -> None:
        """Report what an earlier run accepted and did not report."""
        delay = fate_of(entry.to, self.conduct, self._dice).report_delay
        self._around.reporter.report_later(self._webhook, entry, status, seconds=delay)

    def _count(self, result: Result, now: float, at: datetime, units: int = 1) -> None:
        self.tally.ask(now, at, units)
        self.tally.end(result, now, units)

    def _fate(self, to: str, now: float, units: int) -> Fate:
        fate = fate_of(to, self.conduct, self._dice)
        outage = self._outage(now - self._began)
        if outage is not None:
            fate = in_outage(fate, outage)
            if outage.kind != "slow":
                return fate
        wait = self._limit.take(now, units) if self._limit else 0
        return over_limit(fate, wait) if wait else fate

    def _outage(self, seconds: float) -> Outage | None:
        if self.outage_now and self.outage_now.is_on(seconds):
            return self.outage_now
        return outage_at(self.conduct.outages, seconds) if self.conduct.outages else None

    async def _answer(self, message: Any, tongue: Tongue, fate: Fate, receive: Receive) -> Reply:
        behaviour = fate.behaviour
        if behaviour.status >= 400:
            code = behaviour.error_code or "ERROR"
            return tongue.refused(behaviour.status, code, _REFUSED, retry_after=behaviour.retry_after)
        if behaviour.is_lost:
            return await self._hang(receive)
        entry = self._accept(message, tongue, fate)
        if entry is None:
            return tongue.refused(500, "INTERNAL", _REFUSED)
        if behaviour.is_reported_first:
            for status in behaviour.reports:
                await self._around.reporter.report_now(self._webhook, entry, status)
        if behaviour.is_hanging:
            return await self._hang(receive)
        if behaviour.is_garbled:
            return GARBAGE
        if behaviour.is_nameless:
            return NAMELESS
        return tongue.accepted(entry, message, behaviour.status)

    def _accept(self, message: Any, tongue: Tongue, fate: Fate) -> Entry | None:
        behaviour, around = fate.behaviour, self._around
        entry = tongue.note(message, token=self.new_token(), at=around.clock(), provider=self.name)
        if not self.book(entry, behaviour):
            return None
        if not behaviour.is_reported_first:
            for later, status in enumerate(behaviour.reports):
                # The same report twice may race itself; two different ones keep their order.
                wait = 0 if status == behaviour.reports[0] else AFTERWARDS_SECONDS * later
                around.reporter.report_later(self._webhook, entry, status, seconds=fate.report_delay + wait)
        return entry

    async def _hang(self, receive: Receive) -> Reply:
        """Wait until the caller gives up, or the simulator stops, and for five minutes at most."""
        gone = asyncio.create_task(_disconnected(receive))
        stopped = asyncio.create_task(self._around.stop.wait())
        await asyncio.wait({gone, stopped}, timeout=MAX_HANG_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in (gone, stopped):
            task.cancel()
        return _GONE


def _played(settings: CarrierSettings) -> Impersonation | None:
    if settings.impersonate in ("", SMPP):
        # An SMSC is asked at a listener of its own.
        return None
    return Impersonation(open_vendor(settings.impersonate, settings.credentials), settings.webhook_url)


def _result(behaviour: Behaviour) -> Result:
    if behaviour.is_lost:
        return Result.SILENT
    if behaviour.status < 400:
        return Result.ACCEPTED
    if behaviour.error_code == "THROTTLED":
        return Result.THROTTLED
    return Result.FAILED if behaviour.status >= 500 else Result.REFUSED


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
