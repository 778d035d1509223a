"""What each fact is called in the log, at which level, and which of its fields may be told. Never a text, never a whole
number: numbers go through `mask`."""

from collections.abc import Callable, Mapping
from typing import Any

from structlog.typing import FilteringBoundLogger

from smsgw.core import events
from smsgw.core.failure import Outcome
from smsgw.core.health import State
from smsgw.core.message import EventType, Reason, Status
from smsgw.core.phone import mask
from smsgw.core.ports import Observer
from smsgw.telemetry.care_lines import CARE_LINES
from smsgw.telemetry.line import DEBUG, ERROR, INFO, WARNING
from smsgw.telemetry.line import Line as Line
from smsgw.telemetry.line import row as _line
from smsgw.telemetry.logs import crash_site, redacted
from smsgw.telemetry.overlay import OVERLAY_LINES

IGNORED: frozenset[type[events.Fact]] = frozenset(
    {
        events.QueueDepthSeen,
        events.BacklogSeen,
        events.HeartbeatSeen,
        events.HealthSeen,
        events.LanesSeen,
        events.CostTold,
    }
)
"""Facts that come all the time and are only worth counting."""


def log_facts(log: FilteringBoundLogger) -> Observer:
    """Return a listener that writes one line per fact worth reading."""
    writes = log.log
    is_enabled = log.is_enabled_for

    def listen(fact: Any, /) -> None:
        known = LINES.get(type(fact))
        if known is None or not is_enabled(known[0]):
            return
        line = known[1](fact)
        if line is not None:
            writes(line.level, line.message, **line.fields)

    return listen


def _accepted(fact: events.RequestAccepted) -> Line:
    fields = {
        "tracking_id": fact.tracking_id,
        "client_key": fact.client_key,
        "to": mask(fact.to),
        "country": fact.country,
        "milliseconds": _milliseconds(fact.seconds),
    }
    if fact.is_takeover:
        fields["is_takeover"] = True
    return Line(INFO, "message.accepted", fields)


def _replayed(fact: events.RequestReplayed) -> Line:
    fields = {
        "client_key": fact.client_key,
        "status": fact.status,
        "milliseconds": _milliseconds(fact.seconds),
    }
    return Line(INFO, "request.replayed", fields)


def _refused(fact: events.RequestRefused) -> Line:
    fields = {
        "error_code": fact.error_code,
        "status": fact.status,
        **_given(client_key=fact.client_key, tracking_id=fact.tracking_id),
        "milliseconds": _milliseconds(fact.seconds),
    }
    return Line(WARNING if fact.status >= 500 else INFO, "request.refused", fields)


def _gate_blocked(fact: events.GateBlocked) -> Line:
    fields = {"error_code": fact.error_code, "client_key": fact.client_key, "providers": fact.providers}
    return Line(WARNING, "provider_gate.blocked", fields)


_TOLD = ("attempt", "from", "to", "duplicate_risk", "corrected", "next_attempt_at", "provider_message_id", "resent_as")
"""Details of a story's event that a log may hold."""


def _moved(fact: events.MessageMoved) -> Line | None:
    change = fact.change
    message = change.message
    about = change.started or change.finished
    fields: dict[str, Any] = {"tracking_id": message.tracking_id, "client_key": message.client_key}
    if about is not None:
        fields["provider"] = about.provider
    if message.reason is not None:
        fields["reason"] = message.reason
    for event in change.events:
        details = event.details
        fields.update((name, details[name]) for name in _TOLD if name in details)
    if fact.seconds_in_flight is not None:
        fields["milliseconds"] = _milliseconds(fact.seconds_in_flight)
    name = _name_of(fact)
    return Line(WARNING if name in _BAD else INFO, f"message.{name}", fields)


_BAD = frozenset({"failed", "unknown"})


