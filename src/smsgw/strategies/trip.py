"""One message on its way through a replay: the core's nouns, and what only the replay knows."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from smsgw.core.decision import Round
from smsgw.core.message import Attempt, Message, Status
from smsgw.core.ttl import expiry
from smsgw.strategies.load import Coming


class Place(NamedTuple):
    """What a message waits for: tokens of one of these providers, or (with its country) one of their circuits."""

    providers: tuple[str, ...]
    country: str = ""


class Trip:
    """What becomes of one message."""

    __slots__ = (
        "arrived",
        "attempt",
        "country",
        "is_last_taken",
        "is_risked",
        "message",
        "place",
        "probe",
        "round",
        "segments",
        "taken",
        "worker",
    )

    def __init__(self, coming: Coming, *, number: int, now: datetime, default_ttl: int) -> None:
        """A message that has just come."""
        ttl_seconds = coming.ttl_seconds or default_ttl
        # The country and the segments are known, so number and text are of no interest.
        self.message = Message(
            tracking_id=UUID(int=number),
            client_key="",
            to="",
            text="",
            ttl_seconds=ttl_seconds,
            providers=coming.providers,
            created_at=now,
            expires_at=expiry(now, ttl_seconds, now),
            updated_at=now,
            status=Status.QUEUED,
            fence=0,
        )
        self.arrived = coming.seconds
        """The second at which it came."""
        self.country = coming.country
        self.segments = coming.segments
        self.attempt: Attempt | None = None
        """The newest."""
        self.round: Round | None = None
        self.worker = 0
        """Whose slot it holds, or held last."""
        self.taken = 0
        """How often a provider took it: more than once is a duplicate."""
        self.is_last_taken = False
        """Whether the newest attempt was taken."""
        self.is_risked = False
        self.probe: tuple[str, str] | None = None
        self.place: Place | None = None
        """Where it waits."""
