"""PDUs byte for byte: the vectors of the reference, and two libraries as oracles for everything else."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
import smpp34
import smpplib.command
import smpplib.smpp
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core import smpp
from smsgw.core.smpp import Address, Bind, ShortMessage

# Of jookies/jasmin's test_pdu_encoding.py and smpplib's test_command.py; those from "Acme" follow from the layout.
BIND = "0000002d0000000900000000000000027465737400736563726574004f5441003402063132372e302e302e2a00"
MOBILEWAY = (
    "000000360000000400000000000024440005006d6f62696c65776179000101313230383233300000000000000100f2000548454c4c4f"
)
EURO = "0000003300000004000000000000000100050041636d65000101313530303535353030303600000000000001000000031b6535"
ARABIC = (
    "0000004f0000000400000000000000020001013135303035353530303031000101313530303535353030303600000000"
    "00303030303030303130303030303030520001000800080633064406270645"
)
UDH = "0000003800000004000000000000000300050041636d65000101313530303535353030303600400000000001000000080500034b02016162"
SAR = (
    "0000004200000004000000000000000400050041636d6500010131353030353535303030360000000000000100000002"
    "6162020c0002004b020e000102020f000101"
)
MO = (
    "0000004d00000005000000009f88f1244157534244000101313635303535353132333400010131373733353535343037"
    "3000000000000000000300117468657265206973206e6f2073706f6f6e"
)
RECEIPT = (
    "000000b900000005000000000000000a434d540001003635313535353536373800010031323300040000000000000000"
    "7669643a31383931323733333231207375623a30303120646c7672643a303031207375626d697420646174653a313330"
    "3530353038323620646f6e6520646174653a3133303530353038323620737461743a44454c49565244206572723a3030"
    "3020546578743a444c56524420544f204d4f42494c45000427000102001e0009373042413841363900"
)

OTA = Bind(system_id=b"test", password=b"secret", system_type=b"OTA", address=Address(2, 6, b"127.0.0.*"))
ACME, TO = Address(5, 0, b"Acme"), Address(1, 1, b"15005550006")
SALAM = "\u0633\u0644\u0627\u0645".encode("utf-16-be")
PART = ((smpp.TLV_SAR_REFERENCE, b"\0\x4b"), (smpp.TLV_SAR_TOTAL, b"\2"), (smpp.TLV_SAR_NUMBER, b"\1"))
MESSAGES: dict[str, tuple[int, ShortMessage]] = {
    MOBILEWAY: (
        9284,
        ShortMessage(
            source=Address(5, 0, b"mobileway"),
            destination=Address(1, 1, b"1208230"),
            registered=1,
            data_coding=0xF2,
            text=b"HELLO",
        ),
    ),
    EURO: (1, ShortMessage(source=ACME, destination=TO, registered=1, text=b"\x1be5")),
    ARABIC: (
        2,
        ShortMessage(
            source=Address(1, 1, b"15005550001"),
            destination=TO,
            validity=b"000000010000000R",
            registered=1,
            data_coding=8,
            text=SALAM,
        ),
    ),
    UDH: (3, ShortMessage(source=ACME, destination=TO, registered=1, esm_class=0x40, text=b"\5\0\3\x4b\2\1ab")),
    SAR: (4, ShortMessage(source=ACME, destination=TO, registered=1, text=b"ab", tlvs=PART)),
}
SHORT: dict[str, bytes] = {
    "00000010000000150000000000000006": smpp.encode(smpp.ENQUIRE_LINK, 6),
    "00000010800000150000000000000007": smpp.encode(smpp.ENQUIRE_LINK | smpp.RESPONSE, 7),
    "00000010800000000000000800000000": smpp.encode(smpp.GENERIC_NACK, 0, status=8),
    "00000010800000090000000e00000d80": smpp.encode(smpp.BIND_TRANSCEIVER | smpp.RESPONSE, 3456, status=0x0E),
    "00000019800000040000000000000001316433303562346300": smpp.encode(smpp.SUBMIT_SM_RESP, 1, body=b"1d305b4c\0"),
    BIND: smpp.encode(smpp.BIND_TRANSCEIVER, 2, body=smpp.encode_bind(OTA)),
}


def read(octets: str) -> smpp.Pdu:
    """Return the one PDU of these octets."""
    (pdu,) = smpp.Framer().feed(bytes.fromhex(octets))
    return pdu


@pytest.mark.parametrize("octets", SHORT)
def test_what_is_written_is_the_reference_byte_for_byte(octets: str) -> None:
    assert octets == SHORT[octets].hex()


@pytest.mark.parametrize("octets", MESSAGES)
def test_a_message_is_the_reference_byte_for_byte_both_ways(octets: str) -> None:
    sequence, message = MESSAGES[octets]

    assert octets == smpp.encode(smpp.SUBMIT_SM, sequence, body=smpp.encode_message(message)).hex()
    assert message == smpp.decode_message(read(octets).body)


def test_a_bind_is_read() -> None:
    body = read(BIND).body

    assert OTA == smpp.decode_bind(body)
    assert {None} == {smpp.decode_bind(body[:length]) for length in range(len(body))}


def test_answers_with_and_without_a_body_are_read() -> None:
    bound = read("0000001d80000009000000000000000154534937353838000210000134")
    assert (b"TSI7588", ((0x0210, b"\x34"),)) == (smpp.decode_id(bound.body), smpp.decode_tlvs(bound.body, 8))
    refused = read("000000108000000400000014000004d2")
    assert (smpp.SUBMIT_SM_RESP, 0x14, 1234) == (refused.command, refused.status, refused.sequence)
    assert [b"", b"", b"no-nul"] == [smpp.decode_id(body) for body in (refused.body, b"\0", b"no-nul")]
    state = read("0000001c800000030000000000000000536d73633230303300000700")
    assert b"Smsc2003" == smpp.decode_id(state.body)


def test_what_people_write_is_read() -> None:
    message = smpp.decode_message(read(MO).body)

    assert message
    assert (b"16505551234", b"17735554070") == (message.source.digits, message.destination.digits)
    assert (b"AWSBD", 3, b"there is no spoon") == (message.service_type, message.data_coding, message.whole_text)


def test_a_receipt_and_its_parameters_are_read() -> None:
    message = smpp.decode_message(read(RECEIPT).body)

    assert message
    assert (smpp.ESM_RECEIPT, b"6515555678") == (message.esm_class, message.source.digits)
    assert (b"\2", b"70BA8A69\0") == (
        message.tlv(smpp.TLV_MESSAGE_STATE),
        message.tlv(smpp.TLV_RECEIPTED_MESSAGE_ID),
    )
    assert message.text.startswith(b"id:1891273321 sub:001 dlvrd:001")
    assert message.text.endswith(b"MOBILE\0")


@pytest.mark.parametrize("octets", [RECEIPT, MO, UDH, SAR])
def test_what_is_cut_off_is_none_and_never_an_error(octets: str) -> None:
    body = read(octets).body
    message = smpp.decode_message(body)
    assert message
    end = len(smpp.encode_message(message)) - len(smpp.encode_tlvs(message.tlvs))

    assert {None} == {smpp.decode_message(body[:length]) for length in range(end)}
    for length in range(end, len(body)):
        cut = smpp.decode_message(body[:length])
        assert cut
        assert message.tlvs[: len(cut.tlvs)] == cut.tlvs


@given(body=st.binary(max_size=300))
def test_noise_is_never_an_error(body: bytes) -> None:
    found = [decode(body) for decode in (smpp.decode_message, smpp.decode_data, smpp.decode_bind)]
    tlvs, message_id = smpp.decode_tlvs(body, 0), smpp.decode_id(body)

    assert all(each is None or isinstance(each, msgspec.Struct) for each in found)
    assert all(0 <= tag <= 0xFFFF and value in body for tag, value in tlvs or ())
    assert message_id is None or message_id in body


@given(
    pdus=st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.binary(max_size=100)), max_size=8),
    cuts=st.lists(st.integers(0, 1000), max_size=10),
)
def test_a_stream_is_cut_into_the_same_pdus_wherever_it_is_torn(pdus: list[tuple[int, bytes]], cuts: list[int]) -> None:
    stream = b"".join(smpp.encode(command, number, body=body) for number, (command, body) in enumerate(pdus))
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    framer = smpp.Framer()

    found = [pdu for start, end in pairwise(places) for pdu in framer.feed(stream[start:end])]

    assert pdus == [(pdu.command, pdu.body) for pdu in found]


def test_a_length_that_no_pdu_has_is_garbage() -> None:
    for length in (0, 15, smpp.MAX_PDU + 1, 0xFFFF_FFFF):
        with pytest.raises(smpp.GarbageError):
            list(smpp.Framer().feed(smpp.HEADER.pack(length, 4, 0, 1)))


def test_a_text_too_long_for_its_length_is_refused() -> None:
    assert smpp.encode_message(ShortMessage(text=b"x" * 254))
    with pytest.raises(ValueError, match="254"):
        smpp.encode_message(ShortMessage(text=b"x" * 255))


def test_sequence_numbers_go_round() -> None:
    assert [2, 0x7FFF_FFFF, 1] == [smpp.next_sequence(each) for each in (1, 0x7FFF_FFFE, 0x7FFF_FFFF)]


# --- oracles ----------------------------------------------------------------------------------------------------------

octet = st.integers(0, 255)
digits = st.text("0123456789ABCxyz+ ", max_size=20).map(str.encode)
addresses = st.builds(Address, st.integers(0, 6), st.sampled_from([0, 1, 3, 4, 6, 8, 9, 10, 14, 18]), digits)
known_tlvs = st.lists(
    st.one_of(
        st.tuples(st.just(smpp.TLV_MESSAGE_STATE), st.binary(min_size=1, max_size=1)),
        st.tuples(st.just(smpp.TLV_SAR_REFERENCE), st.binary(min_size=2, max_size=2)),
        st.tuples(st.just(smpp.TLV_MESSAGE_PAYLOAD), st.binary(min_size=1, max_size=300)),
        st.tuples(st.just(smpp.TLV_RECEIPTED_MESSAGE_ID), st.just(b"70BA8A69\0")),
    ),
    max_size=4,
    unique_by=lambda tlv: tlv[0],
).map(tuple)
messages = st.builds(
    ShortMessage,
    service_type=st.sampled_from([b"", b"CMT", b"USSD"]),
    source=addresses,
    destination=addresses,
    esm_class=octet,
    protocol_id=octet,
    priority=st.integers(0, 3),
    validity=st.sampled_from([b"", b"000000010000000R", b"070927233429800+"]),
    registered=octet,
    replace=st.integers(0, 1),
    data_coding=octet,
    default_message=octet,
    text=st.binary(max_size=254),
    tlvs=known_tlvs,
)


class _Client:
    """What smpplib's PDUs want to know."""

    sequence = 7

    def next_sequence(self) -> int:
        """Return the one."""
        return self.sequence


