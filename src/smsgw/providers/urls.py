"""Addresses of providers as configured: what may stand there, and nothing that would be shown by accident."""

from urllib.parse import urlsplit


def checked_base_url(value: str) -> str:
    """Return a base URL without its final slash; raises ValueError, without the value, for what is none."""
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and (parts.port is None or 0 < parts.port < 65536)
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in ("http", "https") or not all("!" <= char <= "~" for char in value):
        raise ValueError("base_url must be http://host... or https://host...")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url must not hold a user name or password")
    if parts.query or parts.fragment or value[-1] in "?#":
        raise ValueError("base_url must not hold a query or a fragment")
    return value.rstrip("/")
