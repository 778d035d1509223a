"""From a submit to the submit_sm that ask for it: addresses, encoding, parts of a long text, validity. Pure, but for
the counter of the parts' references."""

import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count

import msgspec

from smsgw.core import smpp
from smsgw.core.coding import Coded, plan, plan_ucs2
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.ports import Submit
from smsgw.core.text import Encoding
from smsgw.providers.smpp.config import Alphabet, Config, Kind, Long

_E164 = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_DIGITS = re.compile(r"[0-9]{2,20}", re.ASCII)
_NAME = re.compile(r"[ -~]{1,20}", re.ASCII)
LONGEST_VALIDITY = timedelta(days=30)
"""A relative period has two digits for its days; no SMSC keeps a message so long."""
MOST_PAYLOAD = 60_000


class Built(msgspec.Struct, frozen=True):
    """A message as bodies of submit_sm, one per part, in order."""

    bodies: Sequence[bytes]
    segments: int | None
    """What the SMSC will count, where that is certain."""


class Builder:
    """Builds what this connection's options want."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._references = count(secrets.randbelow(256))
        self._charset = {Alphabet.LATIN1: "latin-1", Alphabet.ASCII: "ascii"}.get(config.alphabet)
        destination = config.destination
        self._service_type = config.service_type.encode()
        self._destination = (destination.ton, destination.npi)

    def build(self, submit: Submit) -> Built | SendResult:
        """Return the bodies, or the refusal of a message that cannot be said in SMPP."""
        source = self._source(submit.sender)
        if source is None:
            return SendResult(outcome=Outcome.REJECTED, detail="the sender is no number, short code or name")
        try:
            coded = self._coded(submit.text)
        except ValueError:
            return SendResult(outcome=Outcome.REJECTED, detail="the text has too many segments")
        message = smpp.ShortMessage(
            service_type=self._service_type,
            source=source,
            destination=smpp.Address(*self._destination, submit.to.removeprefix("+").encode()),
            validity=self._validity(submit),
            registered=1,
            data_coding=self._data_coding(coded),
        )
        return self._in_parts(message, coded)

    def _source(self, sender: str | None) -> smpp.Address | None:
        config = self._config
        if sender is None:
            # The SMSC puts the account's own.
            return smpp.Address()
        if _E164.fullmatch(sender):
            return _address(config.international, sender[1:])
        if _DIGITS.fullmatch(sender):
            return _address(config.short_code, sender)
        return _address(config.alphanumeric, sender) if _NAME.fullmatch(sender) else None

    def _coded(self, text: str) -> Coded:
        if self._config.encoding == "ucs2":
            return plan_ucs2(text)
        coded = plan(text, self._config.languages)
        if self._charset and coded.encoding is Encoding.GSM7:
            try:
                text.encode(self._charset)
            except UnicodeEncodeError:
                return plan_ucs2(text)
        return coded

    def _data_coding(self, coded: Coded) -> int:
        is_plain = coded.encoding is Encoding.GSM7
        return self._config.data_coding if is_plain else self._config.ucs2_data_coding

    def _payloads(self, coded: Coded) -> list[bytes]:
        if self._charset and coded.encoding is Encoding.GSM7:
            return [each.encode(self._charset) for each in coded.segments]
        return coded.payloads()

    def _in_parts(self, message: smpp.ShortMessage, coded: Coded) -> Built | SendResult:
        payloads = self._payloads(coded)
        if len(payloads) == 1:
            header = coded.headers(0)[0]
            esm_class = smpp.ESM_UDH if header else 0
            return _built([_with(message, text=header + payloads[0], esm_class=esm_class)], segments=1)
        if self._config.long is Long.PAYLOAD:
            payload = b"".join(payloads)
            if len(payload) > MOST_PAYLOAD:
                return SendResult(outcome=Outcome.REJECTED, detail="the text has too many segments")
            return _built([_with(message, tlvs=((smpp.TLV_MESSAGE_PAYLOAD, payload),))], segments=None)
        reference = next(self._references) % 256
        if self._config.long is Long.SAR:
            parts = [
                _with(message, text=payload, tlvs=_sar(reference, len(payloads), number))
                for number, payload in enumerate(payloads, 1)
            ]
        else:
            parts = [
                _with(message, text=header + payload, esm_class=smpp.ESM_UDH)
                for header, payload in zip(coded.headers(reference), payloads, strict=True)
            ]
        return _built(parts, segments=len(parts))

    def _validity(self, submit: Submit) -> bytes:
        left = min(timedelta(seconds=submit.validity_seconds), LONGEST_VALIDITY)
        if self._config.validity == "relative":
            return relative(left)
        return absolute(submit.asked_at + left) if self._config.validity == "absolute" else b""


def relative(period: timedelta) -> bytes:
    """Return a period in the standard's relative form (7.1.1.2): `YYMMDDhhmmss000R`."""
    minutes, seconds = divmod(period.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return b"0000%02d%02d%02d%02d000R" % (period.days, hours, minutes, seconds)


def absolute(moment: datetime) -> bytes:
    """Return a moment, aware and in UTC, in the standard's absolute form (7.1.1.1): `YYMMDDhhmmsstnn+`."""
    return f"{moment:%y%m%d%H%M%S}{moment.microsecond // 100_000}00+".encode()


def _address(kind: Kind, digits: str) -> smpp.Address:
    return smpp.Address(kind.ton, kind.npi, digits.encode())


def _with(message: smpp.ShortMessage, **changes: object) -> smpp.ShortMessage:
    return msgspec.structs.replace(message, **changes)


def _built(parts: Sequence[smpp.ShortMessage], *, segments: int | None) -> Built:
    return Built([smpp.encode_message(part) for part in parts], segments)


def _sar(reference: int, total: int, number: int) -> tuple[tuple[int, bytes], ...]:
    return (
        (smpp.TLV_SAR_REFERENCE, bytes((0, reference))),
        (smpp.TLV_SAR_TOTAL, bytes((total,))),
        (smpp.TLV_SAR_NUMBER, bytes((number,))),
    )
