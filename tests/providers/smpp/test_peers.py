"""The provider against peers that do what a script says: frozen, broken, late, rude."""

import asyncio
from typing import Any

import pytest

from smsgw.core import smpp
from smsgw.core.events import BindMoved, InboundDropped, ReportRefused
from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus
from tests.providers.raw_server import raw_server
from tests.providers.smpp.rig import Peer, Script, played, receipt, running, submit, until

MO = smpp.encode_message(smpp.ShortMessage(text=b"stop"))


async def serve(peer: Peer) -> None:
    """Bind, and accept every message."""
    await peer.bind()
    while True:
        await peer.answer(await peer.expect(smpp.SUBMIT_SM), b"1d305b4c\0")


def refusing(status: int, body: bytes = b"") -> Script:
    """Bind, refuse the first message with this status, and accept the rest."""

    async def refuse(peer: Peer) -> None:
        await peer.bind()
        await peer.answer(await peer.expect(smpp.SUBMIT_SM), body, status=status)
        while True:
            await peer.answer(await peer.expect(smpp.SUBMIT_SM), b"1\0")

    return refuse


async def frozen(peer: Peer) -> None:
    """Bind, and say nothing ever again."""
    await peer.bind()
    while await peer.visit.some():
        continue


async def test_a_frozen_peer_costs_one_message_and_is_left() -> None:
    async with raw_server(played(frozen, serve)) as server, running(server.port, response_seconds=0.2) as client:
        lost = await client.provider.send(submit())
        await client.until(lambda: server.connections == 2)
        again = await client.provider.send(submit())

        assert (Outcome.UNKNOWN, "no answer within 0.2 s") == (lost.outcome, lost.detail)
        assert Outcome.ACCEPTED is again.outcome
        assert "no answer to enquire_link" in [fact.why for fact in client.facts if isinstance(fact, BindMoved)]


async def test_one_lost_answer_costs_no_bind() -> None:
    async def forgetful(peer: Peer) -> None:
        await peer.bind()
        await peer.expect(smpp.SUBMIT_SM)
        while True:
            await peer.answer(await peer.expect(smpp.SUBMIT_SM), b"2\0")

    async with raw_server(played(forgetful)) as server, running(server.port, response_seconds=0.2) as client:
        lost, again = await client.provider.send(submit()), await client.provider.send(submit())

        assert (Outcome.UNKNOWN, Outcome.ACCEPTED) == (lost.outcome, again.outcome)
        assert 1 == server.connections


async def test_a_silent_link_is_tried_and_an_idle_peer_kept() -> None:
    tried = asyncio.Event()

    async def idle(peer: Peer) -> None:
        await peer.bind()
        for _ in range(3):
            pdu = await peer.read()
            assert smpp.ENQUIRE_LINK == pdu.command
            await peer.answer(pdu)
        tried.set()
        await peer.visit.hang()

    async with raw_server(played(idle)) as server, running(server.port, enquire_link_seconds=0.05) as client:
        async with asyncio.timeout(10):
            await tried.wait()

        assert (1, 1) == (server.connections, client.binds)


async def test_the_window_is_never_exceeded() -> None:
    most = 0

    async def counting(peer: Peer) -> None:
        nonlocal most
        await peer.bind()
        while True:
            waiting = [await peer.expect(smpp.SUBMIT_SM) for _ in range(3)]
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    waiting.append(await peer.expect(smpp.SUBMIT_SM))
            most = max(most, len(waiting))
            for pdu in reversed(waiting):
                await peer.answer(pdu, b"%d\0" % pdu.sequence)

    async with raw_server(played(counting)) as server, running(server.port, window=3) as client:
        results = await asyncio.gather(*(client.provider.send(submit()) for _ in range(12)))

        assert {Outcome.ACCEPTED} == {each.outcome for each in results}
        assert 12 == len({each.provider_message_id for each in results})
        assert 3 == most


async def test_a_full_window_turns_messages_away_unsent() -> None:
    async with raw_server(played(frozen)) as server, running(server.port, window=1, timeout=0.6) as client:
        first, second = await asyncio.gather(client.provider.send(submit()), client.provider.send(submit()))

        assert (Outcome.UNKNOWN, Outcome.UNREACHABLE) == (first.outcome, second.outcome)
        assert "every bind's window is full" == second.detail


