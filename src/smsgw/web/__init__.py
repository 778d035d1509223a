"""The HTTP kit that gateway, worker and simulator stand on: server, errors, health, documentation."""
