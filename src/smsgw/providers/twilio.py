"""Twilio Programmable Messaging: https://www.twilio.com/docs/messaging/api/message-resource."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter
from smsgw.providers.callbacks import check_webhook_url, parameter, with_reference
from smsgw.providers.options import Options
from smsgw.providers.reading import (
    Answer,
    Secret,
    Sender,
    Visible,
    amount,
    code,
    currency,
    decode,
    decode_form,
    segments,
)
from smsgw.providers.twilio_signature import forgery
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import WebhookUrl

# --- config -----------------------------------------------------------------------------------------------------------

MAX_VALIDITY_SECONDS = 36_000


AccountSid = Annotated[str, Meta(pattern=r"^AC[0-9a-fA-F]{32}\Z", description="`AC` and 32 hexadecimal digits.")]
KeySid = Annotated[str, Meta(pattern=r"^SK[0-9a-fA-F]{32}\Z", description="An API key, to send without the token.")]
ServiceSid = Annotated[
    str, Meta(pattern=r"^MG[0-9a-fA-F]{32}\Z", description="The messaging service that sends; it picks a sender.")
]
Token = Annotated[Secret, Meta(description="The account's. It signs the reports, also where an API key sends.")]
KeySecret = Annotated[Secret, Meta(description="The API key's.")]
SharedSecret = Annotated[Secret, Meta(description="The shared key's, where reports are signed with one (SHA-256).")]
Smart = Annotated[bool, Meta(description="Twilio replaces look-alikes outside of GSM-7, for fewer segments.")]
BaseUrl = Annotated[str, Meta(description="Of another region, as in `https://api.dublin.ie1.twilio.com`.")]


class Config(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    account_sid: AccountSid
    auth_token: Token | None = None
    api_key_sid: KeySid | None = None
    api_key_secret: KeySecret | None = None
    shared_key_secret: SharedSecret | None = None
    sender: Sender | None = None
    messaging_service_sid: ServiceSid | None = None
    smart_encoded: Smart = False
    webhook_url: WebhookUrl | None = None
    base_url: BaseUrl = "https://api.twilio.com"

    def __post_init__(self) -> None:
        checked_base_url(self.base_url)
        if (self.api_key_sid is None) != (self.api_key_secret is None):
            raise ValueError("api_key_sid and api_key_secret belong together")
        if self.auth_token is None and self.api_key_sid is None:
            raise ValueError("auth_token, or api_key_sid and api_key_secret, is needed")
        check_webhook_url(self.webhook_url)
        if "_" in (urlsplit(self.webhook_url or "").hostname or ""):
            raise ValueError("webhook_url must not hold an underscore in its host name: the vendor refuses it")


# --- maps: https://www.twilio.com/docs/api/errors ---------------------------------------------------------------------

REFUSALS = {
    20003: Outcome.CREDENTIALS,  # permission denied, wrong credentials
    20005: Outcome.CREDENTIALS,  # account not active
    20006: Outcome.CREDENTIALS,  # access denied
    20008: Outcome.CREDENTIALS,  # test credentials
    20010: Outcome.CREDENTIALS,  # account suspended
    20162: Outcome.THROTTLED,  # conflict, try again
    20404: Outcome.CREDENTIALS,  # no such account
    20409: Outcome.THROTTLED,  # conflict, try again
    20429: Outcome.THROTTLED,  # too many at a time, not created
    21211: Outcome.INVALID_NUMBER,
    21212: Outcome.REJECTED,  # invalid sender
    21216: Outcome.REJECTED,  # on the account's list of blocked numbers
    21217: Outcome.INVALID_NUMBER,
    21401: Outcome.INVALID_NUMBER,
    21408: Outcome.REJECTED,  # region not enabled in the console
    21421: Outcome.INVALID_NUMBER,
    21470: Outcome.CREDENTIALS,  # to 21478: the account cannot send
    21471: Outcome.CREDENTIALS,
    21472: Outcome.CREDENTIALS,
    21473: Outcome.CREDENTIALS,
    21474: Outcome.CREDENTIALS,
    21475: Outcome.CREDENTIALS,
    21476: Outcome.CREDENTIALS,
    21477: Outcome.CREDENTIALS,
    21478: Outcome.CREDENTIALS,
    21602: Outcome.REJECTED,  # no text
    21603: Outcome.REJECTED,  # no sender: neither the message nor the options name one
    21604: Outcome.REJECTED,  # no number
    21605: Outcome.REJECTED,
    21606: Outcome.REJECTED,  # this sender is not the account's
    21607: Outcome.REJECTED,  # trial account: this sender is not verified
    21608: Outcome.REJECTED,  # trial account: this number is not verified; others are
    21609: Outcome.REJECTED,  # webhook_url is none that Twilio would call
    21610: Outcome.OPTED_OUT,  # the recipient wrote STOP
    21611: Outcome.THROTTLED,  # the sender's queue is full
    21612: Outcome.REJECTED,  # not reachable by this sender
    21614: Outcome.INVALID_NUMBER,  # no mobile number
    21617: Outcome.REJECTED,  # more than 1,600 characters
    21618: Outcome.REJECTED,  # the text cannot be sent
    21624: Outcome.REJECTED,  # validity period
    21654: Outcome.REJECTED,  # content template
    21655: Outcome.REJECTED,
    21656: Outcome.REJECTED,
    21659: Outcome.REJECTED,  # the sender is no number of Twilio's
    21701: Outcome.CREDENTIALS,  # to 21705: the messaging service cannot send
    21702: Outcome.CREDENTIALS,
    21703: Outcome.CREDENTIALS,
    21704: Outcome.CREDENTIALS,
    21705: Outcome.CREDENTIALS,
    30002: Outcome.CREDENTIALS,  # account suspended
}
"""`code` of a 4xx; for any other code the status decides."""
UNAVAILABLE = 20503
"""In a 503: nothing was created."""
REPORTS = {
    "accepted": ReportStatus.QUEUED,
    "scheduled": ReportStatus.QUEUED,
    "queued": ReportStatus.QUEUED,
    "sending": ReportStatus.QUEUED,
    "sent": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "read": ReportStatus.DELIVERED,
    "partially_delivered": ReportStatus.DELIVERED,
    "undelivered": ReportStatus.UNDELIVERED,
    "failed": ReportStatus.FAILED,
    "canceled": ReportStatus.REJECTED,
}
"""`MessageStatus`."""
EXPIRED = frozenset({30036})
"""`ErrorCode` of a message that ran out of its validity period; any other one is only kept."""


class _Message(msgspec.Struct, frozen=True):
    sid: Visible
    num_segments: Any = None
    price: Any = None
    price_unit: Any = None


class _Error(msgspec.Struct, frozen=True):
    code: Any = None


class _Report(msgspec.Struct, frozen=True, rename="pascal"):
    message_status: str | None = None
    sms_status: str | None = None
    message_sid: Visible | None = None
    sms_sid: Visible | None = None
    error_code: str | None = None

    @property
    def status(self) -> str:
        """The status, by its newer name or the older one."""
        return (self.message_status or self.sms_status or "").lower()


class Twilio(HttpAdapter[Config]):
    """Forms in, JSON out; reports are forms that are signed together with their address."""

    config_type = Config
    about = About(
        title="Twilio Programmable Messaging",
        documentation="https://www.twilio.com/docs/messaging/api/message-resource",
        set_up=(
            "Take Account SID and Auth Token from the console. An API key may send instead; reports need the token.",
            "Buy a number or register an alphanumeric sender: `sender`; or make a service: `messaging_service_sid`.",
            "Enable the countries that you send to: Messaging > Settings > Geo permissions.",
            "Nothing has to be set for reports: their address goes with each message.",
        ),
        reports="Each message names its address (`StatusCallback`, below PUBLIC_URL, with our reference as `ref`). "
        "Twilio signs address and fields: `X-Twilio-Signature`, HMAC-SHA1 with the Auth Token, or HMAC-SHA256 with a "
        "shared key. The address must be the one that Twilio calls, to the letter, but for a port.",
        limits="1,600 characters; a queue per sender, of ten hours at its rate (a US long code sends 1 a second, a "
        "short code 100); HTTP 429 when too many requests are open.",
        features=frozenset({Feature.SENDER, Feature.VALIDITY, Feature.REFERENCE, Feature.CALLBACK, Feature.SEGMENTS}),
        maps={"`code` of a refusal": REFUSALS, "`MessageStatus` of a report": REPORTS},
        notes=(
            "Twilio takes no reference: ours is in the callback's address. Only a report resolves a lost answer.",
            "With a messaging service the answer tells no number of segments. No answer tells the price.",
            "A failure with the code 30036 counts as `expired`.",
        ),
        example={"auth_token": "env:TWILIO_AUTH_TOKEN", "sender": "+15005550006"},
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._messages = f"{checked_base_url(config.base_url)}/2010-04-01/Accounts/{config.account_sid}/Messages.json"
        user, password = config.api_key_sid or config.account_sid, config.api_key_secret or config.auth_token
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {"authorization": f"Basic {basic}", "content-type": "application/x-www-form-urlencoded"}

    def secrets(self) -> tuple[str, ...]:
        """Return what signs and what opens the account."""
        config = self.config
        return tuple(filter(None, (config.auth_token, config.api_key_secret, config.shared_key_secret)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST the message as a form."""
        config = self.config
        fields = {
            "To": submit.to,
            "From": submit.sender or config.sender,
            "MessagingServiceSid": config.messaging_service_sid,
            "Body": submit.text,
            "ValidityPeriod": str(min(submit.validity_seconds, MAX_VALIDITY_SECONDS)),
            "StatusCallback": with_reference(config.webhook_url, submit.reference),
            "SmartEncoded": "true" if config.smart_encoded else None,
        }
        content = urlencode({name: value for name, value in fields.items() if value is not None}).encode()
        return httpx.Request("POST", self._messages, headers=self._headers, content=content)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """2xx with a SID is accepted; an error's `code` says why."""
        if answer.is_success:
            return _accepted(answer)
        error = decode(answer.body, _Error)
        number = _number(error.code) if error else None
        if number is None:
            return None
        outcome = REFUSALS.get(number) if answer.is_refusal else None
        if answer.status == 503 and number == UNAVAILABLE:
            outcome = Outcome.THROTTLED
        return SendResult(outcome=outcome, detail=f"HTTP {answer.status} {number}") if outcome else None

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify X-Twilio-Signature, then read one status callback."""
        config = self.config
        if why := forgery(request, config.webhook_url, token=config.auth_token, shared=config.shared_key_secret):
            return Forged(why)
        if request.method == "GET":
            report = decode_form(request.query, _Report)
        else:
            report = decode_form(request.body, _Report) or decode(request.body, _Report)
        status = REPORTS.get(report.status) if report else None
        if report is None or status is None:
            return Unreadable("not a callback with a known status")
        message_id, reference = report.message_sid or report.sms_sid, parameter(request.query)
        if not (message_id or reference):
            return Unreadable("neither MessageSid nor reference")
        error = _number(report.error_code)
        if error in EXPIRED and status in (ReportStatus.FAILED, ReportStatus.UNDELIVERED):
            status = ReportStatus.EXPIRED
        identity = (message_id, reference, report.status, error)
        return (
            DeliveryReport(
                status=status,
                provider_message_id=message_id,
                reference=reference,
                error_code=str(error) if error else None,
                dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
            ),
        )


def _accepted(answer: Answer) -> SendResult | None:
    message = decode(answer.body, _Message)
    if message is None:
        return None
    price = amount(message.price)
    return SendResult(
        outcome=Outcome.ACCEPTED,
        provider_message_id=message.sid,
        segments=segments(message.num_segments),
        price=price,
        currency=currency(message.price_unit) if price else None,
    )


def _number(value: Any) -> int | None:
    word = code(value)
    return int(word) if word and word.isdigit() and len(word) <= 6 else None


PROVIDER = Twilio
