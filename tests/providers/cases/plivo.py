"""plivo: its documented requests, statuses, codes and signatures, row by row."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, Part, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.plivo import ERRORS
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, Reply, ReportCase, ReportsAs, Sent, Table

ACCOUNT = "SAXYZXYZXYZXYZXYZXYZ"
TOKEN = "token-Zq81xv-very-secret"
MAIN_TOKEN = "main-77aa-very-secret"
WEBHOOK_TOKEN = "webhook-token-very-secret"
HOOK = "https://gw.example.org/hooks/plivo"
ID = "5b40a428-bfc7-4daf-9d06-726c558bf3b8"
NONCE = "12345678901234567890"
HEADERS = {
    "authorization": f"Basic {base64.b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}",
    "content-type": "application/json",
}
ACCEPTED: dict[str, Any] = {"api_id": "948b53a2", "message": "message(s) queued", "message_uuid": [ID]}
REPORT = {
    "MessageUUID": ID,
    "ParentMessageUUID": ID,
    "PartInfo": "1 of 1",
    "Status": "delivered",
    "ErrorCode": "",
    "From": "15005550001",
    "To": "15005550006",
    "Units": "1",
    "TotalRate": "0.00500",
    "TotalAmount": "0.00500",
    "MCC": "262",
    "MNC": "01",
}
OPTIONS = {
    "auth_id": ACCOUNT,
    "auth_token": TOKEN,
    "main_auth_token": MAIN_TOKEN,
    "sender": "+15005550001",
    "webhook_url": HOOK,
}


# --- answers ----------------------------------------------------------------------------------------------------------


def accepted(name: str, body: Any, status: int = 202) -> AnswerCase:
    return AnswerCase(name=name, reply=Reply(status=status, body=body), outcome=Outcome.ACCEPTED, message_id=ID)


def by_status(status: int, outcome: Outcome, body: Any = b"") -> AnswerCase:
    return AnswerCase(name=f"{status} {body!r}", reply=Reply(status=status, body=body), outcome=outcome)


def refused(status: int, outcome: Outcome) -> AnswerCase:
    body = {"api_id": "948b53a2", "error": f"{SUBMIT.to} {TOKEN} says {SUBMIT.text}"}
    return AnswerCase(
        name=f"{status} in words", reply=Reply(status=status, body=body), outcome=outcome, detail=f"HTTP {status}"
    )


# --- reports ----------------------------------------------------------------------------------------------------------


def made(text: str, key: str = TOKEN) -> str:
    return base64.b64encode(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()).decode()


def posted(fields: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return what V3 signs of a POST."""
    body = "".join(f"{name}{fields[name]}" for name in sorted(fields))
    address = "&".join(f"{name}={query[name]}" for name in sorted(query))
    return f"{HOOK}?{address}.{body}" if body else f"{HOOK}?{address}"


def call(body: bytes, headers: Mapping[str, str], *, query: str = f"ref={REFERENCE}", **more: Any) -> ReportRequest:
    told = tuple((f"x-plivo-signature-{name}", value) for name, value in headers.items())
    return ReportRequest(headers=(*told, *more.pop("extra", ())), body=body, received_at=NOW, query=query, **more)


def signed(body: bytes) -> ReportRequest:
    fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
    return call(body, {"v3": made(f"{posted(fields, {'ref': str(REFERENCE)})}.{NONCE}"), "v3-nonce": NONCE})


def signed_v2(body: bytes) -> ReportRequest:
    return call(body, {"v2": made(f"{HOOK}{NONCE}"), "v2-nonce": NONCE})


def read(name: str, request: ReportRequest, status: ReportStatus, **expected: Any) -> ReportCase:
    wanted: dict[str, Any] = {
        "status": status,
        "provider_message_id": ID,
        "reference": str(REFERENCE),
        "dedupe_key": "",
        "segments": 1,
        "price": "0.00500",
        "currency": "USD",
    }
    return ReportCase(name=name, request=request, reports=(DeliveryReport(**{**wanted, **expected}),))


def told(name: str, status: ReportStatus, changes: Mapping[str, str | None], **expected: Any) -> ReportCase:
    fields = {field: value for field, value in {**REPORT, **changes}.items() if value is not None}
    return read(name, signed(urlencode(fields).encode()), status, **expected)


def refusing(name: str, request: ReportRequest, refusal: str) -> ReportCase:
    return ReportCase(name=name, request=request, refused=refusal)


def with_v3(text: str, key: str = TOKEN, **more: Any) -> ReportRequest:
    return call(BODY, {"v3": made(f"{text}.{NONCE}", key), "v3-nonce": NONCE}, **more)


BODY = urlencode(REPORT).encode()
CONTENT = posted(REPORT, {"ref": str(REFERENCE)})
CONCATENATED = "".join(f"{name}{REPORT[name]}" for name in sorted(REPORT))
GOOD = made(f"{CONTENT}.{NONCE}")
REPEATED = b"Status=sent&Status=delivered"

