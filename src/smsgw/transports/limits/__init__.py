"""Idempotency, rates and quota."""
