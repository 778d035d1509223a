"""What an SMPP connection is told: whom to bind to and as whom, how many binds, and the habits of that SMSC."""

import ssl
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome
from smsgw.providers.options import Options
from smsgw.providers.smpp.statuses import REFUSALS, read_statuses

Octet = Annotated[int, Meta(ge=0, le=255)]
Host = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_.:-]{1,253}\Z", description="Name or address of the SMSC.")]
Path = Annotated[str, Meta(min_length=1, max_length=4096)]


def _word(most: int, description: str) -> Meta:
    return Meta(pattern=rf"^[!-~]{{0,{most}}}\Z", description=description)


class Mode(StrEnum):
    """How a bind is made."""

    TRANSCEIVER = "transceiver"
    PAIR = "transmitter+receiver"
    """Two connections: one to send, one for receipts."""


class Long(StrEnum):
    """How a text goes out that one segment cannot hold."""

    UDH = "udh"
    SAR = "sar"
    PAYLOAD = "payload"


class Alphabet(StrEnum):
    """What the SMSC takes the octets of its default alphabet for."""

    GSM7 = "gsm7"
    LATIN1 = "latin1"
    ASCII = "ascii"


class IdBase(StrEnum):
    """How the id of a submit_sm_resp is written in receipts."""

    SAME = "same"
    HEX_TO_DECIMAL = "hex_to_decimal"
    DECIMAL_TO_HEX = "decimal_to_hex"


