"""clicksend: every status and receipt of its documentation, in the vendor's own bodies."""

import base64
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, LookUpCase, Reply, ReportCase, ReportsAs, Sent, Table

API_KEY = "key-Zq81xv-very-secret"
TOKEN = "hook-77aa-very-secret"
BASIC = base64.b64encode(f"acme:{API_KEY}".encode()).decode()
OPTIONS: dict[str, Any] = {"username": "acme", "api_key": API_KEY, "webhook_token": TOKEN}
AUTHORIZED = {"authorization": f"Basic {BASIC}"}
REF = str(REFERENCE)
ID = "1ABC3200-C38C-6308-BE4B-C7C51D000000"
WHEN = datetime.fromtimestamp(1721099044, UTC)
MESSAGE: dict[str, Any] = {
    "direction": "out",
    "date": 1721099039,
    "to": SUBMIT.to,
    "body": SUBMIT.text,
    "from": "ACME",
    "schedule": 1721099039,
    "message_id": ID,
    "message_parts": 1,
    "message_price": "0.0792",
    "custom_string": REF,
    "user_id": 1,
    "subaccount_id": 1,
    "country": "AU",
    "carrier": "Telstra",
    "status": "SUCCESS",
}
CURRENCY = {"currency_name_short": "AUD", "prefix_d": "$", "prefix_c": "c"}
RECEIPT = {
    "message_id": ID,
    "status_code": "201",
    "status_text": "Success: Message received on handset.",
    "error_code": "4",
    "error_text": "Message delivered to the handset",
    "timestamp": "1721099044",
    "timestamp_send": "1721099039",
    "custom_string": REF,
    "user_id": "1",
    "subaccount_id": "1",
    "message_type": "sms",
}


def envelope(word: str, data: Any) -> dict[str, Any]:
    return {"http_code": 200, "response_code": word, "response_msg": f"for {SUBMIT.to}", "data": data}


def answered(**changes: Any) -> Reply:
    data = {"total_price": 0.0792, "total_count": 1, "queued_count": 1, "blocked_count": 0, "_currency": CURRENCY}
    return Reply(status=200, body=envelope("SUCCESS", {**data, "messages": [{**MESSAGE, **changes}]}))


def accepted(name: str, reply: Reply, **changes: Any) -> AnswerCase:
    expected = {"segments": 1, "price": "0.0792", "currency": "AUD", **changes}
    return AnswerCase(name=name, reply=reply, outcome=Outcome.ACCEPTED, message_id=ID, **expected)


def refused(word: str, outcome: Outcome) -> AnswerCase:
    reply = answered(status=word, message_id=None)
    return AnswerCase(name=word, reply=reply, outcome=outcome, detail=f"HTTP 200 {word}")


def by_status(status: int, outcome: Outcome, body: Any = b"", detail: str | None = None) -> AnswerCase:
    reply = Reply(status=status, body=body)
    return AnswerCase(name=f"{status} {body!r}"[:60], reply=reply, outcome=outcome, detail=detail)


def history(total: int, *records: Any) -> Reply:
    page = {"total": total, "per_page": 100, "current_page": 1, "last_page": 1, "data": records}
    return Reply(status=200, body=envelope("SUCCESS", page))


def look_up(name: str, reply: Reply, answer: LookUp, message_id: str | None = None) -> LookUpCase:
    return LookUpCase(name=name, reply=reply, answer=answer, message_id=message_id)


def signed(body: bytes) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=body, token=TOKEN, peer="203.0.113.9")


def reported(**changes: Any) -> DeliveryReport:
    fields = {
        "status": ReportStatus.DELIVERED,
        "provider_message_id": ID,
        "reference": REF,
        "reported_at": WHEN,
        "dedupe_key": "",
        **changes,
    }
    return DeliveryReport(**fields)


def report(name: str, changes: dict[str, str | None], **expected: Any) -> ReportCase:
    fields = {name: value for name, value in {**RECEIPT, **changes}.items() if value is not None}
    return ReportCase(name=name, request=signed(urlencode(fields).encode()), reports=(reported(**expected),))


def told(status_code: str, error_code: str, error_text: str, status: ReportStatus) -> ReportCase:
    changes: dict[str, str | None] = {"status_code": status_code, "error_code": error_code, "error_text": error_text}
    is_good = status in (ReportStatus.QUEUED, ReportStatus.SENT, ReportStatus.DELIVERED)
    return report(f"{status_code} {error_text}", changes, status=status, error_code=None if is_good else error_code)


def unreadable(name: str, body: bytes) -> ReportCase:
    return ReportCase(name=name, request=signed(body), refused="unreadable")


