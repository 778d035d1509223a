"""What is counted: every metric of the specification's section 7, and what an operator needs besides."""

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from smsgw.core import events
from smsgw.core.message import EventType, Status
from smsgw.telemetry.backlog import BacklogGauges
from smsgw.telemetry.calls import CallMetrics
from smsgw.telemetry.care import CareMetrics
from smsgw.telemetry.gateways import GatewayGauges
from smsgw.telemetry.overlay import OverlayMetrics
from smsgw.telemetry.traffic import TrafficMetrics

_OTHER = "other"
"""The label of a provider that is not configured: labels come from closed sets."""
_REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_STORE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_FLIGHT_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
_DEPENDENCIES = ("broker", "database", "limits")
_WRITES = frozenset(
    {
        *("take_in", "apply", "claim", "claim_lane", "store_reports", "apply_reports", "store_beat", "end_leases"),
        *("prune", "retire", "forget"),
    }
)
"""The store's operations that commit: a read that fails, such as a readiness probe's, is no write error."""


def _tasks() -> float:
    """Return how many tasks the event loop has that asks; none asks in a command that only describes the metrics."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0


class Metrics:
    """Counts facts into a registry of its own. An observer: cheap, and deaf to facts that nobody counts."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._providers: frozenset[str] = frozenset()
        self._seen_dependencies: set[str] = set()
        self._define_gateway()
        self._define_worker()
        self._define_both()
        self._gateways = GatewayGauges(self.registry, clock)
        self._calls = CallMetrics(self.registry, self._label)
        self._traffic = TrafficMetrics(self.registry, self._label)
        self._care = CareMetrics(self.registry)
        self._overlay = OverlayMetrics(self.registry)
        ProcessCollector(registry=self.registry)
        self._counts: Mapping[type[Any], Callable[[Any], None]] = self._table()

    def observe(self, fact: Any, /) -> None:
        """Count one fact."""
        count = self._counts.get(type(fact))
        if count is not None:
            count(fact)

    def page(self) -> tuple[bytes, str]:
        """Return the page for Prometheus and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def count_lost_fact(self) -> None:
        """Count a fact that a listener failed on."""
        self._listener_failures.inc()

    # --- definitions --------------------------------------------------------------------------------------------------

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(name, what, labels, registry=self.registry)

    def _histogram(self, name: str, what: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, what, registry=self.registry, buckets=buckets)

    def _define_gateway(self) -> None:
        self._requests = self._counter("sms_send_requests_total", "Send requests that were answered.")
        self._successes = self._counter("sms_send_request_success_total", "Send requests answered with success.")
        self._errors = self._counter("sms_send_request_error_total", "Send requests answered with an error.")
        self._countries = self._counter(
            "sms_messages_by_country_total",
            "Accepted messages by the country (ISO 3166, ZZ: none) they go to.",
            "country",
        )
        self._latency = self._histogram(
            "sms_send_request_latency_seconds", "From the request to its answer.", _REQUEST_SECONDS
        )
        self._unknown_provider = self._counter(
            "sms_request_rejected_unknown_provider_total", "Refused: a name that is no provider.", "client"
        )
        self._provider_disabled = self._counter(
            "sms_request_rejected_provider_disabled_total", "Refused: providers disabled.", "client", "provider"
        )
        self._no_provider = self._counter(
            "sms_request_rejected_no_provider_available_total", "Refused: no provider is usable.", "client"
        )
        self._refusals = self._counter("smsgw_requests_refused_total", "Refusals by error code.", "error_code")
        self._replays = self._counter("smsgw_requests_replayed_total", "Stored responses given again.")
        self._takeovers = self._counter("smsgw_requests_taken_over_total", "Dead requests that a retry finished.")
        self._queue_full = self._gauge(
            "smsgw_queue_full", "1 while requests are turned away because MAX_QUEUE_DEPTH is exceeded."
        )
        self._heartbeat_failures = self._counter("smsgw_heartbeat_failures_total", "Heartbeats not confirmed.")
        self._notes_lost = self._counter(
            "smsgw_ledger_notes_lost_total", "Accepted messages that the audit does not know of."
        )

    def _define_worker(self) -> None:
        self._messages = self._counter("sms_messages_total", "Messages that came to stand in a status.", "status")
        for status in Status:
            self._messages.labels(status.value)
        self._flight = self._histogram("sms_processing_latency_seconds", "From the request to SENT.", _FLIGHT_SECONDS)
        self._switches = self._counter(
            "sms_provider_switch_total", "Failovers from one provider to another.", "from", "to"
        )
        self._retries = self._counter("sms_retry_scheduled_total", "Rounds that were put off.")
        self._copies = self._counter("smsgw_copies_dropped_total", "Second copies of an envelope.")
        self._poisoned = self._counter("smsgw_poisoned_total", "Undecodable members sent to the dead-letter queue.")
        self._reports = self._counter(
            "smsgw_reports_total",
            "Delivery reports: new, known, forged, unreadable, unmatched, given_up.",
            "provider",
            "result",
        )
        self._heartbeat_ts = self._gauge("server_a_heartbeat_last_ts", "Unix time of the gateway's last heartbeat.")
        self._newest_beat = 0.0
        self._mismatches = self._counter(
            "sms_config_fingerprint_mismatch_total", "Heartbeats with another configuration than expected.", "kind"
        )
        for kind in ("clients", "providers"):
            self._mismatches.labels(kind)
        self._write_errors = self._counter("db_write_errors_total", "Store transactions that wrote and failed.")
        self._store_seconds = self._histogram("db_latency_seconds", "Store transactions.", _STORE_SECONDS)
        self._waiting = self._gauge("smsgw_queue_depth", "Broker messages that wait.")
        self._dead = self._gauge("smsgw_dead_letters", "Messages in the dead-letter queue.")
        self._backlog = BacklogGauges(self.registry)

    def _define_both(self) -> None:
        # A gauge in meaning under a name that the specification ends in `_total`.
        self._provider_count = self._gauge("sms_providers_config_total", "Configured providers.")
        self._active = self._gauge("sms_provider_active", "1 when the provider is active.", "provider")
        self._operational = self._gauge("sms_provider_operational", "1 when the provider is operational.", "provider")
        self._up = self._gauge("smsgw_dependency_up", "1 while the dependency answers.", "dependency")
        self._crashes = self._counter("smsgw_crashes_total", "Exceptions that nobody expected.")
        self._reload_failures = self._counter("smsgw_reload_failures_total", "Reloads that found a bad file.")
        self._listener_failures = self._counter("smsgw_telemetry_failures_total", "Facts that a listener failed on.")
        self._gauge("smsgw_asyncio_tasks", "Tasks of the process; one that grows for ever leaks.").set_function(_tasks)

    def _table(self) -> Mapping[type[Any], Callable[[Any], None]]:
        return {
            events.RequestAccepted: self._request_accepted,
            events.RequestReplayed: self._request_replayed,
            events.RequestRefused: self._request_refused,
            events.GateBlocked: self._gate_blocked,
            events.HeartbeatSent: lambda _: self._heartbeat_ts.set_to_current_time(),
            events.HeartbeatFailed: lambda _: self._heartbeat_failures.inc(),
            events.QueueFilled: lambda _: self._queue_full.set(1),
            events.QueueHasRoom: lambda _: self._queue_full.set(0),
            events.LedgerNoteLost: lambda _: self._notes_lost.inc(),
            events.MessageMoved: self._message_moved,
            events.CopyDropped: lambda _: self._copies.inc(),
            events.Poisoned: lambda _: self._poisoned.inc(),
            events.ReportReceived: self._report_received,
            events.ReportRefused: self._report_refused,
            events.ReportUnmatched: self._report_unmatched,
            events.HeartbeatSeen: self._heartbeat_seen,
            events.FingerprintMismatch: self._mismatched,
            events.DependencyLost: lambda fact: self._dependency(fact.dependency, 0),
            events.DependencyBack: lambda fact: self._dependency(fact.dependency, 1),
            events.StoreCalled: self._store_called,
            events.ConfigLoaded: self._config_loaded,
            events.ReloadFailed: lambda _: self._reload_failures.inc(),
            events.QueueDepthSeen: self._queue_depth_seen,
            events.BacklogSeen: self._backlog.see,
            events.Crashed: lambda _: self._crashes.inc(),
            **self._calls.table,
            **self._traffic.table,
            **self._care.table,
            **self._overlay.table,
        }

    # --- gateway ------------------------------------------------------------------------------------------------------

    def _request_accepted(self, fact: events.RequestAccepted) -> None:
        self._answered(fact.seconds, is_success=True)
        self._countries.labels(fact.country).inc()
        if fact.is_takeover:
            self._takeovers.inc()

    def _request_replayed(self, fact: events.RequestReplayed) -> None:
        self._answered(fact.seconds, is_success=fact.status < 400)
        self._replays.inc()

    def _request_refused(self, fact: events.RequestRefused) -> None:
        self._answered(fact.seconds, is_success=False)
        self._refusals.labels(fact.error_code).inc()

    def _answered(self, seconds: float, *, is_success: bool) -> None:
        self._requests.inc()
        (self._successes if is_success else self._errors).inc()
        self._latency.observe(seconds)

    def _gate_blocked(self, fact: events.GateBlocked) -> None:
        if fact.error_code == "UNKNOWN_PROVIDER":
            self._unknown_provider.labels(fact.client_key).inc()
        elif fact.error_code == "NO_PROVIDER_AVAILABLE":
            self._no_provider.labels(fact.client_key).inc()
        else:
            for provider in fact.providers:
                self._provider_disabled.labels(fact.client_key, self._label(provider)).inc()

    # --- worker -------------------------------------------------------------------------------------------------------

    def _message_moved(self, fact: events.MessageMoved) -> None:
        change = fact.change
        if change.message.status is not change.previous:
            self._messages.labels(change.message.status.value).inc()
        if change.message.lane is not None:
            self._traffic.count_parked(change.message.reason)
        if fact.seconds_in_flight is not None:
            self._flight.observe(fact.seconds_in_flight)
        for event in change.events:
            if event.event_type is EventType.RETRY_SCHEDULED:
                self._retries.inc()
            elif event.event_type is EventType.PROVIDER_SWITCHED:
                left, chosen = event.details.get("from", _OTHER), event.details.get("to", _OTHER)
                self._switches.labels(self._label(left), self._label(chosen)).inc()

    def _report_received(self, fact: events.ReportReceived) -> None:
        provider = self._label(fact.provider)
        self._reports.labels(provider, "new").inc(fact.new)
        self._reports.labels(provider, "known").inc(fact.count - fact.new)

    def _report_refused(self, fact: events.ReportRefused) -> None:
        self._reports.labels(self._label(fact.provider), "forged" if fact.is_forged else "unreadable").inc()

    def _report_unmatched(self, fact: events.ReportUnmatched) -> None:
        self._reports.labels(self._label(fact.provider), "given_up" if fact.is_given_up else "unmatched").inc()

    def _mismatched(self, fact: events.FingerprintMismatch) -> None:
        self._mismatches.labels(fact.kind if fact.kind in ("clients", "providers") else _OTHER).inc()

    def _store_called(self, fact: events.StoreCalled) -> None:
        self._store_seconds.observe(fact.seconds)
        if fact.is_failed and fact.operation in _WRITES:
            self._write_errors.inc()

    def _heartbeat_seen(self, fact: events.HeartbeatSeen) -> None:
        """Keep the newest: the database also tells of gateways that are no more, in no order of time."""
        self._newest_beat = max(self._newest_beat, fact.ts.timestamp())
        self._heartbeat_ts.set(self._newest_beat)
        self._gateways.see(fact)

    def _queue_depth_seen(self, fact: events.QueueDepthSeen) -> None:
        self._waiting.set(fact.waiting)
        self._dead.set(fact.dead)

    # --- both ---------------------------------------------------------------------------------------------------------

    def _dependency(self, name: str, value: int) -> None:
        self._up.labels(name if name in _DEPENDENCIES else _OTHER).set(value)

    def _config_loaded(self, fact: events.ConfigLoaded) -> None:
        """Show the new set; what a provider that is gone had counted stays, its two gauges go."""
        names = frozenset(fact.providers)
        for gone in self._providers - names:
            self._active.remove(gone)
            self._operational.remove(gone)
            self._traffic.forget(gone)
        self._providers = names
        self._provider_count.set(len(names))
        self._calls.show(names)
        for name in names:
            self._active.labels(name).set(fact.providers[name].is_active)
            self._operational.labels(name).set(fact.providers[name].is_operational)

    def _label(self, provider: str) -> str:
        return provider if provider in self._providers else _OTHER
