"""Facts. The rooms state them, telemetry listens: one struct per thing an operator may want to count or read."""

from datetime import datetime
from uuid import UUID

from smsgw.core.care_events import NumberErased as NumberErased
from smsgw.core.care_events import RowsRetired as RowsRetired
from smsgw.core.fact import Fact as Fact
from smsgw.core.failure import Outcome
from smsgw.core.lifecycle import Change
from smsgw.core.message import Status
from smsgw.core.overlay_events import OverlayApplied as OverlayApplied
from smsgw.core.overlay_events import OverlayAway as OverlayAway
from smsgw.core.overlay_events import OverlayBack as OverlayBack
from smsgw.core.provider_events import AttemptFinished as AttemptFinished
from smsgw.core.provider_events import BindMoved as BindMoved
from smsgw.core.provider_events import CircuitMoved as CircuitMoved
from smsgw.core.provider_events import CostTold as CostTold
from smsgw.core.provider_events import HealthSeen as HealthSeen
from smsgw.core.provider_events import InboundDropped as InboundDropped
from smsgw.core.provider_events import LanesSeen as LanesSeen
from smsgw.core.provider_events import ProviderThrottled as ProviderThrottled
from smsgw.core.providers import Providers

# --- gateway ----------------------------------------------------------------------------------------------------------


class RequestAccepted(Fact, frozen=True, kw_only=True):
    """A send request was answered with success, published now or replayed."""

    tracking_id: UUID
    client_key: str
    to: str
    """Unmasked; listeners mask it."""
    country: str
    """ISO 3166, or ZZ."""
    seconds: float
    is_takeover: bool = False
    traceparent: str = ""
    """The caller's own trace, as its header says it; unchecked."""


class RequestReplayed(Fact, frozen=True, kw_only=True):
    """A stored response was given again."""

    client_key: str
    status: int
    seconds: float


class RequestRefused(Fact, frozen=True, kw_only=True):
    """A send request was answered with an error."""

    error_code: str
    status: int
    client_key: str | None
    tracking_id: UUID | None
    seconds: float


class GateBlocked(Fact, frozen=True, kw_only=True):
    """The provider gate refused; `error_code` is one of the gate's four."""

    error_code: str
    client_key: str
    providers: tuple[str, ...] = ()


class HeartbeatSent(Fact, frozen=True, kw_only=True):
    """A heartbeat was confirmed by the broker."""


class HeartbeatFailed(Fact, frozen=True, kw_only=True):
    """A heartbeat was not confirmed; it is tried again after `retry_in_seconds`."""

    retry_in_seconds: float


class QueueFilled(Fact, frozen=True, kw_only=True):
    """More waits at the broker than MAX_QUEUE_DEPTH: the gateway turns requests away until it has room again."""

    depth: int
    limit: int


class QueueHasRoom(Fact, frozen=True, kw_only=True):
    """The queue is below MAX_QUEUE_DEPTH again, or nobody can see any more whether it is."""

    limit: int


class LedgerNoteLost(Fact, frozen=True, kw_only=True):
    """A message was accepted, and the limits store could not note it: the audit knows one id less."""

    tracking_id: UUID


# --- worker -----------------------------------------------------------------------------------------------------------


class MessageMoved(Fact, frozen=True, kw_only=True):
    """A Change was committed: intake, an outcome, a retry, a report, a timer."""

    change: Change
    seconds_in_flight: float | None = None
    """From created_at to this commit, when the message became SENT."""


class OperatorActed(Fact, frozen=True, kw_only=True):
    """Somebody with an `ops` key, or a user of the console, reset what is known of a provider's health, reset the
    distribution's counts, sent directly through a provider, or cancelled, resolved or sent again a message."""

    action: str
    """`health.reset`, `distribution.reset`, `direct.send`, `message.cancel`, `message.resolve` or `message.resend`."""
    client_key: str = ""
    """Of the key; empty where a user acted."""
    user: str | None = None
    provider: str | None = None
    tracking_id: UUID | None = None