@given(message=messages, sequence=st.integers(1, smpp.LAST_SEQUENCE))
def test_what_is_written_smpp34_reads(message: ShortMessage, sequence: int) -> None:
    body = smpp.encode_message(message)
    for command, kind in ((smpp.SUBMIT_SM, smpp34.SubmitSm), (smpp.DELIVER_SM, smpp34.DeliverSm)):
        seen: Any = smpp34.decode(smpp.encode(command, sequence, body=body))

        assert isinstance(seen, kind)
        assert sequence == seen.sequence_number
        assert message == _of_smpp34(seen)


@given(message=messages)
def test_what_smpp34_writes_is_read(message: ShortMessage) -> None:
    theirs = smpp34.SubmitSm(
        message.source.digits.decode(),
        message.destination.digits.decode(),
        message.text,
        service_type=message.service_type.decode(),
        source_addr_ton=message.source.ton,
        source_addr_npi=message.source.npi,
        dest_addr_ton=message.destination.ton,
        dest_addr_npi=message.destination.npi,
        esm_class=message.esm_class,
        protocol_id=message.protocol_id,
        priority_flag=message.priority,
        validity_period=message.validity.decode(),
        registered_delivery=message.registered,
        replace_if_present_flag=message.replace,
        data_coding=message.data_coding,
        sm_default_msg_id=message.default_message,
        tlvs=[smpp34.Tlv(tag, value) for tag, value in message.tlvs],
        sequence_number=9,
    ).encode()

    assert smpp.encode(smpp.SUBMIT_SM, 9, body=smpp.encode_message(message)) == theirs
    assert message == smpp.decode_message(theirs[16:])


