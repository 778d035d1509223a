"""The provider against our SMSC: everything goes over a real connection."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from smsgw.core import smpp
from smsgw.core.events import BindMoved
from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import ReportStatus
from tests.providers.certificates import server_context
from tests.providers.smpp.rig import running, smsc, submit
from tests.providers.tables import REFERENCE


async def test_a_message_is_taken_and_its_receipt_kept() -> None:
    async with smsc() as carrier, running(carrier.port) as client:
        result = await client.provider.send(submit("€5"))
        await client.until(lambda: len(client.kept) == 1)

        assert Outcome.ACCEPTED is result.outcome
        assert 1 == result.segments
        entry = carrier.carrier.ledger.entries()[0]
        assert ("+15005559999", "Acme") == (entry.to, entry.known.sender)
        assert entry.message_id.lower().lstrip("0") == result.provider_message_id == client.kept[0].provider_message_id
        assert ReportStatus.DELIVERED is client.kept[0].status


async def test_ids_are_the_same_where_receipts_write_them_in_decimal() -> None:
    settings: dict[str, Any] = {"credentials": {"ids": "hex_to_decimal"}}
    async with smsc(**settings) as carrier, running(carrier.port, id_base="hex_to_decimal") as client:
        result = await client.provider.send(submit())
        await client.until(lambda: len(client.kept) == 1)

        entry = carrier.carrier.ledger.entries()[0]
        assert str(int(entry.message_id, 16)) == result.provider_message_id == client.kept[0].provider_message_id


@pytest.mark.parametrize("long", ["udh", "sar"])
async def test_the_parts_of_a_long_text_have_ids_of_their_own(long: str) -> None:
    async with smsc() as carrier, running(carrier.port, long=long) as client:
        result = await client.provider.send(submit("x" * 400))
        await client.until(lambda: len(client.kept) == 3)

        assert Outcome.ACCEPTED is result.outcome
        assert 3 == result.segments == len(result.part_ids)
        assert result.provider_message_id == result.part_ids[0]
        assert set(result.part_ids) == {each.provider_message_id for each in client.kept}


async def test_a_long_text_goes_whole_in_a_payload() -> None:
    async with smsc() as carrier, running(carrier.port, long="payload") as client:
        result = await client.provider.send(submit("x" * 400))

        assert Outcome.ACCEPTED is result.outcome
        assert ((), None) == (result.part_ids, result.segments)
        assert 1 == len(carrier.carrier.ledger.entries())


async def test_a_receipt_may_come_before_the_answer() -> None:
    async with smsc() as carrier, running(carrier.port) as client:
        result = await client.provider.send(submit(to="+15005550008"))

        assert Outcome.ACCEPTED is result.outcome
        assert [result.provider_message_id] == [each.provider_message_id for each in client.kept]


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("0001", Outcome.INVALID_NUMBER),
        ("0002", Outcome.REJECTED),
        ("0003", Outcome.THROTTLED),
        ("0004", Outcome.UNREACHABLE),
        ("0005", Outcome.UNKNOWN),
        ("0009", Outcome.UNKNOWN),
        ("0011", Outcome.REJECTED),
        ("0016", Outcome.UNKNOWN),
        ("0017", Outcome.ACCEPTED),
    ],
)
async def test_whatever_the_carrier_does_has_its_outcome(ending: str, outcome: Outcome) -> None:
    async with smsc() as carrier, running(carrier.port, timeout=1, response_seconds=0.3) as client:
        result = await client.provider.send(submit(to=f"+1500555{ending}"))

        assert outcome is result.outcome
        assert result.provider_message_id is None
        assert "demo-key" not in str(result)


async def test_after_garbage_the_bind_comes_back() -> None:
    async with smsc() as carrier, running(carrier.port) as client:
        lost = await client.provider.send(submit(to="+15005550009"))
        again = await client.provider.send(submit())

        assert (Outcome.UNKNOWN, Outcome.ACCEPTED) == (lost.outcome, again.outcome)
        whys = [fact.why for fact in client.facts if isinstance(fact, BindMoved) and fact.why]
        assert ["garbage: a PDU of 5 octets"] == whys


async def test_a_throttled_link_rests_and_then_goes_on() -> None:
    async with smsc() as carrier, running(carrier.port) as client:
        first = await client.provider.send(submit(to="+15005550003"))
        second = await client.provider.send(submit())

        assert (Outcome.THROTTLED, Outcome.THROTTLED) == (first.outcome, second.outcome)
        assert second.retry_after
        assert timedelta(0) < second.retry_after <= timedelta(seconds=0.5)
        assert 1 == sum(carrier.carrier.tally.results.values())
        await asyncio.sleep(second.retry_after.total_seconds())
        third = await client.provider.send(submit())
        assert Outcome.ACCEPTED is third.outcome


async def test_a_wrong_password_is_the_accounts_fault_and_said_once() -> None:
    async with smsc() as carrier, running(carrier.port, password="wrong", timeout=0.2) as client:
        first, second = await client.provider.send(submit()), await client.provider.send(submit())

        assert (Outcome.CREDENTIALS, Outcome.CREDENTIALS) == (first.outcome, second.outcome)
        assert "not bound: bind refused: 0x0E RINVPASWD" == first.detail
        assert 1 == len(client.facts)


async def test_an_unknown_account_is_refused() -> None:
    async with smsc() as carrier, running(carrier.port, system_id="nobody", timeout=0.2) as client:
        result = await client.provider.send(submit())

        assert Outcome.CREDENTIALS is result.outcome
        assert "not bound: bind refused: 0x0F RINVSYSID" == result.detail


async def test_a_transmitter_sends_and_a_receiver_receives() -> None:
    async with smsc() as carrier, running(carrier.port, bind="transmitter+receiver", binds=2) as client:
        await client.bound(4)
        results = await asyncio.gather(*(client.provider.send(submit()) for _ in range(40)))
        await client.until(lambda: len(client.kept) == 40)

        assert {Outcome.ACCEPTED} == {each.outcome for each in results}
        assert {each.provider_message_id for each in results} == {each.provider_message_id for each in client.kept}


async def test_a_bind_comes_back_when_the_smsc_does() -> None:
    async with smsc() as carrier, running(carrier.port) as client:
        await client.bound()
        port = carrier.port
        await carrier.account.close()
        await client.bound(0)
        await client.bound(1)

        assert Outcome.ACCEPTED is (await client.provider.send(submit())).outcome
        assert port == carrier.port


async def test_nobody_waits_long_for_a_bind_that_is_not_there(unused_tcp_port: int) -> None:
    loop = asyncio.get_running_loop()
    async with running(unused_tcp_port, timeout=0.4) as client:
        began = loop.time()
        result = await client.provider.send(submit())

        assert Outcome.UNREACHABLE is result.outcome
        assert "not bound: cannot connect (ConnectionRefusedError)" == result.detail
        assert loop.time() - began < 5


async def test_receipts_that_the_store_does_not_take_come_again() -> None:
    async with smsc() as carrier, running(carrier.port) as client:
        client.is_keeping = False
        result = await client.provider.send(submit())
        await client.asked_to_keep.wait()
        client.is_keeping = True
        await client.until(lambda: len(client.kept) == 1)

        assert result.provider_message_id == client.kept[0].provider_message_id


async def test_what_an_earlier_run_accepted_is_reported_by_the_next(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    async with smsc(journal=journal, report_delay=3600) as carrier, running(carrier.port) as client:
        result = await client.provider.send(submit())
    async with smsc(journal=journal) as carrier, running(carrier.port) as client:
        for entry, status in carrier.around.journal.unreported():
            carrier.account.report_later(entry, status, seconds=0)
        await client.until(lambda: len(client.kept) == 1)

        assert result.provider_message_id == client.kept[0].provider_message_id


async def test_tls_with_an_authority_of_ones_own(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    async with (
        smsc(tls=server_context(authority)) as carrier,
        running(carrier.port, tls=True, tls_ca=str(tmp_path / "ca.pem")) as client,
    ):
        assert Outcome.ACCEPTED is (await client.provider.send(submit())).outcome


async def test_a_client_certificate_is_shown(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    authority.issue_cert("client").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    context = server_context(authority)
    context.verify_mode = context.verify_mode.CERT_REQUIRED
    authority.configure_trust(context)
    options: dict[str, Any] = {"tls": True, "tls_ca": str(tmp_path / "ca.pem"), "timeout": 1}
    async with smsc(tls=context) as carrier:
        async with running(carrier.port, tls_certificate=str(tmp_path / "client.pem"), **options) as client:
            assert Outcome.ACCEPTED is (await client.provider.send(submit())).outcome
        async with running(carrier.port, **options) as client:
            assert Outcome.UNREACHABLE is (await client.provider.send(submit())).outcome


async def test_a_stranger_in_the_smscs_place_never_sees_the_password(tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    async with (
        smsc(tls=server_context(trustme.CA())) as carrier,
        running(carrier.port, tls=True, tls_ca=str(tmp_path / "ca.pem"), timeout=0.4) as client,
    ):
        result = await client.provider.send(submit())

        assert Outcome.UNREACHABLE is result.outcome
        assert "not bound: cannot connect (SSLCertVerificationError)" == result.detail


async def test_its_end_is_orderly_and_leaves_nothing_behind() -> None:
    async with smsc(latency=0.3) as carrier:
        async with running(carrier.port) as client:
            await client.bound()
            sending = asyncio.create_task(client.provider.send(submit()))
            await client.until(lambda: sum(carrier.carrier.tally.results.values()) == 1)
        result = await sending

        assert Outcome.ACCEPTED is result.outcome
        assert 0 == client.binds
        assert "stopped" == client.facts[-1].why
        late = await client.provider.send(submit())
        assert (Outcome.UNREACHABLE, "not bound: not running") == (late.outcome, late.detail)


async def test_it_looks_nothing_up() -> None:
    async with smsc() as carrier, running(carrier.port) as client:
        assert not client.provider.can_look_up
        assert LookUp.CANNOT_SAY is (await client.provider.look_up(REFERENCE)).answer


async def test_the_smsc_answers_what_it_does_not_know() -> None:
    async with smsc() as carrier:
        reader, writer = await asyncio.open_connection("127.0.0.1", carrier.port)
        framer = smpp.Framer()
        told = {smpp.SUBMIT_SM: smpp.RINVBNDSTS, 0x21: smpp.RINVCMDID, smpp.BIND_TRANSCEIVER: 0x0F}
        for number, (command, status) in enumerate(told.items(), 1):
            writer.write(smpp.encode(command, number))
            pdus: list[smpp.Pdu] = []
            while not pdus:
                pdus.extend(framer.feed(await reader.read(1000)))
            assert [(number, status)] == [(pdu.sequence, pdu.status) for pdu in pdus]
        writer.write(b"\0\0\0\1" * 4)
        assert b"" == await reader.read()
        writer.close()
        await writer.wait_closed()