class Kind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Type and plan of an address."""

    ton: Annotated[int, Meta(ge=0, le=6)]
    npi: Annotated[int, Meta(ge=0, le=18)]


INTERNATIONAL, SHORT_CODE, ALPHANUMERIC = Kind(1, 1), Kind(3, 0), Kind(5, 0)


class Config(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    host: Host
    port: Annotated[int, Meta(ge=1, le=65535, description="Its port; often another one with TLS.")] = 2775
    tls: Annotated[
        bool, Meta(description="Whether the connection is encrypted, and the SMSC's certificate checked.")
    ] = False
    tls_ca: Annotated[Path, Meta(description="PEM file of the authorities to trust; unset: the system's.")] | None = (
        None
    )
    tls_certificate: Annotated[Path, Meta(description="PEM file of the client certificate with its chain.")] | None = (
        None
    )
    tls_key: Annotated[Path, Meta(description="PEM file of its key, when that is not in the same file.")] | None = None
    tls_name: Annotated[Host, Meta(description="The name in the SMSC's certificate; unset: `host`.")] | None = None

    system_id: Annotated[str, Meta(pattern=r"^[!-~]{1,15}\Z", description="The account's name.")]
    password: Annotated[str, _word(16, "At most 8 characters by the standard; some SMSCs take 16.")]
    system_type: Annotated[str, _word(12, "As the SMSC's operator tells; mostly empty.")] = ""
    bind: Annotated[Mode, Meta(description="One connection for both ways, or one for each.")] = Mode.TRANSCEIVER
    binds: Annotated[int, Meta(ge=1, le=16, description="How many of them every worker holds open.")] = 1
    window: Annotated[int, Meta(ge=1, le=1000, description="Unanswered submit_sm per bind.")] = 10
    connect_seconds: Annotated[float, Meta(gt=0, le=60, description="To wait for a connection, with TLS.")] = 5.0
    bind_seconds: Annotated[float, Meta(gt=0, le=120, description="To wait for the answer to a bind.")] = 10.0
    response_seconds: Annotated[
        float, Meta(gt=0, le=120, description="To wait for any other answer; a send never waits beyond the provider's.")
    ] = 60.0
    enquire_link_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Silence after which the link is tried; SMSCs drop what is idle.")
    ] = 30.0
    reconnect_seconds: Annotated[
        float, Meta(gt=0, le=600, description="The first wait after a lost bind; doubles up to 20 times as much.")
    ] = 1.0

    international: Annotated[Kind, Meta(description="TON and NPI of a sender that is a number in E.164.")] = (
        INTERNATIONAL
    )
    short_code: Annotated[Kind, Meta(description="The same of a sender that is a short code.")] = SHORT_CODE
    alphanumeric: Annotated[Kind, Meta(description="The same of a sender with letters.")] = ALPHANUMERIC
    destination: Annotated[Kind, Meta(description="The same of the number that a text goes to.")] = INTERNATIONAL
    service_type: Annotated[str, _word(5, "CMT or what the operator tells; mostly empty.")] = ""
    alphabet: Annotated[Alphabet, Meta(description="What the SMSC's default alphabet is: ask its operator.")] = (
        Alphabet.GSM7
    )
    data_coding: Annotated[Octet, Meta(description="Of texts in the default alphabet.")] = 0
    ucs2_data_coding: Annotated[Octet, Meta(description="Of all other texts.")] = 8
    encoding: Annotated[
        Literal["auto", "ucs2"], Meta(description="`ucs2` for an SMSC that garbles its default alphabet.")
    ] = "auto"
    languages: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=13)], ...],
        Meta(max_length=13, description="National language tables that the route knows (TS 23.038), with `udh` only."),
    ] = ()
    long: Annotated[Long, Meta(description="Texts of several segments: in parts with a user data header, "
                               "in parts with SAR fields, or whole in message_payload.")] = Long.UDH  # fmt: skip
    validity: Annotated[
        Literal["relative", "absolute", "none"], Meta(description="How the validity period is told.")
    ] = "relative"

    id_base: Annotated[IdBase, Meta(description="Ids in hex here and decimal in receipts, or the reverse.")] = (
        IdBase.SAME
    )
    receipt_by_text: Annotated[
        bool, Meta(description="Take a deliver_sm for a receipt by its text alone, where the SMSC marks none.")
    ] = False
    receipt_zone: Annotated[
        str, Meta(max_length=64, description="Time zone of the dates in receipts; unset: they are not read.")
    ] = ""
    statuses: Annotated[
        Mapping[str, Outcome],
        Meta(max_length=1000, description='The SMSC\'s own command_status codes: `{"0x4A1": "throttled"}`.'),
    ] = {}

    def __post_init__(self) -> None:
        read_statuses(self.statuses)
        if set(self.statuses.values()) - REFUSALS:
            raise ValueError(f"statuses: each means one of {', '.join(sorted(REFUSALS))}")
        if self.receipt_zone:
            zone(self.receipt_zone)
        if self.languages and (self.long is not Long.UDH or self.alphabet is not Alphabet.GSM7):
            raise ValueError("languages: national tables need long = udh and alphabet = gsm7")
        if not self.tls and (self.tls_ca or self.tls_certificate or self.tls_key or self.tls_name):
            raise ValueError("tls: false, and yet there is something about its certificates")
        tls_context(self)


def zone(name: str) -> ZoneInfo:
    """Return a time zone; raises ValueError."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        raise ValueError("receipt_zone: there is no such time zone, e.g. Europe/Berlin or UTC") from None


def tls_context(config: Config) -> ssl.SSLContext | None:
    """Return what a connection over TLS needs; raises ValueError for files that cannot be used."""
    if not config.tls:
        return None
    try:
        context = ssl.create_default_context(cafile=config.tls_ca)
    except (OSError, ValueError):
        raise ValueError("tls_ca: no file of PEM certificates") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.tls_key and not config.tls_certificate:
        raise ValueError("tls_key: there is no tls_certificate to it")
    if config.tls_certificate:
        try:
            # An encrypted key has to fail, not to ask at the terminal.
            context.load_cert_chain(config.tls_certificate, config.tls_key, password=lambda: b"")
        except (OSError, ValueError):
            raise ValueError("tls_certificate, tls_key: no PEM files that fit each other") from None
    return context