@given(message=messages)
def test_what_is_written_smpplib_reads(message: ShortMessage) -> None:
    # It knows the parameters of receipts in deliver_sm alone.
    tlvs = tuple(tlv for tlv in message.tlvs if tlv[0] not in (smpp.TLV_MESSAGE_STATE, smpp.TLV_RECEIPTED_MESSAGE_ID))
    message = msgspec.structs.replace(message, tlvs=tlvs)
    octets = smpp.encode(smpp.SUBMIT_SM, 9, body=smpp.encode_message(message))

    seen = smpplib.smpp.parse_pdu(octets, client=_Client(), allow_unknown_opt_params=True)

    assert ("submit_sm", 9) == (seen.command, seen.sequence)
    assert (message.source.ton, message.source.digits) == (seen.source_addr_ton, seen.source_addr)
    assert (message.destination.npi, message.destination.digits) == (seen.dest_addr_npi, seen.destination_addr)
    assert (message.esm_class, message.data_coding) == (seen.esm_class, seen.data_coding)
    assert (message.validity, message.registered) == (seen.validity_period or b"", seen.registered_delivery)
    assert message.text == (seen.short_message or b"")
    assert message.tlv(smpp.TLV_MESSAGE_PAYLOAD) == seen.message_payload


@given(message=messages.filter(lambda each: not each.tlvs))
def test_what_smpplib_writes_is_read(message: ShortMessage) -> None:
    theirs = smpplib.smpp.make_pdu(
        "submit_sm",
        client=_Client(),
        service_type=message.service_type.decode(),
        source_addr_ton=message.source.ton,
        source_addr_npi=message.source.npi,
        source_addr=message.source.digits.decode(),
        dest_addr_ton=message.destination.ton,
        dest_addr_npi=message.destination.npi,
        destination_addr=message.destination.digits.decode(),
        esm_class=message.esm_class,
        protocol_id=message.protocol_id,
        priority_flag=message.priority,
        validity_period=message.validity.decode(),
        registered_delivery=message.registered,
        replace_if_present_flag=message.replace,
        data_coding=message.data_coding,
        sm_default_msg_id=message.default_message,
        short_message=message.text,
    ).generate()

    assert smpp.encode(smpp.SUBMIT_SM, 7, body=smpp.encode_message(message)) == theirs


