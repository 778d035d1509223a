"""A delivery report as a call to somebody's webhook, in the form of `provider_a` or of the vendor that it plays."""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from smsgw.simulator.ledger import Entry

POSITIVE = ("delivered", "sent")


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP call, signed."""

    url: str
    body: bytes = b""
    headers: Mapping[str, str] = {}
    method: str = "POST"


class Webhook(Protocol):
    """Where a carrier's reports go, and how they look."""

    def address(self, entry: Entry) -> str:
        """Return where this acceptance is reported; empty for nowhere."""

    def calls(self, entry: Entry, status: str, at: datetime) -> Sequence[Outgoing]:
        """Return the calls that tell the status."""


class Report(msgspec.Struct, kw_only=True):
    """The wire form of `provider_a` (docs/reference/providers.md)."""

    message_id: str
    reference: str
    status: str
    timestamp: datetime
    error_code: str | msgspec.UnsetType = msgspec.UNSET


class PlainWebhook(msgspec.Struct, frozen=True):
    """Reports as `provider_a` reads them."""

    url: str
    secret: bytes

    def address(self, _entry: Entry) -> str:
        """Return the one address."""
        return self.url

    def calls(self, entry: Entry, status: str, at: datetime) -> Sequence[Outgoing]:
        """Return one call, signed with X-Signature."""
        report = Report(
            message_id=entry.message_id,
            reference=entry.reference,
            status=status,
            timestamp=at,
            error_code=msgspec.UNSET if status in POSITIVE else "ABSENT_SUBSCRIBER",
        )
        body = msgspec.json.encode(report)
        signature = hmac.new(self.secret, body, hashlib.sha256).hexdigest()
        headers = {"x-signature": signature, "content-type": "application/json"}
        return (Outgoing(url=self.url, body=body, headers=headers),)
