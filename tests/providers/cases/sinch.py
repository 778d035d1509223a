"""sinch: batches of one recipient; reports that are signed, and reports that a token in the address proves."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import msgspec

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.sinch import ERRORS, REPORTS
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, LookUpCase, Reply, ReportCase, Sent, Table

PLAN = "plan0123456789abcdef"
API_TOKEN = "tok-Zq81xv-very-secret"
SECRET = "foo_secret1234"
TOKEN = "hook-4d8f1a2b7c6e5d90"
BATCH = "01FC66621XXXXX119Z8PMV1QPQ"
WEBHOOK = "https://gw.example.org/webhooks/delivery-report/Sinch"
OPTIONS: dict[str, Any] = {
    "service_plan_id": PLAN,
    "api_token": API_TOKEN,
    "webhook_secret": SECRET,
    "webhook_url": WEBHOOK,
    "sender": "+15005550001",
}
URL = f"https://us.sms.api.sinch.com/xms/v1/{PLAN}/batches"
AUTHORIZED = {"authorization": f"Bearer {API_TOKEN}"}
JSON: dict[str, Any] = {
    "from": "ACME",
    "to": ["4915112345678"],
    "body": SUBMIT.text,
    "delivery_report": "per_recipient",
    "callback_url": WEBHOOK,
    "client_reference": str(REFERENCE),
    "expire_at": "2026-03-01T12:09:00.000Z",
}
REPORT: dict[str, Any] = {
    "type": "recipient_delivery_report_sms",
    "batch_id": BATCH,
    "recipient": "4915112345678",
    "code": 0,
    "status": "Delivered",
    "at": "2026-03-01T12:00:05.000Z",
    "operator_status_at": "2026-03-01T12:00:04.000Z",
    "client_reference": str(REFERENCE),
    "applied_originator": "15005550001",
    "encoding": "GSM",
    "number_of_message_parts": 2,
    "operator": "310260",
}
VECTOR = (
    b'{"app_id":"01EB37HMH1M6SV18BSNS3G135H","accepted_time":"2020-11-17T15:09:11.659Z",'
    b'"project_id":"c36f3d3d-1513-2edd-ae42-11995557ff61","message_delivery_report":{"message_id":'
    b'"01EQBC1A3BEK731GY4YXEN0C2R","conversation_id":"01EPYATA64TMNZ1FV02JKF12JF","status":"QUEUED_ON_CHANNEL",'
    b'"contact_id":"01EXA07N79THJ20WSN6AS30TMW"}}'
)
"""Of the vendor's own tests; an event of another product, under the same scheme."""
VECTOR_HEADERS = (
    ("x-sinch-webhook-signature", "Yc+3R1pIS78xLASybulhs8BsSo9BPB3Pr92QCUoczfk="),
    ("x-sinch-webhook-signature-nonce", "01FJA8B4A7BM43YGWSG9GBV067"),
    ("x-sinch-webhook-signature-timestamp", "1634579353"),
)
SIGNED_AT = datetime.fromtimestamp(1634579353, UTC)


def signed(body: bytes, *, age: int = 0, secret: str = SECRET) -> ReportRequest:
    nonce, timestamp = "01FJA8B4A7BM43YGWSG9GBV067", str(int(NOW.timestamp()) - age)
    content = b".".join((body, nonce.encode(), timestamp.encode()))
    signature = base64.b64encode(hmac.new(secret.encode(), content, hashlib.sha256).digest()).decode()
    headers = (
        ("x-sinch-webhook-signature", signature),
        ("x-sinch-webhook-signature-nonce", nonce),
        ("x-sinch-webhook-signature-timestamp", timestamp),
    )
    return ReportRequest(received_at=NOW, headers=headers, body=body)


def with_token(body: bytes) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=body, token=TOKEN, peer="192.0.2.7")


def encoded(**changes: Any) -> bytes:
    said = {**REPORT, **changes}
    return msgspec.json.encode({name: value for name, value in said.items() if value is not None})


def expected(status: ReportStatus, **changes: Any) -> DeliveryReport:
    fields = {
        "provider_message_id": BATCH,
        "reference": str(REFERENCE),
        "reported_at": NOW.replace(second=4),
        "segments": 2,
        **changes,
    }
    return DeliveryReport(status=status, dedupe_key="", **fields)


def report(name: str, status: ReportStatus, changes: dict[str, Any], **told: Any) -> ReportCase:
    return ReportCase(name=name, request=signed(encoded(**changes)), reports=(expected(status, **told),))


