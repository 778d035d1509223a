"""Plivo: https://www.plivo.com/docs/messaging/api/message."""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import Annotated, Literal

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport, Part, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter
from smsgw.providers.callbacks import check_webhook_url, parameter, with_reference
from smsgw.providers.plivo_signature import forgery
from smsgw.providers.reading import Answer, Secret, Sender, Visible, amount, code, decode, decode_form, segments
from smsgw.providers.signatures import check_allowance, distrust_beside
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import Guard

# --- config -----------------------------------------------------------------------------------------------------------

MIN_EXPIRY_SECONDS = 5
MAX_EXPIRY_SECONDS = 10_800

AuthId = Annotated[
    str,
    Meta(pattern=r"^(MA|SA)[A-Z0-9]{18}\Z", description="The account's (`MA...`) or the subaccount's (`SA...`)."),
]
Token = Annotated[Secret, Meta(description="The account's. It also signs the reports.")]
MainToken = Annotated[Secret, Meta(description="Of the main account above a subaccount, whose signature counts, too.")]
Powerpack = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9-]{1,64}\Z", description="The pool of senders, where a message names none.")
]
Log = Annotated[
    Literal["true", "false", "content_only", "number_only"],
    Meta(description="What of text and number Plivo keeps readable in its logs."),
]
NeedsV3 = Annotated[
    bool, Meta(description="Take reports only with the signature V3. V2 covers the address alone, not the content.")
]
BaseUrl = Annotated[str, Meta(description="Where the API is.")]


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    auth_id: AuthId
    auth_token: Token
    main_auth_token: MainToken | None = None
    sender: Sender | None = None
    powerpack_uuid: Powerpack | None = None
    log: Log | None = None
    require_signature_v3: NeedsV3 = False
    base_url: BaseUrl = "https://api.plivo.com"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_allowance(self)
        checked_base_url(self.base_url)
        check_webhook_url(self.webhook_url)


# --- maps: https://www.plivo.com/docs/messaging/troubleshooting/error-codes -------------------------------------------

STATUSES = {
    403: Outcome.REJECTED,  # this country is not enabled for the account; others are
}
"""Refusals have no codes; any other status means what it always does."""

REPORTS = {
    "queued": ReportStatus.QUEUED,
    "sent": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "read": ReportStatus.DELIVERED,
    "undelivered": ReportStatus.UNDELIVERED,
    "failed": ReportStatus.FAILED,
    "rejected": ReportStatus.REJECTED,
}
"""`Status`."""
ERRORS = {
    "10": "invalid message",
    "20": "carrier network error",
    "30": "taken for spam",
    "40": "invalid sender",
    "50": "invalid number",
    "60": "loop: too many messages between two numbers",
    "70": "number gone for good",
    "80": "number not reachable now",
    "90": "no route",
    "100": "forbidden by the carrier",
    "110": "too long",
    "200": "the recipient wrote STOP",
    "201": "toll-free sender to Canada",
    "300": "could not be dispatched",
    "420": "expired in the queue",
    "450": "country barred",
    "451": "number barred",
    "452": "prefix barred",
    "900": "no credit",
    "910": "account disabled",
    "950": "over the sender's rate or daily cap",
    "1000": "unknown",
}
"""`ErrorCode`, for people; it is kept with the report."""
EXPIRED = frozenset({"420"})
"""`ErrorCode` of a message that ran out of time."""
_PART = re.compile(r"([0-9]{1,3}) of ([0-9]{1,3})", re.ASCII)


class _Accepted(msgspec.Struct, frozen=True):
    message_uuid: list[Visible] = []
    invalid_number: list[str] = []
    """Of the numbers asked for, those that are none; nothing was made for them."""


class _Report(msgspec.Struct, frozen=True, rename="pascal"):
    status: str
    message_uuid: Visible | None = msgspec.field(name="MessageUUID", default=None)
    parent_message_uuid: Visible | None = msgspec.field(name="ParentMessageUUID", default=None)
    part_info: str = ""
    error_code: str = ""
    units: str = ""
    total_rate: str = ""
    total_amount: str = ""