READ = (
    told("queued", ReportStatus.QUEUED, {"Status": "queued"}),
    told("sent", ReportStatus.SENT, {"Status": "sent"}),
    told("delivered", ReportStatus.DELIVERED, {}),
    told("read", ReportStatus.DELIVERED, {"Status": "read"}),
    told("undelivered", ReportStatus.UNDELIVERED, {"Status": "undelivered", "ErrorCode": "80"}, error_code="80"),
    told("rejected", ReportStatus.REJECTED, {"Status": "rejected", "ErrorCode": "40"}, error_code="40"),
    *(
        told(
            f"failed {number}",
            ReportStatus.EXPIRED if number == "420" else ReportStatus.FAILED,
            {"Status": "failed", "ErrorCode": number},
            error_code=number,
        )
        for number in ERRORS
    ),
    told("a code that is none", ReportStatus.FAILED, {"Status": "failed", "ErrorCode": "no idea"}),
    told("upper case", ReportStatus.DELIVERED, {"Status": "DELIVERED"}),
    told("without a parent", ReportStatus.DELIVERED, {"ParentMessageUUID": None, "PartInfo": None}),
    told(
        "the second of three parts",
        ReportStatus.DELIVERED,
        {"MessageUUID": "another", "PartInfo": "2 of 3"},
        part=Part(2, 3),
        segments=3,
        price="0.01500",
    ),
    told("a part that is none", ReportStatus.DELIVERED, {"PartInfo": "4 of 3"}),
    told("a part of nothing", ReportStatus.DELIVERED, {"PartInfo": "0 of 2"}),
    told("a price that is none", ReportStatus.DELIVERED, {"TotalAmount": "much"}, price=None, currency=None),
    told(
        "fewer fields",
        ReportStatus.DELIVERED,
        {name: None for name in REPORT if name not in ("MessageUUID", "Status")},
        segments=None,
        price=None,
        currency=None,
    ),
    told(
        "no id",
        ReportStatus.DELIVERED,
        {"MessageUUID": None, "ParentMessageUUID": None},
        provider_message_id=None,
    ),
    read(
        "as the Python SDK signs", with_v3(f"{HOOK}?{CONCATENATED}", query=""), ReportStatus.DELIVERED, reference=None
    ),
    read("as the Go SDK signs", with_v3(f"{HOOK}.{CONCATENATED}", query=""), ReportStatus.DELIVERED, reference=None),
    read(
        "several signatures",
        call(BODY, {"v3": f"{made('old')},{GOOD}", "v3-nonce": NONCE}),
        ReportStatus.DELIVERED,
    ),
    refusing("unknown status", signed(urlencode({**REPORT, "Status": "eaten"}).encode()), "unreadable"),
    refusing("inbound", signed(b"MessageUUID=x&Text=hello&Type=sms"), "unreadable"),
    refusing("empty", signed(b""), "unreadable"),
    refusing("huge id", signed(urlencode({"MessageUUID": "x" * 129, "Status": "sent"}).encode()), "unreadable"),
    refusing(
        "a field twice",
        call(REPEATED, {"v3": made(f"{HOOK}?ref={REFERENCE}.StatusdeliveredStatussent.{NONCE}"), "v3-nonce": NONCE}),
        "unreadable",
    ),
    refusing("no signature", ReportRequest(headers=(), body=BODY, received_at=NOW), "forged"),
    refusing("no nonce", call(BODY, {"v3": GOOD}), "forged"),
    refusing("an empty nonce", call(BODY, {"v3": made(f"{CONTENT}."), "v3-nonce": ""}), "forged"),
    refusing("an empty signature", call(BODY, {"v3": "", "v3-nonce": NONCE}), "forged"),
    refusing("not ASCII", call(BODY, {"v3": "zz\u00e9\udcff", "v3-nonce": NONCE}), "forged"),
    refusing("another nonce", call(BODY, {"v3": GOOD, "v3-nonce": "1"}), "forged"),
    refusing("two nonces", with_v3(CONTENT, extra=(("x-plivo-signature-v3-nonce", NONCE),)), "forged"),
    refusing("signed twice", with_v3(CONTENT, extra=(("x-plivo-signature-v3", GOOD),)), "forged"),
    refusing("too many signatures", call(BODY, {"v3": f"{'x,' * 8}{GOOD}", "v3-nonce": NONCE}), "forged"),
    refusing("the main token's in the wrong place", with_v3(CONTENT, MAIN_TOKEN), "forged"),
    refusing("another reference", call(BODY, {"v3": GOOD, "v3-nonce": NONCE}, query="ref=another"), "forged"),
    refusing("no form", call(b"\xff", {"v3": GOOD, "v3-nonce": NONCE}), "forged"),
    refusing(
        "a wrong V3 beside a good V2",
        call(BODY, {"v2": made(f"{HOOK}{NONCE}"), "v2-nonce": NONCE, "v3": "x", "v3-nonce": NONCE}),
        "forged",
    ),
)