def unreadable(name: str, body: bytes) -> ReportCase:
    return ReportCase(name=name, request=signed(body), refused="unreadable")


def forged(name: str, request: ReportRequest) -> ReportCase:
    return ReportCase(name=name, request=request, refused="forged")


def vector(name: str, refused: str, **changes: Any) -> ReportCase:
    fields = {"received_at": SIGNED_AT, "headers": VECTOR_HEADERS, "body": VECTOR, **changes}
    return ReportCase(name=name, request=ReportRequest(**fields), refused=refused)


def answer(
    name: str, status: int, body: Any, outcome: Outcome, message_id: str | None = None, detail: str | None = None
) -> AnswerCase:
    reply = Reply(status=status, body=body)
    return AnswerCase(name=name, reply=reply, outcome=outcome, message_id=message_id, detail=detail)


def look_up(name: str, answer: LookUp, status: int, body: Any, message_id: str | None = None) -> LookUpCase:
    return LookUpCase(name=name, reply=Reply(status=status, body=body), answer=answer, message_id=message_id)


def batches(*references: str | None) -> dict[str, Any]:
    listed = [{"id": BATCH, "to": ["4915112345678"], "client_reference": each} for each in references]
    return {"count": len(listed), "page": 0, "page_size": 10, "batches": listed}


ACCEPTED = {"id": BATCH, "to": ["4915112345678"], "canceled": False, "client_reference": str(REFERENCE)}
WHOLE_BATCH = {
    "type": "delivery_report_sms",
    "batch_id": BATCH,
    "total_message_count": 1,
    "statuses": [
        {"code": 0, "status": "Delivered", "count": 1, "recipients": ["4915112345678"]},
        {"code": 402, "status": "Rejected", "count": 1},
        {"code": 1, "status": "Eaten", "count": 1},
    ],
    "client_reference": str(REFERENCE),
}

