"""From envelopes to messages that were never stored, and to the first Change of those that nobody can start now."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec import UNSET

from smsgw.core.decision import Round
from smsgw.core.envelope import Envelope
from smsgw.core.lifecycle import Change, step
from smsgw.core.message import Event, EventType, Message, Status
from smsgw.core.ports import Arrival
from smsgw.core.ttl import expiry
from smsgw.worker.planning import Planned


def hash_of(envelope: Envelope) -> str | None:
    """Return the envelope's idempotency hash, or None."""
    return None if envelope.idempotency_hash is UNSET else envelope.idempotency_hash


def message_of(envelope: Envelope, now: datetime) -> Message:
    """Return the message as it would be before its first step: fence 0, so that the first commit makes it 1."""
    return Message(
        tracking_id=envelope.tracking_id,
        client_key=envelope.client_key,
        to=envelope.to,
        text=envelope.text,
        ttl_seconds=envelope.ttl_seconds,
        providers=envelope.providers_effective,
        created_at=envelope.created_at,
        expires_at=expiry(envelope.created_at, envelope.ttl_seconds, now),
        updated_at=now,
        status=Status.QUEUED,
        fence=0,
        sender=envelope.sender,
    )


async def plan_waiting(envelopes: Sequence[Envelope], now: datetime) -> Sequence[Planned]:
    """Plan messages that nobody can start now: due at once, without lease or intent."""
    return [Planned(_waiting(envelope, now), None) for envelope in envelopes]


def waiting_arrival(envelope: Envelope, now: datetime) -> Arrival:
    """Return the arrival of a message that nobody can start now."""
    return Arrival(change=_waiting(envelope, now), idempotency_hash=hash_of(envelope))


def without_started(round_: Round, change: Change) -> Round:
    """Return the round for what was committed: after a retried commit that may have begun with another provider."""
    started = change.started.provider if change.started else None
    return msgspec.structs.replace(round_, left=tuple(name for name in round_.left if name != started))


def _waiting(envelope: Envelope, now: datetime) -> Change:
    queued = step(message_of(envelope, now), now, Status.QUEUED, due_at=now)
    return Change(message=queued, events=(Event(EventType.QUEUED, now),))
