"""What is counted of what the product forgets."""

from collections.abc import Callable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge

from smsgw.core.care_events import NumberErased, RowsRetired


class CareMetrics:
    """Rows that retired, how old the oldest is that did not, and numbers that were erased."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._rows = Counter(
            "smsgw_retired_rows_total",
            "Texts erased, messages and reports deleted because of their age.",
            ["what"],
            registry=registry,
        )
        self._oldest = Gauge(
            "smsgw_retention_oldest_seconds",
            "How old the oldest is that is still kept, of what retires by age.",
            ["what"],
            registry=registry,
        )
        self._erased = Counter(
            "smsgw_erased_messages_total", "Messages from which an operator erased the number.", registry=registry
        )
        self.table: Mapping[type[Any], Callable[[Any], None]] = {
            RowsRetired: self._retired,
            NumberErased: lambda fact: self._erased.inc(fact.messages),
        }

    def _retired(self, fact: RowsRetired) -> None:
        self._rows.labels(fact.what.value).inc(fact.rows)
        self._oldest.labels(fact.what.value).set(fact.oldest_seconds)