async def test_several_binds_share_the_load_and_a_dead_one_is_replaced() -> None:
    async def one_each(peer: Peer) -> None:
        await peer.bind()
        await peer.answer(await peer.expect(smpp.SUBMIT_SM), b"1\0")

    async with raw_server(played(one_each)) as server, running(server.port, binds=3, window=1) as client:
        await client.bound(3)
        results = await asyncio.gather(*(client.provider.send(submit()) for _ in range(3)))
        await client.until(lambda: server.connections >= 6)

        assert [Outcome.ACCEPTED] * 3 == [each.outcome for each in results]


async def test_what_was_in_the_window_when_the_link_went_is_unknown() -> None:
    async def leave(peer: Peer) -> None:
        await peer.bind()
        first, *_ = [await peer.expect(smpp.SUBMIT_SM) for _ in range(4)]
        await peer.answer(first, b"1\0")

    async with raw_server(played(leave, serve)) as server, running(server.port) as client:
        results = await asyncio.gather(*(client.provider.send(submit()) for _ in range(4)))

        assert [Outcome.ACCEPTED] + [Outcome.UNKNOWN] * 3 == sorted(each.outcome for each in results)


async def test_a_reset_is_no_different() -> None:
    async def reset(peer: Peer) -> None:
        await peer.bind()
        await peer.expect(smpp.SUBMIT_SM)
        peer.visit.reset()

    async with raw_server(played(reset, serve)) as server, running(server.port) as client:
        lost, again = await client.provider.send(submit()), await client.provider.send(submit())

        assert (Outcome.UNKNOWN, Outcome.ACCEPTED) == (lost.outcome, again.outcome)


async def test_half_a_pdu_and_the_rest_of_it_is_one() -> None:
    async def drip(peer: Peer) -> None:
        await peer.bind()
        pdu = await peer.expect(smpp.SUBMIT_SM)
        answer = smpp.encode(smpp.SUBMIT_SM_RESP, pdu.sequence, body=b"1d305b4c\0")
        for octet in answer:
            await peer.write(bytes((octet,)))
            await asyncio.sleep(0)
        await peer.visit.hang()

    async with raw_server(played(drip)) as server, running(server.port) as client:
        assert "1d305b4c" == (await client.provider.send(submit())).provider_message_id


async def test_half_a_pdu_and_nothing_more_is_silence() -> None:
    async def half(peer: Peer) -> None:
        await peer.bind()
        pdu = await peer.expect(smpp.SUBMIT_SM)
        await peer.write(smpp.encode(smpp.SUBMIT_SM_RESP, pdu.sequence, body=b"1d305b4c\0")[:20])
        await peer.visit.hang()

    async with raw_server(played(half, serve)) as server, running(server.port, response_seconds=0.2) as client:
        lost = await client.provider.send(submit())
        await client.until(lambda: server.connections == 2)
        again = await client.provider.send(submit())

        assert (Outcome.UNKNOWN, Outcome.ACCEPTED) == (lost.outcome, again.outcome)


@pytest.mark.parametrize("length", [0, 15, 64 * 1024 + 1, 0xFFFF_FFFF])
async def test_an_impossible_length_ends_the_link(length: int) -> None:
    async def garbage(peer: Peer) -> None:
        await peer.bind()
        await peer.expect(smpp.SUBMIT_SM)
        await peer.write(smpp.HEADER.pack(length, smpp.SUBMIT_SM_RESP, 0, 1) + b"x" * 100)
        await peer.visit.hang()

    async with raw_server(played(garbage, serve)) as server, running(server.port) as client:
        lost, again = await client.provider.send(submit()), await client.provider.send(submit())

        assert (Outcome.UNKNOWN, f"garbage: a PDU of {length} octets") == (lost.outcome, lost.detail)
        assert Outcome.ACCEPTED is again.outcome


async def test_answers_to_nothing_are_passed_over() -> None:
    async def confused(peer: Peer) -> None:
        await peer.bind()
        pdu = await peer.expect(smpp.SUBMIT_SM)
        await peer.write(smpp.encode(smpp.SUBMIT_SM_RESP, pdu.sequence + 1, body=b"other\0"))
        await peer.write(smpp.encode(smpp.SUBMIT_SM_RESP, 0, body=b"zero\0"))
        await peer.write(smpp.encode(smpp.ENQUIRE_LINK | smpp.RESPONSE, pdu.sequence))
        await peer.write(bytes.fromhex("00000010800000000000000800000000"))
        await peer.answer(pdu, b"right\0")
        await peer.answer(pdu, b"twice\0")
        await serve_on(peer)

    async with raw_server(played(confused)) as server, running(server.port) as client:
        first, second = await client.provider.send(submit()), await client.provider.send(submit())

        assert ("right", "1d305b4c") == (first.provider_message_id, second.provider_message_id)


