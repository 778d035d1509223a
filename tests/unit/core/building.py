"""Builders of the nouns, so that a test names only what it is about."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.lifecycle import Timers
from smsgw.core.message import Attempt, DeliveryReport, Message, Part, ReportStatus, Status

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
TIMERS = Timers()


def message(**fields: Any) -> Message:
    """Return a QUEUED message made NOW that lives for ten minutes, changed by the fields given."""
    values: dict[str, Any] = {
        "tracking_id": UUID("00000000-0000-4000-8000-000000000001"),
        "client_key": "shop",
        "to": "+989121234567",
        "text": "Your code is 1234",
        "ttl_seconds": 600,
        "providers": (),
        "created_at": NOW,
        "expires_at": NOW + 600 * SECOND,
        "updated_at": NOW,
        "status": Status.QUEUED,
    }
    return Message(**{**values, **fields})


def attempt(number: int = 1, provider: str = "A", outcome: Outcome | None = None, **fields: Any) -> Attempt:
    """Return an attempt that began NOW, finished one second later where it has an outcome."""
    finished_at = NOW + SECOND if outcome is not None else None
    values: dict[str, Any] = {"number": number, "provider": provider, "outcome": outcome, "started_at": NOW}
    return Attempt(**{**values, "finished_at": finished_at, **fields})


def report(
    status: ReportStatus, *, message_id: str | None = None, dedupe_key: str = "", part: Part | None = None
) -> DeliveryReport:
    """Return a report about our reference, with the provider's message id where it has one."""
    key = dedupe_key or f"{message_id}:{status.word}:{part}"
    return DeliveryReport(status=status, provider_message_id=message_id, reference="r", dedupe_key=key, part=part)


def answer(outcome: Outcome, **fields: Any) -> SendResult:
    """Return a provider's answer."""
    return SendResult(outcome=outcome, **fields)
