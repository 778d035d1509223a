"""Vonage's older SMS API, which `vonage` speaks when told so: https://developer.vonage.com/en/api/sms.

Forms in, always a 200 out with one element for each segment, and one report for each segment, signed by its fields.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import msgspec

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.core.text import Encoding, cost
from smsgw.providers.reading import Answer, Visible, amount, code, decode, form
from smsgw.providers.signatures import is_recent, is_same, seconds

Method = Literal["md5hash", "md5", "sha1", "sha256", "sha512"]
"""How the account signs: `md5hash` is MD5 of the fields and the secret, everything else an HMAC."""
MAX_CALLBACK = 100
MAX_SEGMENTS = 255
CURRENCY = "EUR"
"""Named nowhere in an answer; Vonage bills in euros."""
NEVER_TAKEN = "refused"
"""In the place of the ids of parts that were refused: no receipt will ever have it."""
_TTL_SECONDS = (20, 604_800)

# --- maps -------------------------------------------------------------------------------------------------------------

ACCEPTED = "0"
STATUSES = {
    "1": Outcome.THROTTLED,
    "2": Outcome.REJECTED,  # a parameter is missing
    "3": Outcome.REJECTED,  # a parameter is invalid
    "4": Outcome.CREDENTIALS,
    "5": Outcome.UNKNOWN,  # an internal error: nobody says how far it came
    "6": Outcome.REJECTED,  # invalid message
    "7": Outcome.REJECTED,  # this vendor bars the number; another one may not
    "8": Outcome.CREDENTIALS,  # the account is barred
    "9": Outcome.CREDENTIALS,  # no credit
    "10": Outcome.THROTTLED,  # too many binds
    "11": Outcome.CREDENTIALS,  # the account may not use this API
    "12": Outcome.REJECTED,  # too long
    "14": Outcome.CREDENTIALS,  # our signature
    "15": Outcome.REJECTED,  # the sender: of this message, not of the account
    "17": Outcome.REJECTED,  # blocked by filters
    "22": Outcome.REJECTED,  # invalid network code
    "23": Outcome.REJECTED,  # invalid callback
    "29": Outcome.REJECTED,  # a demo account sends only to its own list of numbers
    "32": Outcome.CREDENTIALS,  # signed and with a secret at once
    "33": Outcome.REJECTED,  # the number is deactivated
}
"""`status` of an element; any other number is REJECTED: only 0 was taken."""
REPORTS = {
    "accepted": ReportStatus.SENT,
    "buffered": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "expired": ReportStatus.EXPIRED,
    "failed": ReportStatus.UNDELIVERED,
    "rejected": ReportStatus.REJECTED,
    "deleted": ReportStatus.FAILED,
    "unknown": ReportStatus.SENT,  # nothing is known: it may still have arrived
}
"""`status` of a receipt, lower-cased."""
_NUMBER = re.compile(r"[0-9]{1,3}", re.ASCII)
_WAIT = re.compile(r"wait \[ *([0-9]{1,6}) *\]", re.ASCII)


class _Element(msgspec.Struct, frozen=True, rename="kebab"):
    status: Any
    message_id: Visible | None = None
    message_price: Any = None
    error_text: Any = None

    @property
    def word(self) -> str:
        return str(self.status)


class _Answer(msgspec.Struct, frozen=True):
    messages: list[_Element]


class _Receipt(msgspec.Struct, frozen=True, kw_only=True):
    message_id: Visible = msgspec.field(name="messageId")
    status: str
    reference: Visible | None = msgspec.field(name="client-ref", default=None)
    error_code: str | None = msgspec.field(name="err-code", default=None)
    reported_at: str | None = msgspec.field(name="message-timestamp", default=None)
    carrier_time: str | None = msgspec.field(name="scts", default=None)


# --- build ------------------------------------------------------------------------------------------------------------


def fields_of(submit: Submit, sender: str | None, callback: str | None) -> dict[str, str]:
    """Return the form of a message, without credentials. The vendor does not look whether a text needs Unicode."""
    low, high = _TTL_SECONDS
    fields = {
        "to": submit.to.removeprefix("+"),
        "text": submit.text,
        "type": "unicode" if cost(submit.text).encoding is Encoding.UCS2 else "text",
        "ttl": str(min(max(submit.validity_seconds, low), high) * 1000),
        "client-ref": str(submit.reference),
        "status-report-req": "1",
    }
    if sender:
        fields["from"] = sender
    if callback:
        fields["callback"] = callback
    return fields


def signed(fields: Mapping[str, str], secret: str, method: Method, now: datetime) -> dict[str, str]:
    """Return the fields with their time and their signature."""
    dated = {**fields, "timestamp": str(int(now.timestamp()))}
    return {**dated, "sig": signature(dated, secret, method)}


def signature(fields: Mapping[str, str], secret: str, method: Method) -> str:
    """Return the signature of fields, of requests and receipts alike, in lower-case hex: all but `sig`, sorted, with
    `_` for every & and = in a value (https://developer.vonage.com/en/getting-started/concepts/signing-messages)."""
    names = sorted(name for name in fields if name != "sig")
    # In a name, too: two fields must not be written as one.
    text = "".join(f"&{_plain(name)}={_plain(fields[name])}" for name in names)
    if method == "md5hash":
        return hashlib.md5(f"{text}{secret}".encode()).hexdigest()  # noqa: S324  (the vendor's default)
    return hmac.new(secret.encode(), text.encode(), method).hexdigest()


def _plain(word: str) -> str:
    return word.replace("&", "_").replace("=", "_")


# --- parse ------------------------------------------------------------------------------------------------------------


def parse(answer: Answer) -> SendResult | None:
    """Return what the elements of an answer mean together; None leaves it to the status."""
    found = decode(answer.body, _Answer) if answer.status == 200 else None
    if found is None or not 0 < len(found.messages) <= MAX_SEGMENTS:
        return None
    if not all(_NUMBER.fullmatch(each.word) for each in found.messages):
        return None
    refused = [each for each in found.messages if each.word != ACCEPTED]
    return _refused(found.messages, refused[0]) if refused else _accepted(found.messages)


def _refused(elements: Sequence[_Element], first: _Element) -> SendResult:
    """Return why a message will not arrive, or not whole: then another provider has to send it, and what becomes of the
    parts that were taken can never say that it was delivered."""
    outcome = STATUSES.get(first.word, Outcome.REJECTED)
    wait = _wait(first.error_text) if outcome is Outcome.THROTTLED else None
    taken = [each.message_id for each in elements if each.word == ACCEPTED and each.message_id]
    if not taken:
        return SendResult(outcome=outcome, detail=f"status {first.word}", retry_after=wait)
    return SendResult(
        outcome=outcome,
        detail=f"{len(taken)} of {len(elements)} parts taken, status {first.word}",
        retry_after=wait,
        part_ids=(*taken, NEVER_TAKEN),
    )


def _accepted(elements: Sequence[_Element]) -> SendResult | None:
    part_ids = tuple(each.message_id for each in elements if each.message_id)
    if len(set(part_ids)) < len(elements):
        return None
    prices = [amount(each.message_price) for each in elements]
    known = [Decimal(each) for each in prices if each]
    total = amount(sum(known, Decimal(0))) if len(known) == len(prices) else None
    return SendResult(
        outcome=Outcome.ACCEPTED,
        provider_message_id=part_ids[0],
        part_ids=part_ids if len(part_ids) > 1 else (),
        segments=len(part_ids),
        price=total,
        currency=CURRENCY if total else None,
    )


def _wait(error_text: Any) -> timedelta | None:
    """Return the milliseconds of 'Throughput Rate Exceeded - please wait [ 250 ] and retry'."""
    found = _WAIT.search(error_text[:200]) if isinstance(error_text, str) else None
    return timedelta(milliseconds=int(found[1])) if found else None


# --- report -----------------------------------------------------------------------------------------------------------


def read(request: ReportRequest, secret: str | None, method: Method) -> Sequence[DeliveryReport] | Forged | Unreadable:
    """Verify a receipt's signature where there is a secret, then read it: a query, a form or JSON, as the account has
    it. It is about one part; the price stands in the answer to the send, for all parts."""
    fields = _fields(request)
    if secret is not None:
        if fields is None:
            return Forged("not plain fields, each of them once")
        if not is_same(signature(fields, secret, method), fields.get("sig", "").lower()):
            return Forged("no sig that fits")
        if not is_recent(seconds(fields.get("timestamp")), request.received_at):
            return Forged("the signature is too old")
    try:
        receipt = msgspec.convert(fields, _Receipt)
    except msgspec.ValidationError:
        return Unreadable("not a receipt")
    status = REPORTS.get(receipt.status.lower())
    if status is None:
        return Unreadable("not a known status")
    error = code(receipt.error_code)
    identity = (receipt.message_id, receipt.reference, status.word, error, receipt.carrier_time)
    return (
        DeliveryReport(
            status=status,
            provider_message_id=receipt.message_id,
            reference=receipt.reference,
            reported_at=_time(receipt.reported_at),
            error_code=None if error == "0" else error,
            dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
        ),
    )


def _fields(request: ReportRequest) -> dict[str, str] | None:
    if request.method != "GET" and request.body.lstrip().startswith(b"{"):
        said = decode(request.body, dict[str, str | int])
        return {name: str(value) for name, value in said.items()} if said is not None else None
    pairs = form(request.query if request.method == "GET" else request.body)
    named = dict(pairs or ())
    return named if named and len(named) == len(pairs or ()) else None


def _time(value: str | None) -> datetime | None:
    """Return a time such as 2026-03-01 12:00:05, which is in UTC."""
    try:
        return datetime.strptime(value or "", "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        return None
