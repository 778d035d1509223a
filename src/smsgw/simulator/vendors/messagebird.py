"""MessageBird's classic SMS API as its client knows it: https://developers.messagebird.com/api/sms-messaging."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import NAMESPACE_URL, uuid5

import jwt

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor

_REFUSALS = {
    Refusal.UNAUTHORIZED: (401, 2, "Request not allowed (incorrect access_key)", "access_key"),
    Refusal.MALFORMED: (422, 9, "body is required", "body"),
    Refusal.INVALID_NUMBER: (422, 9, "no (correct) recipients found", "recipients"),
    Refusal.OPTED_OUT: (422, 10, "the recipient has opted out", None),
    Refusal.REJECTED: (422, 10, "originator is invalid", "originator"),
    Refusal.THROTTLED: (429, 21, "Too many requests", None),
    Refusal.NOT_FOUND: (404, 20, "message not found", None),
    Refusal.INTERNAL: (500, 99, "Internal error", None),
    Refusal.UNAVAILABLE: (503, 99, "Service unavailable", None),
}
_STATUSES = {"sent": ("sent", "pending DLR", "0"), "delivered": ("delivered", "successfully delivered", "0")}
_UNDELIVERED = ("delivery_failed", "unknown subscriber", "1")
_PAGE = 20
_PRICE = 0.05
_LIFE = timedelta(minutes=1)


class MessageBird(Vendor):
    """An access key, JSON both ways, reports in the query of a GET with a signature over the whole address."""

    documentation = "https://developers.messagebird.com/api/sms-messaging"
    routes: ClassVar = {
        "send": "POST /messages",
        "list": "GET /messages",
        "look_up": "GET /messages/{id}",
    }
    credential_defaults: ClassVar = {
        "access_key": "test_demo",
        "signing_key": "demo-signing-key-of-at-least-32-bytes",
        # `older` signs with MessageBird-Signature instead of a token.
        "signature": "jwt",
    }

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take one message, or a question."""
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if scheme != "AccessKey" or not self.has("access_key", key):
            return Refusal.UNAUTHORIZED
        if call.route == "look_up":
            return Question(message_id=call.parts["id"])
        if call.route == "list":
            return Question(is_list=True)
        body = call.object
        recipients = body.get("recipients")
        numbers = recipients.split(",") if isinstance(recipients, str) else recipients
        if not isinstance(numbers, list) or len(numbers) != 1:
            return Refusal.INVALID_NUMBER
        if not _text(body, "originator"):
            return Refusal.REJECTED
        return Asked(
            to=str(numbers[0]),
            text=_text(body, "body"),
            sender=_text(body, "originator"),
            reference=_text(body, "reference"),
            callback=_text(body, "reportUrl"),
            extra={"datacoding": _text(body, "datacoding") or "plain", "validity": str(body.get("validity", ""))},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:
        """Answer 201 with the message."""
        return json_reply(201, {**_message(entry), "body": asked.text})

    def refused(self, refusal: Refusal) -> Reply:
        """Answer a list of errors."""
        status, code, description, parameter = _REFUSALS[refusal]
        return json_reply(status, {"errors": [{"code": code, "description": description, "parameter": parameter}]})

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:
        """Answer a message, or the newest of a page of them."""
        if not question.is_list:
            return json_reply(200, _message(entries[-1]))
        items = [_message(entry) for entry in reversed(entries[-_PAGE:])]
        page = {"offset": 0, "limit": _PAGE, "count": len(items), "totalCount": len(entries), "items": items}
        return json_reply(200, page)

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Call the address with everything in the query."""
        entry = news.entry
        status, reason, code = _STATUSES.get(news.status, _UNDELIVERED)
        fields = {
            "id": entry.message_id,
            "reference": entry.reference,
            "recipient": entry.to.removeprefix("+"),
            "status": status,
            "statusReason": reason,
            "statusErrorCode": code,
            "statusDatetime": news.at.isoformat(timespec="seconds"),
            "mccmnc": "20408",
            "ported": "0",
            "messagePartCount": str(entry.known.segments),
            "price[amount]": str(_PRICE),
            "price[currency]": "EUR",
        }
        query = urlencode({name: value for name, value in fields.items() if value})
        url = f"{news.url}{'&' if urlsplit(news.url).query else '?'}{query}"
        signed = self._older(news, url) if self.credentials["signature"] == "older" else self._token(news, url)
        return (Outgoing(url=url, headers=signed, method="GET"),)

    def new_id(self, token: str) -> str:
        """Return 32 hexadecimal digits."""
        return token

    def _token(self, news: News, url: str) -> dict[str, str]:
        said = {
            "iss": "MessageBird",
            "nbf": int(news.at.timestamp()),
            "exp": int((news.at + _LIFE).timestamp()),
            "jti": str(uuid5(NAMESPACE_URL, url)),
            "url_hash": hashlib.sha256(url.encode()).hexdigest(),
        }
        return {"messagebird-signature-jwt": jwt.encode(said, self.credentials["signing_key"], algorithm="HS256")}

    def _older(self, news: News, url: str) -> dict[str, str]:
        timestamp = str(int(news.at.timestamp()))
        fields = sorted(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        signed = f"{timestamp}\n{urlencode(fields)}\n".encode() + hashlib.sha256(b"").digest()
        made = hmac.new(self.credentials["signing_key"].encode(), signed, hashlib.sha256).digest()
        signature = base64.b64encode(made).decode()
        return {"messagebird-signature": signature, "messagebird-request-timestamp": timestamp}


def _message(entry: Entry) -> dict[str, Any]:
    created = entry.accepted_at.isoformat(timespec="seconds")
    extra = entry.known.extra
    item = {
        "recipient": int(entry.to.removeprefix("+")),
        "status": {"undelivered": "delivery_failed"}.get(entry.status, entry.status),
        "statusDatetime": created,
        "messagePartCount": entry.known.segments,
        "price": {"amount": _PRICE, "currency": "EUR"},
    }
    is_delivered, is_failed = entry.status == "delivered", entry.status == "undelivered"
    counts = {"totalDeliveredCount": int(is_delivered), "totalDeliveryFailedCount": int(is_failed)}
    return {
        "id": entry.message_id,
        "href": f"https://rest.messagebird.com/messages/{entry.message_id}",
        "direction": "mt",
        "type": "sms",
        "originator": entry.known.sender,
        "body": "",
        "reference": entry.reference or None,
        "validity": int(extra["validity"]) if extra.get("validity", "").isdecimal() else None,
        "gateway": 10,
        "typeDetails": {},
        "datacoding": extra.get("datacoding", "plain"),
        "mclass": 1,
        "scheduledDatetime": None,
        "createdDatetime": created,
        "recipients": {"totalCount": 1, "totalSentCount": 1, **counts, "items": [item]},
    }


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


VENDOR = MessageBird
