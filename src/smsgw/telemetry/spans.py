"""What a trace tells of a message: facts in, spans out. Pure, and without the SDK; traces.py hands them to it.

The trace's id is the tracking id, and the first span's id is made of it: so gateway, worker and the report days later
write one trace without carrying anything in the envelope or the database. Never a number, never a text.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core import events
from smsgw.core.country import country_of
from smsgw.core.failure import Outcome
from smsgw.core.message import Event, EventType, Message, Status

Attributes = Mapping[str, str | int | bool]


class Side(Enum):
    """Which side of a conversation a span is."""

    SERVER = "server"
    CONSUMER = "consumer"
    CLIENT = "client"
    INTERNAL = "internal"


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One span that has ended, in seconds since 1970."""

    tracking_id: UUID
    name: str
    began: float
    ended: float
    side: Side = Side.INTERNAL
    attributes: Attributes = {}
    problem: str = ""
    """What went wrong; empty: nothing."""
    is_root: bool = False
    traceparent: str = ""
    """The caller's own span (W3C Trace Context), unchecked."""


def root_id(tracking_id: UUID) -> int:
    """Return the id of a trace's first span: the same in every process."""
    return int.from_bytes(_digest(tracking_id)[:8]) or 1


def is_sampled(tracking_id: UUID, ratio: float) -> bool:
    """Whether a message's trace is kept. Every process decides alike. A hash decides, as some bits of a UUID are fixed
    and those that samplers of the SDK look at are among them."""
    return int.from_bytes(_digest(tracking_id)[8:16]) < ratio * 2**64


def _digest(tracking_id: UUID) -> bytes:
    return sha256(tracking_id.bytes).digest()


def tracking_id_of(fact: Any) -> UUID | None:
    """Return whose trace a fact belongs to; None for one that makes no span."""
    if type(fact) is events.MessageMoved:
        return fact.change.message.tracking_id
    return fact.tracking_id if type(fact) in _MAKERS else None


def spans_of(fact: Any, now: float) -> Sequence[Span]:
    """Return the spans that a fact, stated at `now`, ends."""
    maker = _MAKERS.get(type(fact))
    return maker(fact, now) if maker else ()


def _accepted(fact: events.RequestAccepted, now: float) -> Sequence[Span]:
    about: Attributes = {"client": fact.client_key, "country": fact.country, "takeover": fact.is_takeover}
    return [
        Span(
            tracking_id=fact.tracking_id,
            name="accept",
            began=now - fact.seconds,
            ended=now,
            side=Side.SERVER,
            attributes=about,
            is_root=True,
            traceparent=fact.traceparent,
        )
    ]


def _attempted(fact: events.AttemptFinished, now: float) -> Sequence[Span]:
    about: Attributes = {
        "client": fact.client_key,
        "provider": fact.provider,
        "outcome": fact.outcome.value,
        "country": fact.country,
        "attempt": fact.number,
    }
    return [
        Span(
            tracking_id=fact.tracking_id,
            name=f"send {fact.provider}",
            began=now - fact.seconds,
            ended=now,
            side=Side.CLIENT,
            attributes=about,
            problem="" if fact.outcome is Outcome.ACCEPTED else fact.outcome.value,
        )
    ]


def _late(fact: events.LateOutcome, now: float) -> Sequence[Span]:
    outcome = fact.outcome.value if fact.outcome else "none"
    about = {"provider": fact.provider, "outcome": outcome}
    return [Span(tracking_id=fact.tracking_id, name="late outcome", began=now, ended=now, attributes=about)]


def _moved(fact: events.MessageMoved, _now: float) -> Sequence[Span]:
    change = fact.change
    message = change.message
    told = [_mark(message, event) for event in change.events if event.event_type in _MARKS]
    if change.previous is not None:
        return told
    taken_in = message.updated_at.timestamp()
    queued = Span(
        tracking_id=message.tracking_id,
        name="queue",
        # A gateway's clock may run ahead of ours.
        began=min(message.created_at.timestamp(), taken_in),
        ended=taken_in,
        side=Side.CONSUMER,
        attributes={**_about(message), "country": country_of(message.to)},
    )
    return [queued, *told]


_MARKS = {
    EventType.PROVIDER_SWITCHED: "switch",
    EventType.RETRY_SCHEDULED: "retry scheduled",
    EventType.UNKNOWN: "unknown",
    EventType.LOOKED_UP: "look up",
    EventType.REPORT: "report",
    EventType.REPORT_DEADLINE: "report deadline",
    EventType.FAILED: "failed",
    EventType.DELIVERED: "delivered",
}
"""Moments of a story that a trace shows, as spans without a length."""
_TOLD = ("from", "to", "outcome", "status", "answer", "attempt", "corrected", "duplicate_risk")
"""Details of an event that a trace may hold: words of ours, never what a provider wrote."""


def _mark(message: Message, event: Event) -> Span:
    moment = event.created_at.timestamp()
    details = {name: event.details[name] for name in _TOLD if name in event.details}
    about: dict[str, str | int | bool] = {
        name: value if isinstance(value, bool | int) else str(value) for name, value in details.items()
    }
    if event.provider:
        about["provider"] = event.provider
    is_failed = event.event_type is EventType.FAILED
    return Span(
        tracking_id=message.tracking_id,
        name=_MARKS[event.event_type],
        began=moment,
        ended=moment,
        attributes={**_about(message), **about},
        problem=message.reason or "failed" if is_failed and message.status is Status.FAILED else "",
    )


def _about(message: Message) -> dict[str, str | int | bool]:
    about: dict[str, str | int | bool] = {"client": message.client_key, "message_status": message.status.value}
    return about | ({"reason": str(message.reason)} if message.reason else {})


_MAKERS: Mapping[type[Any], Callable[[Any, float], Sequence[Span]]] = {
    events.RequestAccepted: _accepted,
    events.AttemptFinished: _attempted,
    events.LateOutcome: _late,
    events.MessageMoved: _moved,
}
