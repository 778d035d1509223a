"""A plain HTTP JSON provider (docs/reference/providers.md, "provider_a"); `smsgw mock-provider` is its other side."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import LookUp, LookUpResult, Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable, WrongMethod
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter, LooksUp
from smsgw.providers.options import Options
from smsgw.providers.reading import Answer, Secret, Visible, code, decode, moment
from smsgw.providers.urls import checked_base_url

# --- config -----------------------------------------------------------------------------------------------------------


class Config(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`. `http://` is allowed for carriers on an internal network."""

    base_url: Annotated[str, Meta(description="The provider's address; `/messages` comes behind it.")]
    api_key: Annotated[Secret, Meta(description="Goes along as `Authorization: Bearer`.")]
    webhook_secret: (
        Annotated[str, Meta(min_length=1, max_length=256, description="Signs the reports; default: the API key.")]
        | None
    ) = None

    def __post_init__(self) -> None:
        checked_base_url(self.base_url)


# --- maps -------------------------------------------------------------------------------------------------------------

REFUSALS = {
    "INVALID_NUMBER": Outcome.INVALID_NUMBER,
    "OPTED_OUT": Outcome.OPTED_OUT,
    "REJECTED": Outcome.REJECTED,
    "THROTTLED": Outcome.THROTTLED,
}
"""`error_code` of a 4xx; for any other code the status decides."""

REPORTS = {
    "queued": ReportStatus.QUEUED,
    "sent": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "undelivered": ReportStatus.UNDELIVERED,
    "failed": ReportStatus.FAILED,
    "expired": ReportStatus.EXPIRED,
    "rejected": ReportStatus.REJECTED,
}


class _Accepted(msgspec.Struct, frozen=True):
    message_id: Visible


class _Refused(msgspec.Struct, frozen=True):
    error_code: Any = None


class _Report(msgspec.Struct, frozen=True, kw_only=True):
    status: str
    message_id: Visible | None = None
    reference: Visible | None = None
    timestamp: Annotated[str, Meta(max_length=64)] | None = None
    error_code: Any = None


class ProviderA(HttpAdapter[Config], LooksUp):
    """Bearer key in, JSON both ways, reports signed with HMAC-SHA256."""

    config_type = Config
    about = About(
        title="Plain HTTP provider",
        documentation="",
        set_up=(
            "Build the provider's side as docs/reference/providers.md describes it, or run `smsgw mock-provider`.",
            "Agree on an API key, and on a webhook secret if that shall be another one.",
            "Let the provider post its reports to the webhook's address.",
        ),
        reports="Posted as JSON, signed with HMAC-SHA256 of the raw body (`X-Signature`, hex) under `webhook_secret`.",
        limits="Those of the provider; set `rate_limit` beside `options`.",
        features=frozenset({Feature.VALIDITY, Feature.REFERENCE}),
        maps={"error_code of a 4xx": REFUSALS, "status of a report": REPORTS},
        notes=("The contract in full: [provider_a](../reference/providers.md#provider_a).",),
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._messages = httpx.URL(f"{checked_base_url(config.base_url)}/messages")
        self._authorization = {"authorization": f"Bearer {config.api_key}"}
        self._json = {**self._authorization, "content-type": "application/json"}
        self._webhook_secret = (config.webhook_secret or config.api_key).encode()

    def secrets(self) -> tuple[str, ...]:
        """Return the key and the secret."""
        return tuple(filter(None, (self.config.api_key, self.config.webhook_secret)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST {base_url}/messages."""
        body = {
            "to": submit.to,
            "text": submit.text,
            "reference": str(submit.reference),
            "validity_seconds": submit.validity_seconds,
        }
        return httpx.Request("POST", self._messages, headers=self._json, content=msgspec.json.encode(body))

    def build_look_up(self, reference: UUID) -> httpx.Request:
        """GET {base_url}/messages?reference=..."""
        return httpx.Request("GET", self._messages, params={"reference": str(reference)}, headers=self._authorization)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """2xx with a message id is accepted; a 4xx may say why in `error_code`."""
        if answer.is_success:
            accepted = decode(answer.body, _Accepted)
            if accepted is None:
                return None
            return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=accepted.message_id)
        refused = decode(answer.body, _Refused) if answer.is_refusal else None
        word = code(refused.error_code) if refused else None
        outcome = REFUSALS.get(word) if word else None
        return SendResult(outcome=outcome, detail=f"HTTP {answer.status} {word}") if outcome else None

    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """200 with a message id is found, 404 is absent; anything else means that it cannot be asked."""
        found = decode(answer.body, _Accepted) if answer.status == 200 else None
        if found is not None:
            return LookUpResult(answer=LookUp.FOUND, provider_message_id=found.message_id)
        if answer.status == 404:
            return LookUpResult(answer=LookUp.ABSENT, detail="HTTP 404")
        return LookUpResult(answer=LookUp.CANNOT_SAY, detail=f"HTTP {answer.status}")

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify X-Signature (hex HMAC-SHA256 of the raw body), then read one report."""
        if request.method != "POST":
            return WrongMethod("it posts its reports")
        if why := self._forgery(request):
            return Forged(why)
        report = decode(request.body, _Report)
        status = REPORTS.get(report.status.lower()) if report else None
        if report is None or status is None:
            return Unreadable("not a report with a known status")
        if report.message_id is None and report.reference is None:
            return Unreadable("neither message_id nor reference")
        identity = (report.message_id, report.reference, status.word, report.timestamp)
        return (
            DeliveryReport(
                status=status,
                provider_message_id=report.message_id,
                reference=report.reference,
                reported_at=moment(report.timestamp),
                error_code=code(report.error_code),
                dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
            ),
        )

    def _forgery(self, request: ReportRequest) -> str | None:
        signatures = [value for name, value in request.headers if name == "x-signature"]
        if len(signatures) != 1:
            return "no X-Signature" if not signatures else "several X-Signature headers"
        expected = hmac.new(self._webhook_secret, request.body, hashlib.sha256).hexdigest()
        given = signatures[0].strip().lower().encode("utf-8", "surrogateescape")
        return None if hmac.compare_digest(expected.encode(), given) else "X-Signature does not fit"


PROVIDER = ProviderA