@given(
    system_id=st.text("abc123", min_size=1, max_size=15),
    password=st.text("abc123", max_size=8),
    system_type=st.text("abc", max_size=12),
)
def test_binds_are_those_of_smpplib(system_id: str, password: str, system_type: str) -> None:
    theirs = smpplib.smpp.make_pdu(
        "bind_transceiver",
        client=_Client(),
        system_id=system_id,
        password=password,
        system_type=system_type,
        interface_version=smpp.VERSION,
    ).generate()
    bind = Bind(system_id=system_id.encode(), password=password.encode(), system_type=system_type.encode())

    assert smpp.encode(smpp.BIND_TRANSCEIVER, 7, body=smpp.encode_bind(bind)) == theirs
    assert bind == smpp.decode_bind(theirs[16:])


def _of_smpp34(seen: Any) -> ShortMessage:
    return ShortMessage(
        service_type=seen.service_type.encode(),
        source=Address(seen.source_addr_ton, seen.source_addr_npi, seen.source_addr.encode()),
        destination=Address(seen.dest_addr_ton, seen.dest_addr_npi, seen.destination_addr.encode()),
        esm_class=seen.esm_class,
        protocol_id=seen.protocol_id,
        priority=seen.priority_flag,
        validity=seen.validity_period.encode(),
        registered=seen.registered_delivery,
        replace=seen.replace_if_present_flag,
        data_coding=seen.data_coding,
        default_message=seen.sm_default_msg_id,
        text=bytes(seen.short_message),
        tlvs=tuple((tlv.tag, bytes(tlv.value)) for tlv in seen.tlvs),
    )
