"""What a deliver_sm or data_sm says of a message that was sent (SMPP v3.4, 5.2.12 and Appendix B, and what carriers
make of it). Pure; nothing that a carrier writes raises."""

import hashlib
import re
from datetime import UTC, datetime
from enum import Enum
from zoneinfo import ZoneInfo

import msgspec

from smsgw.core import smpp
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.providers.smpp.config import Config, IdBase, zone

STATES: dict[int, ReportStatus] = {
    1: ReportStatus.SENT,
    2: ReportStatus.DELIVERED,
    3: ReportStatus.EXPIRED,
    # Cancelled, by an operator or by cancel_sm.
    4: ReportStatus.FAILED,
    5: ReportStatus.UNDELIVERED,
    # "Read on the recipient's behalf" in the standard, "accepted by the next carrier" in practice.
    6: ReportStatus.SENT,
    # Final, and says nothing: neither delivered nor not.
    7: ReportStatus.SENT,
    8: ReportStatus.REJECTED,
}
"""By the message_state (5.2.28)."""
WORDS: dict[str, ReportStatus] = {
    "ENROUTE": STATES[1],
    "DELIVRD": STATES[2],
    "EXPIRED": STATES[3],
    "DELETED": STATES[4],
    "UNDELIV": STATES[5],
    "ACCEPTD": STATES[6],
    "UNKNOWN": STATES[7],
    "REJECTD": STATES[8],
    # Not in the standard, seen all the same.
    "REJECTED": ReportStatus.REJECTED,
    "FAILED": ReportStatus.FAILED,
    "ACKED": ReportStatus.SENT,
    "BUFFERD": ReportStatus.QUEUED,
    "BUFFRED": ReportStatus.QUEUED,
}
"""By the `stat` of the text."""
MOST_TEXT = 4096
_KEYS = {
    "id": re.compile(r"\bid:\s*([0-9A-Za-z_.-]{1,64})(?=\s|$)", re.ASCII),
    "submitted": re.compile(r"\bsubmit date:\s*([0-9]{10,14})(?=\s|$)", re.ASCII | re.IGNORECASE),
    "done": re.compile(r"\bdone date:\s*([0-9]{10,14})(?=\s|$)", re.ASCII | re.IGNORECASE),
    "stat": re.compile(r"\bstat:\s*([A-Za-z]{3,10})(?=\s|$)", re.ASCII | re.IGNORECASE),
    "err": re.compile(r"\berr:\s*([0-9A-Za-z]{1,16})(?=\s|$)", re.ASCII | re.IGNORECASE),
}
# What follows is the message's own text: it may say anything, also `stat:DELIVRD`.
_TAIL = re.compile(r"(?:^|\s)text:", re.ASCII | re.IGNORECASE)
_VISIBLE = re.compile(r"[!-~]{1,64}", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]{1,40}", re.ASCII)
_DATES = {10: "%y%m%d%H%M", 12: "%y%m%d%H%M%S", 14: "%Y%m%d%H%M%S"}


class Other(Enum):
    """What else a deliver_sm can be."""

    MESSAGE = "message"
    """A person's message, or an acknowledgement by one."""
    UNREADABLE = "unreadable"
    """A receipt without an id or a state that is known."""


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    text_id: str | None
    tlv_id: str | None
    status: ReportStatus | None
    error_code: str | None
    done: str | None
    submitted: str | None


