"""Sinch SMS, by service plan: https://developers.sinch.com/docs/sms/api-reference."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.base import About, Feature, HttpAdapter, LooksUp
from smsgw.providers.reading import Answer, Secret, Sender, Visible, code, decode, moment, segments
from smsgw.providers.signatures import check_allowance, distrust_beside, is_recent, is_same, only, seconds
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import Guard

# --- config -----------------------------------------------------------------------------------------------------------

ServicePlan = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}\Z", description="The service plan's id, a part of every address.")
]
BaseUrl = Annotated[str, Meta(description="Default: `https://{region}.sms.api.sinch.com/xms/v1`.")]
WebhookSecret = Annotated[
    Secret, Meta(description="Verifies reports, where Sinch has switched signing on; else `webhook_token` does.")
]
MaxParts = Annotated[
    int,
    Meta(ge=1, le=20, description="The vendor refuses longer texts; only with it reports tell the number of segments."),
]


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    service_plan_id: ServicePlan
    api_token: Annotated[Secret, Meta(description="Of the service plan.")]
    region: Annotated[Literal["us", "eu", "au", "br", "ca"], Meta(description="Where the service plan lives.")] = "us"
    sender: Sender | None = None
    delivery_report: Annotated[
        Literal["per_recipient", "per_recipient_final"], Meta(description="All reports, or only the last one.")
    ] = "per_recipient"
    max_number_of_message_parts: MaxParts | None = None
    webhook_secret: WebhookSecret | None = None
    base_url: BaseUrl | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_allowance(self)
        if self.base_url is not None:
            checked_base_url(self.base_url)

    @property
    def batches(self) -> str:
        """Where batches are posted."""
        base_url = checked_base_url(self.base_url or f"https://{self.region}.sms.api.sinch.com/xms/v1")
        return f"{base_url}/{self.service_plan_id}/batches"


# --- maps -------------------------------------------------------------------------------------------------------------

SHORTEST = timedelta(seconds=30)
"""`expire_at` is a moment: it must not be over at Sinch yet, whose clock is not ours."""
LONGEST = timedelta(days=3) - timedelta(minutes=5)
"""After three days the vendor gives up, and a later `expire_at` is wrong; also there clocks differ."""
STATUSES = {
    404: Outcome.CREDENTIALS,  # no such service plan in this region
    405: Outcome.CREDENTIALS,  # a wrong base_url
}
"""What Sinch means by a status, where HTTP means something else."""
ERRORS = {
    "syntax_invalid_json": Outcome.REJECTED,
    "syntax_constraint_violation": Outcome.REJECTED,
    "syntax_invalid_parameter_format": Outcome.REJECTED,  # the number or the sender: it does not say which
    "unknown_group": Outcome.REJECTED,  # it took our recipient for a group
    "unknown_campaign": Outcome.CREDENTIALS,
    "missing_callback_url": Outcome.CREDENTIALS,  # reports are wanted, and the plan knows no address
}
"""`code` of a 400 or 403."""
REPORTS = {
    "queued": ReportStatus.QUEUED,
    "dispatched": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "aborted": ReportStatus.FAILED,
    "cancelled": ReportStatus.REJECTED,
    "rejected": ReportStatus.REJECTED,
    "deleted": ReportStatus.FAILED,  # often an invalid number, or somebody who opted out
    "failed": ReportStatus.UNDELIVERED,
    "expired": ReportStatus.EXPIRED,
    "unknown": ReportStatus.SENT,  # nothing is known: it may still have arrived
}
"""`status` of a report, lower-cased."""
CODES = {
    0: "delivered",
    400: "queued",
    401: "dispatched",
    402: "unroutable, or rejected by the SMSC",
    403: "internal error",
    404: "temporary failure of the delivery",
    405: "a parameter without a match",
    406: "expired before it reached the SMSC",
    407: "cancelled",
    408: "rejected by Sinch",
    410: "no default originator",
    411: "too many parts",
    412: "a region that the plan does not have",
    413: "the account is blocked, or out of credit",
}
"""`code` of a report; any other one is the operator's."""
_NO_ERRORS = frozenset({"0", "400", "401"})
_TYPES = frozenset({"recipient_delivery_report_sms", "delivery_report_sms"})
_SIGNATURE = "x-sinch-webhook-signature"


class _Batch(msgspec.Struct, frozen=True):
    id: Visible
    client_reference: str | None = None


class _Batches(msgspec.Struct, frozen=True):
    batches: list[_Batch]


class _Refused(msgspec.Struct, frozen=True):
    code: Any = None