async def serve_on(peer: Peer) -> None:
    """Accept every further message."""
    while True:
        await peer.answer(await peer.expect(smpp.SUBMIT_SM), b"1d305b4c\0")


@pytest.mark.parametrize(
    ("status", "outcome", "detail"),
    [
        (0x08, Outcome.UNREACHABLE, "0x08 RSYSERR"),
        (0x0A, Outcome.REJECTED, "0x0A RINVSRCADR"),
        (0x0B, Outcome.INVALID_NUMBER, "0x0B RINVDSTADR"),
        (0x14, Outcome.THROTTLED, "0x14 RMSGQFUL"),
        (0x15, Outcome.CREDENTIALS, "0x15 RINVSERTYP"),
        (0x45, Outcome.UNREACHABLE, "0x45 RSUBMITFAIL"),
        (0x58, Outcome.THROTTLED, "0x58 RTHROTTLED"),
        (0x67, Outcome.UNKNOWN, "0x67 RQUERYFAIL"),
        (0x4A1, Outcome.OPTED_OUT, "0x4A1"),
        (0x4A2, Outcome.UNREACHABLE, "0x4A2"),
    ],
)
async def test_a_status_has_its_outcome(status: int, outcome: Outcome, detail: str) -> None:
    told = {"0x4a1": "opted_out"}
    async with raw_server(played(refusing(status))) as server, running(server.port, statuses=told) as client:
        result = await client.provider.send(submit())

        assert (outcome, detail) == (result.outcome, result.detail)
        assert (result.retry_after is not None) == (outcome is Outcome.THROTTLED)


async def test_a_generic_nack_is_a_refusal() -> None:
    async def nack(peer: Peer) -> None:
        await peer.bind()
        pdu = await peer.expect(smpp.SUBMIT_SM)
        await peer.write(smpp.encode(smpp.GENERIC_NACK, pdu.sequence, status=0x02))
        await peer.visit.hang()

    async with raw_server(played(nack)) as server, running(server.port) as client:
        result = await client.provider.send(submit())

        assert (Outcome.CREDENTIALS, "0x02 RINVCMDLEN") == (result.outcome, result.detail)


@pytest.mark.parametrize("body", [b"", b"\0", b"\xff\xfe\0", b"x" * 65 + b"\0", b"a b\0"])
async def test_accepted_without_an_id_that_can_be_used_is_accepted(body: bytes) -> None:
    async with raw_server(played(refusing(0, body))) as server, running(server.port) as client:
        result = await client.provider.send(submit())

        assert (Outcome.ACCEPTED, None) == (result.outcome, result.provider_message_id)
        assert "submit_sm_resp without a message id" == result.detail


@pytest.mark.parametrize(("status", "outcome"), [(0x0D, Outcome.CREDENTIALS), (0x05, Outcome.UNREACHABLE)])
async def test_a_bind_that_is_refused_first_is_tried_again(status: int, outcome: Outcome) -> None:
    async def refuse(peer: Peer) -> None:
        await peer.answer(await peer.read(), status=status)
        await peer.visit.hang()

    async with raw_server(played(refuse, serve)) as server:
        async with running(server.port, reconnect_seconds=0.02, timeout=0.1) as client:
            result = await client.provider.send(submit())
            assert outcome is result.outcome or Outcome.ACCEPTED is result.outcome
            await client.bound()
            assert Outcome.ACCEPTED is (await client.provider.send(submit())).outcome
        assert 2 == server.connections


async def test_a_peer_that_never_answers_a_bind_is_left() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.visit.hang()

    async with raw_server(played(deaf, serve)) as server, running(server.port, bind_seconds=0.1) as client:
        await client.bound()

        assert "no answer to the bind: no answer within 0.1 s" == client.facts[0].why


