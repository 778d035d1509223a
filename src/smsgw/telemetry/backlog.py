"""What waits in the database, and how long: as the last look of a worker found it."""

from prometheus_client import CollectorRegistry, Gauge

from smsgw.core.events import BacklogSeen


class BacklogGauges:
    """One series per status that waits for us, and one per kind of waiting."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._counts = Gauge("smsgw_backlog", "Messages that wait in the database.", ["status"], registry=registry)
        self._overdue = Gauge(
            "smsgw_overdue_seconds",
            "How long ago a worker should have looked at the message that it is latest with.",
            registry=registry,
        )
        self._in_lane = Gauge(
            "smsgw_oldest_in_lane_seconds",
            "Since the oldest message was made that waits for a provider with room.",
            registry=registry,
        )
        self._reports = Gauge(
            "smsgw_reports_overdue_seconds",
            "How long ago the report should have been applied that a worker is latest with.",
            registry=registry,
        )

        self._oldest = Gauge(
            "smsgw_oldest_waiting_seconds",
            "Since the oldest message was made that waits in the database.",
            registry=registry,
        )

    def see(self, fact: BacklogSeen) -> None:
        """Show what was found."""
        for status, count in fact.counts.items():
            self._counts.labels(status.value).set(count)
        self._oldest.set(fact.oldest_seconds)
        self._overdue.set(fact.overdue_seconds)
        self._in_lane.set(fact.in_lane_seconds)
        self._reports.set(fact.reports_overdue_seconds)
