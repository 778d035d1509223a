"""africastalking: https://developers.africastalking.com/docs/sms/sending/bulk and /docs/sms/notifications."""

from typing import Any
from urllib.parse import urlencode

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.africastalking import REFUSALS
from tests.providers.opening import NOW
from tests.providers.tables import SUBMIT, AnswerCase, Reply, ReportCase, ReportsAs, Sent, Table

API_KEY = "atsk_5f0c9d1e7b3a-very-secret"
TOKEN = "Uq8-webhook-token-secret"
MESSAGE_ID = "ATXid_0123456789abcdef"
RECIPIENT: dict[str, Any] = {
    "statusCode": 101,
    "number": SUBMIT.to,
    "cost": "KES 0.8000",
    "status": "Success",
    "messageId": MESSAGE_ID,
}
REPORT = {"id": MESSAGE_ID, "status": "Success", "phoneNumber": SUBMIT.to, "networkCode": "63902"}
OPTIONS = {
    "username": "smsgw",
    "api_key": API_KEY,
    "sender": "SHOP",
    "webhook_token": TOKEN,
    "webhook_allow": ["192.0.2.0/24"],
}
FORM = {"username": "smsgw", "to": SUBMIT.to, "message": SUBMIT.text, "bulkSMSMode": "1"}


def answer(*recipients: dict[str, Any], message: str = "Sent to 1/1 Total Cost: KES 0.8000") -> dict[str, Any]:
    return {"SMSMessageData": {"Message": message, "Recipients": list(recipients)}}


def case(name: str, outcome: Outcome, body: Any, *, status: int = 201, **expected: Any) -> AnswerCase:
    return AnswerCase(name=name, reply=Reply(status=status, body=body), outcome=outcome, **expected)


def accepted(name: str, changes: dict[str, Any], **expected: Any) -> AnswerCase:
    fields = {"message_id": MESSAGE_ID, "price": "0.8000", "currency": "KES", **expected}
    return case(name, Outcome.ACCEPTED, answer({**RECIPIENT, **changes}), **fields)


def refused(code: int, outcome: Outcome, *, status: int = 201, message_id: str = "None") -> AnswerCase:
    body = answer({**RECIPIENT, "statusCode": code, "cost": "0", "status": "Refused", "messageId": message_id})
    detail = f"HTTP {status}, statusCode {code}"
    return case(f"{status} {code} {message_id}", outcome, body, status=status, detail=detail)


def unclear(name: str, body: Any) -> AnswerCase:
    return case(name, Outcome.UNKNOWN, body)


def signed(body: bytes) -> ReportRequest:
    headers = (("content-type", "application/x-www-form-urlencoded"),)
    return ReportRequest(received_at=NOW, headers=headers, body=body, token=TOKEN, peer="192.0.2.7")


def report(word: str, status: ReportStatus, changes: dict[str, str] | None = None, **expected: Any) -> ReportCase:
    body = urlencode({**REPORT, "status": word, **(changes or {})}).encode()
    wanted = DeliveryReport(status=status, provider_message_id=MESSAGE_ID, dedupe_key="", **expected)
    return ReportCase(name=f"{word} {changes or ''}", request=signed(body), reports=(wanted,))


def unreadable(name: str, body: bytes) -> ReportCase:
    return ReportCase(name=name, request=signed(body), refused="unreadable")


def forged(name: str, **changes: Any) -> ReportCase:
    call = {"token": TOKEN, "peer": "192.0.2.7", **changes}
    request = ReportRequest(received_at=NOW, headers=(), body=urlencode(REPORT).encode(), **call)
    return ReportCase(name=name, request=request, refused="forged")