async def test_the_peers_requests_are_answered() -> None:
    async def ask(peer: Peer) -> None:
        await peer.bind()
        assert smpp.ROK == (await peer.ask(smpp.ENQUIRE_LINK)).status
        # Not for us, and without an answer.
        await peer.write(smpp.encode(smpp.ALERT_NOTIFICATION, 5) + smpp.encode(smpp.OUTBIND, 6))
        await peer.write(smpp.encode(smpp.SUBMIT_SM, 8, body=MO))
        nack = await peer.expect(smpp.GENERIC_NACK)
        assert (8, smpp.RINVCMDID) == (nack.sequence, nack.status)
        assert smpp.RINVCMDLEN == (await peer.ask(smpp.DELIVER_SM, body=MO[:-6])).status
        assert smpp.ROK == (await peer.ask(smpp.DELIVER_SM, body=MO)).status
        done.set()
        assert smpp.ROK == (await peer.ask(smpp.UNBIND)).status

    done = asyncio.Event()
    async with raw_server(played(ask, serve)) as server, running(server.port) as client:
        await asyncio.wait_for(done.wait(), 10)
        await client.until(lambda: server.connections == 2)

        kinds = [type(fact) for fact in client.facts]
        assert 1 == kinds.count(InboundDropped) == kinds.count(ReportRefused)
        assert [] == client.kept
        assert "the SMSC unbound it" in [getattr(fact, "why", None) for fact in client.facts]


async def test_our_goodbye_is_an_unbind() -> None:
    heard: list[int] = []

    async def listen(peer: Peer) -> None:
        await peer.bind()
        pdu = await peer.read()
        heard.append(pdu.command)
        await peer.answer(pdu)

    async with raw_server(played(listen)) as server:
        async with running(server.port) as client:
            await client.bound()
        await until(lambda: bool(heard))

    assert [smpp.UNBIND] == heard


class Delivering:
    """Delivers PDUs after the bind, and notes their answers as they come."""

    def __init__(self, *bodies: bytes, command: int = smpp.DELIVER_SM) -> None:
        self._requests = [smpp.encode(command, number, body=body) for number, body in enumerate(bodies, 100)]
        self.answers: list[tuple[int, int]] = []

    async def __call__(self, peer: Peer) -> None:
        """Play."""
        pdu = await peer.read()
        # In one piece with the answer to the bind.
        bound = smpp.encode(pdu.command | smpp.RESPONSE, pdu.sequence, body=b"peer\0")
        await peer.write(bound + b"".join(self._requests))
        while True:
            answer = await peer.read()
            if answer.command == smpp.ENQUIRE_LINK:
                await peer.answer(answer)
            elif answer.command & smpp.RESPONSE:
                self.answers.append((answer.sequence, answer.status))


async def test_a_receipt_is_answered_only_after_it_is_kept() -> None:
    peer = Delivering(receipt("11"), receipt("12"))
    async with raw_server(played(peer)) as server, running(server.port, enquire_link_seconds=0.02) as client:
        client.hold = asyncio.Event()
        await client.asked_to_keep.wait()
        read = server.written
        # Long enough for an enquire_link to pass both ways after it.
        await client.until(lambda: server.written > read)
        assert [] == peer.answers
        client.hold.set()
        await client.until(lambda: len(peer.answers) == 2)

        assert [(100, 0), (101, 0)] == peer.answers
        assert ["11", "12"] == [each.provider_message_id for each in client.kept]


async def test_a_receipt_that_is_not_kept_shall_come_again() -> None:
    peer = Delivering(receipt("11"))
    async with raw_server(played(peer)) as server, running(server.port) as client:
        client.is_keeping = False
        await client.until(lambda: len(peer.answers) == 1)

        assert [(100, smpp.RX_T_APPN)] == peer.answers


async def test_more_receipts_than_anybody_should_hold_are_put_off() -> None:
    peer = Delivering(*(receipt(str(number)) for number in range(1, 1502)))
    async with raw_server(played(peer)) as server, running(server.port) as client:
        client.hold = asyncio.Event()
        await client.until(lambda: len(peer.answers) >= 500)
        assert {smpp.RX_T_APPN} == {status for _, status in peer.answers}
        client.hold.set()
        await client.until(lambda: len(peer.answers) == 1501)

        assert 1000 <= len(client.kept) <= 1001


async def test_a_receipt_may_come_as_data_sm_and_a_bad_one_is_answered() -> None:
    body = b"\0\1\1" + b"1500\0" + b"\0\0" + b"\0" + bytes((smpp.ESM_RECEIPT, 0, 0))
    tlvs = ((smpp.TLV_RECEIPTED_MESSAGE_ID, b"1d305b4c\0"), (smpp.TLV_MESSAGE_STATE, b"\2"))
    peer = Delivering(body + smpp.encode_tlvs(tlvs), body, body[:5], command=smpp.DATA_SM)
    async with raw_server(played(peer)) as server, running(server.port) as client:
        await client.until(lambda: len(peer.answers) == 3)

        assert [(100, 0), (101, 0), (102, smpp.RINVCMDLEN)] == sorted(peer.answers)
        assert [("1d305b4c", ReportStatus.DELIVERED)] == [(e.provider_message_id, e.status) for e in client.kept]


