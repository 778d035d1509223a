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


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """The outbound queue at one moment."""

    bodies: Sequence[bytes] | None
    """What waits; None when not all of it could be seen."""
    holders: int = 0
    """How many consumers may hold what `bodies` cannot show; one that took another's place is not told apart."""
    hold_seconds: float = 0.0
    """How long a holder that does not answer any more can keep what it holds."""
