"""MessageBird's classic SMS API: https://developers.messagebird.com/api/sms-messaging."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.base import About, Feature, HttpAdapter
from smsgw.providers.messagebird_signatures import forgery, older_forgery
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
    moment,
    segments,
)
from smsgw.providers.signatures import check_allowance, distrust_beside, only
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import Guard

# --- config -----------------------------------------------------------------------------------------------------------

SigningKey = Annotated[
    Secret,
    Meta(description="The account's signing key (not the access key); verifies reports, else `webhook_token` does."),
]


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    access_key: Annotated[Secret, Meta(description="The live key of the account, or a test key: `test_...`.")]
    signing_key: SigningKey | None = None
    sender: Sender | None = None
    base_url: Annotated[str, Meta(description="Of the API.")] = "https://rest.messagebird.com"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_allowance(self)
        checked_base_url(self.base_url)


# --- maps -------------------------------------------------------------------------------------------------------------

MAX_VALIDITY = 172_800
ERRORS = {
    2: Outcome.CREDENTIALS,  # a wrong access key
    9: Outcome.REJECTED,  # a parameter is missing
    10: Outcome.REJECTED,  # a parameter is invalid
    20: Outcome.REJECTED,  # not found
    21: Outcome.REJECTED,  # bad request
    25: Outcome.CREDENTIALS,  # not enough balance
    98: Outcome.CREDENTIALS,  # no such API: a wrong base_url
}
"""`code` of the first error of a 4xx; for any other one the status decides."""
ABOUT_THE_NUMBER = frozenset({9, 10})
"""With `parameter` recipients: "no (correct) recipients found"."""
REPORTS = {
    "scheduled": ReportStatus.QUEUED,
    "sent": ReportStatus.SENT,
    "buffered": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "expired": ReportStatus.EXPIRED,
    "delivery_failed": ReportStatus.UNDELIVERED,
}
"""`status` of a report."""
CODES = {
    1: "unknown subscriber",
    5: "unidentified subscriber",
    6: "absent subscriber",
    9: "illegal subscriber",
    11: "teleservice not provisioned",
    12: "illegal equipment",
    13: "call barred",
    21: "facility not supported",
    27: "absent subscriber",
    31: "subscriber busy",
    32: "delivery failed in the network",
    33: "the message waiting list is full",
    34: "system failure",
    103: "opted out",
}
"""`statusErrorCode` of a report; any other one is the operator's."""


class _Price(msgspec.Struct, frozen=True):
    amount: Any = None
    currency: Any = None


class _Item(msgspec.Struct, frozen=True, rename="camel"):
    message_part_count: Any = None
    price: _Price | None = None


class _Recipients(msgspec.Struct, frozen=True):
    items: list[_Item] = []


class _Accepted(msgspec.Struct, frozen=True):
    id: Visible
    recipients: _Recipients = _Recipients()


class _Error(msgspec.Struct, frozen=True):
    code: int
    parameter: Any = None


class _Refused(msgspec.Struct, frozen=True):
    errors: list[_Error]


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    id: Visible
    status: str
    reference: Visible | None = None
    error_code: str | None = msgspec.field(name="statusErrorCode", default=None)
    reported_at: str | None = msgspec.field(name="statusDatetime", default=None)
    segments: str | None = msgspec.field(name="messagePartCount", default=None)
    price: str | None = msgspec.field(name="price[amount]", default=None)
    currency: str | None = msgspec.field(name="price[currency]", default=None)


