"""Nouns to rows and back. The order of columns is the schema's; what strangers wrote is made storable here, once."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core.costs import currency_of, price_of, segments_of
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change
from smsgw.core.message import (
    Attempt,
    DeliveryReport,
    Event,
    EventType,
    Message,
    Part,
    ReceivedReport,
    ReportStatus,
    Status,
    Told,
)
from smsgw.core.parts import usable
from smsgw.core.ports import GatewayBeat
from smsgw.transports.stores.database import schema
from smsgw.transports.stores.semantics import key_text, storable

Row = dict[str, Any]

MESSAGE_COLUMNS = tuple(schema.messages.c[name] for name in Message.__struct_fields__)
ATTEMPT_COLUMNS = tuple(schema.attempts.c[name] for name in ("tracking_id", *Attempt.__struct_fields__))

TOLD_LATER = ("part_ids", "segments", "price", "currency")
"""What no attempt knows when it begins: its insert does without."""

_STATUSES = {each.value: each for each in Status}
_OUTCOMES: dict[str | None, Outcome | None] = {None: None, **{each.value: each for each in Outcome}}
_encode = msgspec.json.Encoder().encode
_decode_names = msgspec.json.Decoder(tuple[str, ...]).decode


def _names(names: tuple[str, ...]) -> str:
    return _encode(names).decode() if names else "[]"


def state_row(message: Message) -> Row:
    """Return the columns that a Change may alter, with the key as `key`: an UPDATE may not bind it by name."""
    return {
        "key": message.tracking_id,
        "status": message.status.value,
        "reason": None if message.reason is None else str(message.reason),
        "provider_final": message.provider_final,
        "due_at": message.due_at,
        "updated_at": message.updated_at,
        "fence": message.fence,
        "attempts_made": message.attempts_made,
        "rounds": message.rounds,
        "prefer": message.prefer,
        "refused": _names(message.refused),
        "duplicate_risk": message.duplicate_risk,
        "lane": storable(message.lane),
        "absences": message.absences,
    }


def message_row(message: Message, token: UUID) -> Row:
    """Return a whole new row of `messages`."""
    row = state_row(message)
    row["tracking_id"] = row.pop("key")
    row["client_key"] = storable(message.client_key)
    row["to"] = message.to
    row["text"] = message.text
    row["ttl_seconds"] = message.ttl_seconds
    row["providers"] = _names(message.providers)
    row["created_at"] = message.created_at
    row["expires_at"] = message.expires_at
    row["intake_token"] = token
    row["sender"] = storable(message.sender)
    return row


def message_of(row: Sequence[Any]) -> Message:
    """Return the message of a row of MESSAGE_COLUMNS."""
    values: dict[str, Any] = dict(zip(Message.__struct_fields__, row, strict=True))
    values["status"] = _STATUSES[values["status"]]
    values["providers"] = _decode_names(values["providers"])
    values["refused"] = _decode_names(values["refused"])
    return Message(**values)


def attempt_row(tracking_id: UUID, attempt: Attempt) -> Row:
    """Return a new row of `attempts`, without TOLD_LATER."""
    return {
        "tracking_id": tracking_id,
        "number": attempt.number,
        "provider": attempt.provider,
        "started_at": attempt.started_at,
        **_outcome(attempt),
    }


def outcome_row(tracking_id: UUID, attempt: Attempt) -> Row:
    """Return what became known about an attempt without facts, with its key as `key` and `nth`."""
    return {"key": tracking_id, "nth": attempt.number, **_outcome(attempt)}


def finding_row(tracking_id: UUID, attempt: Attempt) -> Row:
    """Return what became known about an attempt, with its key as `key` and `nth`."""
    return {"key": tracking_id, "nth": attempt.number, **_outcome(attempt), **_facts(attempt)}


def fact_row(tracking_id: UUID, attempt: Attempt) -> Row:
    """Return what an answer told beside its outcome, with the attempt's key as `key` and `nth`."""
    message_id = key_text(attempt.provider_message_id) if attempt.part_ids else None
    return {"key": tracking_id, "nth": attempt.number, "provider_message_id": message_id, **_facts(attempt)}


def part_rows(tracking_id: UUID, attempt: Attempt) -> list[Row]:
    """Return the rows of `attempt_parts`: by the id of each part of a long message its attempt is found."""
    key = {"provider": attempt.provider, "tracking_id": tracking_id, "number": attempt.number}
    return [{**key, "provider_message_id": key_text(part_id)} for part_id in attempt.part_ids]


