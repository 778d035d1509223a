"""The address for reports that goes along with a message: our reference in its query, and what is signed of it."""

from urllib.parse import urlencode
from uuid import UUID

import msgspec

from smsgw.core.address import problem_of_address
from smsgw.core.ports import ReportRequest
from smsgw.providers.reading import Visible, form

REFERENCE = "ref"
"""The parameter of the query in which our reference comes back from vendors that have no other place for it."""


def check_webhook_url(value: str | None) -> None:
    """Raise ValueError, without the value, for a webhook's address that is none."""
    if value is not None and (problem := problem_of_address(value)):
        raise ValueError(f"webhook_url {problem}")


def with_query(url: str, query: str) -> str:
    """Return an address with this query behind whatever it has already."""
    if not query:
        return url
    return f"{url}{'&' if '?' in url else '?'}{query}"


def with_reference(webhook_url: str | None, reference: UUID) -> str | None:
    """Return the address that a message's reports shall go to; None where there is none."""
    return with_query(webhook_url, urlencode({REFERENCE: str(reference)})) if webhook_url else None


def called_url(webhook_url: str, request: ReportRequest) -> str:
    """Return the address that was called, as the vendor knows it: the configured one, with the query that came."""
    return with_query(webhook_url.partition("?")[0], request.query)


def parameter(query: str, name: str = REFERENCE) -> str | None:
    """Return the one value that a query has for a name: 1 to 128 visible ASCII characters; else None."""
    values = [value for given, value in form(query) or () if given == name]
    return _visible(values[0]) if len(values) == 1 else None


def _visible(value: str) -> str | None:
    try:
        return msgspec.convert(value, Visible)
    except msgspec.ValidationError:
        return None
