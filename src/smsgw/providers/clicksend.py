"""ClickSend SMS, REST v3: https://developers.clicksend.com/docs/messaging/sms"""

import base64
import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers import reading
from smsgw.providers.base import About, Feature, HttpAdapter, LooksUp
from smsgw.providers.reading import Answer, Secret, Sender, Visible, code, decode, decode_form
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import Guard, distrust

HISTORY_PAGE = 100
"""The most records that one page of the history can have."""
_WORD = re.compile(r"[A-Z][A-Z_]{1,63}", re.ASCII)
_SECONDS = re.compile(r"[0-9]{1,11}", re.ASCII)

# --- config -----------------------------------------------------------------------------------------------------------


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    username: Annotated[
        str, Meta(pattern=r"^[!-9;-~]{1,128}\Z", description="The API user's name, as the dashboard shows it.")
    ]
    api_key: Annotated[Secret, Meta(description="Its API key.")]
    base_url: Annotated[str, Meta(description="Another address of the API.")] = "https://rest.clicksend.com/v3"
    sender: Sender | None = None
    source: Annotated[
        str, Meta(pattern=r"^[!-~]{1,32}\Z", description="Names the application in ClickSend's history.")
    ] = "smsgw"

    def __post_init__(self) -> None:
        super().__post_init__()
        checked_base_url(self.base_url)


# --- maps -------------------------------------------------------------------------------------------------------------
# https://developers.clicksend.com/docs (application status codes)

STATUSES = {
    "SUCCESS": Outcome.ACCEPTED,
    "INVALID_RECIPIENT": Outcome.INVALID_NUMBER,
    "EMPTY_MESSAGE": Outcome.REJECTED,
    "TOO_MANY_RECIPIENTS": Outcome.REJECTED,
    "OPTED_OUT": Outcome.OPTED_OUT,
    "NUMBER_BLOCKED": Outcome.OPTED_OUT,
    "INVALID_SENDER_ID": Outcome.REJECTED,
    "SENDER_ID_NOT_REGISTERED": Outcome.REJECTED,
    "COUNTRY_NOT_ENABLED": Outcome.REJECTED,
    "INSUFFICIENT_CREDIT": Outcome.CREDENTIALS,
    "MISSING_CREDENTIALS": Outcome.CREDENTIALS,
    "INVALID_CREDENTIALS": Outcome.CREDENTIALS,
    "ACCOUNT_NOT_ACTIVATED": Outcome.CREDENTIALS,
    "THROTTLED": Outcome.THROTTLED,
}
"""`data.messages[].status`; any other word in capitals is a refusal."""

RESPONSES = {
    "BAD_REQUEST": Outcome.REJECTED,
    "UNAUTHORIZED": Outcome.CREDENTIALS,
    "FORBIDDEN": Outcome.CREDENTIALS,
    "NOT_FOUND": Outcome.REJECTED,
    "METHOD_NOT_FOUND": Outcome.REJECTED,
    "TOO_MANY_REQUESTS": Outcome.THROTTLED,
}
"""`response_code` of an answer without messages, where it is not SUCCESS."""

# https://help.clicksend.com/article/8cc479qlbb-list-of-sms-gateway-error-codes
REPORTS = {
    "200": ReportStatus.QUEUED,  # queued, scheduled, waiting for approval; see REPORT_WORDS
    "201": ReportStatus.DELIVERED,
    "300": ReportStatus.SENT,  # a temporary failure: ClickSend tries again
    "301": ReportStatus.UNDELIVERED,  # see REPORT_WORDS
    "302": ReportStatus.UNDELIVERED,
}
"""`status_code` of a report. Two numberings of `error_code` exist, so that number decides nothing."""

REPORT_WORDS = (
    ("200", "sent to", ReportStatus.SENT),
    ("301", "cancel", ReportStatus.REJECTED),
    ("301", "rejected by", ReportStatus.REJECTED),
    ("301", "anti-spam", ReportStatus.REJECTED),
    ("301", "receipt expired", ReportStatus.EXPIRED),
)
"""What `error_text` (in small letters) adds to a `status_code`; the first that fits counts."""


