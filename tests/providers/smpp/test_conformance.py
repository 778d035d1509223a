"""SMPP with code that others wrote: smpplib's client at our SMSC, our client at smpp34's server."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
import smpplib.client
import smpplib.consts
import smpplib.exceptions
import smpplib.gsm

from smsgw.core.failure import Outcome
from tests.providers.smpp.rig import NAME, running, smsc, submit
from tests.rules.sources import ROOT
from tests.servers import free_port

SECONDS = 10


class Customer:
    """smpplib's client, in a thread: it blocks."""

    def __init__(self, port: int) -> None:
        self.client = smpplib.client.Client("127.0.0.1", port, timeout=SECONDS, allow_unknown_opt_params=True)
        self.answers: list[Any] = []
        self.receipts: list[Any] = []
        self.client.set_message_sent_handler(self._note)
        self.client.set_message_received_handler(self._receive)

    def send(self, text: str) -> int:
        """Bind, send a text in parts, wait for every answer and receipt, unbind; return how many parts there were."""
        try:
            self.client.connect()
            return self._send(text)
        finally:
            self.client.disconnect()

    def _send(self, text: str) -> int:
        self.client.bind_transceiver(system_id=NAME, password="demo-key")
        parts, coding, esm_class = smpplib.gsm.make_parts(text)
        for part in parts:
            self.client.send_message(
                source_addr_ton=smpplib.consts.SMPP_TON_ALNUM,
                source_addr="Acme",
                dest_addr_ton=smpplib.consts.SMPP_TON_INTL,
                dest_addr_npi=smpplib.consts.SMPP_NPI_ISDN,
                destination_addr="15005559999",
                short_message=part,
                data_coding=coding,
                esm_class=esm_class,
                registered_delivery=True,
            )
        while len(self.answers) < len(parts) or len(self.receipts) < len(parts):
            self.client.read_once()
        self.client.unbind()
        return len(parts)

    def _note(self, pdu: Any) -> None:
        self.answers.append(pdu)

    def _receive(self, pdu: Any) -> int:
        self.receipts.append(pdu)
        return int(smpplib.consts.SMPP_ESME_ROK)


async def in_time(work: Callable[[], Any]) -> Any:
    """Run what blocks in a thread."""
    async with asyncio.timeout(SECONDS * 2):
        return await asyncio.to_thread(work)


@pytest.mark.parametrize("text", ["€5", "x" * 400, "سلام" * 40])
async def test_smpplib_sends_through_our_smsc_and_reads_our_receipts(text: str) -> None:
    async with smsc() as carrier:
        customer = Customer(carrier.port)

        count = await in_time(lambda: customer.send(text))

        entries = {entry.message_id for entry in carrier.carrier.ledger.entries()}
        assert count == len(entries)
        assert entries == {pdu.message_id.decode() for pdu in customer.answers}
        assert entries == {pdu.receipted_message_id.decode() for pdu in customer.receipts}
        assert {2} == {int(pdu.message_state) for pdu in customer.receipts}
        assert all(b"stat:DELIVRD" in pdu.short_message for pdu in customer.receipts)


async def test_smpplib_is_told_that_its_password_is_wrong() -> None:
    async with smsc(credentials={"password": "another"}) as carrier:
        customer = Customer(carrier.port)

        with pytest.raises(smpplib.exceptions.PDUError, match=r"(?i)password"):
            await in_time(lambda: customer.send("hello"))


async def test_our_client_sends_through_smpp34s_server_and_takes_its_receipts() -> None:
    port = free_port()
    command = [sys.executable, "-m", "tests.providers.smpp.other_smsc", str(port)]
    child = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    assert child.stdout
    try:
        async with asyncio.timeout(30):
            assert b"ready\n" == await child.stdout.readline()
        async with running(port, id_base="hex_to_decimal", window=5) as client:
            results = await asyncio.gather(*(client.provider.send(submit(f"no. {number}")) for number in range(50)))
            long = await client.provider.send(submit("ş" * 200))
            await client.until(lambda: len(client.kept) == 53)

            ids = {each.provider_message_id for each in results} | set(long.part_ids)
            assert {Outcome.ACCEPTED} == {each.outcome for each in (*results, long)}
            assert {str(number) for number in range(1, 54)} == ids
            assert ids == {each.provider_message_id for each in client.kept}
            async with asyncio.timeout(10):
                assert [b"answered 0\n"] * 53 == [await child.stdout.readline() for _ in range(53)]
    finally:
        child.kill()
        await child.communicate()
