"""Events of AWS End User Messaging SMS: what became of a text."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Unreadable
from smsgw.providers.reading import Visible, amount, decode, segments

_MOST_MILLISECONDS = 253_402_300_800_000
"""The year 10000."""

# https://docs.aws.amazon.com/sms-voice/latest/userguide/configuration-sets-event-types.html
REPORTS = {
    "TEXT_QUEUED": ReportStatus.QUEUED,
    "TEXT_PENDING": ReportStatus.SENT,
    "TEXT_SENT": ReportStatus.SENT,
    "TEXT_SUCCESSFUL": ReportStatus.SENT,  # when it is final: what `final_successful` says
    "TEXT_DELIVERED": ReportStatus.DELIVERED,
    "TEXT_INVALID": ReportStatus.UNDELIVERED,
    "TEXT_INVALID_MESSAGE": ReportStatus.UNDELIVERED,
    "TEXT_UNREACHABLE": ReportStatus.UNDELIVERED,
    "TEXT_CARRIER_UNREACHABLE": ReportStatus.UNDELIVERED,
    "TEXT_BLOCKED": ReportStatus.REJECTED,
    "TEXT_CARRIER_BLOCKED": ReportStatus.REJECTED,
    "TEXT_SPAM": ReportStatus.REJECTED,
    "TEXT_PROTECT_BLOCKED": ReportStatus.REJECTED,
    "TEXT_TTL_EXPIRED": ReportStatus.EXPIRED,
    "TEXT_UNKNOWN": ReportStatus.SENT,  # no final event came within 72 h: nobody knows
}
"""`eventType` of an event."""


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """What of an event counts; the rest is ignored."""

    event_type: str
    message_id: Visible
    is_final: bool = False
    event_timestamp: int | None = None
    context: dict[str, Any] | None = None
    total_message_parts: Any = None
    total_message_price: Any = None
    total_carrier_fee: Any = None


class _Bridged(msgspec.Struct, frozen=True):
    """An event that came through EventBridge."""

    detail: Event


def read_event(
    message: str, *, final_successful: Literal["delivered", "sent"]
) -> Sequence[DeliveryReport] | Unreadable:
    """Return the report that an event makes, straight from its event destination or through EventBridge."""
    event = decode(message, Event)
    if event is None and (bridged := decode(message, _Bridged)):
        event = bridged.detail
    status = REPORTS.get(event.event_type) if event else None
    if event is None or status is None:
        return Unreadable("not an event of a message with a known type")
    if event.event_type == "TEXT_SUCCESSFUL" and event.is_final:
        status = ReportStatus[final_successful.upper()]
    is_good = status in (ReportStatus.QUEUED, ReportStatus.SENT, ReportStatus.DELIVERED)
    price = _price(event)
    identity = (event.message_id, event.event_type, event.is_final, event.event_timestamp)
    return (
        DeliveryReport(
            status=status,
            provider_message_id=event.message_id,
            reference=_reference(event),
            reported_at=_moment(event.event_timestamp),
            error_code=None if is_good else event.event_type,
            dedupe_key=hashlib.sha256(msgspec.json.encode(identity)).hexdigest(),
            segments=segments(event.total_message_parts),
            price=price,
            currency="USD" if price else None,
        ),
    )


def _reference(event: Event) -> str | None:
    try:
        return msgspec.convert((event.context or {}).get("reference"), Visible)
    except msgspec.ValidationError:
        return None


def _price(event: Event) -> str | None:
    """Return what the message and its carrier cost; what an early event does not know yet is no price."""
    own, fee = amount(event.total_message_price), amount(event.total_carrier_fee)
    if own is None:
        return None
    total = Decimal(own) + Decimal(fee or 0)
    return amount(total) if total or event.is_final else None


def _moment(milliseconds: int | None) -> datetime | None:
    if milliseconds is None or not 0 <= milliseconds < _MOST_MILLISECONDS:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
