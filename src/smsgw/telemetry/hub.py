"""Everything that listens, opened once per process."""

import sys
from collections.abc import Sequence
from typing import Any

from structlog.typing import FilteringBoundLogger

from smsgw.core.ports import Observer
from smsgw.telemetry.lines import log_facts
from smsgw.telemetry.logs import crash_site, open_log
from smsgw.telemetry.metrics import Metrics


class Telemetry:
    """Tells every fact to the log and the metrics. A listener that fails is noted and never felt by the teller."""

    def __init__(self, *, log: FilteringBoundLogger, metrics: Metrics, listeners: Sequence[Observer] = ()) -> None:
        self.log = log
        self.metrics = metrics
        self._listeners: tuple[Observer, ...] = (metrics.observe, log_facts(log), *listeners)
        self.observer: Observer = self._tell

    def _tell(self, fact: Any, /) -> None:
        for listener in self._listeners:
            try:
                listener(fact)
            except Exception as error:  # noqa: BLE001  (the work must go on, also when the log's disk is full)
                self._complain(fact, error)

    def _complain(self, fact: Any, error: Exception) -> None:
        self.metrics.count_lost_fact()
        try:
            self.log.error("telemetry.failed", fact=type(fact).__name__, exception=crash_site(error))
        except (OSError, ValueError):
            # The log itself is what failed (a closed pipe, a full disk); the counter above is all that can be told.
            return


def open_telemetry(service: str, level: str) -> Telemetry:
    """Return the process's telemetry, writing to stdout; call it once."""
    return Telemetry(log=open_log(service, level, is_terminal=sys.stdout.isatty()), metrics=Metrics())
