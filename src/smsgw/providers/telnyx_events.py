"""What Telnyx tells: https://developers.telnyx.com/docs/messaging/messages/receiving-webhooks."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest, Unreadable
from smsgw.providers.callbacks import parameter
from smsgw.providers.reading import Visible, amount, code, currency, decode, moment, segments
from smsgw.providers.signatures import is_recent, only, seconds

REPORTS = {
    "queued": ReportStatus.QUEUED,
    "sending": ReportStatus.QUEUED,
    "sent": ReportStatus.SENT,
    "delivered": ReportStatus.DELIVERED,
    "read": ReportStatus.DELIVERED,
    "delivery_unconfirmed": ReportStatus.SENT,  # nobody told them in time
    "delivery_failed": ReportStatus.UNDELIVERED,
    "sending_failed": ReportStatus.FAILED,
    "expired": ReportStatus.EXPIRED,
}
"""`payload.to[0].status`."""
EXPIRED = frozenset({"40005", "40014"})
"""`payload.errors[].code` of a message that ran out of time, on its way or in the queue."""


class _To(msgspec.Struct, frozen=True):
    status: str = ""


class _Payload(msgspec.Struct, frozen=True):
    to: list[_To]
    id: Visible | None = None
    errors: Any = None
    parts: Any = None
    cost: Any = None
    completed_at: Any = None
    webhook_url: Any = None


class _Event(msgspec.Struct, frozen=True):
    payload: _Payload
    id: Visible | None = None
    occurred_at: Any = None


class _Meta(msgspec.Struct, frozen=True):
    delivered_to: Any = None


class _Report(msgspec.Struct, frozen=True):
    data: _Event
    meta: _Meta | None = None

    @property
    def reference(self) -> str | None:
        """Our reference in the addresses that are a part of what is signed; the address of the call is not."""
        told = (self.meta.delivered_to if self.meta else None, self.data.payload.webhook_url)
        return next((found for each in told if (found := _reference(each))), None)


def forgery(request: ReportRequest, key: Ed25519PublicKey | None) -> str | None:
    """Return why a call is not Telnyx's, or None: time and body are signed."""
    if key is None:
        return "no public_key is configured"
    signature = decoded(only(request, "telnyx-signature-ed25519") or "")
    timestamp = only(request, "telnyx-timestamp") or ""
    if len(signature) != 64 or not is_recent(seconds(timestamp), request.received_at):
        return "no telnyx-signature-ed25519, or not of these minutes"
    try:
        key.verify(signature, f"{timestamp}|".encode() + request.body)
    except InvalidSignature:
        return "telnyx-signature-ed25519 does not fit"
    return None


def read_event(body: bytes) -> Sequence[DeliveryReport] | Unreadable:
    """Return what an event says of its message."""
    report = decode(body, _Report)
    payload = report.data.payload if report else None
    status = REPORTS.get(payload.to[0].status.lower()) if payload and payload.to else None
    if report is None or payload is None or status is None:
        return Unreadable("not an event with a known status")
    reference = report.reference
    if payload.id is None and reference is None:
        return Unreadable("neither id nor reference")
    told = codes({"errors": payload.errors})
    if status in (ReportStatus.FAILED, ReportStatus.UNDELIVERED) and not EXPIRED.isdisjoint(told):
        status = ReportStatus.EXPIRED
    identity = (report.data.id, payload.id, reference, status.word, told)
    price, unit = cost(payload.cost)
    return (
        DeliveryReport(
            status=status,
            provider_message_id=payload.id,
            reference=reference,
            reported_at=_moment(payload.completed_at) or _moment(report.data.occurred_at),
            error_code=told[0] if told else None,
            dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
            segments=segments(payload.parts),
            price=price,
            currency=unit,
        ),
    )


def codes(body: dict[str, Any] | None) -> list[str]:
    """Return the codes of the first errors."""
    errors = (body or {}).get("errors")
    first = errors[:8] if isinstance(errors, list) else []
    return [word for each in first if isinstance(each, dict) and (word := code(each.get("code")))]


def cost(given: Any) -> tuple[str | None, str | None]:
    """Return amount and currency."""
    told = given if isinstance(given, dict) else {}
    price = amount(told.get("amount"))
    return price, currency(told.get("currency")) if price else None


def _reference(address: Any) -> str | None:
    try:
        return parameter(urlsplit(address).query) if isinstance(address, str) else None
    except ValueError:
        return None


def _moment(value: Any) -> datetime | None:
    return moment(value) if isinstance(value, str) and len(value) <= 64 else None


def decoded(text: str) -> bytes:
    """Return the octets of base64; none for anything else."""
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return b""
