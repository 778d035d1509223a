"""A webhook call as it comes in, and what reading it may come to besides reports."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec


class ReportRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook call as it came in, unverified: nothing here is true before the adapter has verified it."""

    headers: Sequence[tuple[str, str]]
    """Names lower-cased."""
    body: bytes
    received_at: datetime
    """Ours, to judge the age of a signature by."""
    method: str = "POST"
    query: str = ""
    """Of the address, as it came: percent-encoded, without the question mark."""
    token: str = ""
    """What stood in the path behind the provider's name."""
    peer: str = ""
    """The caller's IP address."""
    fetched: Mapping[str, bytes] = {}
    """What the adapter wanted to have read first (`FetchesForReports`), by address."""


class Forged(msgspec.Struct, frozen=True):
    """The report is not the provider's; nothing of its body was read."""

    why: str


class WrongMethod(Forged, frozen=True):
    """No report comes this way from the provider: it always uses another method."""


class Unproved(Forged, frozen=True):
    """Nobody can tell yet whose it is: what proves it cannot be had at the moment, and the provider may come again."""


class Unreadable(msgspec.Struct, frozen=True):
    """The report is authentic but says nothing that can be used."""

    why: str
