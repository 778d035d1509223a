"""Addresses of providers as configured: what may stand there, and nothing that would be shown by accident."""

from smsgw.core.address import problem_of_address


def checked_base_url(value: str) -> str:
    """Return a base URL without its final slash; raises ValueError, without the value, for what is none."""
    checked_url(value, name="base_url")
    if "?" in value:
        raise ValueError("base_url must not hold a query")
    return value.rstrip("/")


def checked_url(value: str, *, name: str = "url") -> str:
    """Return a whole URL, query and all; raises ValueError, without the value, for what is none."""
    if problem := problem_of_address(value):
        raise ValueError(f"{name} {problem}")
    return value
