"""What is counted about limits, circuits and lanes, and what operators do about them."""

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from smsgw.core import events
from smsgw.core.health import State
from smsgw.core.message import Reason

_STATES = {State.CLOSED: 0, State.HALF_OPEN: 1, State.OPEN: 2}
_ACTIONS = (
    "health.reset",
    "distribution.reset",
    "direct.send",
    "message.cancel",
    "message.resolve",
    "message.resend",
)
_PARKED = (Reason.PROVIDER_AT_LIMIT, Reason.CIRCUIT_OPEN)


class TrafficMetrics:
    """Listens to the facts in `table`. `label` turns a provider's name into one of a closed set."""

    def __init__(self, registry: CollectorRegistry, label: Callable[[str], str]) -> None:
        self._label = label
        self._circuit = Gauge("smsgw_circuit_state", "0 closed, 1 half open, 2 open.", ["provider"], registry=registry)
        self._countries = Gauge(
            "smsgw_circuit_countries_open",
            "Countries whose own circuit is not closed.",
            ["provider"],
            registry=registry,
        )
        self._openings = Counter(
            "smsgw_circuit_openings_total", "Circuits that this worker's calls opened.", ["provider"], registry=registry
        )
        self._throttled = Counter(
            "smsgw_provider_throttled_total", "Answers that said: too much.", ["provider"], registry=registry
        )
        self._lanes = Gauge("smsgw_lanes", "Lanes in which messages wait for a provider with room.", registry=registry)
        self._parked = Counter(
            "smsgw_messages_parked_total", "Messages that were put into a lane.", ["reason"], registry=registry
        )
        self._acts = Counter(
            "smsgw_operator_actions_total",
            "Resets, direct sends and acts on messages by operators.",
            ["action"],
            registry=registry,
        )
        self._binds = Gauge(
            "smsgw_provider_binds", "SMPP binds that this worker holds.", ["provider"], registry=registry
        )
        self._inbound = Counter(
            "smsgw_inbound_dropped_total", "Messages of people that came over a bind.", ["provider"], registry=registry
        )
        for action in _ACTIONS:
            self._acts.labels(action)
        for reason in _PARKED:
            self._parked.labels(reason.value)
        self.table: Mapping[type[Any], Callable[[Any], None]] = {
            events.HealthSeen: self._health_seen,
            events.CircuitMoved: self._circuit_moved,
            events.ProviderThrottled: lambda fact: self._throttled.labels(label(fact.provider)).inc(),
            events.BindMoved: lambda fact: self._binds.labels(label(fact.provider)).set(fact.binds),
            events.InboundDropped: lambda fact: self._inbound.labels(label(fact.provider)).inc(),
            events.LanesSeen: lambda fact: self._lanes.set(fact.count),
            events.OperatorActed: lambda fact: self._acts.labels(fact.action).inc(),
        }

    def count_parked(self, reason: str | None) -> None:
        """Count a message that was put into a lane."""
        if reason in _PARKED:
            self._parked.labels(str(reason)).inc()

    def forget(self, provider: str) -> None:
        """Take the gauges of a provider away that is not configured any more."""
        for gauge in (self._circuit, self._countries, self._binds):
            gauge.labels(provider)  # remove() raises for a series that is not there
            gauge.remove(provider)

    def _health_seen(self, fact: events.HealthSeen) -> None:
        provider = self._label(fact.provider)
        self._circuit.labels(provider).set(_STATES[fact.state])
        self._countries.labels(provider).set(fact.countries_open)

    def _circuit_moved(self, fact: events.CircuitMoved) -> None:
        if fact.state is State.OPEN:
            self._openings.labels(self._label(fact.provider)).inc()