def _name_of(fact: events.MessageMoved) -> str:
    change = fact.change
    told = [event.event_type for event in change.events]
    if EventType.PROVIDER_SWITCHED in told:
        return "provider_switched"
    if change.previous is None and change.message.status is not Status.FAILED:
        return "queued"
    if change.message.reason == Reason.RETRY_SCHEDULED and change.message.status is Status.QUEUED:
        return "retry_scheduled"
    if change.message.status is not change.previous or not told:
        return change.message.status.value.lower()
    return told[-1].value.lower()


def _attempt_finished(fact: events.AttemptFinished) -> Line:
    fields = {
        "tracking_id": fact.tracking_id,
        "client_key": fact.client_key,
        "provider": fact.provider,
        "attempt": fact.number,
        "outcome": fact.outcome,
        "milliseconds": _milliseconds(fact.seconds),
        **_given(detail=redacted(fact.detail) if fact.detail else None),
    }
    return Line(DEBUG if fact.outcome is Outcome.ACCEPTED else WARNING, "provider.answered", fields)


def _late(fact: events.LateOutcome) -> Line:
    fields = {"tracking_id": fact.tracking_id, "provider": fact.provider, **_given(outcome=fact.outcome)}
    return Line(WARNING, "outcome.late", fields)


def _report_received(fact: events.ReportReceived) -> Line:
    return Line(INFO, "report.received", {"provider": fact.provider, "count": fact.count, "new": fact.new})


def _report_refused(fact: events.ReportRefused) -> Line:
    name = "report.forged" if fact.is_forged else "report.unreadable"
    return Line(WARNING, name, {"provider": fact.provider, "why": redacted(fact.why)})


def _report_unmatched(fact: events.ReportUnmatched) -> Line:
    name = "report.given_up" if fact.is_given_up else "report.unmatched"
    return Line(WARNING if fact.is_given_up else INFO, name, {"provider": fact.provider})


def _mismatch(fact: events.FingerprintMismatch) -> Line:
    fields = {"kind": fact.kind, "instance": fact.instance, "expected": fact.expected, "seen": fact.seen}
    return Line(WARNING, "config.fingerprint_mismatch", fields)


def _store_called(fact: events.StoreCalled) -> Line:
    fields = {"operation": fact.operation, "rows": fact.rows, "milliseconds": _milliseconds(fact.seconds)}
    return Line(WARNING, "store.failed", fields) if fact.is_failed else Line(DEBUG, "store.called", fields)


def _config_loaded(fact: events.ConfigLoaded) -> Line:
    return Line(INFO, "config.loaded", {"providers": list(fact.providers), "usable": fact.providers.usable()})


def _crashed(fact: events.Crashed) -> Line:
    fields = {"where": fact.where, "exception": crash_site(fact.error), **_given(tracking_id=fact.tracking_id)}
    return Line(ERROR, "crashed", fields)


def _circuit_moved(fact: events.CircuitMoved) -> Line:
    fields = {"provider": fact.provider, **_given(country=fact.country or None), "reason": fact.reason}
    return Line(WARNING if fact.state is State.OPEN else INFO, f"circuit.{fact.state}", fields)


def _throttled(fact: events.ProviderThrottled) -> Line:
    return Line(INFO, "provider.throttled", {"provider": fact.provider, "wait_seconds": fact.wait_seconds})


def _bind_moved(fact: events.BindMoved) -> Line:
    fields = {"provider": fact.provider, "binds": fact.binds, **_given(why=fact.why)}
    return Line(WARNING, "provider.unbound", fields) if fact.why else Line(INFO, "provider.bound", fields)


def _operator_acted(fact: events.OperatorActed) -> Line:
    who = {"user": fact.user} if fact.user is not None else {"client_key": fact.client_key}
    fields = {"action": fact.action, **who, **_given(provider=fact.provider, tracking_id=fact.tracking_id)}
    # What was known is gone after a reset: that shall be found also in a log that holds warnings only.
    return Line(WARNING if fact.action in _RESETS else INFO, "operator.acted", fields)


