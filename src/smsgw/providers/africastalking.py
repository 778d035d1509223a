"""Africa's Talking: https://developers.africastalking.com/docs/sms/sending/bulk."""

import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter
from smsgw.providers.reading import Answer, Secret, Visible, code, decode, decode_form, segments
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import Guard, distrust

# --- config -----------------------------------------------------------------------------------------------------------

LIVE = "https://api.africastalking.com"
SANDBOX = "https://api.sandbox.africastalking.com"


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    username: Annotated[
        Visible, Meta(description="The application's user name; `sandbox` sends to the vendor's simulator.")
    ]
    api_key: Annotated[Secret, Meta(description="The application's API key.")]
    sender: (
        Annotated[
            str,
            Meta(
                pattern=r"^[A-Za-z0-9+ ._-]{1,20}\Z",
                description="Sender id or short code of messages that name none; default: the vendor's shared one.",
            ),
        ]
        | None
    ) = None
    enqueue: Annotated[
        bool, Meta(description="Whether the vendor answers before it has handed the message to its own gateway.")
    ] = False
    base_url: (
        Annotated[str, Meta(description=f"Default: `{LIVE}`, and `{SANDBOX}` for the user name `sandbox`.")] | None
    ) = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.base_url is not None:
            checked_base_url(self.base_url)

    @property
    def address(self) -> str:
        """Where messages are posted."""
        base = self.base_url or (SANDBOX if self.username == "sandbox" else LIVE)
        return f"{checked_base_url(base)}/version1/messaging"


# --- maps -------------------------------------------------------------------------------------------------------------

ACCEPTED = {
    100: "Processed",
    101: "Sent",
    102: "Queued",
}
"""`statusCode` of a recipient whose message is on its way."""
REFUSALS = {
    401: Outcome.CREDENTIALS,  # RiskHold: the account is under review
    402: Outcome.REJECTED,  # InvalidSenderId: of this message; another provider may have the sender
    403: Outcome.INVALID_NUMBER,  # InvalidPhoneNumber
    404: Outcome.REJECTED,  # UnsupportedNumberType
    405: Outcome.CREDENTIALS,  # InsufficientBalance
    406: Outcome.OPTED_OUT,  # UserInBlacklist
    407: Outcome.REJECTED,  # CouldNotRoute
    409: Outcome.REJECTED,  # DoNotDisturbRejection: a list or an hour of the day, for this route
    500: Outcome.THROTTLED,  # InternalServerError, with no message made: later
    501: Outcome.THROTTLED,  # GatewayError, likewise
    502: Outcome.REJECTED,  # RejectedByGateway
}
"""`statusCode` of a recipient that got no message."""
WHOLE_REFUSALS = {
    "InvalidSenderId": Outcome.REJECTED,
    "The supplied authentication is invalid": Outcome.CREDENTIALS,
}
"""`Message` of an answer without recipients: the whole request failed. Any other one is REJECTED."""
REPORTS = {
    "sent": ReportStatus.SENT,
    "submitted": ReportStatus.SENT,
    "buffered": ReportStatus.SENT,
    "success": ReportStatus.DELIVERED,
    "delivered": ReportStatus.DELIVERED,  # some accounts
    "rejected": ReportStatus.REJECTED,
    "failed": ReportStatus.UNDELIVERED,
    "absentsubscriber": ReportStatus.UNDELIVERED,
    "expired": ReportStatus.EXPIRED,
}
"""`status` of a delivery report, lower-cased."""
_COST = re.compile(r"([A-Z]{3}) ([0-9]{1,9}(?:\.[0-9]{1,9})?)", re.ASCII)
_NONE = "None"
"""The vendor's id for a message that it did not make."""


class _Recipient(msgspec.Struct, frozen=True, rename="camel"):
    status_code: int
    message_id: Visible
    cost: Any = None
    message_parts: Any = None


class _Data(msgspec.Struct, frozen=True, rename="pascal"):
    recipients: list[_Recipient]
    message: Any = None


class _Answer(msgspec.Struct, frozen=True):
    data: _Data = msgspec.field(name="SMSMessageData")


class _Report(msgspec.Struct, frozen=True, rename="camel"):
    id: Visible
    status: str
    failure_reason: str | None = None


