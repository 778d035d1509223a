"""What a simulated SMSC says: statuses, ids and receipts. Pure."""

from datetime import datetime

from smsgw.core import smpp
from smsgw.simulator.behaviour import Behaviour
from smsgw.simulator.ledger import Entry

RSYSERR = 0x08
_STATUSES = {
    "INVALID_NUMBER": 0x0B,
    "OPTED_OUT": 0x66,
    "REJECTED": 0x66,
    "THROTTLED": 0x58,
    "UNAUTHORIZED": 0x0E,
}
"""By the error codes of `provider_a`; everything else is RSYSERR."""
_STATES = {"delivered": ("DELIVRD", 2), "sent": ("ENROUTE", 1), "undelivered": ("UNDELIV", 5)}
_ABSENT_SUBSCRIBER = "001"


def status_of(behaviour: Behaviour) -> int:
    """Return the command_status of a refusal, or 0."""
    if behaviour.status < 400:
        return smpp.ROK
    return _STATUSES.get(behaviour.error_code or "", RSYSERR)


def receipt(entry: Entry, status: str, at: datetime, *, is_decimal: bool) -> smpp.ShortMessage:
    """Return the receipt of an acceptance: Appendix B's text, and the parameters beside it. `is_decimal`: the text has
    the id in decimal, as many SMSCs do, while submit_sm_resp and parameter have it in hex."""
    word, state = _STATES.get(status, ("UNDELIV", 5))
    is_delivered = status == "delivered"
    number = str(int(entry.message_id, 16)) if is_decimal else entry.message_id
    error = "000" if status in ("delivered", "sent") else _ABSENT_SUBSCRIBER
    text = (
        f"id:{number} sub:001 dlvrd:{int(is_delivered):03} submit date:{entry.accepted_at:%y%m%d%H%M} "
        f"done date:{at:%y%m%d%H%M} stat:{word} err:{error} text:"
    )
    return smpp.ShortMessage(
        source=smpp.Address(1, 1, entry.to.removeprefix("+").encode()),
        destination=smpp.Address(0, 0, entry.known.sender.encode()),
        esm_class=smpp.ESM_RECEIPT,
        text=text.encode(),
        tlvs=(
            (smpp.TLV_RECEIPTED_MESSAGE_ID, entry.message_id.encode() + b"\0"),
            (smpp.TLV_MESSAGE_STATE, bytes((state,))),
        ),
    )


def plain_text(message: smpp.ShortMessage) -> str:
    """Return the text well enough to count its segments."""
    octets = message.whole_text
    if message.esm_class & smpp.ESM_UDH and octets:
        octets = octets[1 + octets[0] :]
    return octets.decode("utf-16-be", "replace") if message.data_coding == 8 else octets.decode("latin-1")
