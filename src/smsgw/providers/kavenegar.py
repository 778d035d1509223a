"""Kavenegar: https://kavenegar.com/rest.html."""

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import quote, urlencode
from uuid import UUID

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter, LooksUp
from smsgw.providers.reading import Answer, decode, decode_form
from smsgw.providers.references import long_of
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import Guard, distrust

# --- config -----------------------------------------------------------------------------------------------------------

ApiKey = Annotated[
    str,
    Meta(pattern=r"^[A-Za-z0-9_=+-]{8,256}\Z", description="The API key. It stands in the address of every call."),
]


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    api_key: ApiKey
    sender: (
        Annotated[
            str,
            Meta(
                pattern=r"^\+?[0-9]{3,20}\Z",
                description="The line of messages that name none, e.g. `10004346`; default: the account's.",
            ),
        ]
        | None
    ) = None
    base_url: Annotated[str, Meta(description="Without version and key.")] = "https://api.kavenegar.com"

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_base_url(self.base_url)


# --- maps -------------------------------------------------------------------------------------------------------------

TAKEN = 200
"""`return.status` of a call that was carried out."""
REFUSALS = {
    400: Outcome.REJECTED,  # parameters are missing
    401: Outcome.CREDENTIALS,  # the account is disabled
    402: Outcome.THROTTLED,  # the operation failed: later
    403: Outcome.CREDENTIALS,  # unknown API key
    404: Outcome.CREDENTIALS,  # unknown method: a wrong base_url
    405: Outcome.CREDENTIALS,  # GET or POST: likewise
    406: Outcome.REJECTED,  # a parameter is empty
    407: Outcome.REJECTED,  # no access: often to numbers abroad alone
    409: Outcome.THROTTLED,  # the server cannot answer now
    411: Outcome.INVALID_NUMBER,  # receptor
    412: Outcome.REJECTED,  # sender: of this message; another provider may have it
    413: Outcome.REJECTED,  # the text is empty or too long
    414: Outcome.REJECTED,  # too many receptors
    416: Outcome.CREDENTIALS,  # our address is not allowed
    417: Outcome.REJECTED,  # date
    418: Outcome.CREDENTIALS,  # not enough credit
    419: Outcome.REJECTED,  # lists of different length
    420: Outcome.REJECTED,  # links in the text are not allowed
    422: Outcome.REJECTED,  # characters that cannot be handled
    424: Outcome.CREDENTIALS,  # the template is not there
    426: Outcome.CREDENTIALS,  # needs another plan
    427: Outcome.REJECTED,  # this line needs another level; another line may not
    428: Outcome.REJECTED,  # no voice call for this token
    429: Outcome.CREDENTIALS,  # our address is limited
    431: Outcome.REJECTED,  # token
    432: Outcome.REJECTED,  # token not in the template
    451: Outcome.THROTTLED,  # too many calls
    501: Outcome.REJECTED,  # a test account sends to its owner only
}
"""`return.status` of a call that was not; the HTTP status is usually the same, and proves nothing."""
REPORTS = {
    "1": ReportStatus.QUEUED,
    "2": ReportStatus.QUEUED,  # scheduled
    "4": ReportStatus.SENT,  # handed to the operator
    "5": ReportStatus.SENT,
    "6": ReportStatus.FAILED,  # at the operator
    "10": ReportStatus.DELIVERED,
    "11": ReportStatus.UNDELIVERED,
    "13": ReportStatus.REJECTED,  # cancelled, paid back
    "14": ReportStatus.REJECTED,  # the recipient blocks advertising
}
"""`status` of a message."""
UNHEARD_OF = 100
"""`status` of a message that is not there, or older than 12 h (by localid)."""
_ID = re.compile(rb'"?([1-9][0-9]{0,18})"?')


class _Return(msgspec.Struct, frozen=True):
    status: int


class _Entry(msgspec.Struct, frozen=True):
    # Raw: an id is a long integer, and would not survive as a float.
    messageid: msgspec.Raw = msgspec.Raw(b"")
    localid: Any = None
    status: Any = None
    cost: Any = None


class _Answer(msgspec.Struct, frozen=True):
    returned: _Return = msgspec.field(name="return")
    entries: list[_Entry] | None = None


class _Report(msgspec.Struct, frozen=True):
    messageid: Annotated[str, Meta(pattern=r"^[1-9][0-9]{0,18}\Z")]
    status: Annotated[str, Meta(max_length=8)]