class Receipts:
    """Reads receipts with the habits of one connection."""

    def __init__(self, config: Config) -> None:
        self._base = config.id_base
        self._by_text = config.receipt_by_text
        self._zone = zone(config.receipt_zone) if config.receipt_zone else None

    def sent_id(self, raw: bytes) -> str | None:
        """Return the id of a submit_sm_resp as receipts are looked up by it, or None when it is none."""
        return self._normal(_visible(raw), is_hex=self._base is IdBase.HEX_TO_DECIMAL)

    def read(self, message: smpp.ShortMessage) -> DeliveryReport | Other:
        """Return the report that a deliver_sm or data_sm carries, or what else it is."""
        kind = message.esm_class & smpp.ESM_TYPE
        state, receipted = message.tlv(smpp.TLV_MESSAGE_STATE), message.tlv(smpp.TLV_RECEIPTED_MESSAGE_ID)
        is_marked = kind in (smpp.ESM_RECEIPT, smpp.ESM_INTERMEDIATE)
        if not is_marked and not (state and receipted) and not (self._by_text and kind == 0):
            return Other.MESSAGE
        told = self._told(_text(message), message)
        message_id = self._receipt_id(told)
        if message_id is None or told.status is None:
            return Other.UNREADABLE if is_marked or (state and receipted) else Other.MESSAGE
        # An intermediate notification says how far it is, never how it ends.
        status = min(told.status, ReportStatus.SENT) if kind == smpp.ESM_INTERMEDIATE else told.status
        return DeliveryReport(
            status=status,
            provider_message_id=message_id,
            reported_at=self._moment(told.done),
            error_code=told.error_code,
            dedupe_key=_key(message_id, status, told),
        )

    def _told(self, text: str, message: smpp.ShortMessage) -> _Told:
        tail = _TAIL.search(text)
        head = text[: tail.start()] if tail else text
        found = {name: match[1] for name, key in _KEYS.items() if (match := key.search(head))}
        state = message.tlv(smpp.TLV_MESSAGE_STATE)
        status = STATES.get(state[0]) if state else None
        return _Told(
            text_id=found.get("id"),
            tlv_id=_visible(message.tlv(smpp.TLV_RECEIPTED_MESSAGE_ID) or b""),
            status=WORDS.get(found.get("stat", "").upper()) if status is None else status,
            error_code=_error(found.get("err"), message.tlv(smpp.TLV_NETWORK_ERROR_CODE)),
            done=found.get("done"),
            submitted=found.get("submitted"),
        )

    def _receipt_id(self, told: _Told) -> str | None:
        """Return the id in the form of `sent_id`: the parameter has that of the submit_sm_resp, the text its own."""
        is_same = told.tlv_id is not None and told.text_id is not None and told.tlv_id.lower() == told.text_id.lower()
        if told.tlv_id and not is_same:
            return self._normal(told.tlv_id, is_hex=self._base is IdBase.HEX_TO_DECIMAL)
        return self._normal(told.text_id, is_hex=self._base is IdBase.DECIMAL_TO_HEX)

    def _normal(self, written: str | None, *, is_hex: bool) -> str | None:
        if written is None:
            return None
        if self._base is not IdBase.SAME and _HEX.fullmatch(written) and (is_hex or written.isdigit()):
            return str(int(written, 16 if is_hex else 10))
        # Without regard to case, and to zeros in front of a number.
        plain = written.lower()
        return (plain.lstrip("0") or "0") if _HEX.fullmatch(plain) else plain

    def _moment(self, done: str | None) -> datetime | None:
        if done is None or self._zone is None:
            return None
        return _in_utc(done, self._zone)


def _in_utc(done: str, where: ZoneInfo) -> datetime | None:
    form = _DATES.get(len(done))
    if form is None:
        return None
    try:
        return datetime.strptime(done, form).replace(tzinfo=where).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(message: smpp.ShortMessage) -> str:
    octets = message.whole_text[:MOST_TEXT]
    if message.esm_class & smpp.ESM_UDH and octets:
        octets = octets[1 + octets[0] :]
    if octets[:1] == b"\0" and octets[2:3] == b"\0":
        # In UCS-2, head and all.
        return octets.decode("utf-16-be", "replace")
    return octets.rstrip(b"\0").decode("latin-1")


def _visible(raw: bytes) -> str | None:
    """Return an id of 1 to 64 visible ASCII characters, its NUL and spaces around it cut off."""
    text = raw.split(b"\0", 1)[0].strip().decode("latin-1")
    return text if _VISIBLE.fullmatch(text) else None


def _error(err: str | None, network: bytes | None) -> str | None:
    """Return an error code that says something: not 000."""
    if err and err.strip("0"):
        return err
    if network and len(network) == 3 and (code := int.from_bytes(network[1:], "big")):
        return str(code)
    return None


def _key(message_id: str, status: ReportStatus, told: _Told) -> str:
    # With the dates: some SMSCs begin to count their ids anew.
    said = f"{message_id}|{status.word}|{told.error_code or ''}|{told.submitted or ''}|{told.done or ''}"
    return hashlib.sha256(said.encode()).hexdigest()
