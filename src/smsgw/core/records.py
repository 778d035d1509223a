"""What goes into the store and what comes out of it, beside messages and their Changes."""

from datetime import datetime

import msgspec

from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, Event, Message, ReceivedReport, Status


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """A message at intake: its first Change (QUEUED, leased PROCESSING with its intent, or FAILED)."""

    change: Change
    idempotency_hash: str | None = None


class AppliedReport(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one inbox row: the Change it made, or None when it waits or no message of ours fits (yet)."""

    received: ReceivedReport
    change: Change | None
    is_waiting: bool = False
    is_given_up: bool = False


class Story(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the status API tells about one message."""

    message: Message
    attempts: tuple[Attempt, ...]
    events: tuple[Event, ...]


class GatewayBeat(msgspec.Struct, frozen=True, kw_only=True):
    """The last heartbeat of one gateway instance."""

    service: str
    instance: str
    interval_seconds: float
    ts: datetime
    clients_fingerprint: str
    providers_fingerprint: str


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages an operator wants to see; None is "any"."""

    statuses: frozenset[Status] | None = None
    client_key: str | None = None
    provider: str | None = None
    """The provider that has it, or had it last (`provider_final`)."""
    reason: str | None = None
    to: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Of created_at; `until` is not in it."""


class RequestPage(msgspec.Struct, frozen=True, kw_only=True):
    """Messages, newest first; `next_before` asks for the page after this one, None when this was the last."""

    messages: tuple[Message, ...]
    next_before: int | None = None
    looked_at: int | None = None
    """How many messages a store looked at before it stopped with the page not full; None where it had no need to."""