_RESETS = frozenset({"health.reset", "distribution.reset"})


def _given(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


LINES: Mapping[type[events.Fact], tuple[int, Callable[[Any], Line | None]]] = dict(
    [
        _line(events.RequestAccepted, INFO, _accepted),
        _line(events.RequestReplayed, INFO, _replayed),
        _line(events.RequestRefused, WARNING, _refused),
        _line(events.GateBlocked, WARNING, _gate_blocked),
        _line(events.HeartbeatSent, DEBUG, lambda _: Line(DEBUG, "heartbeat.sent", {})),
        _line(
            events.HeartbeatFailed,
            WARNING,
            lambda fact: Line(WARNING, "heartbeat.failed", {"retry_in_seconds": fact.retry_in_seconds}),
        ),
        _line(
            events.QueueFilled,
            WARNING,
            lambda fact: Line(WARNING, "queue.full", {"depth": fact.depth, "limit": fact.limit}),
        ),
        _line(events.QueueHasRoom, INFO, lambda fact: Line(INFO, "queue.has_room", {"limit": fact.limit})),
        _line(
            events.LedgerNoteLost,
            WARNING,
            lambda fact: Line(WARNING, "ledger.note_lost", {"tracking_id": fact.tracking_id}),
        ),
        _line(events.MessageMoved, WARNING, _moved),
        _line(events.AttemptFinished, WARNING, _attempt_finished),
        _line(
            events.CopyDropped, INFO, lambda fact: Line(INFO, "message.copy_dropped", {"tracking_id": fact.tracking_id})
        ),
        _line(
            events.Poisoned,
            ERROR,
            lambda fact: Line(ERROR, "message.poisoned", {"reason": redacted(fact.reason), "size": fact.size}),
        ),
        _line(events.LateOutcome, WARNING, _late),
        _line(events.CircuitMoved, WARNING, _circuit_moved),
        _line(events.ProviderThrottled, INFO, _throttled),
        _line(events.BindMoved, WARNING, _bind_moved),
        _line(events.InboundDropped, INFO, lambda fact: Line(INFO, "inbound.dropped", {"provider": fact.provider})),
        _line(events.OperatorActed, WARNING, _operator_acted),
        _line(
            events.AuditEntryLost,
            ERROR,
            lambda fact: Line(
                ERROR,
                "audit_log.entry_lost",
                {"action": fact.action, "user": fact.who, "subject": fact.subject},
            ),
        ),
        _line(events.ReportReceived, INFO, _report_received),
        _line(events.ReportRefused, WARNING, _report_refused),
        _line(events.ReportUnmatched, WARNING, _report_unmatched),
        _line(events.FingerprintMismatch, WARNING, _mismatch),
        _line(
            events.DependencyLost,
            ERROR,
            lambda fact: Line(
                ERROR, "dependency.lost", {"dependency": fact.dependency, "detail": redacted(fact.detail)}
            ),
        ),
        _line(events.DependencyBack, INFO, lambda fact: Line(INFO, "dependency.back", {"dependency": fact.dependency})),
        _line(
            events.DependencyWarned,
            WARNING,
            lambda fact: Line(WARNING, "dependency.warned", {"dependency": fact.dependency, "why": redacted(fact.why)}),
        ),
        _line(events.StoreCalled, WARNING, _store_called),
        _line(events.ConfigLoaded, INFO, _config_loaded),
        _line(
            events.ReloadFailed, ERROR, lambda fact: Line(ERROR, "config.reload_failed", {"why": redacted(fact.why)})
        ),
        _line(
            events.SimulatorChanged,
            INFO,
            lambda fact: Line(
                INFO, "simulator.changed", {"provider": fact.provider, "changes": ", ".join(fact.changes) or "nothing"}
            ),
        ),
        _line(events.Crashed, ERROR, _crashed),
        *CARE_LINES,
        *OVERLAY_LINES,
    ]
)