async def test_a_peer_that_reads_nothing_is_not_answered_for_ever() -> None:
    async def flood(peer: Peer) -> None:
        await peer.bind()
        requests = b"".join(smpp.encode(smpp.ENQUIRE_LINK, number) for number in range(1, 4096))
        while True:
            await peer.write(requests)

    options: dict[str, Any] = {"enquire_link_seconds": 0.2, "response_seconds": 0.3}
    async with raw_server(played(flood, serve)) as server, running(server.port, **options) as client:
        await client.until(lambda: server.connections == 2, seconds=30)
        await client.bound()

        assert Outcome.ACCEPTED is (await client.provider.send(submit())).outcome


def parts(*statuses: int | None) -> tuple[Script, list[int]]:
    """Return a script that answers each part with its status (None: never) and the list of what came."""
    came: list[int] = []

    async def play(peer: Peer) -> None:
        await peer.bind()
        for status in statuses:
            pdu = await peer.expect(smpp.SUBMIT_SM)
            message = smpp.decode_message(pdu.body)
            assert message
            came.append(message.text[5])
            if status is not None:
                await peer.answer(pdu, b"%d\0" % len(came) if status == 0 else b"", status=status)
        await serve_on(peer)

    return play, came


@pytest.mark.parametrize(
    ("statuses", "outcome", "came"),
    [
        # Nothing was taken: it may go another way.
        ((0x58,), Outcome.THROTTLED, [1]),
        ((0x08,), Outcome.UNREACHABLE, [1]),
        ((None,), Outcome.UNKNOWN, [1]),
        # A part was taken: what is put off is asked again, what is refused is over.
        ((0, 0x58, 0, 0), Outcome.ACCEPTED, [1, 2, 2, 3]),
        ((0, 0x08, 0, 0), Outcome.ACCEPTED, [1, 2, 2, 3]),
        ((0, 0, 0x45, 0x45, 0x45, 0x45, 0x45), Outcome.REJECTED, [1, 2, 3]),
        ((0, 0x0B), Outcome.REJECTED, [1, 2]),
        ((0, None), Outcome.UNKNOWN, [1, 2]),
    ],
)
async def test_a_long_text_of_which_a_part_is_not_taken(
    statuses: tuple[int | None, ...], outcome: Outcome, came: list[int]
) -> None:
    script, seen = parts(*statuses)
    options: dict[str, Any] = {"response_seconds": 0.3, "timeout": 1.6}
    async with raw_server(played(script)) as server, running(server.port, **options) as client:
        result = await client.provider.send(submit("x" * 400))

        assert outcome is result.outcome
        assert came == seen[: len(came)]
        assert set(seen) == set(came)
        assert bool(result.provider_message_id) == bool(result.part_ids) == (outcome is Outcome.ACCEPTED)


async def test_cancelled_sends_leave_the_window_as_it_was() -> None:
    async with raw_server(played(serve)) as server, running(server.port, window=2) as client:
        for _ in range(20):
            sends = [asyncio.create_task(client.provider.send(submit())) for _ in range(6)]
            await asyncio.sleep(0)
            for send in sends[::2]:
                send.cancel()
            results = await asyncio.gather(*sends, return_exceptions=True)
            assert {Outcome.ACCEPTED} == {getattr(each, "outcome", Outcome.ACCEPTED) for each in results}

        assert Outcome.ACCEPTED is (await client.provider.send(submit())).outcome
        assert 1 == server.connections


async def test_no_credential_is_in_what_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    async def echo(peer: Peer) -> None:
        pdu = await peer.read()
        await peer.write(smpp.encode(pdu.command | smpp.RESPONSE, pdu.sequence, status=0x0E, body=pdu.body))

    async with raw_server(played(echo)) as server, running(server.port, password="hunter2", timeout=0.2) as client:
        result = await client.provider.send(submit())

        assert "hunter2" not in f"{result} {client.facts}"
    assert "hunter2" not in "".join(capfd.readouterr())