FIELDS = {
    "src": "ACME",
    "dst": SUBMIT.to.removeprefix("+"),
    "text": SUBMIT.text,
    "type": "sms",
    "message_expiry": 540,
    "url": f"{HOOK}?ref={REFERENCE}",
    "method": "POST",
}
ADDRESS = f"https://api.plivo.com/v1/Account/{ACCOUNT}/Message/"

TABLE = Table(
    options=OPTIONS,
    secrets=(TOKEN, MAIN_TOKEN),
    bad_options=(
        {},
        {"auth_id": ACCOUNT},
        {"auth_id": "hunter2", "auth_token": TOKEN},
        {"auth_id": ACCOUNT, "auth_token": "two words"},
        {**OPTIONS, "main_auth_token": "two words"},
        {**OPTIONS, "powerpack_uuid": "hunter2 hunter2"},
        {**OPTIONS, "sender": "hunter2 hunter2 hunter2"},
        {**OPTIONS, "log": "hunter2"},
        {**OPTIONS, "webhook_token": "hunter2"},
        {**OPTIONS, "webhook_allow": ["10.0.0.0/8"]},
        {**OPTIONS, "webhook_url": "ftp://hunter2"},
        {**OPTIONS, "base_url": "https://me:hunter2@api.plivo.com"},
        {**OPTIONS, "verify": False},
    ),
    send=Sent(method="POST", url=ADDRESS, headers=HEADERS, json=FIELDS),
    send_without_sender=Sent(method="POST", url=ADDRESS, headers=HEADERS, json={**FIELDS, "src": "15005550001"}),
    accepted=Reply(status=202, body=ACCEPTED),
    answers=(
        accepted("202", ACCEPTED),
        accepted("200, several ids", {"message_uuid": [ID, "another"]}, 200),
        by_status(202, Outcome.UNKNOWN, {}),
        by_status(202, Outcome.UNKNOWN, {"message_uuid": []}),
        by_status(202, Outcome.INVALID_NUMBER, {"message_uuid": [], "invalid_number": ["4915112345678"]}),
        by_status(202, Outcome.UNKNOWN, {"message_uuid": [], "invalid_number": []}),
        by_status(202, Outcome.UNKNOWN, {"message_uuid": ID}),
        by_status(202, Outcome.UNKNOWN, {"message_uuid": [7]}),
        by_status(202, Outcome.UNKNOWN, {"message_uuid": ["x" * 129]}),
        by_status(202, Outcome.UNKNOWN, b"<html>"),
        refused(400, Outcome.REJECTED),
        refused(401, Outcome.CREDENTIALS),
        refused(402, Outcome.CREDENTIALS),
        refused(403, Outcome.REJECTED),
        refused(404, Outcome.REJECTED),
        refused(405, Outcome.REJECTED),
        refused(409, Outcome.REJECTED),
        refused(422, Outcome.REJECTED),
        refused(429, Outcome.THROTTLED),
        by_status(400, Outcome.REJECTED, {"error": {"dst": ["invalid"]}}),
        by_status(500, Outcome.UNKNOWN, {"error": "internal server error"}),
        by_status(503, Outcome.UNKNOWN),
    ),
    statuses={403: Outcome.REJECTED},
    reports=READ,
    reports_as=ReportsAs.FORM,
    proof_headers=("x-plivo-signature-v3", "x-plivo-signature-v3-nonce"),
)

VARIANTS = {
    "v2": Table(
        options={**OPTIONS, "powerpack_uuid": "pool-1", "log": "false", "webhook_token": WEBHOOK_TOKEN},
        secrets=(TOKEN, MAIN_TOKEN, WEBHOOK_TOKEN),
        bad_options=(),
        send_without_sender=Sent(
            method="POST",
            url=ADDRESS,
            headers=HEADERS,
            json={**{k: v for k, v in FIELDS.items() if k != "src"}, "powerpack_uuid": "pool-1", "log": "false"},
        ),
        accepted=Reply(status=202, body=ACCEPTED),
        statuses={403: Outcome.REJECTED},
        reports=(
            read("V2", msgspec.structs.replace(signed_v2(BODY), token=WEBHOOK_TOKEN), ReportStatus.DELIVERED),
            refusing("V2 without the token", signed_v2(BODY), "forged"),
        ),
        reports_as=ReportsAs.FORM,
        signed=lambda body: msgspec.structs.replace(signed_v2(body), token=WEBHOOK_TOKEN),
        proof_headers=("x-plivo-signature-v2", "x-plivo-signature-v2-nonce"),
        proves_content=False,
        has_token=True,
    ),
}
