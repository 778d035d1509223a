"""What is logged and counted of the console's changes."""

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Gauge

from smsgw.core.overlay import Kind
from smsgw.core.overlay_events import OverlayApplied, OverlayAway, OverlayBack
from smsgw.telemetry.line import INFO, WARNING, Line, row
from smsgw.telemetry.logs import redacted


class OverlayMetrics:
    """Which version of the console's changes is in force, and whether newer ones can be read."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._version = Gauge(
            "smsgw_overlay_version", "The version of the console's changes that is in force.", registry=registry
        )
        self._ignored = Gauge(
            "smsgw_overlay_ignored",
            "Changes of the console without effect: they fit the configuration no longer.",
            registry=registry,
        )
        self._up = Gauge(
            "smsgw_overlay_up", "1 while the console's changes can be read; 0 from an outage on.", registry=registry
        )
        self.table: Mapping[type[Any], Callable[[Any], None]] = {
            OverlayApplied: self._applied,
            OverlayAway: lambda _: self._up.set(0),
            OverlayBack: lambda _: self._up.set(1),
        }

    def _applied(self, fact: OverlayApplied) -> None:
        self._version.set(fact.version)
        self._ignored.set(len(fact.ignored))
        self._up.set(1)


def _applied(fact: OverlayApplied) -> Line:
    fields: dict[str, Any] = {"version": fact.version, "changes": fact.changes}
    if not fact.ignored:
        return Line(INFO, "overlay.applied", fields)
    # Of a key the beginning of its digest is enough to find it.
    told = (
        f"{each.kind} {each.name[:12] if each.kind is Kind.KEY else each.name}: {each.why}" for each in fact.ignored
    )
    return Line(WARNING, "overlay.applied", {**fields, "ignored": redacted("; ".join(told))})


OVERLAY_LINES = (
    row(OverlayApplied, WARNING, _applied),
    row(OverlayAway, WARNING, lambda fact: Line(WARNING, "overlay.away", {"detail": redacted(fact.detail)})),
    row(OverlayBack, INFO, lambda _: Line(INFO, "overlay.back", {})),
)
