"""infobip: every status and error of its documentation, in the vendor's own bodies."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, LookUpCase, Reply, ReportCase, Sent, Table

API_KEY = "key-Zq81xv-very-secret"
TOKEN = "hook-77aa-very-secret"
HOOK = f"https://sms.example.org/webhooks/delivery-report/Infobip/{TOKEN}"
PEER = "193.105.74.4"
OPTIONS: dict[str, Any] = {
    "base_url": "https://xy1.api.infobip.com/",
    "api_key": API_KEY,
    "webhook_token": TOKEN,
    "webhook_allow": ["193.105.74.0/24"],
    "webhook_url": HOOK,
}
AUTHORIZED = {"authorization": f"App {API_KEY}", "accept": "application/json"}
ID = str(REFERENCE)
WHEN = datetime(2024, 1, 1, 0, 0, 3, tzinfo=UTC)
STATUS = {"groupId": 1, "groupName": "PENDING", "id": 26, "name": "PENDING_ACCEPTED", "description": "Message sent"}
RESULT: dict[str, Any] = {
    "bulkId": "b-1",
    "messageId": ID,
    "to": "4915112345678",
    "sender": "ACME",
    "sentAt": "2024-01-01T00:00:00.000+0000",
    "doneAt": "2024-01-01T00:00:03.000+0000",
    "messageCount": 2,
    "mccMnc": "22801",
    "callbackData": ID,
    "price": {"pricePerMessage": 0.01, "currency": "EUR"},
    "status": {"groupId": 3, "groupName": "DELIVERED", "id": 5, "name": "DELIVERED_TO_HANDSET", "description": "…"},
    "error": {"groupId": 0, "groupName": "OK", "id": 0, "name": "NO_ERROR", "permanent": False},
}


def answered(group: int, number: int, name: str, **changes: Any) -> Reply:
    status = {"groupId": group, "groupName": "…", "id": number, "name": name, "description": f"{SUBMIT.to} no"}
    message = {"messageId": ID, "status": status, "destination": "4915112345678", "details": {"messageCount": 2}}
    return Reply(status=200, body={"bulkId": "2034", "messages": [{**message, **changes}]})


def accepted(group: int, number: int, name: str, **changes: Any) -> AnswerCase:
    expected = {"segments": 2, **changes.pop("expected", {})}
    reply = answered(group, number, name, **changes)
    return AnswerCase(name=name, reply=reply, outcome=Outcome.ACCEPTED, message_id=ID, **expected)


def refused(group: int, number: int, name: str, outcome: Outcome) -> AnswerCase:
    reply = answered(group, number, name)
    return AnswerCase(name=name, reply=reply, outcome=outcome, detail=f"HTTP 200 {name}")


def by_status(status: int, outcome: Outcome, body: Any = b"") -> AnswerCase:
    return AnswerCase(name=f"{status} {body!r}"[:60], reply=Reply(status=status, body=body), outcome=outcome)


def error(word: str) -> dict[str, Any]:
    return {"errorCode": word, "description": "…", "action": "…", "violations": [], "resources": []}


def signed(body: bytes) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=body, token=TOKEN, peer=PEER)


def called(*results: dict[str, Any]) -> ReportRequest:
    return signed(msgspec.json.encode({"results": results}))


def reported(**changes: Any) -> DeliveryReport:
    fields = {
        "status": ReportStatus.DELIVERED,
        "provider_message_id": ID,
        "reference": ID,
        "reported_at": WHEN,
        "dedupe_key": "",
        "segments": 2,
        "price": "0.02",
        "currency": "EUR",
        **changes,
    }
    return DeliveryReport(**fields)


def report(group: int, number: int, name: str, status: ReportStatus, **expected: Any) -> ReportCase:
    result = {**RESULT, "status": {"groupId": group, "groupName": "…", "id": number, "name": name}}
    return ReportCase(name=f"{number} {name}", request=called(result), reports=(reported(status=status, **expected),))


def changed(name: str, changes: dict[str, Any], **expected: Any) -> ReportCase:
    return ReportCase(name=name, request=called({**RESULT, **changes}), reports=(reported(**expected),))


def unreadable(name: str, body: bytes) -> ReportCase:
    return ReportCase(name=name, request=signed(body), refused="unreadable")


def forged(name: str, **changes: Any) -> ReportCase:
    return ReportCase(name=name, request=msgspec.structs.replace(called(RESULT), **changes), refused="forged")


ABSENT = {"groupId": 1, "groupName": "HANDSET_ERRORS", "id": 27, "name": "EC_ABSENT_SUBSCRIBER", "permanent": False}
LOG = {"messageId": ID, "destination": "4915112345678", "status": STATUS, "messageCount": 2}

TABLE = Table(
    options=OPTIONS,
    secrets=(API_KEY, TOKEN),
    bad_options=(
        {},
        {"api_key": API_KEY},
        {"base_url": "https://xy1.api.infobip.com"},
        {**OPTIONS, "base_url": "xy1.api.infobip.com"},
        {**OPTIONS, "base_url": "https://me:hunter2@api.infobip.com"},
        {**OPTIONS, "api_key": ""},
        {**OPTIONS, "api_key": "two words"},
        {**OPTIONS, "api": "v1"},
        {**OPTIONS, "sender": "this is far too long"},
        {**OPTIONS, "webhook_token": "hunter2"},
        {**OPTIONS, "webhook_url": "ftp://hunter2"},
        {**OPTIONS, "webhook_allow": ["hunter2"]},
        {**OPTIONS, "webhook_allow": ["10.0.0.1/8"]},
        {**OPTIONS, "webhook_allow": ["::ffff:203.0.113.0/120"]},
        {**OPTIONS, "api_kee": "k"},
    ),
    send=Sent(
        method="POST",
        url="https://xy1.api.infobip.com/sms/3/messages",
        headers={**AUTHORIZED, "content-type": "application/json"},
        json={
            "messages": [
                {
                    "sender": "ACME",
                    "destinations": [{"to": "4915112345678", "messageId": ID}],
                    "content": {"text": SUBMIT.text},
                    "options": {"validityPeriod": {"amount": 540, "timeUnit": "SECONDS"}},
                    "webhooks": {
                        "delivery": {"url": HOOK, "notify": True},
                        "contentType": "application/json",
                        "callbackData": ID,
                    },
                }
            ],
            "options": {"includeSmsCountInResponse": True},
        },
    ),
    accepted=answered(1, 26, "PENDING_ACCEPTED"),
    answers=(
        accepted(1, 26, "PENDING_ACCEPTED"),
        accepted(0, 0, "MESSAGE_ACCEPTED"),
        accepted(1, 7, "PENDING_ENROUTE"),
        accepted(3, 2, "DELIVERED_TO_OPERATOR"),
        accepted(1, 999, "PENDING_NEW"),
        accepted(1, 26, "NO_COUNT", details={}, expected={"segments": None}),
        # The same message id was taken already: ours.
        accepted(5, 23, "REJECTED_DUPLICATE_MESSAGE_ID"),
        refused(2, 4, "UNDELIVERABLE_REJECTED_OPERATOR", Outcome.REJECTED),
        refused(2, 9, "UNDELIVERABLE_NOT_DELIVERED", Outcome.REJECTED),
        refused(2, 31, "UNDELIVERABLE_NOT_SENT", Outcome.REJECTED),
        refused(2, 100, "UNDELIVERABLE_REJECTED_PLATFORM", Outcome.THROTTLED),
        refused(5, 6, "REJECTED_NETWORK", Outcome.REJECTED),
        refused(5, 8, "REJECTED_PREFIX_MISSING", Outcome.INVALID_NUMBER),
        refused(5, 10, "REJECTED_DND", Outcome.OPTED_OUT),
        refused(5, 11, "REJECTED_SOURCE", Outcome.REJECTED),
        refused(5, 12, "REJECTED_NOT_ENOUGH_CREDITS", Outcome.CREDENTIALS),
        refused(5, 13, "REJECTED_SENDER", Outcome.REJECTED),
        refused(5, 14, "REJECTED_DESTINATION", Outcome.OPTED_OUT),
        refused(5, 16, "REJECTED_NOT_REACHABLE", Outcome.REJECTED),
        refused(5, 17, "REJECTED_PREPAID_PACKAGE_EXPIRED", Outcome.CREDENTIALS),
        refused(5, 18, "REJECTED_DESTINATION_NOT_REGISTERED", Outcome.REJECTED),
        refused(5, 19, "REJECTED_ROUTE_NOT_AVAILABLE", Outcome.REJECTED),
        refused(5, 20, "REJECTED_FLOODING_FILTER", Outcome.THROTTLED),
        refused(5, 21, "REJECTED_SYSTEM_ERROR", Outcome.THROTTLED),
        refused(5, 24, "REJECTED_INVALID_UDH", Outcome.REJECTED),
        refused(5, 25, "REJECTED_MESSAGE_TOO_LONG", Outcome.REJECTED),
        refused(5, 51, "MISSING_TO", Outcome.INVALID_NUMBER),
        refused(5, 52, "REJECTED_DESTINATION", Outcome.INVALID_NUMBER),
        refused(5, 87, "SIGNALS_BLOCKED", Outcome.REJECTED),
        by_status(200, Outcome.UNKNOWN, {}),
        by_status(200, Outcome.UNKNOWN, {"messages": []}),
        by_status(200, Outcome.UNKNOWN, {"messages": [{"messageId": ID}]}),
        by_status(200, Outcome.UNKNOWN, {"messages": [{"messageId": ID, "status": {"name": "PENDING"}}]}),
        by_status(200, Outcome.UNKNOWN, {"messages": [{"status": STATUS}]}),
        by_status(200, Outcome.UNKNOWN, {"messages": [{"messageId": "a b", "status": STATUS}]}),
        # Two answers to one message: whose is it?
        by_status(200, Outcome.UNKNOWN, {"messages": [{"messageId": ID, "status": STATUS}] * 2}),
        # Expired before it was sent, or after: nobody knows.
        by_status(200, Outcome.UNKNOWN, answered(4, 22, "EXPIRED_UNKNOWN").body),
        by_status(200, Outcome.UNKNOWN, answered(7, 700, "NEW").body),
        by_status(400, Outcome.REJECTED, error("E400")),
        by_status(400, Outcome.REJECTED, {"requestError": {"serviceException": {"messageId": "BAD_REQUEST"}}}),
        by_status(401, Outcome.CREDENTIALS, error("E401")),
        by_status(403, Outcome.CREDENTIALS, error("E403")),
        by_status(409, Outcome.UNKNOWN, error("E409")),
        by_status(422, Outcome.REJECTED, error("E422")),
        by_status(429, Outcome.THROTTLED, error("E429")),
        by_status(500, Outcome.UNKNOWN, answered(1, 26, "PENDING_ACCEPTED").body),
        by_status(503, Outcome.UNKNOWN, error("E503")),
    ),
    look_up=Sent(method="GET", url=f"https://xy1.api.infobip.com/sms/3/logs?messageId={ID}", headers=AUTHORIZED),
    look_ups=(
        LookUpCase(name="found", reply=Reply(status=200, body={"results": [LOG]}), answer=LookUp.FOUND, message_id=ID),
        LookUpCase(name="absent", reply=Reply(status=200, body={"results": []}), answer=LookUp.ABSENT),
        LookUpCase(
            name="somebody else's",
            reply=Reply(status=200, body={"results": [{**LOG, "messageId": "m-1"}]}),
            answer=LookUp.CANNOT_SAY,
        ),
        LookUpCase(name="no results", reply=Reply(status=200, body={}), answer=LookUp.CANNOT_SAY),
        *(
            LookUpCase(name=str(status), reply=Reply(status=status, body={"results": []}), answer=LookUp.CANNOT_SAY)
            for status in (201, 400, 401, 404, 429, 500, 503)
        ),
    ),
    reports=(
        report(3, 5, "DELIVERED_TO_HANDSET", ReportStatus.DELIVERED),
        report(3, 2, "DELIVERED_TO_OPERATOR", ReportStatus.DELIVERED),
        report(0, 0, "MESSAGE_ACCEPTED", ReportStatus.QUEUED),
        report(1, 26, "PENDING_ACCEPTED", ReportStatus.QUEUED),
        report(1, 3, "PENDING_WAITING_DELIVERY", ReportStatus.SENT),
        report(1, 7, "PENDING_ENROUTE", ReportStatus.SENT),
        report(2, 9, "UNDELIVERABLE_NOT_DELIVERED", ReportStatus.UNDELIVERED, error_code="UNDELIVERABLE_NOT_DELIVERED"),
        report(4, 15, "EXPIRED_EXPIRED", ReportStatus.EXPIRED, error_code="EXPIRED_EXPIRED"),
        report(4, 22, "EXPIRED_UNKNOWN", ReportStatus.SENT),
        report(4, 29, "EXPIRED_DLR_UNKNOWN", ReportStatus.SENT),
        report(5, 12, "REJECTED_NOT_ENOUGH_CREDITS", ReportStatus.REJECTED, error_code="REJECTED_NOT_ENOUGH_CREDITS"),
        report(5, 23, "REJECTED_DUPLICATE_MESSAGE_ID", ReportStatus.SENT),
        changed(
            "the error says why",
            {"status": {"groupId": 2, "id": 4, "name": "UNDELIVERABLE_REJECTED_OPERATOR"}, "error": ABSENT},
            status=ReportStatus.UNDELIVERED,
            error_code="EC_ABSENT_SUBSCRIBER",
        ),
        changed(
            "an error without a name",
            {"status": {"groupId": 2, "id": 4}, "error": {"id": 27}},
            status=ReportStatus.UNDELIVERED,
            error_code="27",
        ),
        changed("v2's count", {"messageCount": None, "smsCount": 3}, segments=3, price="0.03"),
        changed("no count", {"messageCount": None}, segments=None, price="0.01"),
        changed("no price", {"price": {}}, price=None, currency=None),
        changed("no callback data", {"callbackData": None}, reference=None),
        changed("no time", {"doneAt": None}, reported_at=None),
        ReportCase(
            name="several, one of which says nothing",
            request=called(RESULT, {"messageId": "m-2"}, {**RESULT, "messageId": "m-3"}),
            reports=(reported(), reported(provider_message_id="m-3")),
        ),
        unreadable("no results", b'{"results": []}'),
        unreadable("an unknown group", called({**RESULT, "status": {"groupId": 9, "id": 900}}).body),
        unreadable("no message id", called({**RESULT, "messageId": None}).body),
        unreadable("over-deep", b"[" * 100_000),
        unreadable("XML", b"<reportResponse/>"),
        unreadable("too many", msgspec.json.encode({"results": [{}] * 2001})),
        forged("no token", token=""),
        forged("another token", token=f"{TOKEN}x"),
        forged("from elsewhere", peer="203.0.113.9"),
        forged("from nowhere", peer=""),
    ),
    proof_headers=(),
    proves_content=False,
    has_token=True,
)

V2 = Table(
    options={**OPTIONS, "api": "v2", "sender": "+4915199999999"},
    secrets=TABLE.secrets,
    bad_options=(),
    send=Sent(
        method="POST",
        url="https://xy1.api.infobip.com/sms/2/text/advanced",
        headers={**AUTHORIZED, "content-type": "application/json"},
        json={
            "messages": [
                {
                    "from": "ACME",
                    "destinations": [{"to": "4915112345678", "messageId": ID}],
                    "text": SUBMIT.text,
                    "validityPeriod": 9,
                    "callbackData": ID,
                    "notifyUrl": HOOK,
                    "notifyContentType": "application/json",
                }
            ],
            "includeSmsCountInResponse": True,
        },
    ),
    send_without_sender=Sent(
        method="POST",
        url="https://xy1.api.infobip.com/sms/2/text/advanced",
        headers=AUTHORIZED,
        json={
            "messages": [
                {
                    "from": "4915199999999",
                    "destinations": [{"to": "4915112345678", "messageId": ID}],
                    "text": SUBMIT.text,
                    "validityPeriod": 9,
                    "callbackData": ID,
                    "notifyUrl": HOOK,
                    "notifyContentType": "application/json",
                }
            ],
            "includeSmsCountInResponse": True,
        },
    ),
    accepted=answered(1, 26, "PENDING_ACCEPTED"),
    answers=(
        accepted(1, 26, "PENDING_ACCEPTED", details={}, smsCount=2, to="4915112345678"),
        refused(5, 51, "MISSING_TO", Outcome.INVALID_NUMBER),
    ),
    look_up=Sent(method="GET", url=f"https://xy1.api.infobip.com/sms/1/logs?messageId={ID}", headers=AUTHORIZED),
    look_ups=TABLE.look_ups[:2],
    reports=TABLE.reports[:1],
    proof_headers=(),
    proves_content=False,
    has_token=True,
)
VARIANTS = {"v2": V2}