def attempt_of(row: Sequence[Any]) -> tuple[UUID, Attempt]:
    """Return the attempt of a row of ATTEMPT_COLUMNS, and whose it is."""
    tracking_id, number, provider, started_at, finished_at, outcome, message_id, detail, report, *facts = row
    part_ids, segments, price, currency = facts
    attempt = Attempt(
        number=number,
        provider=provider,
        started_at=started_at,
        finished_at=finished_at,
        outcome=_OUTCOMES[outcome],
        provider_message_id=message_id,
        detail=detail,
        report=None if report is None else ReportStatus(report),
        part_ids=() if part_ids is None else _decode_names(part_ids),
        segments=segments,
        price=price,
        currency=currency,
    )
    return tracking_id, attempt


def event_rows(change: Change) -> list[Row]:
    """Return the rows of `message_events` that a Change adds, in the order of the story."""
    return [
        {
            "tracking_id": change.message.tracking_id,
            "event_type": event.event_type.value,
            "provider": event.provider,
            "details": event.details,
            "created_at": event.created_at,
        }
        for event in change.events
    ]


def event_of(row: Sequence[Any]) -> Event:
    """Return the event of a row (event_type, created_at, provider, details)."""
    event_type, created_at, provider, details = row
    return Event(EventType(event_type), created_at, provider, details)


def report_row(received: ReceivedReport) -> Row:
    """Return a whole new row of `report_inbox`, due at once."""
    report = received.report
    part = usable(report.part)
    return {
        "provider": received.provider,
        "dedupe_key": key_text(report.dedupe_key),
        "provider_message_id": key_text(report.provider_message_id),
        "reference": key_text(report.reference),
        "status": int(report.status),
        "error_code": key_text(report.error_code),
        "reported_at": report.reported_at,
        "received_at": received.received_at,
        "due_at": received.received_at,
        "tries": 0,
        "part_number": part.number if part else None,
        "part_total": part.total if part else None,
        "segments": segments_of(report.segments),
        "price": price_of(report.price),
        "currency": currency_of(report.currency),
    }


def report_of(row: Mapping[str, Any]) -> ReceivedReport:
    """Return the report of a row of `report_inbox`."""
    report = DeliveryReport(
        status=ReportStatus(row["status"]),
        provider_message_id=row["provider_message_id"],
        reference=row["reference"],
        reported_at=row["reported_at"],
        error_code=row["error_code"],
        dedupe_key=row["dedupe_key"],
        part=None if row["part_number"] is None else Part(row["part_number"], row["part_total"]),
        segments=row["segments"],
        price=row["price"],
        currency=row["currency"],
    )
    return ReceivedReport(provider=row["provider"], report=report, received_at=row["received_at"])


def told_of(row: Sequence[Any]) -> tuple[UUID, Told]:
    """Return what an event (tracking_id, provider, details) tells of a report, and whose it is."""
    tracking_id, provider, details = row
    status, message_id = ReportStatus[details["status"].upper()], details.get("provider_message_id")
    part = Part(details["part"], details["parts"]) if "part" in details else None
    return tracking_id, Told(provider, status, message_id, part)


def beat_of(row: Sequence[Any]) -> GatewayBeat:
    """Return the beat of a row of `gateway_heartbeats`."""
    return GatewayBeat(**dict(zip(GatewayBeat.__struct_fields__, row, strict=True)))


def seen_row(idempotency_hash: str, tracking_id: UUID, created_at: datetime) -> Row:
    """Return a row of `idempotency_seen`."""
    return {"hash": idempotency_hash, "tracking_id": tracking_id, "created_at": created_at}


def without_nul(value: Any) -> Any:
    """Return rows, or anything in them, with every NUL replaced."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {without_nul(name): without_nul(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [without_nul(each) for each in value]
    return value


def _facts(attempt: Attempt) -> Row:
    ids = tuple(key_text(each) or "" for each in attempt.part_ids)
    return {
        "part_ids": _names(ids) if ids else None,
        "segments": attempt.segments,
        "price": attempt.price,
        "currency": attempt.currency,
    }


def _outcome(attempt: Attempt) -> Row:
    return {
        "finished_at": attempt.finished_at,
        "outcome": attempt.outcome.value if attempt.outcome else None,
        "provider_message_id": key_text(attempt.provider_message_id),
        "detail": storable(attempt.detail),
        "report": None if attempt.report is None else int(attempt.report),
    }
