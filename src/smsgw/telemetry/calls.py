"""What is counted about calls of providers: their outcomes, what was sent with them, and what it cost."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Histogram

from smsgw.core import events
from smsgw.core.failure import Outcome

MOST_CURRENCIES = 10
"""That get a label of their own; vendors write them."""
_NO_CURRENCY = "unknown"
_OTHER = "other"


class CallMetrics:
    """Listens to the facts in `table`. `label` turns a provider's name into one of a closed set."""

    def __init__(self, registry: CollectorRegistry, label: Callable[[str], str]) -> None:
        self._label = label
        self._currencies: set[str] = set()
        self._attempts = Counter(
            "sms_provider_attempts_total", "Provider calls by outcome.", ["provider", "outcome"], registry=registry
        )
        self._seconds = Histogram("smsgw_provider_latency_seconds", "Provider calls.", ["provider"], registry=registry)
        self._late = Counter(
            "smsgw_late_outcomes_total", "Outcomes that came after their lease.", ["provider"], registry=registry
        )
        self._segments = Counter(
            "smsgw_segments_sent_total",
            "Segments of the messages that a provider took, as it counts them or else as we do.",
            ["provider"],
            registry=registry,
        )
        self._cost = Counter(
            "smsgw_cost_total",
            "What providers told of their prices, each message's first one; a later correction is not in it.",
            ["provider", "currency"],
            registry=registry,
        )
        self.table: Mapping[type[Any], Callable[[Any], None]] = {
            events.AttemptFinished: self._attempt_finished,
            events.CostTold: self._cost_told,
            events.LateOutcome: lambda fact: self._late.labels(label(fact.provider)).inc(),
        }

    def show(self, providers: Iterable[str]) -> None:
        """Show the series of these providers before the first call."""
        for name in providers:
            self._segments.labels(name)
            for outcome in (Outcome.ACCEPTED, Outcome.UNKNOWN):
                self._attempts.labels(name, outcome.value)

    def _attempt_finished(self, fact: events.AttemptFinished) -> None:
        provider = self._label(fact.provider)
        self._attempts.labels(provider, fact.outcome.value).inc()
        self._seconds.labels(provider).observe(fact.seconds)

    def _cost_told(self, fact: events.CostTold) -> None:
        provider = self._label(fact.provider)
        self._segments.labels(provider).inc(fact.segments)
        # A counter cannot go down: what a vendor gives back is not in it.
        if fact.price is not None and (price := float(fact.price)) > 0:
            self._cost.labels(provider, self._currency(fact.currency)).inc(price)

    def _currency(self, code: str | None) -> str:
        if code is None:
            return _NO_CURRENCY
        if code not in self._currencies and len(self._currencies) >= MOST_CURRENCIES:
            return _OTHER
        self._currencies.add(code)
        return code
