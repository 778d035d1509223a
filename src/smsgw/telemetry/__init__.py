"""Logs and metrics: they listen to facts."""