TABLE = Table(
    options=OPTIONS,
    secrets=(API_TOKEN, SECRET),
    bad_options=(
        {},
        {"service_plan_id": PLAN},
        {"api_token": "hunter2"},
        {**OPTIONS, "service_plan_id": "two words"},
        {**OPTIONS, "service_plan_id": "../hunter2"},
        {**OPTIONS, "api_token": "line\nbreak"},
        {**OPTIONS, "region": "hunter2"},
        {**OPTIONS, "delivery_report": "hunter2"},
        {**OPTIONS, "max_number_of_message_parts": 0},
        {**OPTIONS, "webhook_secret": ""},
        {**OPTIONS, "base_url": "https://me:hunter2@sinch.test"},
        {**OPTIONS, "webhook_allow": ["192.0.2.0/24"]},
        {**OPTIONS, "api_tokem": "hunter2"},
    ),
    send=Sent(method="POST", url=URL, headers={**AUTHORIZED, "content-type": "application/json"}, json=JSON),
    send_without_sender=Sent(method="POST", url=URL, headers=AUTHORIZED, json={**JSON, "from": "15005550001"}),
    accepted=Reply(status=201, body=ACCEPTED),
    statuses={404: Outcome.CREDENTIALS, 405: Outcome.CREDENTIALS},
    answers=(
        answer("accepted", 201, ACCEPTED, Outcome.ACCEPTED, BATCH),
        answer("no id", 201, {}, Outcome.UNKNOWN),
        answer("an id that is none", 201, {"id": "two words"}, Outcome.UNKNOWN),
        answer("a list", 201, [ACCEPTED], Outcome.UNKNOWN),
        *(
            answer(word, 400, {"code": word, "text": f"{SUBMIT.to}?"}, outcome, detail=f"HTTP 400 {word}")
            for word, outcome in ERRORS.items()
        ),
        answer("no callback", 403, {"code": "missing_callback_url"}, Outcome.CREDENTIALS),
        answer("a group in a 403", 403, {"code": "unknown_group"}, Outcome.REJECTED, detail="HTTP 403 unknown_group"),
        answer("another form of errors", 400, {"error": {"code": 400, "status": "INVALID_ARGUMENT"}}, Outcome.REJECTED),
        answer("a code that nobody knows", 400, {"code": "syntax_new"}, Outcome.REJECTED),
        answer("401", 401, b"", Outcome.CREDENTIALS),
        answer("no such plan", 404, b"", Outcome.CREDENTIALS, detail="HTTP 404"),
        answer("not JSON", 415, b"", Outcome.REJECTED),
        answer("a code in a 500", 500, {"code": "syntax_invalid_json"}, Outcome.UNKNOWN),
        AnswerCase(
            name="throttled",
            reply=Reply(status=429, headers={"retry-after": "2"}),
            outcome=Outcome.THROTTLED,
            wait_seconds=2,
        ),
    ),
    look_up=Sent(
        method="GET", url=URL, headers=AUTHORIZED, query={"client_reference": str(REFERENCE), "page_size": "10"}
    ),
    look_ups=(
        look_up("found", LookUp.FOUND, 200, batches(None, str(REFERENCE)), BATCH),
        look_up("absent", LookUp.ABSENT, 200, batches()),
        look_up("of others", LookUp.CANNOT_SAY, 200, batches("another", None)),
        look_up("no list", LookUp.CANNOT_SAY, 200, {"count": 0}),
        look_up("an id that is none", LookUp.CANNOT_SAY, 200, {"batches": [{"id": ""}]}),
        look_up("404", LookUp.CANNOT_SAY, 404, b""),
        look_up("500", LookUp.CANNOT_SAY, 500, batches()),
    ),
    reports=(
        *(
            report(word, status, {"status": word.capitalize(), "code": 12}, error_code="12")
            for word, status in REPORTS.items()
        ),
        report("code 0", ReportStatus.DELIVERED, {}),
        report("code 401", ReportStatus.SENT, {"status": "Dispatched", "code": 401}),
        report("our time", ReportStatus.DELIVERED, {"operator_status_at": None}, reported_at=NOW.replace(second=5)),
        report("no parts", ReportStatus.DELIVERED, {"number_of_message_parts": None}, segments=None),
        report("no reference", ReportStatus.DELIVERED, {"client_reference": None}, reference=None),
        ReportCase(
            name="of a batch",
            request=signed(msgspec.json.encode(WHOLE_BATCH)),
            reports=(
                expected(ReportStatus.DELIVERED, reported_at=None, segments=None),
                expected(ReportStatus.REJECTED, reported_at=None, segments=None, error_code="402"),
            ),
        ),
        unreadable("unknown status", encoded(status="Eaten")),
        unreadable("no batch", encoded(batch_id=None)),
        unreadable("inbound", b'{"type":"mo_text","id":"01XXXXX","batch_id":"x","status":"Delivered"}'),
        unreadable("empty", b""),
        forged("signed with the API token", signed(encoded(), secret=API_TOKEN)),
        forged("old", signed(encoded(), age=301)),
        forged("from the future", signed(encoded(), age=-301)),
        forged("another body", msgspec.structs.replace(signed(encoded()), body=encoded(status="Failed"))),
        forged("unsigned", ReportRequest(received_at=NOW, headers=(), body=encoded())),
        forged("a token", with_token(encoded())),
        vector("the vendor's vector", "unreadable"),
        vector("the vendor's vector, too late", "forged", received_at=NOW),
        vector("the vendor's vector, another body", "forged", body=VECTOR + b" "),
        vector("the vendor's vector, without its nonce", "forged", headers=(VECTOR_HEADERS[0], VECTOR_HEADERS[2])),
    ),
)

VARIANTS = {
    "unsigned": Table(
        options={
            "service_plan_id": PLAN,
            "api_token": API_TOKEN,
            "region": "eu",
            "max_number_of_message_parts": 3,
            "webhook_token": TOKEN,
            "webhook_allow": ["192.0.2.0/24"],
        },
        secrets=(API_TOKEN, TOKEN),
        bad_options=(),
        send=Sent(
            method="POST",
            url=URL.replace("us.sms", "eu.sms"),
            headers=AUTHORIZED,
            json={
                **{name: value for name, value in JSON.items() if name not in ("delivery_report", "callback_url")},
                "max_number_of_message_parts": 3,
            },
        ),
        accepted=Reply(status=201, body=ACCEPTED),
        statuses=TABLE.statuses,
        reports=(
            ReportCase(name="token", request=with_token(encoded()), reports=(expected(ReportStatus.DELIVERED),)),
            forged("no token", ReportRequest(received_at=NOW, headers=(), body=encoded(), peer="192.0.2.7")),
            forged("another address", msgspec.structs.replace(with_token(encoded()), peer="198.51.100.1")),
        ),
        signed=with_token,
        proves_content=False,
        has_token=True,
    ),
}
