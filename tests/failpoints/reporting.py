"""A provider's side of a delivery report: signed, and repeated by hand, so that a test knows what was answered."""

import hashlib
import hmac
import json
from datetime import UTC, datetime

import httpx

from tests.failpoints.stands import PROVIDER, SECONDS, SECRET, Stand
from tests.journey.process import Process, http, until

PATIENCE_SECONDS = 1.5
"""How long this provider waits for an answer of a worker that may sleep; shorter than it sleeps."""


def report_of(stand: Stand, tracking_id: str) -> bytes:
    """Return the report of a message that the provider has taken, the same bytes each time it is sent."""
    message_id = until(lambda: stand.message_id(tracking_id), seconds=SECONDS, what="a message at the provider")
    report = {"message_id": message_id, "reference": tracking_id, "status": "delivered"}
    return json.dumps({**report, "timestamp": datetime.now(UTC).isoformat()}).encode()


def deliver(worker: Process, report: bytes, *, patience: float = PATIENCE_SECONDS) -> int | None:
    """Post a report; return the status of the answer, None when there is none."""
    signature = hmac.new(SECRET.encode(), report, hashlib.sha256).hexdigest()
    url = f"{worker.url}/webhooks/delivery-report/{PROVIDER}"
    headers = {"X-Signature": signature, "Content-Type": "application/json"}
    try:
        return http.post(url, content=report, headers=headers, timeout=patience).status_code
    except httpx.TransportError:
        return None


def deliver_until_taken(worker: Process, report: bytes) -> None:
    """Repeat a report as a provider does, until it is answered with 200."""
    until(lambda: deliver(worker, report) == 200, seconds=SECONDS, what="a report taken")