def forged(name: str, **changes: Any) -> ReportCase:
    request = msgspec.structs.replace(signed(urlencode(RECEIPT).encode()), **changes)
    return ReportCase(name=name, request=request, refused="forged")


GOT = ReportRequest(received_at=NOW, headers=(), body=b"", method="GET", query=urlencode(RECEIPT), token=TOKEN)
IN_JSON = {**RECEIPT, "status_code": 201, "timestamp": 1721099044, "error_code": 4}
OTHERS = [{**MESSAGE, "custom_string": "", "message_id": "other"}] * 100

TABLE = Table(
    options=OPTIONS,
    secrets=(API_KEY, TOKEN, BASIC),
    bad_options=(
        {},
        {"username": "acme"},
        {"api_key": API_KEY},
        {**OPTIONS, "username": "with:colon"},
        {**OPTIONS, "username": "two words"},
        {**OPTIONS, "api_key": "two words"},
        {**OPTIONS, "base_url": "https://me:hunter2@rest.clicksend.com"},
        {**OPTIONS, "base_url": "rest.clicksend.com"},
        {**OPTIONS, "sender": "two words two words"},
        {**OPTIONS, "source": "two words"},
        {**OPTIONS, "webhook_token": "hunter2"},
        {**OPTIONS, "webhook_allow": ["hunter2"]},
        {**OPTIONS, "user": "acme"},
    ),
    send=Sent(
        method="POST",
        url="https://rest.clicksend.com/v3/sms/send",
        headers={**AUTHORIZED, "content-type": "application/json"},
        json={
            "messages": [
                {"to": SUBMIT.to, "body": SUBMIT.text, "source": "smsgw", "custom_string": REF, "from": "ACME"}
            ]
        },
    ),
    send_without_sender=Sent(
        method="POST",
        url="https://rest.clicksend.com/v3/sms/send",
        headers=AUTHORIZED,
        json={"messages": [{"to": SUBMIT.to, "body": SUBMIT.text, "source": "smsgw", "custom_string": REF}]},
    ),
    accepted=answered(),
    answers=(
        accepted("SUCCESS", answered()),
        accepted("no price", answered(message_price=None), price=None, currency=None),
        accepted("a strange price", answered(message_price="free"), price=None, currency=None),
        accepted("no parts", answered(message_parts="x"), segments=None),
        refused("INVALID_RECIPIENT", Outcome.INVALID_NUMBER),
        refused("EMPTY_MESSAGE", Outcome.REJECTED),
        refused("TOO_MANY_RECIPIENTS", Outcome.REJECTED),
        refused("OPTED_OUT", Outcome.OPTED_OUT),
        refused("NUMBER_BLOCKED", Outcome.OPTED_OUT),
        refused("INVALID_SENDER_ID", Outcome.REJECTED),
        refused("SENDER_ID_NOT_REGISTERED", Outcome.REJECTED),
        refused("COUNTRY_NOT_ENABLED", Outcome.REJECTED),
        refused("INSUFFICIENT_CREDIT", Outcome.CREDENTIALS),
        refused("MISSING_CREDENTIALS", Outcome.CREDENTIALS),
        refused("INVALID_CREDENTIALS", Outcome.CREDENTIALS),
        refused("ACCOUNT_NOT_ACTIVATED", Outcome.CREDENTIALS),
        refused("THROTTLED", Outcome.THROTTLED),
        refused("SOMETHING_NEW", Outcome.REJECTED),
        by_status(
            200, Outcome.REJECTED, envelope("SUCCESS", {"messages": [], "blocked_count": 1}), detail="HTTP 200 blocked"
        ),
        by_status(200, Outcome.UNKNOWN, envelope("SUCCESS", {"messages": [], "blocked_count": 0})),
        by_status(200, Outcome.UNKNOWN, envelope("SUCCESS", None)),
        by_status(200, Outcome.UNKNOWN, answered(message_id=None).body),
        by_status(200, Outcome.UNKNOWN, answered(message_id="a b").body),
        by_status(200, Outcome.UNKNOWN, answered(status="success, perhaps").body),
        by_status(200, Outcome.UNKNOWN, answered(status=None).body),
        by_status(200, Outcome.UNKNOWN, envelope("SUCCESS", {"messages": [MESSAGE, MESSAGE]})),
        by_status(200, Outcome.CREDENTIALS, envelope("UNAUTHORIZED", None), detail="HTTP 200 UNAUTHORIZED"),
        by_status(200, Outcome.UNKNOWN, envelope("INTERNAL_SERVER_ERROR", None)),
        by_status(400, Outcome.REJECTED, envelope("BAD_REQUEST", None), detail="HTTP 400 BAD_REQUEST"),
        by_status(401, Outcome.CREDENTIALS, envelope("UNAUTHORIZED", None), detail="HTTP 401 UNAUTHORIZED"),
        by_status(403, Outcome.CREDENTIALS, envelope("FORBIDDEN", None)),
        by_status(404, Outcome.REJECTED, envelope("NOT_FOUND", None)),
        by_status(405, Outcome.REJECTED, envelope("METHOD_NOT_FOUND", None)),
        by_status(429, Outcome.THROTTLED, envelope("TOO_MANY_REQUESTS", None)),
        by_status(400, Outcome.REJECTED, {"response_code": 7}),
        # A refusal accepts nothing, whatever it says.
        by_status(400, Outcome.REJECTED, answered().body),
        by_status(500, Outcome.UNKNOWN, answered().body),
        by_status(500, Outcome.UNKNOWN, envelope("INTERNAL_SERVER_ERROR", None)),
    ),
    look_up=Sent(
        method="GET",
        url="https://rest.clicksend.com/v3/sms/history",
        query={"order_by": "date:desc", "limit": "100"},
        headers=AUTHORIZED,
    ),
    look_ups=(
        look_up("found", history(4711, OTHERS[0], {**MESSAGE, "status": "Sent"}), LookUp.FOUND, ID),
        look_up("found without an id", history(1, {**MESSAGE, "message_id": "a b"}), LookUp.CANNOT_SAY),
        look_up("an empty account", history(0), LookUp.ABSENT),
        look_up("not among all", history(2, *OTHERS[:2]), LookUp.ABSENT),
        look_up("not among the newest", history(101, *OTHERS), LookUp.CANNOT_SAY),
        look_up("a full page may not be all", history(100, *OTHERS), LookUp.CANNOT_SAY),
        look_up("a number of other texts", history(7, *OTHERS[:2]), LookUp.CANNOT_SAY),
        look_up("no page", Reply(status=200, body=envelope("SUCCESS", None)), LookUp.CANNOT_SAY),
        *(
            look_up(str(status), Reply(status=status, body=history(0).body), LookUp.CANNOT_SAY)
            for status in (201, 404, 500)
        ),
    ),
    reports=(
        told("200", "1", "Message is queued for delivery", ReportStatus.QUEUED),
        told("200", "2", "Message is scheduled for delivery", ReportStatus.QUEUED),
        told("200", "3", "Message sent to the network for delivery", ReportStatus.SENT),
        # The newer numbering begins with 1 for what the older one calls 3.
        told("200", "1", "Message sent to the network for delivery", ReportStatus.SENT),
        told("201", "4", "Message delivered to the handset", ReportStatus.DELIVERED),
        told("201", "2", "Message delivered to the handset", ReportStatus.DELIVERED),
        told("300", "16", "Temporary network error - will be retried", ReportStatus.SENT),
        told("301", "5", "Message is cancelled", ReportStatus.REJECTED),
        told("301", "7", "Unknown failure", ReportStatus.UNDELIVERED),
        told("301", "8", "Unknown subscriber. Number is inactive or invalid", ReportStatus.UNDELIVERED),
        told("301", "12", "Absent Subscriber. Phone is out of range or switched off.", ReportStatus.UNDELIVERED),
        told("301", "15", "Rejected by the recipient network.", ReportStatus.REJECTED),
        told("301", "19", "Anti-spam rejection by recipient network", ReportStatus.REJECTED),
        told("301", "20", "Message delivery receipt expired", ReportStatus.EXPIRED),
        told("302", "8", "Hard bounce", ReportStatus.UNDELIVERED),
        report(
            "no error text", {"status_code": "301", "error_text": None}, status=ReportStatus.UNDELIVERED, error_code="4"
        ),
        report("no reference", {"custom_string": ""}, reference=None),
        report("no time", {"timestamp": None}, reported_at=None),
        report("a strange time", {"timestamp": "yesterday"}, reported_at=None),
        ReportCase(name="in JSON", request=signed(msgspec.json.encode(IN_JSON)), reports=(reported(),)),
        ReportCase(name="with GET", request=GOT, reports=(reported(),)),
        unreadable("an unknown status", urlencode({**RECEIPT, "status_code": "999"}).encode()),
        unreadable("no message id", urlencode({"status_code": "201"}).encode()),
        unreadable("a field twice", urlencode([*RECEIPT.items(), ("status_code", "301")]).encode()),
        unreadable("nothing", b""),
        unreadable("not UTF-8", b"message_id=%ff&status_code=201"),
        unreadable("over-deep", b"[" * 100_000),
        forged("no token", token=""),
        forged("another token", token=f"{TOKEN}x"),
    ),
    reports_as=ReportsAs.FORM,
    proof_headers=(),
    proves_content=False,
    has_token=True,
)
