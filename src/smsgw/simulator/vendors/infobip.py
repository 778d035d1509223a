"""Infobip SMS as its client knows it, v3 and v2: https://www.infobip.com/docs/api/channels/sms."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor, json_call

_OWN_ID = "sim-"
"""What the simulator's own ids begin with; every other id in a look-up is the client's."""
_STATUSES = {
    "accepted": (1, "PENDING", 26, "PENDING_ACCEPTED"),
    "sent": (1, "PENDING", 7, "PENDING_ENROUTE"),
    "delivered": (3, "DELIVERED", 5, "DELIVERED_TO_HANDSET"),
    "undelivered": (2, "UNDELIVERABLE", 9, "UNDELIVERABLE_NOT_DELIVERED"),
}
_REJECTIONS = {
    Refusal.INVALID_NUMBER: (5, "REJECTED", 52, "REJECTED_DESTINATION"),
    Refusal.OPTED_OUT: (5, "REJECTED", 10, "REJECTED_DND"),
    Refusal.REJECTED: (5, "REJECTED", 6, "REJECTED_NETWORK"),
}
"""What Infobip answers with HTTP 200."""
_ERRORS = {
    Refusal.UNAUTHORIZED: (401, "E401", "Unauthorized"),
    Refusal.MALFORMED: (400, "E400", "Request cannot be processed."),
    Refusal.THROTTLED: (429, "E429", "Too many requests."),
    Refusal.NOT_FOUND: (404, "E404", "The resource does not exist."),
    Refusal.INTERNAL: (500, "E500", "Internal server error."),
    Refusal.UNAVAILABLE: (503, "E503", "Service unavailable."),
}
_NO_ERROR = {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False}
_ABSENT = {"groupId": 1, "groupName": "HANDSET_ERRORS", "id": 27, "name": "EC_ABSENT_SUBSCRIBER", "permanent": False}


class Infobip(Vendor):
    """An API key, JSON both ways, reports that nobody signs. A message id that was seen before is taken again."""

    documentation = "https://www.infobip.com/docs/api/channels/sms"
    routes: ClassVar = {
        "send": "POST /sms/3/messages",
        "logs": "GET /sms/3/logs",
        "send_v2": "POST /sms/2/text/advanced",
        "logs_v2": "GET /sms/1/logs",
    }
    credential_defaults: ClassVar = {"api_key": "demo-key"}

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take the key as `App ...`, then one message to one destination."""
        scheme, _, key = call.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "app" or not self.has("api_key", key):
            return Refusal.UNAUTHORIZED
        if call.route in ("logs", "logs_v2"):
            return _question(call)
        message = _only(call.object.get("messages"))
        destination = _only(message.get("destinations"))
        return (_asked_v3 if call.route == "send" else _asked_v2)(message, destination)

    def accepted(self, entry: Entry, asked: Asked) -> Reply:  # noqa: ARG002  (all of it is in the entry)
        """Answer 200, PENDING_ACCEPTED, in the names of the version that was asked in."""
        answer = {"messageId": _id(entry), "status": _status(_STATUSES["accepted"])}
        if entry.known.extra.get("version") == "2":
            message = {**answer, "to": entry.to, "smsCount": entry.known.segments}
        else:
            message = {**answer, "destination": entry.to, "details": {"messageCount": entry.known.segments}}
        return json_reply(200, {"bulkId": entry.message_id, "messages": [message]})

    def refused(self, refusal: Refusal) -> Reply:
        """Answer 200 with a status that rejects, or an error."""
        if rejection := _REJECTIONS.get(refusal):
            return json_reply(200, {"messages": [{"status": _status(rejection)}]})
        status, word, description = _ERRORS[refusal]
        body = {"errorCode": word, "description": description, "action": "…", "violations": [], "resources": []}
        return json_reply(status, body)

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:  # noqa: ARG002  (one kind)
        """Answer the logs, the newest first."""
        return json_reply(200, {"results": [_log(entry, entry.status) for entry in reversed(entries[-50:])]})

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Post one result; nothing proves it."""
        result = {
            **_log(news.entry, news.status, done_at=news.at),
            "to": news.entry.to,
            "callbackData": news.entry.known.extra.get("callback_data") or None,
        }
        return (json_call(news.url, msgspec.json.encode({"results": [result]}), {}),)

    def new_id(self, token: str) -> str:
        """Return an id that looks like none of a client's."""
        return f"{_OWN_ID}{token}"


def _asked_v3(message: Mapping[str, Any], destination: Mapping[str, Any]) -> Asked:
    webhooks = _object(message.get("webhooks"))
    return _asked(
        destination,
        text=_object(message.get("content")).get("text"),
        sender=message.get("sender"),
        callback=_object(webhooks.get("delivery")).get("url"),
        callback_data=webhooks.get("callbackData"),
        version="3",
    )


def _asked_v2(message: Mapping[str, Any], destination: Mapping[str, Any]) -> Asked:
    return _asked(
        destination,
        text=message.get("text"),
        sender=message.get("from"),
        callback=message.get("notifyUrl"),
        callback_data=message.get("callbackData"),
        version="2",
    )


def _asked(
    destination: Mapping[str, Any], *, text: Any, sender: Any, callback: Any, callback_data: Any, version: str
) -> Asked:
    own_id, data = _string(destination.get("messageId"), 200), _string(callback_data, 4000)
    return Asked(
        to=_string(destination.get("to"), 64),
        text=_string(text, 4000),
        sender=_string(sender, 64),
        reference=own_id or data[:200],
        callback=_string(callback, 2000),
        extra={"message_id": own_id, "callback_data": data, "version": version},
    )


def _question(call: Call) -> Question:
    asked_for = call.parameters.get("messageId", "")
    if asked_for.startswith(_OWN_ID):
        return Question(message_id=asked_for, is_list=True)
    return Question(reference=asked_for, to=call.parameters.get("destination", ""), is_list=True)


def _log(entry: Entry, status: str, *, done_at: datetime | None = None) -> dict[str, Any]:
    return {
        "bulkId": entry.message_id,
        "messageId": _id(entry),
        "destination": entry.to,
        "sender": entry.known.sender,
        "sentAt": _time(entry.accepted_at),
        "doneAt": _time(done_at or entry.accepted_at),
        "messageCount": entry.known.segments,
        "mccMnc": "26201",
        "price": {"pricePerMessage": 0.01, "currency": "EUR"},
        "status": _status(_STATUSES.get(status, _STATUSES["accepted"])),
        "error": _ABSENT if status == "undelivered" else _NO_ERROR,
    }


def _id(entry: Entry) -> str:
    return entry.known.extra.get("message_id") or entry.message_id


def _status(words: tuple[int, str, int, str]) -> dict[str, Any]:
    group, group_name, number, name = words
    return {"groupId": group, "groupName": group_name, "id": number, "name": name, "description": name.capitalize()}


def _time(at: datetime) -> str:
    """Return a time as Infobip writes it: milliseconds, and an offset without a colon."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}{at.strftime('%z')}"


def _only(value: Any) -> Mapping[str, Any]:
    return _object(value[0]) if isinstance(value, list) and len(value) == 1 else {}


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _string(value: Any, most: int) -> str:
    return value if isinstance(value, str) and len(value) <= most else ""


VENDOR = Infobip
