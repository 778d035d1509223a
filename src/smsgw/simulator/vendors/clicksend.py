"""ClickSend SMS as its client knows it: https://developers.clicksend.com/docs/messaging/sms."""

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor, form_call

_PAGE = 100
_PRICE = "0.0792"
_CURRENCY = {
    "currency_name_short": "AUD",
    "currency_prefix_d": "$",
    "currency_prefix_c": "¢",
    "currency_name_long": "Australian Dollars",
}
_REFUSED = {
    Refusal.INVALID_NUMBER: "INVALID_RECIPIENT",
    Refusal.OPTED_OUT: "OPTED_OUT",
    Refusal.REJECTED: "COUNTRY_NOT_ENABLED",
}
"""Statuses of a message in an answer of HTTP 200."""
_ERRORS = {
    Refusal.UNAUTHORIZED: (401, "UNAUTHORIZED"),
    Refusal.MALFORMED: (400, "BAD_REQUEST"),
    Refusal.THROTTLED: (429, "TOO_MANY_REQUESTS"),
    Refusal.NOT_FOUND: (404, "NOT_FOUND"),
    Refusal.INTERNAL: (500, "INTERNAL_SERVER_ERROR"),
    Refusal.UNAVAILABLE: (503, "INTERNAL_SERVER_ERROR"),
}
_RECEIPTS = {
    "sent": ("200", "Success: Message accepted by gateway", "3", "Message sent to the network for delivery"),
    "delivered": ("201", "Success: Message received on handset.", "4", "Message delivered to the handset"),
    "undelivered": ("301", "Failed: Delivery failed.", "12", "Absent Subscriber. Phone is out of range."),
}
"""status_code, status_text, error_code and error_text of a receipt."""


class ClickSend(Vendor):
    """Basic authentication, JSON both ways, receipts as forms that nobody signs, to the account's one address."""

    documentation = "https://developers.clicksend.com/docs/messaging/sms"
    routes: ClassVar = {"send": "POST /v3/sms/send", "history": "GET /v3/sms/history"}
    credential_defaults: ClassVar = {"username": "demo", "api_key": "demo-key"}

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take the user name and the key, then one message."""
        user, key = call.basic
        # Both are compared, whichever is wrong.
        if not all((self.has("username", user), self.has("api_key", key))):
            return Refusal.UNAUTHORIZED
        if call.route == "history":
            return Question(is_list=True)
        messages = call.object.get("messages")
        if not isinstance(messages, list) or len(messages) != 1 or not isinstance(messages[0], dict):
            return Refusal.MALFORMED
        message = messages[0]
        return Asked(
            to=_string(message.get("to")),
            text=_string(message.get("body")),
            sender=_string(message.get("from")),
            reference=_string(message.get("custom_string"))[:200],
            extra={"source": _string(message.get("source"))[:64]},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:
        """Answer 200 with the one message, SUCCESS."""
        message = {**_record(entry), "status": "SUCCESS", "body": asked.text}
        return _answer([message], queued=1)

    def refused(self, refusal: Refusal) -> Reply:
        """Answer 200 with a message that is none, or an error."""
        if word := _REFUSED.get(refusal):
            return _answer(
                [{"direction": "out", "message_parts": 0, "message_price": "0.0000", "status": word}], queued=0
            )
        status, word = _ERRORS[refusal]
        body = {"http_code": status, "response_code": word, "response_msg": word.replace("_", " "), "data": None}
        return json_reply(status, body)

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:  # noqa: ARG002  (one kind)
        """Answer the newest page of everything."""
        records = [{**_record(entry), "status": "Sent"} for entry in reversed(entries[-_PAGE:])]
        last = max((len(entries) + _PAGE - 1) // _PAGE, 1)
        page = {"total": len(entries), "per_page": _PAGE, "current_page": 1, "last_page": last, "data": records}
        return json_reply(200, _envelope("Here are your data.", page))

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Post a receipt; nothing proves it."""
        status_code, status_text, error_code, error_text = _RECEIPTS[news.status]
        receipt = {
            "timestamp_send": int(news.entry.accepted_at.timestamp()),
            "timestamp": int(news.at.timestamp()),
            "message_id": news.entry.message_id,
            "status_code": status_code,
            "status_text": status_text,
            "error_code": error_code,
            "error_text": error_text,
            "custom_string": news.entry.reference,
            "user_id": 1,
            "subaccount_id": 1,
            "message_type": "sms",
        }
        return (form_call(news.url, urlencode(receipt).encode(), {}),)

    def new_id(self, token: str) -> str:
        """Return a UUID in capitals."""
        return super().new_id(token).upper()


def _answer(messages: list[dict[str, Any]], *, queued: int) -> Reply:
    counts = {"total_price": queued * float(_PRICE), "total_count": len(messages), "queued_count": queued}
    data = {**counts, "blocked_count": 0, "messages": messages, "_currency": _CURRENCY}
    return json_reply(200, _envelope("Messages queued for delivery.", data))


def _envelope(said: str, data: Any) -> dict[str, Any]:
    return {"http_code": 200, "response_code": "SUCCESS", "response_msg": said, "data": data}


def _record(entry: Entry) -> dict[str, Any]:
    """Return a message without its status. The simulator keeps no text."""
    sent = int(entry.accepted_at.timestamp())
    return {
        "direction": "out",
        "date": sent,
        "to": entry.to,
        "body": "",
        "from": entry.known.sender,
        "message_id": entry.message_id,
        "message_parts": entry.known.segments,
        "message_price": _PRICE,
        "custom_string": entry.reference,
        "user_id": 1,
        "subaccount_id": 1,
        "country": "AU",
        "carrier": "Simulated",
    }


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


VENDOR = ClickSend