class _Sent(msgspec.Struct, frozen=True):
    """One message of an answer."""

    status: Annotated[str, Meta(max_length=64)]
    message_id: Visible | None = None
    message_parts: Any = None
    message_price: Any = None


class _SentData(msgspec.Struct, frozen=True):
    messages: Annotated[list[_Sent], Meta(max_length=1)] = []
    blocked_count: Any = None
    currency: dict[str, Any] = msgspec.field(name="_currency", default_factory=dict)


class _Answered(msgspec.Struct, frozen=True):
    response_code: str
    data: _SentData | None = None


class _Record(msgspec.Struct, frozen=True):
    """One message of the history, ours or not."""

    custom_string: Any = None
    message_id: Any = None


class _Page(msgspec.Struct, frozen=True):
    data: list[_Record]
    total: int


class _History(msgspec.Struct, frozen=True):
    data: _Page


class _Report(msgspec.Struct, frozen=True):
    """A receipt: numbers as such in JSON, as digits in a form."""

    message_id: Visible
    status_code: str | int
    error_code: Any = None
    error_text: Any = None
    custom_string: Any = None
    timestamp: Any = None


class ClickSend(HttpAdapter[Config], LooksUp):
    """JSON in, JSON out, receipts as forms; HTTP Basic."""

    config_type = Config
    about = About(
        title="ClickSend",
        documentation="https://developers.clicksend.com/docs/messaging/sms",
        set_up=(
            "Take the user name and the API key from the dashboard (Developers, API credentials).",
            "Make a secret for the webhook's address, `openssl rand -hex 24`: `webhook_token`.",
            "SMS, Settings, Delivery reports: a rule with the webhook's whole address; one serves all messages.",
        ),
        reports="Pushed as a form (or as JSON, or with GET) to the address of the account's rule. ClickSend signs "
        "nothing: the token in the address proves a report, and `webhook_allow` may name ClickSend's addresses.",
        limits="About 8 parts (1224 GSM characters) a text. Any rate is taken; what is too much waits there.",
        features=frozenset({Feature.SENDER, Feature.REFERENCE, Feature.SEGMENTS, Feature.PRICE}),
        maps={
            "Status of a message": STATUSES,
            "Response codes": RESPONSES,
            "Status codes of a report": REPORTS,
            "Error texts of a report": {f"{status}: {words}": kind for status, words, kind in REPORT_WORDS},
        },
        notes=(
            "HTTP 200 does not mean accepted: the status of the message in the answer decides.",
            "A text has no validity period: what ClickSend has queued may be delivered after our expiry.",
            "The history cannot be searched by our reference: a look-up reads its newest 100 messages.",
            "What is not among them is absent only when the account has no more; else nobody can say.",
        ),
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        base = checked_base_url(config.base_url)
        self._send = httpx.URL(f"{base}/sms/send")
        self._history = httpx.URL(f"{base}/sms/history")
        self._basic = base64.b64encode(f"{config.username}:{config.api_key}".encode()).decode()
        self._headers = {"authorization": f"Basic {self._basic}", "content-type": "application/json"}

    def secrets(self) -> tuple[str, ...]:
        """Return the key, alone and as it stands in the header, and the webhook's token."""
        return tuple(filter(None, (self.config.api_key, self._basic, self.config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST {base_url}/sms/send."""
        reference = str(submit.reference)
        message = {"to": submit.to, "body": submit.text, "source": self.config.source, "custom_string": reference}
        if sender := submit.sender or self.config.sender:
            message["from"] = sender
        body = msgspec.json.encode({"messages": [message]})
        return httpx.Request("POST", self._send, headers=self._headers, content=body)

    def build_look_up(self, reference: UUID) -> httpx.Request:  # noqa: ARG002  (no query takes it)
        """GET {base_url}/sms/history, newest first."""
        params: dict[str, str | int] = {"order_by": "date:desc", "limit": HISTORY_PAGE}
        return httpx.Request("GET", self._history, params=params, headers=self._headers)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """Read the status of the one message that was asked for, else the response code."""
        answered = decode(answer.body, _Answered) if answer.is_success or answer.is_refusal else None
        if answered is None:
            return None
        if answer.is_success and answered.data:
            return _sent(answer, answered.data)
        outcome = RESPONSES.get(answered.response_code)
        return SendResult(outcome=outcome, detail=f"HTTP {answer.status} {answered.response_code}") if outcome else None

    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """Find our reference among the newest messages; absent only when these are all."""
        history = decode(answer.body, _History) if answer.status == 200 else None
        if history is None:
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail=f"HTTP {answer.status}")
        page = history.data
        ours = [_id(each.message_id) for each in page.data if each.custom_string == str(answer.reference)]
        if any(ours):
            return LookUpResult(answer=LookUp.FOUND, provider_message_id=next(filter(None, ours)))
        is_absent = not ours and page.total == len(page.data) < HISTORY_PAGE
        detail = f"HTTP {answer.status}, not among {len(page.data)}"
        return LookUpResult(answer=LookUp.ABSENT if is_absent else LookUp.CANNOT_SAY, detail=detail)

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Check the token and the address, then read one receipt: a form, a query, or JSON."""
        if why := distrust(self.config, request):
            return Forged(why)
        if request.method == "GET":
            report = decode_form(request.query, _Report)
        else:
            report = decode_form(request.body, _Report) or decode(request.body, _Report)
        status = _status(report) if report else None
        if report is None or status is None:
            return Unreadable("not a receipt with a message id and a known status_code")
        is_good = status in (ReportStatus.QUEUED, ReportStatus.SENT, ReportStatus.DELIVERED)
        identity = (report.message_id, str(report.status_code), status.word, code(report.timestamp))
        return (
            DeliveryReport(
                status=status,
                provider_message_id=report.message_id,
                reference=_id(report.custom_string),
                reported_at=_moment(report.timestamp),
                error_code=None if is_good else code(report.error_code),
                dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
            ),
        )


def _sent(answer: Answer, data: _SentData) -> SendResult | None:
    if not data.messages:
        # For the country, the sender or the number's registration.
        is_blocked = reading.segments(data.blocked_count) is not None
        return SendResult(outcome=Outcome.REJECTED, detail=f"HTTP {answer.status} blocked") if is_blocked else None
    sent = data.messages[0]
    outcome = STATUSES.get(sent.status, Outcome.REJECTED if _WORD.fullmatch(sent.status) else None)
    detail = f"HTTP {answer.status} {code(sent.status)}"
    if outcome is not Outcome.ACCEPTED:
        return SendResult(outcome=outcome, detail=detail) if outcome else None
    if sent.message_id is None:
        return None
    price = reading.amount(sent.message_price)
    return SendResult(
        outcome=outcome,
        provider_message_id=sent.message_id,
        detail=detail,
        segments=reading.segments(sent.message_parts),
        price=price,
        currency=reading.currency(data.currency.get("currency_name_short")) if price else None,
    )


def _status(report: _Report) -> ReportStatus | None:
    status_code = str(report.status_code)
    said = report.error_text.lower() if isinstance(report.error_text, str) else ""
    for status, words, kind in REPORT_WORDS:
        if status == status_code and words in said:
            return kind
    return REPORTS.get(status_code)


def _id(value: Any) -> str | None:
    return value if isinstance(value, str) and re.fullmatch(r"[!-~]{1,128}", value) else None


def _moment(value: Any) -> datetime | None:
    """Return a Unix time, in UTC."""
    written = code(value) or ""
    return datetime.fromtimestamp(int(written), UTC) if _SECONDS.fullmatch(written) else None


PROVIDER = ClickSend
