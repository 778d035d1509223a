"""From a submit to submit_sm: addresses, alphabets, parts, validity."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import smpplib.gsm
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core import smpp
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.smpp import Address, ShortMessage
from smsgw.providers.smpp.building import Builder, absolute, relative
from smsgw.providers.smpp.config import Config
from tests.providers.smpp.rig import QUICK, submit


def built(text: str = "hello", *, sender: str | None = "Acme", **options: Any) -> list[ShortMessage]:
    """Return the messages that a text becomes."""
    made = Builder(msgspec.convert({**QUICK, **options}, Config)).build(submit(text, sender=sender))
    assert not isinstance(made, SendResult), made
    messages = [smpp.decode_message(body) for body in made.bodies]
    assert None not in messages
    return [each for each in messages if each]


@pytest.mark.parametrize(
    ("sender", "source"),
    [
        (None, Address(0, 0, b"")),
        ("+15005550001", Address(1, 1, b"15005550001")),
        ("12345", Address(3, 0, b"12345")),
        ("ACME 24", Address(5, 0, b"ACME 24")),
    ],
)
def test_a_sender_has_type_and_plan(sender: str | None, source: Address) -> None:
    (message,) = built(sender=sender)

    assert (source, Address(1, 1, b"15005559999")) == (message.source, message.destination)
    assert 1 == message.registered


def test_types_and_plans_are_the_connections() -> None:
    kinds: dict[str, Any] = {"short_code": {"ton": 6, "npi": 9}, "destination": {"ton": 2, "npi": 8}}
    (message,) = built(sender="12345", service_type="CMT", **kinds)

    assert (Address(6, 9, b"12345"), Address(2, 8, b"15005559999")) == (message.source, message.destination)
    assert b"CMT" == message.service_type


@pytest.mark.parametrize("sender", ["", "Müller", "a\0b", "x" * 21])
def test_a_sender_that_smpp_cannot_say_is_refused(sender: str) -> None:
    result = Builder(msgspec.convert(QUICK, Config)).build(submit(sender=sender))

    assert isinstance(result, SendResult)
    assert Outcome.REJECTED is result.outcome


@pytest.mark.parametrize(
    ("text", "options", "coding", "octets"),
    [
        ("€5", {}, 0, b"\x1be5"),
        ("@£", {}, 0, b"\0\1"),
        ("€5", {"data_coding": 0xF0}, 0xF0, b"\x1be5"),
        ("سلام", {}, 8, "سلام".encode("utf-16-be")),
        ("🎉", {"ucs2_data_coding": 0x18}, 0x18, "🎉".encode("utf-16-be")),
        ("plain", {"encoding": "ucs2"}, 8, "plain".encode("utf-16-be")),
        ("@é", {"alphabet": "latin1"}, 0, b"@\xe9"),
        ("5 €", {"alphabet": "latin1"}, 8, "5 €".encode("utf-16-be")),
        ("plain", {"alphabet": "ascii"}, 0, b"plain"),
        ("é", {"alphabet": "ascii"}, 8, "é".encode("utf-16-be")),
    ],
)
def test_alphabets(text: str, options: dict[str, Any], coding: int, octets: bytes) -> None:
    (message,) = built(text, **options)

    assert (coding, octets, 0) == (message.data_coding, message.text, message.esm_class)


@pytest.mark.parametrize(("text", "sizes"), [("x" * 307, [153, 153, 1]), ("س" * 135, [134, 134, 2])])
def test_parts_with_a_header(text: str, sizes: list[int]) -> None:
    messages = built(text)

    assert sizes == [len(each.text) - 6 for each in messages]
    assert {smpp.ESM_UDH} == {each.esm_class for each in messages}
    heads = [each.text[:6] for each in messages]
    assert [b"\5\0\3" + heads[0][3:4] + bytes((3, number)) for number in (1, 2, 3)] == heads


def test_parts_with_parameters() -> None:
    messages = built("x" * 307, long="sar")

    assert [153, 153, 1] == [len(each.text) for each in messages]
    assert {0} == {each.esm_class for each in messages}
    assert [(b"\3", bytes((number,))) for number in (1, 2, 3)] == [
        (each.tlv(smpp.TLV_SAR_TOTAL), each.tlv(smpp.TLV_SAR_NUMBER)) for each in messages
    ]
    assert 1 == len({each.tlv(smpp.TLV_SAR_REFERENCE) for each in messages})


def test_a_payload_has_no_short_message() -> None:
    (message,) = built("€" * 200, long="payload")

    assert (b"", b"\x1be" * 200) == (message.text, message.tlv(smpp.TLV_MESSAGE_PAYLOAD))


def test_references_go_round() -> None:
    builder = Builder(msgspec.convert(QUICK, Config))
    seen = []
    for _ in range(300):
        made = builder.build(submit("x" * 200))
        assert not isinstance(made, SendResult)
        message = smpp.decode_message(made.bodies[0])
        assert message
        seen.append(message.text[3])

    assert 256 == len(set(seen))
    assert seen[256:] == seen[:44]


def test_a_text_of_more_parts_than_there_are_numbers_is_refused() -> None:
    for options in ({}, {"long": "payload"}, {"encoding": "ucs2"}):
        result = Builder(msgspec.convert({**QUICK, **options}, Config)).build(submit("x" * 40_000))
        assert isinstance(result, SendResult)
        assert Outcome.REJECTED is result.outcome


def test_a_national_table_stands_in_the_header() -> None:
    (message,) = built("ş" * 75, languages=[1])

    assert (smpp.ESM_UDH, 0) == (message.esm_class, message.data_coding)
    assert message.text.startswith(b"\3\x24\1\1")


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (1, b"000000000001000R"),
        (3600, b"000000010000000R"),
        (7 * 86_400, b"000007000000000R"),
        (90_061, b"000001010101000R"),
        (10**9, b"000030000000000R"),
    ],
)
def test_the_validity_period_is_relative(seconds: int, written: bytes) -> None:
    asked = msgspec.structs.replace(submit(), validity_seconds=seconds)
    made = Builder(msgspec.convert(QUICK, Config)).build(asked)
    assert not isinstance(made, SendResult)
    message = smpp.decode_message(made.bodies[0])

    assert message
    assert written == message.validity
    assert 16 == len(written)


def test_the_validity_period_may_be_absolute_or_left_out() -> None:
    assert b"070927233429800+" == absolute(datetime(2007, 9, 27, 23, 34, 29, 800_000, tzinfo=UTC))
    assert b"000000010000000R" == relative(timedelta(hours=1))
    (message,) = built(validity="absolute")
    assert b"260301120900000+" == message.validity
    assert b"" == built(validity="none")[0].validity


@given(text=st.text("aé€ñ{Ж\U0001f600", min_size=1, max_size=400))
def test_the_parts_are_those_of_smpplib(text: str) -> None:
    """smpplib cuts at octets and may tear a pair of UCS-2 or GSM apart: where it did not, its parts are ours."""
    theirs, coding, esm_class = smpplib.gsm.make_parts(text)

    messages = built(text)

    assert (coding, esm_class) == (messages[0].data_coding, messages[0].esm_class)
    head = 6 if len(messages) > 1 else 0
    ours = [each.text[head:] for each in messages]
    assert b"".join(part[head if len(theirs) > 1 else 0 :] for part in theirs) == b"".join(ours)
    assert len(theirs) <= len(ours)
