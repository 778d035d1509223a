"""Twilio Programmable Messaging as its client knows it: https://www.twilio.com/docs/messaging/api/message-resource."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from email.utils import format_datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor, form_call, reference_in

_API = "/2010-04-01/Accounts/{account}/Messages"
_REFUSALS = {
    Refusal.UNAUTHORIZED: (401, 20003, "Authenticate"),
    Refusal.MALFORMED: (400, 21602, "Message body is required."),
    Refusal.INVALID_NUMBER: (400, 21211, "Invalid 'To' Phone Number"),
    Refusal.OPTED_OUT: (400, 21610, "Attempt to send to unsubscribed recipient"),
    Refusal.REJECTED: (400, 21612, "The 'To' phone number is not currently reachable using the 'From' phone number."),
    Refusal.THROTTLED: (429, 20429, "Too Many Requests"),
    Refusal.NOT_FOUND: (404, 20404, "The requested resource was not found"),
    Refusal.INTERNAL: (500, 20500, "Internal Server Error"),
    Refusal.UNAVAILABLE: (503, 20503, "Service Unavailable"),
}
_UNREACHABLE = 30003


class Twilio(Vendor):
    """Basic authentication, forms in, JSON out, callbacks as signed forms."""

    documentation = "https://www.twilio.com/docs/messaging/api/message-resource"
    routes: ClassVar = {"send": f"POST {_API}.json", "list": f"GET {_API}.json", "look_up": f"GET {_API}/{{sid}}.json"}
    credential_defaults: ClassVar = {
        "account_sid": "AC00000000000000000000000000000001",
        "auth_token": "demo-token",
        "api_key_sid": "SK00000000000000000000000000000001",
        "api_key_secret": "demo-key",
        # With a shared key callbacks are signed with SHA-256.
        "shared_key_id": "",
        "shared_key_secret": "",
    }

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take the account's token, or an API key of it."""
        if not self._knows(*call.basic) or not self.has("account_sid", call.parts["account"]):
            return Refusal.UNAUTHORIZED
        if call.route == "look_up":
            return Question(message_id=call.parts["sid"])
        if call.route == "list":
            return Question(to=call.parameters.get("To", ""), is_list=True)
        form = call.form
        callback = form.get("StatusCallback", "")
        service = form.get("MessagingServiceSid", "")
        sender = form.get("From", "") or service
        if not sender:
            return _refusal(400, 21603, "A 'From' phone number is required.")
        return Asked(
            to=form.get("To", ""),
            text=form.get("Body", ""),
            sender=sender,
            reference=reference_in(callback),
            callback=callback,
            extra={"validity": form.get("ValidityPeriod", ""), "service": service},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:
        """Answer 201 with the message."""
        return json_reply(201, {**self._message(entry), "status": "queued", "body": asked.text})

    def refused(self, refusal: Refusal) -> Reply:
        """Answer an error object."""
        return _refusal(*_REFUSALS[refusal])

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:
        """Answer the message, or a page of them."""
        if not question.is_list:
            return json_reply(200, self._message(entries[-1]))
        messages = [self._message(entry) for entry in reversed(entries[-50:])]
        return json_reply(200, {"messages": messages, "page": 0, "page_size": 50, "next_page_uri": None})

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Post a form, signed over the address and the fields."""
        entry = news.entry
        fields = {
            "AccountSid": self.credentials["account_sid"],
            "ApiVersion": "2010-04-01",
            "From": entry.known.sender,
            "MessageSid": entry.message_id,
            "MessageStatus": news.status,
            "SmsSid": entry.message_id,
            "SmsStatus": news.status,
            "To": entry.to,
        }
        if news.status == "undelivered":
            fields["ErrorCode"] = str(_UNREACHABLE)
        return (form_call(news.url, urlencode(fields).encode(), self._signature(news.url, fields)),)

    def new_id(self, token: str) -> str:
        """Return a SID."""
        return f"SM{token}"

    def _knows(self, user: str, password: str) -> bool:
        as_account = self.has("account_sid", user) and self.has("auth_token", password)
        return as_account or (self.has("api_key_sid", user) and self.has("api_key_secret", password))

    def _signature(self, url: str, fields: dict[str, str]) -> dict[str, str]:
        signed = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
        shared = self.credentials["shared_key_secret"]
        digest = hashlib.sha256 if shared else hashlib.sha1
        made = hmac.new((shared or self.credentials["auth_token"]).encode(), signed.encode(), digest).digest()
        headers = {"X-Twilio-Signature": base64.b64encode(made).decode()}
        if shared:
            settings = f"key={self.credentials['shared_key_id']},algorithm=HMAC_SHA256"
            headers["X-Twilio-Webhooks-Signature-Settings"] = settings
        return headers

    def _message(self, entry: Entry) -> dict[str, Any]:
        created = format_datetime(entry.accepted_at)
        account, known = self.credentials["account_sid"], entry.known
        service = known.extra.get("service") or None
        return {
            "sid": entry.message_id,
            "account_sid": account,
            "status": entry.status,
            "to": entry.to,
            "from": None if known.sender == service else known.sender,
            "body": "",
            "num_segments": "0" if service else str(known.segments),
            "num_media": "0",
            "direction": "outbound-api",
            "price": None,
            "price_unit": "USD",
            "error_code": _UNREACHABLE if entry.status == "undelivered" else None,
            "error_message": None,
            "messaging_service_sid": service,
            "date_created": created,
            "date_sent": None,
            "date_updated": created,
            "api_version": "2010-04-01",
            "uri": f"/2010-04-01/Accounts/{account}/Messages/{entry.message_id}.json",
            "subresource_uris": {},
        }


def _refusal(status: int, code: int, message: str) -> Reply:
    more_info = f"https://www.twilio.com/docs/errors/{code}"
    return json_reply(status, {"code": code, "message": message, "more_info": more_info, "status": status})


VENDOR = Twilio
