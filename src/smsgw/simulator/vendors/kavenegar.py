"""Kavenegar as its client knows it: https://kavenegar.com/rest.html."""

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor

_REFUSALS = {
    Refusal.UNAUTHORIZED: (403, "کد شناسائی معتبر نمی‌باشد"),
    Refusal.MALFORMED: (400, "پارامترها ناقص هستند"),
    Refusal.INVALID_NUMBER: (411, "دریافت کننده نامعتبر است"),
    # There is no code for it: who opted out is told by a status afterwards.
    Refusal.OPTED_OUT: (411, "دریافت کننده نامعتبر است"),
    Refusal.REJECTED: (422, "داده‌ها به دلیل وجود کاراکتر نامناسب قابل پردازش نیست"),
    Refusal.THROTTLED: (451, "فراخوانی بیش از حد در بازه زمانی مشخص"),
    Refusal.NOT_FOUND: (404, "متد نامشخص است"),
    Refusal.INTERNAL: (500, "خطای داخلی"),
    Refusal.UNAVAILABLE: (503, "سرور قادر به پاسخگوئی نیست"),
}
_STATUSES = {"sent": (5, "ارسال شده"), "delivered": (10, "رسیده به گیرنده"), "undelivered": (11, "نرسیده به گیرنده")}
_UNHEARD_OF = (100, "شناسه پیامک نامعتبر است")
_COST = 120
_API = "/v1/{key}/sms"


class Kavenegar(Vendor):
    """The key in the path, a form in, JSON out, reports as calls with a query that nothing signs."""

    documentation = "https://kavenegar.com/rest.html"
    routes: ClassVar = {
        "send": f"POST {_API}/send.json",
        "status": f"POST {_API}/status.json",
        "status_by_localid": f"POST {_API}/statuslocalmessageid.json",
    }
    credential_defaults: ClassVar = {"api_key": "demo-key"}

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take the key that stands in the path."""
        if not self.has("api_key", call.parts["key"]):
            return Refusal.UNAUTHORIZED
        form = call.form
        if call.route == "status":
            return Question(message_id=form.get("messageid", "0"), is_list=True)
        if call.route == "status_by_localid":
            return Question(reference=form.get("localid", "0"), is_list=True)
        if "receptor" not in form or "message" not in form:
            return Refusal.MALFORMED
        return Asked(
            to=_e164(form["receptor"]),
            text=form["message"],
            sender=form.get("sender", "10004346"),
            reference=form.get("localid", ""),
            extra={"receptor": form["receptor"]},
        )

    def accepted(self, entry: Entry, asked: Asked) -> Reply:
        """Answer the message, queued."""
        told = {
            "messageid": int(entry.message_id),
            "message": asked.text,
            "status": 1,
            "statustext": "در صف ارسال",
            "sender": asked.sender,
            "receptor": asked.extra["receptor"],
            "date": int(entry.accepted_at.timestamp()),
            "cost": _COST * entry.known.segments,
        }
        return _answer([told])

    def refused(self, refusal: Refusal) -> Reply:
        """Answer a status in body and head."""
        status, message = _REFUSALS[refusal]
        return json_reply(status, {"return": {"status": status, "message": message}, "entries": None})

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:
        """Answer the status of a message; one that is not there has a status of its own."""
        asked = {"localid": question.reference} if question.reference else {}
        if not entries:
            status, text = _UNHEARD_OF
            message_id = question.message_id if question.message_id.isdecimal() else "0"
            return _answer([{"messageid": int(message_id[:18]), **asked, "status": status, "statustext": text}])
        # A localid belongs to the first message that came with it.
        entry = entries[0]
        status, text = _STATUSES[entry.status]
        return _answer([{"messageid": int(entry.message_id), **asked, "status": status, "statustext": text}])

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Call the webhook with a query."""
        query = urlencode({"messageid": news.entry.message_id, "status": _STATUSES[news.status][0]})
        joint = "&" if "?" in news.url else "?"
        return (Outgoing(url=f"{news.url}{joint}{query}", method="GET"),)

    def new_id(self, token: str) -> str:
        """Return a long integer."""
        return str((int(token[:6], 16) << 36) + int(token[-9:], 16))


def _e164(receptor: str) -> str:
    """Return a number as E.164: 00 in front of a country's code, 0 or nothing in Iran."""
    if receptor.startswith("00"):
        return f"+{receptor[2:]}"
    return f"+98{receptor.removeprefix('0')}"


def _answer(entries: list[dict[str, Any]]) -> Reply:
    return json_reply(200, {"return": {"status": 200, "message": "تایید شد"}, "entries": entries})


VENDOR = Kavenegar
