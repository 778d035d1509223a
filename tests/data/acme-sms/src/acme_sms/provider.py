"""Acme SMS: https://acme.example/docs/rest."""

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
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter, LooksUp
from smsgw.providers.options import Options
from smsgw.providers.reading import Answer, Secret, Visible, amount, code, decode, segments
from smsgw.providers.signatures import is_same, only
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import WebhookUrl

# --- config -----------------------------------------------------------------------------------------------------------


class Config(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    token: Annotated[Secret, Meta(description="Portal > API: the Bearer token.")]
    signing_key: Annotated[Secret, Meta(description="Portal > Webhooks: what signs the reports.")]
    sender: Annotated[Visible, Meta(description="Of messages that name none.")] | None = None
    base_url: Annotated[str, Meta(description="With the version.")] = "https://api.acme.example/v2"
    webhook_url: WebhookUrl | None = None

    def __post_init__(self) -> None:
        checked_base_url(self.base_url)


# --- maps -------------------------------------------------------------------------------------------------------------

ERRORS = {
    "21211": Outcome.INVALID_NUMBER,
    "21610": Outcome.OPTED_OUT,  # the vendor's word: "unsubscribed recipient"
    "30001": Outcome.THROTTLED,
}
"""`error.code` of a 4xx (https://acme.example/docs/errors); for any other code the status decides."""
REPORTS = {
    "sent": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "failed": ReportStatus.UNDELIVERED,
}
"""`state` of a report."""


class _Made(msgspec.Struct, frozen=True):
    id: Visible
    parts: Any = None
    eur: Any = None


class _Error(msgspec.Struct, frozen=True):
    code: Any = None


class _Refused(msgspec.Struct, frozen=True):
    error: _Error


class _Report(msgspec.Struct, frozen=True):
    id: Visible
    state: str
    ref: Visible | None = None
    reason: Any = None


class Acme(HttpAdapter[Config], LooksUp):
    """JSON both ways; our reference goes along and can be asked about; reports are signed."""

    config_type = Config
    about = About(
        title="Acme SMS",
        documentation="https://acme.example/docs",
        set_up=("Portal > API: make a token.", "Portal > Webhooks: copy the signing key."),
        reports="`POST`, JSON, signed: `X-Acme-Signature` is the hex HMAC-SHA256 of the body under `signing_key`.",
        limits="100 messages/s.",
        features=frozenset(Feature),
        maps={"error.code": ERRORS, "State of a report": REPORTS},
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._url = f"{checked_base_url(config.base_url)}/sms"
        self._headers = {"authorization": f"Bearer {config.token}", "content-type": "application/json"}

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST {base_url}/sms."""
        body = {
            "to": submit.to,
            "from": submit.sender or self.config.sender,
            "text": submit.text,
            "ttl": submit.validity_seconds,
            "ref": str(submit.reference),
            "callback": self.config.webhook_url,
        }
        given = {name: value for name, value in body.items() if value is not None}
        return httpx.Request("POST", self._url, headers=self._headers, content=msgspec.json.encode(given))

    def build_look_up(self, reference: UUID) -> httpx.Request:
        """GET {base_url}/sms?ref=..."""
        return httpx.Request("GET", self._url, params={"ref": str(reference)}, headers=self._headers)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """2xx with an id is accepted; a 4xx has a code."""
        if answer.is_success and (made := decode(answer.body, _Made)):
            return SendResult(
                outcome=Outcome.ACCEPTED,
                provider_message_id=made.id,
                segments=segments(made.parts),
                price=amount(made.eur),
                currency="EUR" if amount(made.eur) else None,
            )
        refused = decode(answer.body, _Refused) if answer.is_refusal else None
        word = code(refused.error.code) if refused else None
        outcome = ERRORS.get(word) if word else None
        return SendResult(outcome=outcome, detail=f"HTTP {answer.status} {word}") if outcome else None

    def parse_look_up(self, answer: Answer) -> LookUpResult:
        """200 with an id is found, 404 is absent; anything else says nothing."""
        made = decode(answer.body, _Made) if answer.status == 200 else None
        if made is not None:
            return LookUpResult(answer=LookUp.FOUND, provider_message_id=made.id)
        is_absent = answer.status == 404
        return LookUpResult(answer=LookUp.ABSENT if is_absent else LookUp.CANNOT_SAY, detail=f"HTTP {answer.status}")

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify, then parse."""
        signed = hmac.new(self.config.signing_key.encode(), request.body, hashlib.sha256).hexdigest()
        if not is_same(signed, only(request, "x-acme-signature")):
            return Forged("X-Acme-Signature is missing or does not fit")
        report = decode(request.body, _Report)
        status = REPORTS.get(report.state) if report else None
        if report is None or status is None:
            return Unreadable("not a report with a known state")
        return (
            DeliveryReport(
                status=status,
                provider_message_id=report.id,
                reference=report.ref,
                error_code=code(report.reason),
                dedupe_key=hashlib.sha256(f"{report.id} {report.state}".encode()).hexdigest(),
            ),
        )


PROVIDER = Acme