class AfricasTalking(HttpAdapter[Config]):
    """A form in, JSON out; what became of a message stands in the body, per recipient."""

    config_type = Config
    about = About(
        title="Africa's Talking",
        documentation="https://developers.africastalking.com/docs/sms/overview",
        set_up=(
            "Create an application; Settings > API Key has `username` and `api_key`. The sandbox's is `sandbox`.",
            "SMS > SMS Settings (live) or SMS > SMS Callback URLs (sandbox) > Delivery Reports: the webhook's address.",
            "Ask for a sender id or a short code and wait for its approval before you set `sender`.",
        ),
        reports="`POST`, a form; nothing signs it. The secret token in the address, and `webhook_allow`, tell it from "
        "a forged one.",
        limits="No rate is documented; 429 and 503 are taken for throttling. Long texts are split by the vendor.",
        features=frozenset({Feature.SENDER, Feature.SEGMENTS, Feature.PRICE}),
        maps={
            "statusCode": {**dict.fromkeys(ACCEPTED, Outcome.ACCEPTED), **REFUSALS},
            "Message, without recipients": WHOLE_REFUSALS,
            "Status of a report": REPORTS,
        },
        notes=(
            "There is no reference of ours and no look-up: ON_UNKNOWN alone decides about a send whose answer is lost.",
            "Nothing protects from a repeated request: with ON_UNKNOWN=hold nobody gets a second SMS.",
            "There is no validity period: a message may arrive after its ttl_seconds.",
            "A refusal with 500 or 501 that names a message id all the same may have been sent: it is UNKNOWN.",
        ),
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._url = httpx.URL(config.address)
        self._headers = {
            "apiKey": config.api_key,
            # Else the answer is XML.
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
        }

    def secrets(self) -> tuple[str, ...]:
        """Return the key and the webhook's token."""
        return tuple(filter(None, (self.config.api_key, self.config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST {base_url}/version1/messaging."""
        fields = {"username": self.config.username, "to": submit.to, "message": submit.text, "bulkSMSMode": "1"}
        if sender := submit.sender or self.config.sender:
            fields["from"] = sender
        if self.config.enqueue:
            fields["enqueue"] = "1"
        return httpx.Request("POST", self._url, headers=self._headers, content=urlencode(fields).encode())

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """Read the one recipient; a 2xx proves nothing, and some refusals are a 4xx with the same body."""
        if not (answer.is_success or answer.is_refusal):
            return None
        read = decode(answer.body, _Answer)
        if read is None or len(read.data.recipients) > 1:
            return None
        if not read.data.recipients:
            return _nobody(answer, read.data.message)
        return _result(answer, read.data.recipients[0])

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Hold the token and the address against the options, then read one report."""
        if why := distrust(self.config, request):
            return Forged(why)
        report = decode_form(request.body, _Report)
        status = REPORTS.get(report.status.lower()) if report else None
        if report is None or status is None:
            return Unreadable("not a report with a known status")
        reason = code(report.failure_reason)
        identity = (report.id, status.word, reason)
        return (
            DeliveryReport(
                status=status,
                provider_message_id=report.id,
                error_code=reason,
                dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
            ),
        )


def _nobody(answer: Answer, message: Any) -> SendResult | None:
    outcome = WHOLE_REFUSALS.get(message) if isinstance(message, str) else None
    if outcome is None and answer.is_refusal:
        return None
    return SendResult(outcome=outcome or Outcome.REJECTED, detail=f"HTTP {answer.status}, no recipient was taken")


def _result(answer: Answer, recipient: _Recipient) -> SendResult | None:
    is_made = recipient.message_id != _NONE
    if recipient.status_code in ACCEPTED:
        return _accepted(recipient) if is_made and answer.is_success else None
    outcome = REFUSALS.get(recipient.status_code)
    if is_made and outcome is Outcome.THROTTLED:
        # It failed on the way, with a message that is there: nobody can know how far it came.
        outcome = Outcome.UNKNOWN
    detail = f"HTTP {answer.status}, statusCode {recipient.status_code}"
    return SendResult(outcome=outcome, detail=detail) if outcome else None


def _accepted(recipient: _Recipient) -> SendResult:
    cost = _COST.fullmatch(recipient.cost) if isinstance(recipient.cost, str) else None
    return SendResult(
        outcome=Outcome.ACCEPTED,
        provider_message_id=recipient.message_id,
        segments=segments(recipient.message_parts),
        price=cost[2] if cost else None,
        currency=cost[1] if cost else None,
    )


PROVIDER = AfricasTalking
