"""An SMPP provider that runs, and what it is run against: our SMSC, or a peer that does what a script says."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from smsgw.core import smpp
from smsgw.core.events import BindMoved
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Submit
from smsgw.providers.smpp.config import Config
from smsgw.providers.smpp.provider import SmppProvider
from smsgw.simulator.carrier import Carrier, Surroundings
from smsgw.simulator.journal import Journal
from smsgw.simulator.reports import Reporter
from smsgw.simulator.settings import CarrierSettings
from smsgw.simulator.smsc.server import SmscAccount, open_smsc
from tests.providers.raw_server import Visit
from tests.providers.tables import SUBMIT

NAME = "carrier"
QUICK: dict[str, Any] = {"system_id": NAME, "password": "demo-key", "host": "127.0.0.1", "reconnect_seconds": 0.02}


def submit(text: str = "hello", *, to: str = "+15005559999", sender: str | None = "Acme") -> Submit:
    """Return a message to a number without magic."""
    return msgspec.structs.replace(SUBMIT, text=text, to=to, sender=sender)


class Running:
    """A provider with what it said, and what it was given to keep."""

    def __init__(self, provider: SmppProvider) -> None:
        self.provider = provider
        self.facts: list[Any] = []
        self.kept: list[DeliveryReport] = []
        self.is_keeping = True
        self.hold: asyncio.Event | None = None
        self.asked_to_keep = asyncio.Event()
        self.moved = asyncio.Event()

    async def keep(self, reports: Sequence[DeliveryReport]) -> bool:
        """Keep reports, as long as the test wants them kept."""
        self.asked_to_keep.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.is_keeping:
            self.kept.extend(reports)
        return self.is_keeping

    def observe(self, fact: Any, /) -> None:
        """Listen."""
        self.facts.append(fact)
        self.moved.set()

    @property
    def binds(self) -> int:
        """How many binds it says it has."""
        return next((fact.binds for fact in reversed(self.facts) if isinstance(fact, BindMoved)), 0)

    async def until(self, is_so: Callable[[], bool], *, seconds: float = 10) -> None:
        """Wait until something is so."""
        await until(is_so, seconds=seconds)

    async def bound(self, binds: int = 1) -> None:
        """Wait until it has so many binds."""
        await self.until(lambda: self.binds == binds)


async def until(is_so: Callable[[], bool], *, seconds: float = 10) -> None:
    """Wait until something is so; fail when it is not in time."""
    async with asyncio.timeout(seconds):
        while not is_so():
            await asyncio.sleep(0.005)


@contextlib.asynccontextmanager
async def running(port: int, *, timeout: float = 5, **options: Any) -> AsyncIterator[Running]:
    """Give a provider that runs against a port of this machine."""
    config = msgspec.convert({**QUICK, "port": port, **options}, Config)
    state = Running(SmppProvider("P", config, timeout=timedelta(seconds=timeout)))
    task = asyncio.create_task(state.provider.run(state.keep, state.observe))
    try:
        yield state
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Smsc:
    """Our SMSC with one carrier, listening."""

    def __init__(self, account: SmscAccount, port: int, around: Surroundings) -> None:
        self.account = account
        self.carrier = account.carrier
        self.port = port
        self.around = around


@contextlib.asynccontextmanager
async def smsc(*, port: int = 0, tls: Any = None, journal: Path | None = None, **settings: Any) -> AsyncIterator[Smsc]:
    """Give our SMSC; without other settings it answers at once and reports at once."""
    told = CarrierSettings(**{"latency": 0, "report_delay": 0, "impersonate": "smpp", **settings})
    book = Journal(journal)
    async with Reporter(clock=utc_now, on_taken=book.report) as reporter:
        around = Surroundings(
            reporter=reporter, journal=book, stop=asyncio.Event(), clock=utc_now, ticks=time.monotonic
        )
        account = SmscAccount(Carrier(NAME, told, around), told, around)
        async with open_smsc({NAME: account}, host="127.0.0.1", port=port, tls=tls) as listening:
            yield Smsc(account, listening, around)
    book.close()


def utc_now() -> datetime:
    """Return now."""
    return datetime.now(UTC)


class Peer:
    """The SMSC's end of a connection, word by word."""

    def __init__(self, visit: Visit) -> None:
        self.visit = visit
        self._framer = smpp.Framer()
        self._come: list[smpp.Pdu] = []

    async def read(self) -> smpp.Pdu:
        """Return the next PDU."""
        while not self._come:
            data = await self.visit.some()
            if not data:
                raise asyncio.IncompleteReadError(b"", 16)
            self._come.extend(self._framer.feed(data))
        return self._come.pop(0)

    async def expect(self, command: int) -> smpp.Pdu:
        """Return the next PDU that is no enquire_link (those are answered); it has to be of this kind."""
        while True:
            pdu = await self.read()
            if pdu.command == smpp.ENQUIRE_LINK:
                await self.answer(pdu)
                continue
            assert pdu.command == command, f"{pdu.command:#x}, not {command:#x}"
            return pdu

    async def answer(self, pdu: smpp.Pdu, body: bytes = b"", *, status: int = 0) -> None:
        """Answer a request."""
        await self.write(smpp.encode(pdu.command | smpp.RESPONSE, pdu.sequence, status=status, body=body))

    async def bind(self) -> smpp.Pdu:
        """Accept a bind and return it."""
        pdu = await self.read()
        assert pdu.command in smpp.BINDS
        await self.answer(pdu, b"peer\0")
        return pdu

    async def ask(self, command: int, sequence: int = 77, body: bytes = b"") -> smpp.Pdu:
        """Send a request and return its answer."""
        await self.write(smpp.encode(command, sequence, body=body))
        return await self.expect(command | smpp.RESPONSE)

    async def write(self, data: bytes) -> None:
        """Write octets."""
        await self.visit.write(data)


Script = Callable[[Peer], Awaitable[None]]


def played(*scripts: Script) -> Callable[[Visit], Awaitable[None]]:
    """Return a raw server's script: each connection plays one of these, the last one again and again."""
    left = list(scripts)

    async def play(visit: Visit) -> None:
        await (left.pop(0) if len(left) > 1 else left[0])(Peer(visit))

    return play


def receipt(message_id: str, *, stat: str = "DELIVRD", **changes: Any) -> bytes:
    """Return the body of a deliver_sm with a receipt in words alone."""
    text = f"id:{message_id} sub:001 dlvrd:001 submit date:2111211200 done date:2111211201 stat:{stat} err:000 text:"
    fields: dict[str, Any] = {"esm_class": smpp.ESM_RECEIPT, "text": text.encode(), **changes}
    return smpp.encode_message(smpp.ShortMessage(**fields))


def some_id() -> str:
    """Return a message id."""
    return secrets.token_hex(8)