class AuditEntryLost(Fact, frozen=True, kw_only=True):
    """A user changed something, and the audit log could not be told: this line is all that is left of the entry."""

    who: str
    action: str
    subject: str


class CopyDropped(Fact, frozen=True, kw_only=True):
    """The broker delivered an envelope that the store already had."""

    tracking_id: UUID


class Poisoned(Fact, frozen=True, kw_only=True):
    """An undecodable member went to the dead-letter queue."""

    reason: str
    size: int


class LateOutcome(Fact, frozen=True, kw_only=True):
    """An outcome came after its lease was gone; it was kept as evidence on the attempt."""

    tracking_id: UUID
    provider: str
    outcome: Outcome | None


class ReportReceived(Fact, frozen=True, kw_only=True):
    """An authentic report was committed to the inbox (`is_new` False: it was there already)."""

    provider: str
    count: int
    new: int


class ReportRefused(Fact, frozen=True, kw_only=True):
    """A webhook call was forged or unreadable."""

    provider: str
    is_forged: bool
    why: str


class ReportUnmatched(Fact, frozen=True, kw_only=True):
    """A report fits no message of ours (yet)."""

    provider: str
    is_given_up: bool


class HeartbeatSeen(Fact, frozen=True, kw_only=True):
    """What the database knows of one gateway instance's heartbeat; stated again every few seconds."""

    instance: str
    ts: datetime
    interval_seconds: float = 60


class FingerprintMismatch(Fact, frozen=True, kw_only=True):
    """A gateway runs with another configuration than EXPECTED_*; `kind` is `clients` or `providers`."""

    kind: str
    instance: str
    expected: str
    seen: str


# --- both -------------------------------------------------------------------------------------------------------------


class DependencyLost(Fact, frozen=True, kw_only=True):
    """`broker`, `database` or `limits` does not answer."""

    dependency: str
    detail: str


class DependencyBack(Fact, frozen=True, kw_only=True):
    """It answers again."""

    dependency: str


class DependencyWarned(Fact, frozen=True, kw_only=True):
    """It answers, and is set so that it may lose data; `why` says how it should be."""

    dependency: str
    why: str


class StoreCalled(Fact, frozen=True, kw_only=True):
    """One store transaction: how long it took, how many rows it served, whether it failed."""

    operation: str
    rows: int
    seconds: float
    is_failed: bool = False


class ConfigLoaded(Fact, frozen=True, kw_only=True):
    """A role runs with these providers: at start and after every reload."""

    providers: Providers


class ReloadFailed(Fact, frozen=True, kw_only=True):
    """A SIGHUP found a bad file; the old configuration stays. `why` is the one line that a start would print."""

    why: str


class QueueDepthSeen(Fact, frozen=True, kw_only=True):
    """How much waits in the broker."""

    waiting: int
    dead: int


class BacklogSeen(Fact, frozen=True, kw_only=True):
    """How many messages wait in the database, by status, and how long the longest."""

    counts: dict[Status, int]
    oldest_seconds: float = 0.0
    """Since the oldest of them was created; 0 where none waits."""
    overdue_seconds: float = 0.0
    """Since the timer that should have been looked at first."""
    in_lane_seconds: float = 0.0
    """Since the oldest message was made that waits for a provider with room."""
    reports_overdue_seconds: float = 0.0
    """Since the report that should have been applied first."""


class SimulatorChanged(Fact, frozen=True, kw_only=True):
    """A simulated provider was told to behave otherwise while it runs."""

    provider: str
    changes: tuple[str, ...]
    """The names of what changed."""


class Crashed(Fact, frozen=True, kw_only=True):
    """A bug: an exception that nobody expected, with where it came from. Never an input's fault."""

    where: str
    error: BaseException
    tracking_id: UUID | None = None
