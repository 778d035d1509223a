"""Receipts on their way to the store: answered when they are committed, and not a moment sooner."""

import asyncio
from typing import NamedTuple

from smsgw.core import smpp
from smsgw.core.events import InboundDropped, ReportRefused
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Keep, Observer
from smsgw.providers.smpp.link import Link
from smsgw.providers.smpp.receipts import Other, Receipts

MOST_WAITING = 1000
"""Beyond so many the SMSC is told to come again: it keeps them better than we do."""
BATCH = 100
_NO_ID = b"\0"


class _Held(NamedTuple):
    link: Link
    request: smpp.Pdu
    report: DeliveryReport


class Inbox:
    """Takes what the SMSC delivers over all binds of a provider. Receipts that come together share a commit."""

    def __init__(self, provider: str, receipts: Receipts, observer: Observer) -> None:
        self._provider = provider
        self._receipts = receipts
        self._observer = observer
        self._held: list[_Held] = []
        self._keeping = 0
        self._has_some = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    def deliver(self, link: Link, request: smpp.Pdu) -> None:
        """Take a deliver_sm or data_sm."""
        read_body = smpp.decode_message if request.command == smpp.DELIVER_SM else smpp.decode_data
        message = read_body(request.body)
        if message is None:
            self._observer(ReportRefused(provider=self._provider, is_forged=False, why="a deliver_sm that is cut off"))
            link.answer(request, smpp.RINVCMDLEN, _NO_ID)
            return
        report = self._receipts.read(message)
        if isinstance(report, DeliveryReport):
            self._hold(_Held(link, request, report))
            return
        if report is Other.MESSAGE:
            self._observer(InboundDropped(provider=self._provider))
        else:
            why = "a receipt without a known id or state"
            self._observer(ReportRefused(provider=self._provider, is_forged=False, why=why))
        # Refused, it would come again for days and say nothing more.
        link.answer(request, smpp.ROK, _NO_ID)

    async def work(self, keep: Keep) -> None:
        """Keep and answer until cancelled; what is being kept then is kept again by the SMSC's repetition."""
        while True:
            await self._has_some.wait()
            batch, self._held = self._held[:BATCH], self._held[BATCH:]
            self._keeping = len(batch)
            if not self._held:
                self._has_some.clear()
            is_kept = False
            try:
                is_kept = await keep([each.report for each in batch])
            finally:
                self._keeping = 0
                for each in batch:
                    each.link.answer(each.request, smpp.ROK if is_kept else smpp.RX_T_APPN, _NO_ID)
                if not self._held:
                    self._is_empty.set()

    async def settled(self) -> None:
        """Wait until everything that came is answered."""
        await self._is_empty.wait()

    def _hold(self, held: _Held) -> None:
        if len(self._held) + self._keeping >= MOST_WAITING:
            held.link.answer(held.request, smpp.RX_T_APPN, _NO_ID)
            return
        self._held.append(held)
        self._has_some.set()
        self._is_empty.clear()