class Plivo(HttpAdapter[Config]):
    """JSON both ways; a form or a query for every report, one for each part of a long message."""

    config_type = Config
    about = About(
        title="Plivo",
        documentation="https://www.plivo.com/docs/messaging/api/message",
        set_up=(
            "Take Auth ID and Auth Token from the console's overview page.",
            "Rent a number or register a sender: `sender`; or make a powerpack: `powerpack_uuid`.",
            "Enable the countries that you send to: Messaging > Geo permissions.",
            "Nothing has to be set for reports: their address goes with each message.",
        ),
        reports="Each message names its address (`url`, below PUBLIC_URL, with our reference as `ref`). Plivo signs "
        "with the Auth Token: V3 (`X-Plivo-Signature-V3`) covers address and parameters and counts where it is sent, "
        "V2 covers the address alone. So give a `webhook_token` as well, or set `require_signature_v3` once your "
        "reports have V3.",
        limits="1,600 characters of GSM-7, 737 of UCS-2; a validity of 5 seconds to 3 hours; "
        "5 messages/s an account unless raised, the rest is queued up "
        "to three hours; 300 requests in 5 s, 100 at a time, then HTTP 429.",
        features=frozenset({*Feature}),
        maps={"Status of a refusal": STATUSES, "`Status` of a report": REPORTS, "`ErrorCode` of a report": ERRORS},
        notes=(
            "Plivo takes no reference and no idempotency key: ours stands in the callback's address.",
            "So a send whose answer was lost is only resolved by its report.",
            "Refusals have no codes: a 400 is `rejected`, whatever is wrong, and the next provider is asked.",
            "Segments and price come with the reports: `TotalRate` for every part of a long message.",
            "A failure with the code 420 counts as `expired`.",
        ),
        example={"sender": "+15005550001"},
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._messages = f"{checked_base_url(config.base_url)}/v1/Account/{config.auth_id}/Message/"
        basic = base64.b64encode(f"{config.auth_id}:{config.auth_token}".encode()).decode()
        self._headers = {"authorization": f"Basic {basic}", "content-type": "application/json"}

    def secrets(self) -> tuple[str, ...]:
        """Return the tokens."""
        config = self.config
        return tuple(filter(None, (config.auth_token, config.main_auth_token, config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST the message; a pool of senders never goes with a sender."""
        config = self.config
        sender = submit.sender or (None if config.powerpack_uuid else config.sender)
        url = with_reference(config.webhook_url, submit.reference)
        body = {
            "src": sender.removeprefix("+") if sender else None,
            "powerpack_uuid": None if sender else config.powerpack_uuid,
            "dst": submit.to.removeprefix("+"),
            "text": submit.text,
            "type": "sms",
            "message_expiry": min(max(submit.validity_seconds, MIN_EXPIRY_SECONDS), MAX_EXPIRY_SECONDS),
            "url": url,
            "method": "POST" if url else None,
            "log": config.log,
        }
        content = msgspec.json.encode({name: value for name, value in body.items() if value is not None})
        return httpx.Request("POST", self._messages, headers=self._headers, content=content)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """2xx with an id is accepted; for everything else the status speaks."""
        if answer.is_success:
            accepted = decode(answer.body, _Accepted)
            if accepted is None or not accepted.message_uuid:
                is_none = bool(accepted and accepted.invalid_number)
                return SendResult(outcome=Outcome.INVALID_NUMBER, detail="invalid_number") if is_none else None
            return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=accepted.message_uuid[0])
        outcome = STATUSES.get(answer.status)
        return SendResult(outcome=outcome, detail=f"HTTP {answer.status}") if outcome else None

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify the signature, V3 before V2, then read one part's report."""
        if why := self._forgery(request):
            return Forged(why)
        report = decode_form(request.query if request.method == "GET" else request.body, _Report)
        status = REPORTS.get(report.status.lower()) if report else None
        if report is None or status is None:
            return Unreadable("not a callback with a known status")
        message_id, reference = report.parent_message_uuid or report.message_uuid, parameter(request.query)
        if message_id is None and reference is None:
            return Unreadable("neither MessageUUID nor reference")
        error = code(report.error_code)
        if error in EXPIRED and status in (ReportStatus.FAILED, ReportStatus.UNDELIVERED):
            status = ReportStatus.EXPIRED
        part = _part(report.part_info)
        price = amount(report.total_rate, times=part.total) if part else amount(report.total_amount)
        identity = (message_id, reference, report.status, error, report.message_uuid, report.part_info)
        return (
            DeliveryReport(
                status=status,
                provider_message_id=message_id,
                reference=reference,
                error_code=error,
                dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
                part=part,
                segments=part.total if part else segments(report.units),
                price=price,
                currency="USD" if price else None,
            ),
        )

    def _forgery(self, request: ReportRequest) -> str | None:
        config = self.config
        return distrust_beside(config, request, is_signed=True) or forgery(
            request,
            config.webhook_url,
            token=config.auth_token,
            main_token=config.main_auth_token,
            needs_v3=config.require_signature_v3,
        )


def _part(info: str) -> Part | None:
    """Return which part of several `1 of 2` is."""
    found = _PART.fullmatch(info)
    number, total = (int(found[1]), int(found[2])) if found else (0, 0)
    return Part(number, total) if 1 <= number <= total <= 255 and total > 1 else None


PROVIDER = Plivo
