"""Vonage's older SMS API as its client knows it: https://developer.vonage.com/en/api/sms."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

import msgspec

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor, form_call, json_call

_REFUSALS = {
    Refusal.UNAUTHORIZED: ("4", "Bad Credentials"),
    Refusal.MALFORMED: ("2", "Missing Params"),
    Refusal.INVALID_NUMBER: ("3", "Invalid value for param: to"),
    Refusal.OPTED_OUT: ("7", "Number Barred"),
    Refusal.REJECTED: ("15", "Illegal Sender Address - rejected"),
    Refusal.THROTTLED: ("1", "Throughput Rate Exceeded - please wait [ 250 ] and retry"),
    Refusal.NOT_FOUND: ("3", "Invalid Params"),
    Refusal.INTERNAL: ("5", "Internal Error"),
}
_STATUSES = {"sent": "accepted", "delivered": "delivered", "undelivered": "failed"}
_UNREACHABLE = "12"
_PRICE = "0.0333"


class VonageSms(Vendor):
    """Forms in, always a 200 out, one element and one signed receipt for each segment."""

    documentation = "https://developer.vonage.com/en/api/sms"
    routes: ClassVar = {"send": "POST /sms/json"}
    credential_defaults: ClassVar = {
        "api_key": "demo0key",
        "api_secret": "demo-secret",
        "signature_secret": "demo-signature-secret",
        # md5hash, or the HMAC md5, sha1, sha256, sha512: as the account is set up.
        "signature_method": "md5hash",
        # How receipts come: GET, POST (a form) or JSON.
        "receipts": "GET",
    }

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take one SMS: with Basic, with the secret in the form, or signed."""
        form = call.form
        if not self._knows(call, form):
            return Refusal.UNAUTHORIZED
        if not form.get("from"):
            return Refusal.MALFORMED
        return Asked(
            to=form.get("to", ""),
            text=form.get("text", ""),
            sender=form["from"],
            reference=form.get("client-ref", ""),
            callback=form.get("callback", ""),
            extra={"type": form.get("type", "text"), "ttl": form.get("ttl", "")},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:  # noqa: ARG002
        """Answer an element for each segment."""
        elements = [
            {
                "to": entry.to,
                "message-id": part_id,
                "status": "0",
                "remaining-balance": "3.14",
                "message-price": _PRICE,
                "network": "23410",
                "client-ref": entry.reference,
            }
            for part_id in _part_ids(entry)
        ]
        return _answer(elements)

    def refused(self, refusal: Refusal) -> Reply:
        """Answer 200 with the refusal inside; only a 503 is one."""
        if refusal is Refusal.UNAVAILABLE:
            return json_reply(503, {})
        status, text = _REFUSALS[refusal]
        return _answer([{"status": status, "error-text": text}])

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Send a receipt for each segment."""
        return [self._receipt(news, part_id) for part_id in _part_ids(news.entry)]

    def _receipt(self, news: News, part_id: str) -> Outgoing:
        entry = news.entry
        fields = {
            "msisdn": entry.to,
            "to": entry.known.sender,
            "network-code": "23410",
            "messageId": part_id,
            "price": _PRICE,
            "status": _STATUSES[news.status],
            "scts": news.at.strftime("%y%m%d%H%M"),
            "err-code": _UNREACHABLE if news.status == "undelivered" else "0",
            "api-key": self.credentials["api_key"],
            "message-timestamp": news.at.strftime("%Y-%m-%d %H:%M:%S"),
            "client-ref": entry.reference,
            "timestamp": str(int(news.at.timestamp())),
        }
        fields["sig"] = self._signature(fields)
        if self.credentials["receipts"] == "JSON":
            return json_call(news.url, msgspec.json.encode(fields), {})
        if self.credentials["receipts"] == "POST":
            return form_call(news.url, urlencode(fields).encode(), {})
        separator = "&" if "?" in news.url else "?"
        return Outgoing(url=f"{news.url}{separator}{urlencode(fields)}", method="GET")

    def _knows(self, call: Call, form: dict[str, str]) -> bool:
        user, password = call.basic
        if user:
            return self.has("api_key", user) and self.has("api_secret", password)
        if not self.has("api_key", form.get("api_key", "")):
            return False
        if "sig" in form:
            return hmac.compare_digest(self._signature(form).encode(), form["sig"].lower().encode())
        return self.has("api_secret", form.get("api_secret", ""))

    def _signature(self, fields: dict[str, str]) -> str:
        secret, method = self.credentials["signature_secret"], self.credentials["signature_method"]
        pairs = sorted((name, value) for name, value in fields.items() if name != "sig")
        text = "".join(f"&{name}={value.replace('&', '_').replace('=', '_')}" for name, value in pairs)
        if method == "md5hash":
            return hashlib.md5((text + secret).encode()).hexdigest()  # noqa: S324  (as the vendor does)
        return hmac.new(secret.encode(), text.encode(), method).hexdigest()


def _part_ids(entry: Entry) -> list[str]:
    """Return the id of every segment; the first one is the message's."""
    further = range(2, entry.known.segments + 1)
    return [entry.message_id, *(f"{entry.message_id}-{number}" for number in further)]


def _answer(elements: Sequence[dict[str, Any]]) -> Reply:
    return json_reply(200, {"message-count": str(len(elements)), "messages": elements})


VENDOR = VonageSms
