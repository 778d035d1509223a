"""Certificates for a test's own servers."""

import ssl
from datetime import UTC, datetime, timedelta

import trustme

YESTERDAY = datetime.now(UTC) - timedelta(days=1)


def server_context(
    authority: trustme.CA, *, name: str = "127.0.0.1", not_after: datetime | None = None
) -> ssl.SSLContext:
    """Return what a server needs to be `name` on the authority's word, until `not_after`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    not_before = not_after - timedelta(days=1) if not_after else None
    authority.issue_cert(name, not_before=not_before, not_after=not_after).configure_cert(context)
    return context
