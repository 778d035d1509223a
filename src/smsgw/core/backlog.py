"""What an operator sees of the queues."""

from collections.abc import Sequence
from datetime import datetime

import msgspec


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the dead-letter queue. `id` is stable while the message lies there."""

    id: str
    reason: str
    body: bytes
    died_at: datetime | None = None


class Oldest(msgspec.Struct, frozen=True, kw_only=True):
    """Since when the longest have waited in the database; None where nothing waits."""

    due_at: datetime | None = None
    """The earliest timer of a message that waits for us: long ago means that nobody comes to look."""
    in_lane: datetime | None = None
    """When the oldest message was made that waits for a provider with room."""
    report_due_at: datetime | None = None
    """The earliest timer of the inbox: long ago means that nobody applies reports."""


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """The outbound queue at one moment."""

    bodies: Sequence[bytes] | None
    """What waits; None when not all of it could be seen."""
    holders: int = 0
    """How many consumers may hold what `bodies` cannot show; one that took another's place is not told apart."""
    hold_seconds: float = 0.0
    """How long a holder that does not answer any more can keep what it holds."""