class Kavenegar(HttpAdapter[Config], LooksUp):
    """A form in, JSON out; `return.status` says what happened. Our `localid` finds a message again, and protects from a
    second one."""

    config_type = Config
    about = About(
        title="Kavenegar",
        documentation="https://kavenegar.com/rest.html",
        set_up=(
            "Panel > Account settings: the API key. Allow the worker's address there if the list is not empty.",
            "Panel > Lines: the line to send from (`sender`); an account's first line is its default.",
            "Panel > Lines > the line > delivery URL: the webhook's address.",
        ),
        reports="`GET` (or `POST`) with `messageid` and `status`; nothing signs it. The secret token in the address, "
        "and `webhook_allow`, tell it from a forged one.",
        limits="900 characters a message; a text in Persian has 70 to a part, then 67. Too many calls are answered "
        "with 451; the rate is not documented.",
        features=frozenset({Feature.SENDER, Feature.REFERENCE, Feature.PRICE}),
        maps={"return.status": {TAKEN: Outcome.ACCEPTED, **REFUSALS}, "Status of a message": REPORTS},
        notes=(
            "`localid` is a number made of the tracking id. Repeated, it sends nothing and returns the first message.",
            "The API key is a part of the address of every call: keep it out of the logs of proxies.",
            "Numbers in Iran go out as `0912...`, all others with `00`. Prices are rials (IRR).",
            "There is no validity period: a message may arrive after its ttl_seconds.",
        ),
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        base = f"{checked_base_url(config.base_url)}/v1/{quote(config.api_key, safe='')}/sms"
        self._send, self._status = httpx.URL(f"{base}/send.json"), httpx.URL(f"{base}/statuslocalmessageid.json")
        self._headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

    def secrets(self) -> tuple[str, ...]:
        """Return the key, also as it stands in addresses, and the webhook's token."""
        key = self.config.api_key
        return tuple(filter(None, (key, quote(key, safe=""), self.config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST {base_url}/v1/{api_key}/sms/send.json."""
        fields = {"receptor": _number(submit.to), "message": submit.text, "localid": str(long_of(submit.reference))}
        if sender := submit.sender or self.config.sender:
            fields["sender"] = _number(sender)
        return httpx.Request("POST", self._send, headers=self._headers, content=urlencode(fields).encode())

    def build_look_up(self, reference: UUID) -> httpx.Request:
        """POST {base_url}/v1/{api_key}/sms/statuslocalmessageid.json."""
        body = urlencode({"localid": str(long_of(reference))}).encode()
        return httpx.Request("POST", self._status, headers=self._headers, content=body)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """Read `return.status`; only a 2xx whose body says 200 and names the message is accepted."""
        read = decode(answer.body, _Answer)
        if read is None:
            return None
        said = read.returned.status
        if said == TAKEN and answer.is_success:
            return _accepted(read.entries or [])
        outcome = REFUSALS.get(said) if answer.status < 500 or answer.status == said else None
        if said == TAKEN and answer.is_refusal:
            # The two contradict each other: it may have been sent.
            outcome = Outcome.UNKNOWN
        return SendResult(outcome=outcome, detail=f"HTTP {answer.status}, return.status {said}") if outcome else None

    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """Take an entry with an id for found, the status 100 for absent."""
        read = decode(answer.body, _Answer) if answer.status == TAKEN else None
        if read is None or read.returned.status != TAKEN or len(read.entries or ()) != 1:
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail=f"HTTP {answer.status}")
        entry = (read.entries or [])[0]
        if answer.reference is None or str(entry.localid or "") not in ("", str(long_of(answer.reference))):
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail="the answer is about another message")
        if type(entry.status) is int and entry.status == UNHEARD_OF:
            return LookUpResult(answer=LookUp.ABSENT, detail=f"HTTP {answer.status}, status {UNHEARD_OF}")
        message_id = _message_id(entry)
        if message_id is None or str(entry.status) not in REPORTS:
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail=f"HTTP {answer.status}")
        return LookUpResult(answer=LookUp.FOUND, provider_message_id=message_id)

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Hold the token and the address against the options, then read one report out of the query or the form."""
        if why := distrust(self.config, request):
            return Forged(why)
        report = decode_form(request.body or request.query, _Report)
        status = REPORTS.get(report.status) if report else None
        if report is None or status is None:
            return Unreadable("not a report with a known status")
        identity = (report.messageid, report.status)
        return (
            DeliveryReport(
                status=status,
                provider_message_id=report.messageid,
                error_code=report.status if status in (ReportStatus.REJECTED, ReportStatus.FAILED) else None,
                dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
            ),
        )


def _number(e164: str) -> str:
    """Return a number as the vendor wants it: 0 and the number in Iran, 00 in front of all others; a line as it is."""
    if not e164.startswith("+"):
        return e164
    return f"0{e164[3:]}" if e164.startswith("+98") else f"00{e164[1:]}"


def _accepted(entries: Sequence[_Entry]) -> SendResult | None:
    message_id = _message_id(entries[0]) if len(entries) == 1 else None
    if message_id is None:
        return None
    cost = entries[0].cost
    price = str(cost) if type(cost) is int and 0 <= cost < 10**12 else None
    return SendResult(
        outcome=Outcome.ACCEPTED,
        provider_message_id=message_id,
        price=price,
        currency="IRR" if price is not None else None,
    )


def _message_id(entry: _Entry) -> str | None:
    found = _ID.fullmatch(bytes(entry.messageid))
    return found[1].decode() if found else None


PROVIDER = Kavenegar
