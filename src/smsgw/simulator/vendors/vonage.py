"""Vonage's Messages API as its client knows it: https://developer.vonage.com/en/api/messages."""

import hashlib
from collections.abc import Sequence
from typing import Any, ClassVar
from uuid import NAMESPACE_URL, uuid5

import jwt
import msgspec

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor, json_call

PROBLEMS = "https://developer.vonage.com/api-errors/messages"
_REFUSALS = {
    Refusal.UNAUTHORIZED: (401, "unauthorized", "Unauthorized"),
    Refusal.MALFORMED: (422, "1010", "Missing params"),
    Refusal.INVALID_NUMBER: (422, "1170", "Invalid or missing MSISDN param"),
    Refusal.OPTED_OUT: (422, "1240", "The recipient has opted out"),
    Refusal.REJECTED: (422, "1120", "Invalid sender"),
    Refusal.THROTTLED: (429, "1000", "Throttled"),
    Refusal.NOT_FOUND: (404, "not-found", "Not Found"),
    Refusal.INTERNAL: (500, "1030", "Internal error"),
    Refusal.UNAVAILABLE: (503, "unavailable", "Service Unavailable"),
}
_STATUSES = {"sent": "submitted", "delivered": "delivered", "undelivered": "rejected"}
_UNREACHABLE = "1260"
_PRICE = "0.0333"


class Vonage(Vendor):
    """A token or Basic, JSON both ways, status webhooks with a token over the body."""

    documentation = "https://developer.vonage.com/en/api/messages"
    routes: ClassVar = {"send": "POST /v1/messages"}
    credential_defaults: ClassVar = {
        "api_key": "demo0key",
        "api_secret": "demo-secret",
        "application_id": "00000000-0000-4000-8000-000000000001",
        # In PEM; without it every token that names the application is taken.
        "public_key": "",
        "signature_secret": "demo-signature-secret-of-32-chars",
    }

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take one SMS."""
        if not self._knows(call):
            return Refusal.UNAUTHORIZED
        body = call.object
        if body.get("channel") != "sms" or body.get("message_type") != "text" or not _text(body, "from"):
            return Refusal.MALFORMED
        return Asked(
            to=_text(body, "to"),
            text=_text(body, "text"),
            sender=_text(body, "from"),
            reference=_text(body, "client_ref"),
            callback=_text(body, "webhook_url"),
            extra={"ttl": str(body.get("ttl", ""))},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:  # noqa: ARG002
        """Answer 202 with the id alone."""
        return json_reply(202, {"message_uuid": entry.message_id})

    def refused(self, refusal: Refusal) -> Reply:
        """Answer a problem."""
        status, code, title = _REFUSALS[refusal]
        return json_reply(status, {"type": f"{PROBLEMS}#{code}", "title": title, "detail": title, "instance": "demo"})

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Post a status webhook."""
        entry = news.entry
        said: dict[str, Any] = {
            "message_uuid": entry.message_id,
            "to": entry.to,
            "from": entry.known.sender,
            "timestamp": news.at.isoformat(),
            "status": _STATUSES[news.status],
            "channel": "sms",
            "client_ref": entry.reference,
            "usage": {"currency": "EUR", "price": _PRICE},
            "sms": {"count_total": str(entry.known.segments)},
        }
        if news.status == "undelivered":
            said["error"] = {"type": f"{PROBLEMS}#{_UNREACHABLE}", "title": _UNREACHABLE, "detail": "Unreachable"}
        body = msgspec.json.encode(said)
        return (json_call(news.url, body, {"authorization": f"Bearer {self._token(news, body)}"}),)

    def _token(self, news: News, body: bytes) -> str:
        said = {
            "iss": "Vonage",
            "iat": int(news.at.timestamp()),
            "jti": str(uuid5(NAMESPACE_URL, f"{news.entry.message_id}/{news.status}")),
            "api_key": self.credentials["api_key"],
            "application_id": self.credentials["application_id"],
            "payload_hash": hashlib.sha256(body).hexdigest(),
        }
        return jwt.encode(said, self.credentials["signature_secret"], algorithm="HS256")

    def _knows(self, call: Call) -> bool:
        if not call.bearer:
            user, password = call.basic
            return self.has("api_key", user) and self.has("api_secret", password)
        claims = self._claims(call.bearer)
        exp, now = claims.get("exp"), call.now.timestamp()
        is_fresh = isinstance(exp, int | float) and now < exp
        return is_fresh and self.has("application_id", str(claims.get("application_id", "")))

    def _claims(self, token: str) -> dict[str, Any]:
        """Return what a token says, without looking at its age; nothing for one that the application did not sign."""
        key = self.credentials["public_key"]
        options: Any = {"verify_signature": bool(key), "verify_exp": False, "verify_iat": False, "verify_nbf": False}
        try:
            return dict(jwt.decode(token, key, algorithms=["RS256"], options=options))
        except (jwt.PyJWTError, ValueError, RecursionError):
            return {}


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


VENDOR = Vonage