TABLE = Table(
    options=OPTIONS,
    secrets=(API_KEY, TOKEN),
    bad_options=(
        {},
        {"username": "smsgw"},
        {"username": "", "api_key": "k"},
        {"username": "smsgw", "api_key": "two words"},
        {"username": "smsgw", "api_key": "k", "sender": "line\nbreak"},
        {"username": "smsgw", "api_key": "k", "enqueue": "yes"},
        {"username": "smsgw", "api_key": "k", "base_url": "http://me:hunter2@provider.test"},
        {"username": "smsgw", "api_key": "k", "webhook_token": "short"},
        {"username": "smsgw", "api_key": "k", "webhook_allow": ["everywhere"]},
        {"username": "smsgw", "api_key": "k", "premium": True},
    ),
    send=Sent(
        method="POST",
        url="https://api.africastalking.com/version1/messaging",
        headers={
            "apikey": API_KEY,
            "accept": "application/json",
            "content-type": "application/x-www-form-urlencoded",
            "authorization": None,  # type: ignore[dict-item]
        },
        form={**FORM, "from": "ACME"},
    ),
    send_without_sender=Sent(
        method="POST",
        url="https://api.africastalking.com/version1/messaging",
        headers={"apikey": API_KEY},
        form={**FORM, "from": "SHOP"},
    ),
    accepted=Reply(status=201, body=answer(RECIPIENT)),
    answers=(
        accepted("sent", {}),
        accepted("processed", {"statusCode": 100}),
        accepted("queued", {"statusCode": 102}),
        accepted("with parts", {"messageParts": 3}, segments=3),
        accepted("with parts as a text", {"messageParts": "3"}, segments=3),
        accepted("with parts that are none", {"messageParts": "many"}),
        accepted("with no parts", {"messageParts": 0}),
        accepted("with more parts than there are", {"messageParts": 256}),
        accepted("with a price in another form", {"cost": "0.8"}, price=None, currency=None),
        accepted("with an endless price", {"cost": "KES " + "1" * 400}, price=None, currency=None),
        accepted("with a price that is no text", {"cost": 0.8}, price=None, currency=None),
        accepted("with a price in whole shillings", {"cost": "UGX 35"}, price="35", currency="UGX"),
        *(refused(code, outcome) for code, outcome in REFUSALS.items()),
        refused(402, Outcome.REJECTED, status=200),
        refused(409, Outcome.REJECTED, status=409),
        refused(406, Outcome.OPTED_OUT, status=400),
        # A message was made before it failed.
        refused(500, Outcome.UNKNOWN, message_id=MESSAGE_ID),
        refused(501, Outcome.UNKNOWN, message_id=MESSAGE_ID),
        refused(403, Outcome.INVALID_NUMBER, message_id=MESSAGE_ID),
        # The whole request failed.
        case("sender", Outcome.REJECTED, answer(message="InvalidSenderId")),
        case("key", Outcome.CREDENTIALS, answer(message="The supplied authentication is invalid")),
        case("something new", Outcome.REJECTED, answer(message=f"{SUBMIT.to} {API_KEY}")),
        case("nobody, and 401", Outcome.CREDENTIALS, answer(message="?"), status=401),
        case("nobody, and 429", Outcome.THROTTLED, answer(message="?"), status=429),
        case("nobody, and 500", Outcome.UNKNOWN, answer(message="InvalidSenderId"), status=500),
        # Success is not in the status.
        case("401 as text", Outcome.CREDENTIALS, b"The supplied authentication is invalid", status=401),
        case("400 as text", Outcome.REJECTED, b"Request is missing required form field 'to'", status=400),
        case("accepted in a 400", Outcome.REJECTED, answer(RECIPIENT), status=400),
        case("accepted in a 500", Outcome.UNKNOWN, answer(RECIPIENT), status=500),
        case("XML", Outcome.UNKNOWN, b"<AfricasTalkingResponse><SMSMessageData/></AfricasTalkingResponse>"),
        unclear("no recipients at all", {"SMSMessageData": {"Message": "Sent to 1/1"}}),
        unclear("two recipients", answer(RECIPIENT, RECIPIENT)),
        unclear("accepted without an id", answer({**RECIPIENT, "messageId": "None"})),
        unclear("accepted with half an id", answer({**RECIPIENT, "messageId": "a b"})),
        unclear("a code nobody knows", answer({**RECIPIENT, "statusCode": 103})),
        unclear("a code that is a word", answer({**RECIPIENT, "statusCode": "101"})),
        unclear("a recipient that is a number", {"SMSMessageData": {"Recipients": [7]}}),
        unclear("not wrapped", {"Recipients": [RECIPIENT]}),
    ),
    reports=(
        report("Success", ReportStatus.DELIVERED),
        report("Delivered", ReportStatus.DELIVERED),
        report("Sent", ReportStatus.SENT),
        report("Submitted", ReportStatus.SENT),
        report("Buffered", ReportStatus.SENT),
        report("Expired", ReportStatus.EXPIRED),
        report("AbsentSubscriber", ReportStatus.UNDELIVERED),
        report("Failed", ReportStatus.UNDELIVERED, {"failureReason": "UserIsInactive"}, error_code="UserIsInactive"),
        report("Rejected", ReportStatus.REJECTED, {"failureReason": "UserInBlackList"}, error_code="UserInBlackList"),
        report("Failed", ReportStatus.UNDELIVERED, {"failureReason": f"cannot reach {SUBMIT.to}"}),
        report("Success", ReportStatus.DELIVERED, {"retryCount": "1"}),
        unreadable("a status nobody knows", urlencode({**REPORT, "status": "Eaten"}).encode()),
        unreadable("no id", b"status=Success"),
        unreadable("an id that is none", urlencode({**REPORT, "id": "x" * 129}).encode()),
        unreadable("an id twice", urlencode([*REPORT.items(), ("id", "ATXid_2")]).encode()),
        unreadable("JSON", b'{"id": "ATXid_1", "status": "Success"}'),
        unreadable("not UTF-8", b"id=%ff&status=Success"),
        unreadable("empty", b""),
        forged("no token", token=""),
        forged("another token", token=TOKEN[:-1] + "T"),
        forged("from elsewhere", peer="198.51.100.1"),
        forged("from nowhere", peer=""),
    ),
    reports_as=ReportsAs.FORM,
    proof_headers=(),
    proves_content=False,
    has_token=True,
)
