"""Logs and metrics: they listen to facts."""

from smsgw.telemetry.hub import Telemetry, open_telemetry, trace_listeners

__all__ = ["Telemetry", "open_telemetry", "trace_listeners"]
