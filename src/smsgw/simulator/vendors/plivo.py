"""Plivo as its client knows it: https://www.plivo.com/docs/messaging/api/message. Every part is reported alone."""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import UUID

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor, form_call, reference_in

_API = "/v1/Account/{account}/Message/"
_API_ID = "948b53a2-3f08-11e7-b6f4-061564b78b75"
_RATE = "0.00500"
_REFUSALS = {
    Refusal.UNAUTHORIZED: (401, "authentication failed"),
    Refusal.MALFORMED: (400, "text parameter not present"),
    Refusal.INVALID_NUMBER: (400, "dst parameter is not a valid phone number"),
    Refusal.OPTED_OUT: (400, "dst has opted out"),
    Refusal.REJECTED: (403, "messages to this destination are not permitted"),
    Refusal.THROTTLED: (429, "request rate limit exceeded"),
    Refusal.NOT_FOUND: (404, "not found"),
    Refusal.INTERNAL: (500, "internal server error"),
    Refusal.UNAVAILABLE: (503, "service unavailable"),
}
_UNAVAILABLE = "80"


class Plivo(Vendor):
    """Basic authentication, JSON in and out, a signed form or query for every part's report."""

    documentation = "https://www.plivo.com/docs/messaging/api/message"
    routes: ClassVar = {"send": f"POST {_API}", "list": f"GET {_API}", "look_up": f"GET {_API}{{message}}/"}
    credential_defaults: ClassVar = {
        "auth_id": "MADEMO00000000000001",
        "auth_token": "demo-token",
        # Of the account above a subaccount; the same where there is none.
        "main_auth_token": "",
    }

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take the account's id and token."""
        user, password = call.basic
        is_known = self.has("auth_id", user) and self.has("auth_token", password)
        if not is_known or not self.has("auth_id", call.parts["account"]):
            return Refusal.UNAUTHORIZED
        if call.route == "look_up":
            return Question(message_id=call.parts["message"])
        if call.route == "list":
            return Question(to=call.parameters.get("to_number", ""), is_list=True)
        body = {name: str(value) for name, value in call.object.items()}
        sender, pool, callback = (body.get(name, "") for name in ("src", "powerpack_uuid", "url"))
        if bool(sender) == bool(pool):
            return _refusal(400, "either src or powerpack_uuid must be present")
        return Asked(
            to=body.get("dst", ""),
            text=body.get("text", ""),
            sender=sender or pool,
            reference=reference_in(callback),
            callback=callback,
            extra={"method": body.get("method", "POST"), "expiry": body.get("message_expiry", "")},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:  # noqa: ARG002
        """Answer 202 with the id of the first part."""
        body = {"api_id": _API_ID, "message": "message(s) queued", "message_uuid": [entry.message_id]}
        return json_reply(202, body)

    def refused(self, refusal: Refusal) -> Reply:
        """Answer an error text."""
        return _refusal(*_REFUSALS[refusal])

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:
        """Answer the message, or a page of them."""
        if not question.is_list:
            return json_reply(200, self._message(entries[-1]))
        newest = [self._message(entry) for entry in reversed(entries[-20:])]
        meta = {"limit": 20, "offset": 0, "next": None, "previous": None, "total_count": len(newest)}
        return json_reply(200, {"api_id": _API_ID, "meta": meta, "objects": newest})

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Call once for each part."""
        total = news.entry.known.segments
        return [self._report(news, part, total) for part in range(1, total + 1)]

    def _report(self, news: News, part: int, total: int) -> Outgoing:
        entry = news.entry
        fields = {
            "MessageUUID": str(UUID(int=UUID(entry.message_id).int + part - 1)),
            "ParentMessageUUID": entry.message_id,
            "PartInfo": f"{part} of {total}",
            "Status": news.status,
            "ErrorCode": _UNAVAILABLE if news.status == "undelivered" else "",
            "From": entry.known.sender,
            "To": entry.to,
            "Units": "1",
            "TotalRate": _RATE,
            "TotalAmount": _RATE,
            "MCC": "262",
            "MNC": "01",
        }
        nonce = str(UUID(int=int(news.at.timestamp()) + part).int)
        if entry.known.extra.get("method") == "GET":
            url = f"{news.url}{'&' if '?' in news.url else '?'}{urlencode(fields)}"
            return Outgoing(url=url, headers=self._signatures(url, {}, nonce), method="GET")
        return form_call(news.url, urlencode(fields).encode(), self._signatures(news.url, fields, nonce))

    def _signatures(self, url: str, fields: dict[str, str], nonce: str) -> dict[str, str]:
        token = self.credentials["auth_token"]
        main = self.credentials["main_auth_token"] or token
        base = urlsplit(url)._replace(query="", fragment="").geturl()
        content = _content(url, base, fields)
        headers = {"X-Plivo-Signature-V2-Nonce": nonce, "X-Plivo-Signature-V3-Nonce": nonce}
        for prefix, key in (("X-Plivo-Signature", token), ("X-Plivo-Signature-Ma", main)):
            headers[f"{prefix}-V2"] = _made(key, f"{base}{nonce}")
            headers[f"{prefix}-V3"] = _made(key, f"{content}.{nonce}")
        return headers

    def _message(self, entry: Entry) -> dict[str, Any]:
        segments = entry.known.segments
        return {
            "message_uuid": entry.message_id,
            "message_state": entry.status,
            "message_direction": "outbound",
            "message_type": "sms",
            "message_time": entry.accepted_at.isoformat(),
            "from_number": entry.known.sender,
            "to_number": entry.to,
            "error_code": _UNAVAILABLE if entry.status == "undelivered" else None,
            "units": segments,
            "total_rate": _RATE,
            "total_amount": f"{float(_RATE) * segments:.5f}",
            "resource_uri": f"/v1/Account/{self.credentials['auth_id']}/Message/{entry.message_id}/",
        }


def _content(url: str, base: str, fields: dict[str, str]) -> str:
    """Return what V3 signs, as the Python SDK composes it."""
    query = "&".join(f"{name}={value}" for name, value in sorted(parse_qsl(urlsplit(url).query, True)))
    posted = "".join(f"{name}{fields[name]}" for name in sorted(fields))
    if not fields:
        return f"{base}?{query}" if query else base
    return f"{base}?{query}.{posted}" if query else f"{base}?{posted}"


def _made(key: str, text: str) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def _refusal(status: int, error: str) -> Reply:
    return json_reply(status, {"api_id": _API_ID, "error": error})


VENDOR = Plivo
