"""Telnyx Messaging v2 as its client knows it: https://developers.telnyx.com/api/messaging/send-message."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, uuid5

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import (
    Asked,
    Call,
    News,
    Question,
    Refusal,
    Vendor,
    VendorError,
    json_call,
    reference_in,
)

_REFUSALS = {
    Refusal.UNAUTHORIZED: (401, "10009", "Authentication failed"),
    Refusal.MALFORMED: (422, "10004", "Missing required parameter"),
    Refusal.INVALID_NUMBER: (400, "40310", "Invalid 'to' address"),
    Refusal.OPTED_OUT: (403, "40300", "Blocked due to STOP message"),
    Refusal.REJECTED: (400, "40305", "Invalid 'from' address"),
    Refusal.THROTTLED: (429, "10011", "Too many requests"),
    Refusal.NOT_FOUND: (404, "10005", "Resource not found"),
    Refusal.INTERNAL: (500, "10007", "Unexpected error"),
    Refusal.UNAVAILABLE: (503, "10016", "Service unavailable"),
}
_STATUSES = {"sent": "sent", "delivered": "delivered", "undelivered": "delivery_failed"}
_UNDELIVERABLE = {"code": "40008", "title": "Undeliverable", "detail": "The recipient carrier did not accept it."}


class Telnyx(Vendor):
    """Bearer key, JSON in and out, events signed with Ed25519."""

    documentation = "https://developers.telnyx.com/api/messaging/send-message"
    routes: ClassVar = {"send": "POST /v2/messages", "look_up": "GET /v2/messages/{message}"}
    credential_defaults: ClassVar = {
        "api_key": "KEYdemo",
        # The seed of the key that signs, 32 octets in base64; its public key is
        # A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=
        "private_key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
    }

    def __init__(self, credentials: Mapping[str, str]) -> None:
        """Take the seed of the signing key; raises VendorError for one that is none."""
        super().__init__(credentials)
        try:
            seed = base64.b64decode(self.credentials["private_key"], validate=True)
            self._key = Ed25519PrivateKey.from_private_bytes(seed)
        except ValueError:
            raise VendorError("private_key: 32 octets in base64 expected") from None

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take the key; the reference is the idempotency key."""
        if not self.has("api_key", call.bearer):
            return Refusal.UNAUTHORIZED
        if call.route == "look_up":
            return Question(message_id=call.parts["message"])
        body = {name: value for name, value in call.object.items() if isinstance(value, str)}
        callback, profile = body.get("webhook_url", ""), body.get("messaging_profile_id", "")
        sender = body.get("from", "") or profile
        if not sender:
            return _refusal(422, "10004", "Missing required parameter")
        return Asked(
            to=body.get("to", ""),
            text=body.get("text", ""),
            sender=sender,
            reference=call.headers.get("idempotency-key") or reference_in(callback),
            callback=callback,
            extra={"profile": profile},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:
        """Answer 200 with the message."""
        return json_reply(200, {"data": {**self._message(entry, "queued"), "text": asked.text}})

    def refused(self, refusal: Refusal) -> Reply:
        """Answer a list of one error."""
        return _refusal(*_REFUSALS[refusal])

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:  # noqa: ARG002
        """Answer the message."""
        return json_reply(200, {"data": self._message(entries[-1], _STATUSES.get(entries[-1].status, "sent"))})

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Post one event, signed together with the time."""
        entry = news.entry
        event = {
            "data": {
                "event_type": "message.sent" if news.status == "sent" else "message.finalized",
                # The same news told again is the same event.
                "id": str(uuid5(NAMESPACE_URL, f"{entry.message_id}/{news.status}")),
                "occurred_at": news.at.isoformat(),
                "payload": {
                    **self._message(entry, _STATUSES[news.status]),
                    "cost": {"amount": f"{0.004 * entry.known.segments:.4f}", "currency": "USD"},
                    "errors": [_UNDELIVERABLE] if news.status == "undelivered" else [],
                    "completed_at": None if news.status == "sent" else news.at.isoformat(),
                },
                "record_type": "event",
            },
            "meta": {"attempt": 1, "delivered_to": news.url},
        }
        body, timestamp = msgspec.json.encode(event), str(int(news.at.timestamp()))
        signature = base64.b64encode(self._key.sign(f"{timestamp}|".encode() + body)).decode()
        return (json_call(news.url, body, {"telnyx-signature-ed25519": signature, "telnyx-timestamp": timestamp}),)

    def _message(self, entry: Entry, status: str) -> dict[str, Any]:
        known = entry.known
        profile = known.extra.get("profile", "")
        sender = "" if known.sender == profile else known.sender
        return {
            "record_type": "message",
            "id": entry.message_id,
            "direction": "outbound",
            "type": "SMS",
            "messaging_profile_id": profile or None,
            "from": {"phone_number": sender, "carrier": "Telnyx", "line_type": "Wireless"},
            "to": [{"phone_number": entry.to, "status": status, "carrier": "T-Mobile", "line_type": "Wireless"}],
            "text": "",
            "encoding": "GSM-7",
            "parts": known.segments,
            "cost": None,
            "errors": [],
            "received_at": entry.accepted_at.isoformat(),
            "sent_at": None,
            "completed_at": None,
            "tags": [],
            "webhook_url": known.callback or None,
        }


def _refusal(status: int, code: str, title: str) -> Reply:
    meta = {"url": f"https://developers.telnyx.com/docs/overview/errors/{code}"}
    return json_reply(status, {"errors": [{"code": code, "title": title, "detail": title, "meta": meta}]})


VENDOR = Telnyx