class MessageBird(HttpAdapter[Config]):
    """JSON out, reports in the query of a GET that a token signs together with the whole address."""

    config_type = Config
    about = About(
        title="MessageBird",
        documentation="https://developers.messagebird.com/api/sms-messaging",
        set_up=(
            "Developers > API access of the dashboard has the live key: `access_key`.",
            "Developers > API settings has the signing key: `signing_key`.",
            "Rent a number or use a name of up to 11 letters and digits: `sender`. MessageBird wants one.",
            "PUBLIC_URL, or `webhook_url`, has to be the address exactly as MessageBird calls it: it is signed, too.",
        ),
        reports="GET of the address that goes with each message, everything in the query. Signed: "
        "`MessageBird-Signature-JWT`, an HMAC token under `signing_key` with the SHA-256 of the whole address, or the "
        "older `MessageBird-Signature` over time, query and body. Without `signing_key` the `webhook_token` in the "
        "address is the proof.",
        limits="500 sends per second and account. 9 segments. A validity of at most 2 days.",
        features=frozenset(Feature),
        maps={
            "`code` of an error": ERRORS,
            "`status` of a report": REPORTS,
            "`statusErrorCode` of a report": CODES,
        },
        notes=(
            "The classic API; new accounts of Bird have another one.",
            "No look-up: messages cannot be searched by our reference.",
            "Texts go with `datacoding: auto`: what GSM 03.38 cannot say is sent as Unicode.",
        ),
        example={"signing_key": "env:MESSAGEBIRD_SIGNING_KEY", "sender": "ACME"},
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._messages = httpx.URL(f"{checked_base_url(config.base_url)}/messages")
        self._headers = {"authorization": f"AccessKey {config.access_key}", "content-type": "application/json"}

    def secrets(self) -> tuple[str, ...]:
        """Return the keys, and the token of the webhook's address."""
        return tuple(filter(None, (self.config.access_key, self.config.signing_key, self.config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST /messages."""
        sender = submit.sender or self.config.sender
        body = {
            "originator": sender.removeprefix("+") if sender else None,
            "recipients": [submit.to.removeprefix("+")],
            "body": submit.text,
            # The default is plain, which loses every character that GSM 03.38 lacks.
            "datacoding": "auto",
            "validity": min(submit.validity_seconds, MAX_VALIDITY),
            "reference": str(submit.reference),
            "reportUrl": self.config.webhook_url,
        }
        content = msgspec.json.encode({name: value for name, value in body.items() if value is not None})
        return httpx.Request("POST", self._messages, headers=self._headers, content=content)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """2xx with an id is accepted; a 4xx says why in its first error."""
        if answer.is_success:
            accepted = decode(answer.body, _Accepted)
            return _result(accepted) if accepted else None
        refused = decode(answer.body, _Refused) if answer.is_refusal else None
        first = refused.errors[0] if refused and refused.errors else None
        outcome = ERRORS.get(first.code) if first else None
        if first is None or outcome is None or answer.status == 429:
            return None
        if first.code in ABOUT_THE_NUMBER and first.parameter in ("recipients", "recipient"):
            outcome = Outcome.INVALID_NUMBER
        return SendResult(outcome=outcome, detail=f"HTTP {answer.status} {first.code}")

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify the signature, or the token in the address where there is no key, then read the query."""
        key = self.config.signing_key
        if why := distrust_beside(self.config, request, is_signed=key is not None):
            return Forged(why)
        if key is not None and (why := self._forgery(request, key)):
            return Forged(why)
        report = decode_form(request.query, _Report)
        status = REPORTS.get(report.status.lower()) if report else None
        if report is None or status is None:
            return Unreadable("not a report with a known status")
        return (_delivery(report, status),)

    def _forgery(self, request: ReportRequest, key: str) -> str | None:
        if (token := only(request, "messagebird-signature-jwt")) is not None:
            return forgery(request, token, key, self.config.webhook_url or "")
        return older_forgery(request, key)


def _result(accepted: _Accepted) -> SendResult:
    first = next(iter(accepted.recipients.items), _Item())
    price = first.price or _Price()
    cost, coin = amount(price.amount), currency(price.currency)
    return SendResult(
        outcome=Outcome.ACCEPTED,
        provider_message_id=accepted.id,
        segments=segments(first.message_part_count),
        price=cost if coin else None,
        currency=coin if cost else None,
    )


def _delivery(report: _Report, status: ReportStatus) -> DeliveryReport:
    error = code(report.error_code)
    cost, coin = amount(report.price), currency(report.currency)
    identity = (report.id, report.reference, status.word, error, report.reported_at)
    return DeliveryReport(
        status=status,
        provider_message_id=report.id,
        reference=report.reference,
        reported_at=_time(report.reported_at),
        error_code=None if error == "0" else error,
        segments=segments(report.segments),
        price=cost if coin else None,
        currency=coin if cost else None,
        dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
    )


def _time(value: str | None) -> datetime | None:
    """Return a time in UTC; where the + of its offset was not escaped, it has become a space."""
    return moment(value.replace(" ", "+") if value else None)


PROVIDER = MessageBird
