"""Everything that listens, opened once per process."""

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from structlog.typing import FilteringBoundLogger

from smsgw.core.ports import Observer
from smsgw.settings import SettingsError, TraceSettings
from smsgw.telemetry.lines import log_facts
from smsgw.telemetry.logs import crash_site, open_log
from smsgw.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from smsgw.telemetry.traces import Traces


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


def open_telemetry(service: str, level: str, listeners: Sequence[Observer] = ()) -> Telemetry:
    """Return the process's telemetry, writing to stdout; call it once."""
    log = open_log(service, level, is_terminal=sys.stdout.isatty())
    return Telemetry(log=log, metrics=Metrics(), listeners=listeners)


def trace_listeners(settings: TraceSettings | None, stack: AsyncExitStack) -> Sequence[Observer]:
    """Return who makes traces, nobody where they are off. The stack lets the last ones leave: open all else after it.
    Raises SettingsError where the SDK is not installed."""
    if settings is None:
        return ()
    traces = _open_traces(settings)
    stack.push_async_callback(traces.close)
    return (traces.observe,)


def _open_traces(settings: TraceSettings) -> "Traces":
    """Import the SDK only here: who makes no traces pays nothing for them, and need not have it."""
    try:
        from smsgw.telemetry.traces import open_traces
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT: traces need what is not installed ({error.name}): pip install 'smsgw[otel]'"
        ) from None
    return open_traces(settings)
