"""SMPP 3.4 on the wire: octets in, values out. Source: SMPP v3.4 Issue 1.2, chapters 4 and 5. Pure and bounded.

A codec of our own for the few PDUs that a client needs (docs/decisions/0010-smpp-session.md); the tests hold it to two
libraries' octets. Strict in what it writes, lenient in what it reads: carriers are.
"""

from collections.abc import Iterable, Iterator
from struct import Struct

import msgspec

MAX_PDU = 64 * 1024
"""A longer PDU is garbage: nothing here needs half as much."""
VERSION = 0x34
HEADER = Struct(">IIII")
_TLV = Struct(">HH")

BIND_RECEIVER = 0x01
BIND_TRANSMITTER = 0x02
SUBMIT_SM = 0x04
DELIVER_SM = 0x05
UNBIND = 0x06
BIND_TRANSCEIVER = 0x09
BINDS = frozenset({BIND_RECEIVER, BIND_TRANSMITTER, BIND_TRANSCEIVER})
OUTBIND = 0x0B
ENQUIRE_LINK = 0x15
ALERT_NOTIFICATION = 0x102
DATA_SM = 0x103
RESPONSE = 0x8000_0000
"""Added to a request's id this is the id of its response."""
GENERIC_NACK = RESPONSE
SUBMIT_SM_RESP = SUBMIT_SM | RESPONSE
DELIVER_SM_RESP = DELIVER_SM | RESPONSE

ROK = 0x00
RINVCMDLEN = 0x02
RINVCMDID = 0x03
RINVBNDSTS = 0x04
RX_T_APPN = 0x64

ESM_UDH = 0x40
ESM_TYPE = 0x3C
ESM_RECEIPT = 0x04
ESM_INTERMEDIATE = 0x20

TLV_RECEIPTED_MESSAGE_ID = 0x001E
TLV_SAR_REFERENCE = 0x020C
TLV_SAR_TOTAL = 0x020E
TLV_SAR_NUMBER = 0x020F
TLV_SC_VERSION = 0x0210
TLV_NETWORK_ERROR_CODE = 0x0423
TLV_MESSAGE_PAYLOAD = 0x0424
TLV_MESSAGE_STATE = 0x0427

LAST_SEQUENCE = 0x7FFF_FFFF


class GarbageError(Exception):
    """What came is no PDU, and where the next one begins nobody can tell."""


class Pdu(msgspec.Struct, frozen=True, gc=False):
    """A whole PDU as it came, its body unread."""

    command: int
    status: int
    sequence: int
    body: bytes


class Address(msgspec.Struct, frozen=True, gc=False):
    """A number, short code or name with its type (TON) and plan (NPI)."""

    ton: int = 0
    npi: int = 0
    digits: bytes = b""


class ShortMessage(msgspec.Struct, frozen=True, kw_only=True):
    """The body of submit_sm and deliver_sm."""

    service_type: bytes = b""
    source: Address = Address()
    destination: Address = Address()
    esm_class: int = 0
    protocol_id: int = 0
    priority: int = 0
    schedule: bytes = b""
    validity: bytes = b""
    registered: int = 0
    replace: int = 0
    data_coding: int = 0
    default_message: int = 0
    text: bytes = b""
    """At most 254 octets, an UDH among them."""
    tlvs: tuple[tuple[int, bytes], ...] = ()

    def tlv(self, tag: int) -> bytes | None:
        """Return an optional parameter, the first of its kind."""
        return next((value for found, value in self.tlvs if found == tag), None)

    @property
    def whole_text(self) -> bytes:
        """The octets of the text, wherever they stand."""
        return self.text or self.tlv(TLV_MESSAGE_PAYLOAD) or b""


