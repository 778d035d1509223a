"""One fact of every type, full of what must not be told."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from smsgw.core import events
from smsgw.core.client_book import Ignored
from smsgw.core.data_care import Kept
from smsgw.core.failure import Outcome
from smsgw.core.health import State
from smsgw.core.lifecycle import Change
from smsgw.core.message import Attempt, Event, EventType, Message, Status
from smsgw.core.overlay import Kind
from smsgw.core.providers import ProviderConfig, Providers

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ID = UUID("00000000-0000-4000-8000-000000000001")
NUMBER = "+989121234567"
TEXT = "Your code is 73511"


def message(status: Status = Status.SENT, reason: str | None = None) -> Message:
    """A message with a number and a text."""
    return Message(
        tracking_id=ID,
        client_key="shop",
        to=NUMBER,
        text=TEXT,
        ttl_seconds=600,
        providers=(),
        created_at=NOW,
        expires_at=NOW + timedelta(seconds=600),
        updated_at=NOW,
        status=status,
        reason=reason,
    )


def moved(
    status: Status = Status.SENT,
    previous: Status | None = Status.PROCESSING,
    *told: Event,
    reason: str | None = None,
    seconds: float | None = None,
) -> events.MessageMoved:
    """A committed change."""
    attempt = Attempt(number=1, provider="Provider-A", started_at=NOW, outcome=Outcome.ACCEPTED)
    change = Change(message=message(status, reason), finished=attempt, events=told, previous=previous)
    return events.MessageMoved(change=change, seconds_in_flight=seconds)


SWITCHED = Event(
    EventType.PROVIDER_SWITCHED, NOW, "Local-SMS", {"from": "Provider-A", "to": "Local-SMS", "detail": TEXT}
)
RETRY = Event(EventType.RETRY_SCHEDULED, NOW, None, {"next_attempt_at": NOW.isoformat(), "round": 1})
SENT = Event(EventType.SENT, NOW, "Provider-A", {"attempt": 1, "provider_message_id": "m-1"})
PROVIDERS = Providers(
    {
        "Provider-A": ProviderConfig(is_active=True, is_operational=True, options={"api_key": "credential-1"}),
        "Local-SMS": ProviderConfig(is_active=True, is_operational=False),
    }
)


def _crash() -> BaseException:
    try:
        try:
            int(f"{NUMBER} {TEXT}")
        except ValueError as cause:
            raise RuntimeError(TEXT) from cause
    except RuntimeError as error:
        return error
    raise AssertionError("a text is no number")


def every_fact() -> list[events.Fact]:
    """Return at least one fact of every type."""
    return [
        events.ConfigLoaded(providers=PROVIDERS),
        events.RequestAccepted(
            tracking_id=ID, client_key="shop", to=NUMBER, country="IR", seconds=0.01, is_takeover=True
        ),
        events.RequestReplayed(client_key="shop", status=202, seconds=0.001),
        events.RequestRefused(error_code="RATE_LIMITED", status=429, client_key=None, tracking_id=None, seconds=0.001),
        events.GateBlocked(error_code="PROVIDER_DISABLED", client_key="shop", providers=("Local-SMS",)),
        events.GateBlocked(error_code="UNKNOWN_PROVIDER", client_key="shop", providers=()),
        events.GateBlocked(error_code="NO_PROVIDER_AVAILABLE", client_key="shop"),
        events.HeartbeatSent(),
        events.HeartbeatFailed(retry_in_seconds=1.0),
        moved(Status.SENT, Status.PROCESSING, SENT, seconds=0.5),
        moved(Status.PROCESSING, Status.PROCESSING, SWITCHED),
        moved(Status.QUEUED, Status.PROCESSING, RETRY, reason="retry_scheduled"),
        events.AttemptFinished(
            tracking_id=ID,
            client_key="shop",
            provider="Provider-A",
            number=1,
            outcome=Outcome.REJECTED,
            seconds=0.1,
            detail=f"no {NUMBER}",
        ),
        events.CostTold(provider="Provider-A", segments=2, price="0.07", currency="EUR"),
        events.LedgerNoteLost(tracking_id=ID),
        events.QueueFilled(depth=12, limit=10),
        events.QueueHasRoom(limit=10),
        events.OperatorActed(action="health.reset", provider="Provider-A", client_key="operator"),
        events.OperatorActed(action="direct.send", provider="Provider-A", client_key="operator"),
        events.OperatorActed(action="message.cancel", user="ada", tracking_id=ID),
        events.AuditEntryLost(who="ada", action="message.cancel", subject=str(ID)),
        events.SimulatorChanged(provider="Provider-A", changes=("latency",)),
        events.ProviderThrottled(provider="Provider-A", wait_seconds=2.0),
        events.HealthSeen(provider="Provider-A", state=State.OPEN, countries_open=1),
        events.CircuitMoved(provider="Provider-A", country="IR", state=State.OPEN, reason="10 of 12 calls failed"),
        events.CircuitMoved(provider="Provider-A", country="", state=State.CLOSED, reason="10 of 12 calls failed"),
        events.BindMoved(provider="Provider-A", binds=2),
        events.BindMoved(provider="Provider-A", binds=0, why="the peer closed"),
        events.InboundDropped(provider="Provider-A"),
        events.RowsRetired(what=Kept.TEXTS, rows=3, is_behind=False, oldest_seconds=86_400.5),
        events.NumberErased(to=NUMBER, who="anna", messages=3, left=1),
        events.LanesSeen(count=2),
        events.CopyDropped(tracking_id=ID),
        events.Poisoned(reason="not JSON", size=3),
        events.LateOutcome(tracking_id=ID, provider="Provider-A", outcome=None),
        events.ReportReceived(provider="Provider-A", count=3, new=2),
        events.ReportRefused(provider="Provider-A", is_forged=True, why="the signature is wrong"),
        events.ReportRefused(provider="Provider-A", is_forged=False, why=f"no status for {NUMBER}"),
        events.ReportUnmatched(provider="Provider-A", is_given_up=False),
        events.ReportUnmatched(provider="Provider-A", is_given_up=True),
        events.HeartbeatSeen(instance="a-1", ts=NOW),
        events.FingerprintMismatch(kind="clients", instance="a-1", expected="aa", seen="bb"),
        events.DependencyLost(dependency="broker", detail="refused"),
        events.DependencyBack(dependency="limits"),
        events.DependencyWarned(dependency="limits", why="maxmemory-policy is allkeys-lru"),
        events.StoreCalled(operation="apply", rows=2, seconds=0.01),
        events.StoreCalled(operation="apply", rows=2, seconds=0.01, is_failed=True),
        events.ReloadFailed(why="CLIENT_CONFIG: bad JSON"),
        events.OverlayApplied(version=2, changes=1),
        events.OverlayApplied(
            version=3, changes=2, ignored=(Ignored(kind=Kind.KEY, name="ab" * 32, why="no such client"),)
        ),
        events.OverlayAway(detail="refused"),
        events.OverlayBack(),
        events.QueueDepthSeen(waiting=7, dead=1),
        events.BacklogSeen(counts={Status.QUEUED: 4}),
        events.Crashed(where="intake", error=_crash(), tracking_id=ID),
    ]
