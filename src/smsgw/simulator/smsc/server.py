"""The SMSC's listener and its accounts: one per carrier that plays `smpp`."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import NamedTuple

from smsgw.core import smpp
from smsgw.simulator.behaviour import Behaviour
from smsgw.simulator.carrier import AFTERWARDS_SECONDS, Carrier, Surroundings
from smsgw.simulator.ledger import Details, Entry
from smsgw.simulator.schedule import Schedule
from smsgw.simulator.settings import CarrierSettings
from smsgw.simulator.smsc.session import Session
from smsgw.simulator.smsc.words import receipt

RETRIES = 20
RETRY_SECONDS = 0.5
MAX_WAITING = 200_000
PASSWORD_LENGTH = 16


class _Due(NamedTuple):
    entry: Entry
    status: str
    retry: int = 0


class SmscAccount:
    """A carrier as its binds see it. Receipts go to whichever bind may have them, in turn; one that nobody took is
    delivered again, RETRIES times."""

    def __init__(self, carrier: Carrier, settings: CarrierSettings, around: Surroundings) -> None:
        self.carrier = carrier
        told = settings.credentials
        self.password = told.get("password", settings.api_key).encode()[:PASSWORD_LENGTH]
        self._is_decimal = told.get("ids") == "hex_to_decimal"
        self._around = around
        self._sessions: list[Session] = []
        self._schedule: Schedule[_Due] = Schedule(self._begin)
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = 0

    def accept(self, message: smpp.ShortMessage, behaviour: Behaviour, delay: float) -> Entry:
        """Book an acceptance and its reports."""
        entry = Entry(
            reference="",
            message_id=_message_id(self.carrier.new_token()),
            accepted_at=self.carrier.now,
            provider=self.carrier.name,
            to="+" + message.destination.digits.decode("latin-1"),
            details=Details(sender=message.source.digits.decode("latin-1")),
        )
        self.carrier.book(entry, behaviour)
        if message.registered & 3 and not behaviour.is_reported_first:
            for later, status in enumerate(behaviour.reports):
                # The same report twice may race itself; two different ones keep their order.
                wait = 0 if status == behaviour.reports[0] else AFTERWARDS_SECONDS * later
                self.report_later(entry, status, seconds=delay + wait)
        return entry

    def report_later(self, entry: Entry, status: str, *, seconds: float) -> None:
        """Deliver a receipt after a while."""
        if len(self._schedule) + len(self._tasks) >= MAX_WAITING:
            self._around.reporter.dropped[entry.provider] += 1
            return
        self._schedule.add(_Due(entry, status), seconds=seconds)

    async def report_now(self, entry: Entry, status: str) -> None:
        """Deliver a receipt and return when somebody has answered."""
        await self._deliver(_Due(entry, status))

    def enter(self, session: Session) -> None:
        """Take note of a bind."""
        self._sessions.append(session)

    def leave(self, session: Session) -> None:
        """Forget a bind."""
        self._sessions.remove(session)

    async def close(self) -> None:
        """Stop; what waits is dropped."""
        self._schedule.clear()
        for session in list(self._sessions):
            session.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, due: _Due) -> None:
        task = asyncio.create_task(self._deliver(due), name="receipt")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, due: _Due) -> None:
        entry, status = due.entry, due.status
        if status != "sent":
            # A `sent` that comes after the end of the story is late news.
            entry.status = status
        session = self._next_session()
        said = receipt(entry, status, self.carrier.now, is_decimal=self._is_decimal)
        if session is not None and await session.deliver(said):
            self._around.reporter.sent[entry.provider] += 1
            self._around.journal.report(entry)
        elif due.retry < RETRIES:
            self._schedule.add(due._replace(retry=due.retry + 1), seconds=RETRY_SECONDS)
        else:
            self._around.reporter.dropped[entry.provider] += 1

    def _next_session(self) -> Session | None:
        able = [session for session in self._sessions if session.can_receive]
        self._numbers += 1
        return able[self._numbers % len(able)] if able else None


def _message_id(token: str) -> str:
    """Return 16 hex digits, as SMSCs have them."""
    return (token[8:16] + token[-8:]).upper()


class Smsc:
    """Accounts by the system_id that binds to them: the carrier's name."""

    def __init__(self, accounts: Mapping[str, SmscAccount]) -> None:
        self._accounts = accounts
        self._sessions: set[Session] = set()

    def session(self) -> Session:
        """Return the protocol of a new connection."""
        return Session(self._accounts.get)

    async def close(self) -> None:
        """End every session."""
        await asyncio.gather(*(account.close() for account in self._accounts.values()))


@contextlib.asynccontextmanager
async def open_smsc(
    accounts: Mapping[str, SmscAccount], *, host: str, port: int, tls: ssl.SSLContext | None = None
) -> AsyncIterator[int]:
    """Listen while the context is open and give the port, or 0 where there is nobody to listen for; raises OSError when
    it cannot be had."""
    if not accounts:
        yield 0
        return
    smsc = Smsc(accounts)
    server = await asyncio.get_running_loop().create_server(smsc.session, host, port, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await smsc.close()
