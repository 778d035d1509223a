"""Sinch SMS as its client knows it: https://developers.sinch.com/docs/sms/api-reference."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

import msgspec

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor, json_call

_BATCHES = "/xms/v1/{plan}/batches"
_REFUSALS = {
    Refusal.UNAUTHORIZED: (401, "unauthorized", "Unauthorized"),
    Refusal.MALFORMED: (400, "syntax_constraint_violation", "The request body is not a batch."),
    Refusal.INVALID_NUMBER: (400, "syntax_invalid_parameter_format", "Invalid MSISDN."),
    Refusal.OPTED_OUT: (400, "syntax_constraint_violation", "The recipient has opted out."),
    Refusal.REJECTED: (400, "syntax_constraint_violation", "The batch is not accepted."),
    Refusal.THROTTLED: (429, "too_many_requests", "Too many outstanding requests."),
    Refusal.NOT_FOUND: (404, "not_found", "No such resource."),
    Refusal.INTERNAL: (500, "internal", "Internal error."),
    Refusal.UNAVAILABLE: (503, "unavailable", "Subsystem unavailable."),
}
_STATUSES = {"sent": ("Dispatched", 401), "delivered": ("Delivered", 0), "undelivered": ("Failed", 404)}
_PAGE = 30
_KEPT = ("delivery_report", "expire_at", "max_number_of_message_parts")


class Sinch(Vendor):
    """A service plan's token, batches of one recipient, recipients' reports signed with HMAC-SHA256."""

    documentation = "https://developers.sinch.com/docs/sms/api-reference"
    routes: ClassVar = {"send": f"POST {_BATCHES}", "list": f"GET {_BATCHES}", "look_up": f"GET {_BATCHES}/{{batch}}"}
    credential_defaults: ClassVar = {
        "service_plan_id": "demo-plan",
        "api_token": "demo-token",
        # Empty: reports are not signed, as for most accounts.
        "webhook_secret": "demo-secret",
    }

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take one batch, or a question."""
        if not self.has("api_token", call.bearer):
            return Refusal.UNAUTHORIZED
        if not self.has("service_plan_id", call.parts["plan"]):
            return Refusal.NOT_FOUND
        if call.route == "look_up":
            return Question(message_id=call.parts["batch"])
        if call.route == "list":
            return Question(reference=call.parameters.get("client_reference", ""), is_list=True)
        body = call.object
        to = body.get("to")
        if not isinstance(to, list) or len(to) != 1 or not isinstance(to[0], str):
            return Refusal.MALFORMED
        return Asked(
            to=to[0],
            text=_text(body, "body"),
            sender=_text(body, "from"),
            reference=_text(body, "client_reference"),
            callback=_text(body, "callback_url"),
            extra={name: str(body[name]) for name in _KEPT if name in body},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:
        """Answer 201 with the batch."""
        return json_reply(201, {**_batch(entry), "body": asked.text})

    def refused(self, refusal: Refusal) -> Reply:
        """Answer a code and a text."""
        status, code, text = _REFUSALS[refusal]
        return json_reply(status, {"code": code, "text": text})

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:
        """Answer a batch, or the newest of a page of them."""
        if not question.is_list:
            return json_reply(200, _batch(entries[-1]))
        batches = [_batch(entry) for entry in reversed(entries[-_PAGE:])]
        return json_reply(200, {"count": len(entries), "page": 0, "page_size": _PAGE, "batches": batches})

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Post a recipient's report, where reports were asked for; `per_recipient_final` is told of ends alone."""
        wanted = news.entry.known.extra.get("delivery_report", "none")
        if wanted == "none" or (wanted == "per_recipient_final" and news.status == "sent"):
            return ()
        entry, (status, code) = news.entry, _STATUSES[news.status]
        said: dict[str, Any] = {
            "type": "recipient_delivery_report_sms",
            "batch_id": entry.message_id,
            "recipient": entry.to.removeprefix("+"),
            "code": code,
            "status": status,
            "at": _written(news.at),
            "operator_status_at": _written(news.at),
            "applied_originator": entry.known.sender,
            "encoding": "GSM",
            "operator": "310260",
        }
        if entry.reference:
            said["client_reference"] = entry.reference
        if "max_number_of_message_parts" in entry.known.extra:
            said["number_of_message_parts"] = entry.known.segments
        body = msgspec.json.encode(said)
        return (json_call(news.url, body, self._signature(news, body)),)

    def new_id(self, token: str) -> str:
        """Return an id that looks like a ULID."""
        return f"01{token[-24:].upper()}"

    def _signature(self, news: News, body: bytes) -> dict[str, str]:
        secret = self.credentials["webhook_secret"]
        if not secret:
            return {}
        timestamp = str(int(news.at.timestamp()))
        nonce = hashlib.sha256(f"{news.entry.message_id}/{news.status}/{news.at}".encode()).hexdigest()[:26].upper()
        signed = b".".join((body, nonce.encode(), timestamp.encode()))
        made = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
        return {
            "x-sinch-webhook-signature": base64.b64encode(made).decode(),
            "x-sinch-webhook-signature-nonce": nonce,
            "x-sinch-webhook-signature-timestamp": timestamp,
            "x-sinch-webhook-signature-algorithm": "HmacSHA256",
        }


def _batch(entry: Entry) -> dict[str, Any]:
    created = _written(entry.accepted_at)
    optional = {"client_reference": entry.reference, "callback_url": entry.known.callback, "from": entry.known.sender}
    return {
        "id": entry.message_id,
        "to": [entry.to.removeprefix("+")],
        "canceled": False,
        "type": "mt_text",
        "created_at": created,
        "modified_at": created,
        "delivery_report": entry.known.extra.get("delivery_report", "none"),
        "flash_message": False,
        **{name: value for name, value in optional.items() if value},
    }


def _written(when: datetime) -> str:
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


VENDOR = Sinch
