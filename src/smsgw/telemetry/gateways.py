"""How long ago each gateway was heard of, reckoned when somebody looks: a series that stands still tells no silence."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Gauge

from smsgw.core.events import HeartbeatSeen

MOST_INSTANCES = 100
FORGOTTEN_AFTER_SECONDS = 86_400.0
MISSED_INTERVALS = 3
"""After so many intervals without a heartbeat a gateway counts as silent."""


class GatewayGauges:
    """One series per gateway instance, at most a hundred; one that was silent for a day is no more."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, HeartbeatSeen] = {}
        self._ages = Gauge(
            "smsgw_gateway_heartbeat_age_seconds",
            "Since the gateway's last heartbeat; gone after 24 h without one.",
            ["instance"],
            registry=registry,
        )
        Gauge(
            "smsgw_gateways_silent",
            "Gateways without a heartbeat for three of their intervals, up to 24 h.",
            registry=registry,
        ).set_function(self._count_silent)

    def see(self, fact: HeartbeatSeen) -> None:
        """Note what is known of one gateway; beats come in no order of time, and also from gateways long gone."""
        known = self._known.get(fact.instance)
        if known is None or fact.ts >= known.ts:
            self._known[fact.instance] = fact
        if known is None:
            self._ages.labels(fact.instance).set_function(lambda: self._age(fact.instance))
        self._forget()

    def _forget(self) -> None:
        """Let go of who is long gone, and of the longest silent where there are too many."""
        newest = sorted(self._known.values(), key=lambda fact: fact.ts, reverse=True)
        for place, fact in enumerate(newest):
            if place >= MOST_INSTANCES or self._since(fact) > FORGOTTEN_AFTER_SECONDS:
                del self._known[fact.instance]
                self._ages.remove(fact.instance)

    def _age(self, instance: str) -> float:
        return self._since(self._known[instance])

    def _since(self, fact: HeartbeatSeen) -> float:
        return max(0.0, self._clock() - fact.ts.timestamp())

    def _count_silent(self) -> float:
        return sum(self._since(fact) > MISSED_INTERVALS * fact.interval_seconds for fact in self._known.values())
