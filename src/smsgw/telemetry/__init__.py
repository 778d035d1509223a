"""Logs and metrics: they listen to facts."""

from smsgw.telemetry.hub import Telemetry, open_telemetry

__all__ = ["Telemetry", "open_telemetry"]