class _Status(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    code: Any = None


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    type: str
    batch_id: Visible
    status: str = ""
    code: Any = None
    statuses: list[_Status] = []
    """Of a whole batch; we make batches of one recipient."""
    at: str | None = None
    operator_status_at: str | None = None
    client_reference: Visible | None = None
    number_of_message_parts: Any = None


class Sinch(HttpAdapter[Config], LooksUp):
    """Batches of one recipient, in JSON; reports signed with HMAC-SHA256 where that is switched on."""

    config_type = Config
    about = About(
        title="Sinch",
        documentation="https://developers.sinch.com/docs/sms",
        set_up=(
            "The dashboard's SMS > APIs has `service_plan_id`, `api_token` and the `region`.",
            "Rent a number or register a sender id: `sender`. Without one the plan's default originator is used.",
            "Ask Sinch to sign the plan's callbacks and set `webhook_secret`; without it set `webhook_token`.",
        ),
        reports="POST of JSON to the address that goes with each message. Signed, if Sinch switched that on: "
        "`X-Sinch-Webhook-Signature` is the HMAC-SHA256 of body, nonce and timestamp under `webhook_secret`, at most "
        "5 minutes old. Else the `webhook_token` in the address is the proof.",
        limits="Each service plan has a rate of its own; what is over it waits at Sinch. 2000 characters. A validity "
        "of 30 seconds to 3 days: a shorter one becomes 30 seconds.",
        features=frozenset(
            {Feature.SENDER, Feature.VALIDITY, Feature.REFERENCE, Feature.CALLBACK, Feature.SEGMENTS},
        ),
        maps={
            "Status of an answer": STATUSES,
            "`code` of an answer": ERRORS,
            "`status` of a report": REPORTS,
            "`code` of a report": CODES,
        },
        notes=(
            "Sinch tells no price.",
            "Reports tell the segments only with `max_number_of_message_parts`.",
            "Without a webhook address no reports are asked for.",
            "Only the service plan's token; projects with OAuth 2 are not supported.",
        ),
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._batches = httpx.URL(config.batches)
        self._authorization = {"authorization": f"Bearer {config.api_token}"}
        self._json = {**self._authorization, "content-type": "application/json"}

    def secrets(self) -> tuple[str, ...]:
        """Return the token, and what proves reports."""
        return tuple(filter(None, (self.config.api_token, self.config.webhook_secret, self.config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST /{service_plan_id}/batches."""
        config = self.config
        validity = min(max(timedelta(seconds=submit.validity_seconds), SHORTEST), LONGEST)
        sender = submit.sender or config.sender
        body = {
            "from": sender.removeprefix("+") if sender else None,
            "to": [submit.to.removeprefix("+")],
            "body": submit.text,
            "delivery_report": config.delivery_report if config.webhook_url else None,
            "callback_url": config.webhook_url,
            "client_reference": str(submit.reference),
            "expire_at": _written(submit.asked_at + validity),
            "max_number_of_message_parts": config.max_number_of_message_parts,
        }
        content = msgspec.json.encode({name: value for name, value in body.items() if value is not None})
        return httpx.Request("POST", self._batches, headers=self._json, content=content)

    def build_look_up(self, reference: UUID) -> httpx.Request:
        """GET /{service_plan_id}/batches?client_reference=...; of the last 24 hours, as long as a message lives."""
        params = {"client_reference": str(reference), "page_size": "10"}
        return httpx.Request("GET", self._batches, params=params, headers=self._authorization)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """2xx with the batch's id is accepted; a 4xx may say why in `code`."""
        if answer.is_success:
            batch = decode(answer.body, _Batch)
            return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=batch.id) if batch else None
        refused = decode(answer.body, _Refused) if answer.status in (400, 403) else None
        word = code(refused.code) if refused else None
        outcome = ERRORS.get(word) if word else STATUSES.get(answer.status)
        detail = f"HTTP {answer.status} {word}" if word else f"HTTP {answer.status}"
        return SendResult(outcome=outcome, detail=detail) if outcome else None

    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """An empty list is absent, a batch with our reference is found; anything else means that it cannot be asked."""
        found = decode(answer.body, _Batches) if answer.status == 200 else None
        if found is None:
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail=f"HTTP {answer.status}")
        if not found.batches:
            return LookUpResult(answer=LookUp.ABSENT, detail="no batches")
        ours = [each for each in found.batches if each.client_reference == str(answer.reference)]
        if not ours:
            return LookUpResult(answer=LookUp.CANNOT_SAY, detail="batches of other references")
        return LookUpResult(answer=LookUp.FOUND, provider_message_id=ours[0].id)

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify the signature (https://developers.sinch.com/docs/sms/api-reference/sms/webhooks), or the token in the
        address where there is none, then read a recipient's report or a batch's."""
        secret = self.config.webhook_secret
        if why := distrust_beside(self.config, request, is_signed=secret is not None):
            return Forged(why)
        if secret is not None and (why := forgery(request, secret)):
            return Forged(why)
        report = decode(request.body, _Report)
        if report is None or report.type not in _TYPES:
            return Unreadable("not a delivery report")
        told = report.statuses or [_Status(status=report.status, code=report.code)]
        read = [_delivery(report, each) for each in told if each.status.lower() in REPORTS]
        return read or Unreadable("not a known status")


def forgery(request: ReportRequest, secret: str) -> str | None:
    """Return what is wrong with the signature of a callback, or None."""
    nonce, timestamp = only(request, f"{_SIGNATURE}-nonce"), only(request, f"{_SIGNATURE}-timestamp")
    if nonce is None or timestamp is None:
        return "not one nonce and one timestamp"
    signed = b".".join((request.body, *(each.encode("utf-8", "surrogateescape") for each in (nonce, timestamp))))
    expected = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    if not is_same(expected, only(request, _SIGNATURE)):
        return "the signature does not fit"
    return None if is_recent(seconds(timestamp), request.received_at) else "the signature is too old"


def _delivery(report: _Report, told: _Status) -> DeliveryReport:
    status, error = REPORTS[told.status.lower()], code(told.code)
    identity = (report.batch_id, report.client_reference, status.word, error, report.at)
    return DeliveryReport(
        status=status,
        provider_message_id=report.batch_id,
        reference=report.client_reference,
        reported_at=moment(report.operator_status_at) or moment(report.at),
        error_code=None if error in _NO_ERRORS else error,
        segments=segments(report.number_of_message_parts),
        dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
    )


def _written(when: datetime) -> str:
    """Return a time as Sinch writes it: 2026-03-01T12:00:05.000Z."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


PROVIDER = Sinch