class Bind(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the three bind requests."""

    system_id: bytes
    password: bytes
    system_type: bytes = b""
    version: int = VERSION
    address: Address = Address()
    """Its digits are the address_range."""


class Framer:
    """Cuts a stream of octets into PDUs; holds at most one unfinished PDU and what came with it."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Pdu]:
        """Give the PDUs that are whole now. Raises GarbageError at a length that no PDU has."""
        data = self._rest + data if self._rest else data
        self._rest = b""
        start, end = 0, len(data)
        while end - start >= 16:
            length, command, status, sequence = HEADER.unpack_from(data, start)
            if not 16 <= length <= MAX_PDU:
                raise GarbageError(f"a PDU of {length} octets")
            if end - start < length:
                break
            body = data[start + 16 : start + length]
            start += length
            # What was cut is kept before it is handed out: the caller may stop listening at any PDU.
            yield Pdu(command, status, sequence, body)
        self._rest = data[start:]


def encode(command: int, sequence: int, *, status: int = 0, body: bytes = b"") -> bytes:
    """Return a PDU."""
    return HEADER.pack(16 + len(body), command, status, sequence) + body


def encode_message(message: ShortMessage) -> bytes:
    """Return the body of a submit_sm or deliver_sm. Raises ValueError for a text of more than 254 octets."""
    text = message.text
    if len(text) > 254:
        raise ValueError("a short_message of more than 254 octets")
    source, destination = message.source, message.destination
    return b"".join(
        (
            message.service_type,
            bytes((0, source.ton, source.npi)),
            source.digits,
            bytes((0, destination.ton, destination.npi)),
            destination.digits,
            bytes((0, message.esm_class, message.protocol_id, message.priority)),
            message.schedule,
            b"\0",
            message.validity,
            bytes((0, message.registered, message.replace, message.data_coding, message.default_message, len(text))),
            text,
            encode_tlvs(message.tlvs) if message.tlvs else b"",
        )
    )


def decode_message(body: bytes) -> ShortMessage | None:
    """Return the body of a submit_sm or deliver_sm, or None when it is cut off or is none."""
    try:
        service_type, at = _c_string(body, 0)
        source, at = _address(body, at)
        destination, at = _address(body, at)
        esm_class, protocol_id, priority = body[at : at + 3]
        schedule, at = _c_string(body, at + 3)
        validity, at = _c_string(body, at)
        registered, replace, data_coding, default_message, length = body[at : at + 5]
    except (ValueError, IndexError):
        return None
    at += 5
    if len(body) < at + length:
        return None
    return ShortMessage(
        service_type=service_type,
        source=source,
        destination=destination,
        esm_class=esm_class,
        protocol_id=protocol_id,
        priority=priority,
        schedule=schedule,
        validity=validity,
        registered=registered,
        replace=replace,
        data_coding=data_coding,
        default_message=default_message,
        text=body[at : at + length],
        tlvs=decode_tlvs(body, at + length),
    )


def decode_data(body: bytes) -> ShortMessage | None:
    """Return the body of a data_sm, or None; its text is in the message_payload."""
    try:
        service_type, at = _c_string(body, 0)
        source, at = _address(body, at)
        destination, at = _address(body, at)
        esm_class, registered, data_coding = body[at : at + 3]
    except (ValueError, IndexError):
        return None
    return ShortMessage(
        service_type=service_type,
        source=source,
        destination=destination,
        esm_class=esm_class,
        registered=registered,
        data_coding=data_coding,
        tlvs=decode_tlvs(body, at + 3),
    )


def encode_tlvs(tlvs: Iterable[tuple[int, bytes]]) -> bytes:
    """Return optional parameters."""
    return b"".join(_TLV.pack(tag, len(value)) + value for tag, value in tlvs)


def decode_tlvs(body: bytes, at: int) -> tuple[tuple[int, bytes], ...]:
    """Return the optional parameters from here on; what is cut off at the end is left out."""
    found: list[tuple[int, bytes]] = []
    while len(body) - at >= 4:
        tag, length = _TLV.unpack_from(body, at)
        at += 4
        if len(body) - at < length:
            break
        found.append((tag, body[at : at + length]))
        at += length
    return tuple(found)


def encode_bind(bind: Bind) -> bytes:
    """Return the body of a bind request."""
    address = bind.address
    parts = (bind.system_id, b"\0", bind.password, b"\0", bind.system_type, b"\0")
    return b"".join((*parts, bytes((bind.version, address.ton, address.npi)), address.digits, b"\0"))


def decode_bind(body: bytes) -> Bind | None:
    """Return the body of a bind request, or None."""
    try:
        system_id, at = _c_string(body, 0)
        password, at = _c_string(body, at)
        system_type, at = _c_string(body, at)
        version = body[at]
        address, _ = _address(body, at + 1)
    except (ValueError, IndexError):
        return None
    return Bind(system_id=system_id, password=password, system_type=system_type, version=version, address=address)


def decode_id(body: bytes) -> bytes:
    """Return the C string that a response's body begins with, a message_id or a system_id; empty when there is none.
    One without its NUL is taken as it is."""
    return body.split(b"\0", 1)[0]


def next_sequence(sequence: int) -> int:
    """Return the sequence number after this one: 1 to 0x7FFFFFFF, and round."""
    return sequence + 1 if sequence < LAST_SEQUENCE else 1


def _c_string(body: bytes, at: int) -> tuple[bytes, int]:
    end = body.index(0, at)
    return body[at:end], end + 1


def _address(body: bytes, at: int) -> tuple[Address, int]:
    digits, end = _c_string(body, at + 2)
    return Address(body[at], body[at + 1], digits), end
