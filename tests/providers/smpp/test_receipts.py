"""Receipts in every form that carriers were seen to give them."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core import smpp
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.smpp import ShortMessage
from smsgw.providers.smpp.config import Config
from smsgw.providers.smpp.receipts import MOST_TEXT, Other, Receipts
from tests.providers.smpp.rig import QUICK
from tests.providers.smpp.test_octets import MO, RECEIPT, read

PLAIN = "id:1526758174 submit date:1701240904 done date:1701240904 stat:DELIVRD err:000 text:hellow"
FULL = "id:795920026 sub:001 dlvrd:001 submit date:200319131913 done date:200319131913 stat:DELIVRD err:000 text:"
TAKEN = "id:1234567890 sub:001 dlvrd:001 submit date:2102220510 done date:2102220510 stat:ACCEPTD err:000 text:"
ID, STATE = smpp.TLV_RECEIPTED_MESSAGE_ID, smpp.TLV_MESSAGE_STATE


def reader(**options: Any) -> Receipts:
    """Return a reader with these options."""
    return Receipts(msgspec.convert({**QUICK, **options}, Config))


def said(text: str | bytes = b"", **fields: Any) -> ShortMessage:
    """Return a marked receipt."""
    octets = text.encode("latin-1") if isinstance(text, str) else text
    return ShortMessage(**{"esm_class": smpp.ESM_RECEIPT, "text": octets, **fields})


def report(message: ShortMessage, **options: Any) -> DeliveryReport:
    """Return the report that has to be in it."""
    found = reader(**options).read(message)
    assert isinstance(found, DeliveryReport)
    return found


@pytest.mark.parametrize(
    ("text", "message_id", "status"),
    [
        (PLAIN, "1526758174", ReportStatus.DELIVERED),
        (FULL, "795920026", ReportStatus.DELIVERED),
        (TAKEN, "1234567890", ReportStatus.SENT),
        # Another order, other cases, no text, spaces behind the colon.
        ("stat:UNDELIV err:5 id:a-b_c.1", "a-b_c.1", ReportStatus.UNDELIVERED),
        ("id: 7 Stat:expired Text:x", "7", ReportStatus.EXPIRED),
        ("id:6d0f4b2e-3c43-4bb0-9a55-54b8bb1f7f70 stat:REJECTED", "6d0f4b2e-3c43-4bb0-9a55-54b8bb1f7f70", None),
        ("id:1 stat:REJECTD", "1", ReportStatus.REJECTED),
        ("id:1 stat:DELETED", "1", ReportStatus.FAILED),
        ("id:1 stat:FAILED", "1", ReportStatus.FAILED),
        ("id:1 stat:ENROUTE", "1", ReportStatus.SENT),
        ("id:1 stat:ACKED", "1", ReportStatus.SENT),
        ("id:1 stat:BUFFERD", "1", ReportStatus.QUEUED),
        ("id:1 stat:BUFFRED", "1", ReportStatus.QUEUED),
        ("id:1 stat:UNKNOWN", "1", ReportStatus.SENT),
        # What the message said is not what the carrier says.
        ("id:1 stat:UNDELIV err:001 text:id:2 stat:DELIVRD", "1", ReportStatus.UNDELIVERED),
        ("id:1 stat:UNDELIV TEXT:stat:DELIVRD", "1", ReportStatus.UNDELIVERED),
        (b"id:1 stat:DELIVRD text:\xd9\x85\xff\x00\x06", "1", ReportStatus.DELIVERED),
        (b"id:1 stat:DELIVRD\0\0", "1", ReportStatus.DELIVERED),
        ("id:1 stat:DELIVRD".encode("utf-16-be"), "1", ReportStatus.DELIVERED),
    ],
)
def test_words(text: str | bytes, message_id: str, status: ReportStatus | None) -> None:
    found = report(said(text))

    assert (message_id, ReportStatus.REJECTED if status is None else status) == (
        found.provider_message_id,
        found.status,
    )
    assert found.reported_at is None


def test_parameters_win_over_the_text() -> None:
    message = smpp.decode_message(read(RECEIPT).body)
    assert message

    assert ("70ba8a69", ReportStatus.DELIVERED) == _both(report(message))
    told = said("id:9 stat:DELIVRD", tlvs=((STATE, b"\5"), (ID, b"8\0")))
    assert ("8", ReportStatus.UNDELIVERED) == _both(report(told))


def _both(found: DeliveryReport) -> tuple[str | None, ReportStatus]:
    return found.provider_message_id, found.status


@pytest.mark.parametrize("state", range(1, 9))
def test_every_state_has_a_meaning(state: int) -> None:
    found = report(said(tlvs=((ID, b"x\0"), (STATE, bytes((state,))))))

    assert "x" == found.provider_message_id
    assert (state == 2) == (found.status is ReportStatus.DELIVERED)


def test_parameters_alone_mark_a_receipt() -> None:
    assert isinstance(reader().read(ShortMessage(tlvs=((ID, b"x\0"), (STATE, b"\2")))), DeliveryReport)
    assert Other.MESSAGE is reader().read(ShortMessage(tlvs=((ID, b"x\0"),), text=PLAIN.encode()))
    assert Other.MESSAGE is reader().read(ShortMessage(tlvs=((STATE, b"\2"),), text=PLAIN.encode()))


def test_the_text_alone_marks_a_receipt_where_that_is_told() -> None:
    message = ShortMessage(text=PLAIN.encode())

    assert Other.MESSAGE is reader().read(message)
    assert isinstance(reader(receipt_by_text=True).read(message), DeliveryReport)
    assert Other.MESSAGE is reader(receipt_by_text=True).read(ShortMessage(text=b"id: who stat am I"))


def test_a_persons_message_is_no_receipt() -> None:
    message = smpp.decode_message(read(MO).body)
    assert message

    assert Other.MESSAGE is reader(receipt_by_text=True).read(message)
    for acknowledgement in (0x08, 0x10):
        assert Other.MESSAGE is reader().read(said(PLAIN, esm_class=acknowledgement))


@pytest.mark.parametrize(
    "text", ["", "id:1", "stat:DELIVRD", "id:1 stat:WHATEVER", "id: stat:DELIVRD", "text:id:1 stat:DELIVRD"]
)
def test_a_receipt_that_says_too_little_is_unreadable(text: str) -> None:
    assert Other.UNREADABLE is reader().read(said(text))


def test_the_whole_receipt_may_be_a_payload_and_stand_behind_a_header() -> None:
    payload = ((smpp.TLV_MESSAGE_PAYLOAD, PLAIN.encode() + b"\0"),)
    assert "1526758174" == report(said(tlvs=payload)).provider_message_id
    headed = said(b"\5\0\3\1\1\1" + PLAIN.encode(), esm_class=smpp.ESM_RECEIPT | smpp.ESM_UDH)
    assert "1526758174" == report(headed).provider_message_id


def test_an_intermediate_notification_never_ends_the_story() -> None:
    for state in range(1, 9):
        told = said(tlvs=((ID, b"x\0"), (STATE, bytes((state,)))), esm_class=smpp.ESM_INTERMEDIATE)
        assert ReportStatus.SENT is report(told).status


@pytest.mark.parametrize(
    ("base", "sent", "text", "parameter"),
    [
        ("same", "00AbC", "abc", None),
        ("same", "0489708364", "489708364", None),
        ("same", "a-B", "A-b", None),
        ("same", "0", "000", None),
        ("same", "70BA8A69", "1891273321", "70ba8a69"),
        ("hex_to_decimal", "70BA8A69", "1891273321", None),
        ("hex_to_decimal", "070ba8a69", "0001891273321", None),
        ("hex_to_decimal", "1d305b4c", "0489708364", "1D305B4C"),
        # The parameter in the words of the text.
        ("hex_to_decimal", "1d305b4c", "0489708364", "0489708364"),
        ("decimal_to_hex", "1891273321", "70BA8A69", None),
        ("decimal_to_hex", "489708364", "1d305b4c", "489708364"),
        # What is no number stays what it is.
        ("hex_to_decimal", "not-Hex", "NOT-hex", None),
    ],
)
def test_ids_meet_whatever_their_base(base: str, sent: str, text: str, parameter: str | None) -> None:
    tlvs = ((ID, parameter.encode() + b"\0"),) if parameter else ()

    found = report(said(f"id:{text} stat:DELIVRD", tlvs=tlvs), id_base=base)

    assert found.provider_message_id == reader(id_base=base).sent_id(sent.encode() + b"\0")


@pytest.mark.parametrize(
    ("zone", "done", "moment"),
    [
        ("UTC", "1701240904", datetime(2017, 1, 24, 9, 4, tzinfo=UTC)),
        ("Europe/Berlin", "200319131913", datetime(2020, 3, 19, 12, 19, 13, tzinfo=UTC)),
        ("Asia/Tehran", "20260101000000", datetime(2025, 12, 31, 20, 30, tzinfo=UTC)),
        ("UTC", "1713990904", None),
        ("UTC", "17012409041", None),
        ("", "1701240904", None),
    ],
)
def test_dates(zone: str, done: str, moment: datetime | None) -> None:
    found = report(said(f"id:1 done date:{done} stat:DELIVRD"), receipt_zone=zone)

    assert moment == found.reported_at


@pytest.mark.parametrize(
    ("text", "network", "code"),
    [
        ("err:000", None, None),
        ("err:0A1", None, "0A1"),
        ("err:5", b"\3\0\1", "5"),
        ("err:000", b"\3\0\x21", "33"),
        ("", b"\3\0\0", None),
        ("", b"\3\1", None),
    ],
)
def test_error_codes(text: str, network: bytes | None, code: str | None) -> None:
    tlvs = ((smpp.TLV_NETWORK_ERROR_CODE, network),) if network else ()

    assert code == report(said(f"id:1 stat:UNDELIV {text}", tlvs=tlvs)).error_code


def test_the_same_receipt_has_the_same_key_and_another_another() -> None:
    first, again = report(said(PLAIN)), report(said(PLAIN + "\0"))
    other = report(said(PLAIN.replace("DELIVRD", "ENROUTE")))

    assert first == again
    assert first.dedupe_key != other.dedupe_key
    assert 0 < len(first.dedupe_key) <= 128


@given(
    text=st.binary(max_size=300),
    esm_class=st.integers(0, 255),
    tlvs=st.lists(st.tuples(st.sampled_from([ID, STATE, 0x0423, 0x0424]), st.binary(max_size=70)), max_size=4),
)
def test_noise_is_never_an_error(text: bytes, esm_class: int, tlvs: list[tuple[int, bytes]]) -> None:
    message = ShortMessage(text=text[:254], esm_class=esm_class, tlvs=tuple(tlvs))

    found = reader(receipt_by_text=True, receipt_zone="UTC", id_base="hex_to_decimal").read(message)

    if isinstance(found, DeliveryReport):
        assert found.provider_message_id
        assert len(found.provider_message_id) <= 64


def test_a_payload_of_any_size_is_read_in_no_time() -> None:
    payload = b"id:1 " + b"stat: " * 10_000

    assert Other.UNREADABLE is reader().read(said(tlvs=((smpp.TLV_MESSAGE_PAYLOAD, payload),)))
    assert len(payload) > MOST_TEXT
