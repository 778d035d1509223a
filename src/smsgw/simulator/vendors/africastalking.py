"""Africa's Talking as its client knows it: https://developers.africastalking.com/docs/sms/sending/bulk."""

from collections.abc import Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply, json_reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor, form_call

_TEXT = ((b"content-type", b"text/plain;charset=utf-8"),)
_COST = 0.8
_PLAIN = {
    Refusal.UNAUTHORIZED: (401, "The supplied authentication is invalid"),
    Refusal.MALFORMED: (400, "Request is missing required form field 'to'"),
    Refusal.THROTTLED: (429, "Too Many Requests"),
    Refusal.NOT_FOUND: (404, "The requested resource could not be found."),
    Refusal.INTERNAL: (500, "There was an internal server error."),
    Refusal.UNAVAILABLE: (503, "The server is currently unavailable"),
}
"""What is refused with a text, before anybody looks at the recipient."""
_OF_RECIPIENT = {
    Refusal.INVALID_NUMBER: (403, "InvalidPhoneNumber"),
    Refusal.OPTED_OUT: (406, "UserInBlacklist"),
    Refusal.REJECTED: (407, "CouldNotRoute"),
}
"""What is refused for a recipient, in a 201."""
_WORDS = {"sent": "Sent", "delivered": "Success", "undelivered": "Failed"}


class AfricasTalking(Vendor):
    """A key in a header, a form in, JSON out, reports as forms that nothing signs."""

    documentation = "https://developers.africastalking.com/docs/sms/sending/bulk"
    routes: ClassVar = {"send": "POST /version1/messaging"}
    credential_defaults: ClassVar = {"username": "smsgw", "api_key": "demo-key"}

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Take the key of the user name."""
        form = call.form
        if not (self.has("api_key", call.headers.get("apikey", "")) and self.has("username", form.get("username", ""))):
            return Refusal.UNAUTHORIZED
        if "to" not in form or "message" not in form:
            return Refusal.MALFORMED
        return Asked(to=form["to"], text=form["message"], sender=form.get("from", ""))

    def accepted(self, entry: Entry, asked: Asked) -> Reply:
        """Answer 201 with one recipient."""
        parts = entry.known.segments
        cost = f"KES {_COST * parts:.4f}"
        recipient = {
            "statusCode": 101,
            "number": asked.to,
            "cost": cost,
            "status": "Success",
            "messageId": entry.message_id,
            "messageParts": parts,
        }
        return _answer(f"Sent to 1/1 Total Cost: {cost}", recipient)

    def refused(self, refusal: Refusal) -> Reply:
        """Answer a text, or a recipient that got nothing."""
        if refusal in _PLAIN:
            status, text = _PLAIN[refusal]
            return Reply(status, text.encode(), _TEXT)
        code, word = _OF_RECIPIENT[refusal]
        recipient = {"statusCode": code, "number": "", "cost": "0", "status": word, "messageId": "None"}
        return _answer("Sent to 0/1 Total Cost: 0", recipient)

    def reports(self, news: News) -> Sequence[Outgoing]:
        """Post a form."""
        fields = {
            "id": news.entry.message_id,
            "status": _WORDS[news.status],
            "phoneNumber": news.entry.to,
            "networkCode": "99999",
        }
        if news.status == "undelivered":
            fields["failureReason"] = "DeliveryFailure"
        return (form_call(news.url, urlencode(fields).encode(), {}),)

    def new_id(self, token: str) -> str:
        """Return an id."""
        return f"ATXid_{token}"


def _answer(message: str, recipient: dict[str, Any]) -> Reply:
    return json_reply(201, {"SMSMessageData": {"Message": message, "Recipients": [recipient]}})


VENDOR = AfricasTalking
