"""telnyx: its documented requests, codes, statuses and signatures, row by row."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.telnyx import REFUSALS
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, Reply, ReportCase, Sent, Table

API_KEY = "KEY-Zq81xv-very-secret"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
HOOK = "https://gw.example.org/hooks/telnyx"
ADDRESS = f"{HOOK}?ref={REFERENCE}"
ID = "40000000-0000-4000-8000-000000000002"
WHEN = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
HEADERS = {
    "authorization": f"Bearer {API_KEY}",
    "content-type": "application/json",
    "idempotency-key": str(REFERENCE),
}
MESSAGE: dict[str, Any] = {
    "record_type": "message",
    "id": ID,
    "direction": "outbound",
    "to": [{"phone_number": SUBMIT.to, "status": "queued"}],
    "parts": 2,
    "cost": None,
    "errors": [],
}
PAYLOAD: dict[str, Any] = {
    **MESSAGE,
    "cost": {"amount": "0.0040", "currency": "USD"},
    "completed_at": "2026-03-01T13:00:05.000+01:00",
    "webhook_url": ADDRESS,
}
OPTIONS = {"api_key": API_KEY, "public_key": PUBLIC_KEY, "sender": "+15005550001", "webhook_url": HOOK}


# --- answers ----------------------------------------------------------------------------------------------------------


def accepted(name: str, changes: Mapping[str, Any], *, status: int = 200, **expected: Any) -> AnswerCase:
    reply = Reply(status=status, body={"data": {**MESSAGE, **changes}})
    wanted = {"message_id": ID, "segments": 2, **expected}
    return AnswerCase(name=name, reply=reply, outcome=Outcome.ACCEPTED, **wanted)


def by_status(status: int, outcome: Outcome, body: Any = b"") -> AnswerCase:
    return AnswerCase(name=f"{status} {body!r}", reply=Reply(status=status, body=body), outcome=outcome)


def errors(*codes: Any) -> dict[str, Any]:
    return {"errors": [{"code": each, "title": f"{SUBMIT.to} {API_KEY}", "detail": SUBMIT.text} for each in codes]}


def refused(status: int, *codes: Any, outcome: Outcome, shown: str) -> AnswerCase:
    reply = Reply(status=status, body=errors(*codes))
    name = f"{status} {codes}"
    return AnswerCase(name=name, reply=reply, outcome=outcome, detail=f"HTTP {status} {shown}")


# --- reports ----------------------------------------------------------------------------------------------------------


def signed(body: bytes, *, at: datetime = NOW, key: Ed25519PrivateKey = KEY) -> ReportRequest:
    timestamp = str(int(at.timestamp()))
    signature = base64.b64encode(key.sign(f"{timestamp}|".encode() + body)).decode()
    return call(body, signature, timestamp)


def call(body: bytes, *headers: str) -> ReportRequest:
    names = ("telnyx-signature-ed25519", "telnyx-timestamp")
    return ReportRequest(headers=tuple(zip(names, headers, strict=False)), body=body, received_at=NOW)


def event(changes: Mapping[str, Any] = {}, **meta: Any) -> dict[str, Any]:
    payload = {name: value for name, value in {**PAYLOAD, **changes}.items() if value is not None}
    data = {"event_type": "message.finalized", "id": "e-1", "occurred_at": "2026-03-01T12:00:06Z", "payload": payload}
    return {"data": data, "meta": {"attempt": 1, "delivered_to": ADDRESS, **meta}}


def to(word: str, *codes: str) -> dict[str, Any]:
    return {"to": [{"phone_number": SUBMIT.to, "status": word}], **errors(*codes)}


def read(name: str, body: Any, status: ReportStatus, **expected: Any) -> ReportCase:
    wanted = {
        "status": status,
        "provider_message_id": ID,
        "reference": str(REFERENCE),
        "reported_at": WHEN,
        "segments": 2,
        "price": "0.0040",
        "currency": "USD",
        "dedupe_key": "",
        **expected,
    }
    return ReportCase(name=name, request=signed(msgspec.json.encode(body)), reports=(DeliveryReport(**wanted),))


def told(name: str, status: ReportStatus, changes: Mapping[str, Any], **expected: Any) -> ReportCase:
    return read(name, event({**to("delivered"), **changes}), status, **expected)


def unreadable(name: str, body: Any) -> ReportCase:
    raw = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return ReportCase(name=name, request=signed(raw), refused="unreadable")


def forged(name: str, request: ReportRequest) -> ReportCase:
    return ReportCase(name=name, request=request, refused="forged")


BODY = msgspec.json.encode(event(to("delivered")))
GOOD = signed(BODY).headers
SIGNATURE, TIMESTAMP = (value for _, value in GOOD)

REPORTS = (
    told("queued", ReportStatus.QUEUED, to("queued")),
    told("sending", ReportStatus.QUEUED, to("sending")),
    told("sent", ReportStatus.SENT, to("sent")),
    told("delivered", ReportStatus.DELIVERED, {}),
    told("read", ReportStatus.DELIVERED, to("read")),
    told("unconfirmed", ReportStatus.SENT, to("delivery_unconfirmed")),
    told("delivery failed", ReportStatus.UNDELIVERED, to("delivery_failed", "40008"), error_code="40008"),
    told("sending failed", ReportStatus.FAILED, to("sending_failed", "40300", "40005x"), error_code="40300"),
    told("expired", ReportStatus.EXPIRED, to("expired")),
    told("expired on its way", ReportStatus.EXPIRED, to("delivery_failed", "40005"), error_code="40005"),
    told("expired in the queue", ReportStatus.EXPIRED, to("sending_failed", "40014"), error_code="40014"),
    told("delivered after a complaint", ReportStatus.DELIVERED, to("delivered", "40005"), error_code="40005"),
    told("upper case", ReportStatus.DELIVERED, to("DELIVERED")),
    told("no id", ReportStatus.DELIVERED, {"id": None}, provider_message_id=None),
    told("odd errors", ReportStatus.DELIVERED, {"errors": ["40005", {"code": "a b"}]}),
    told("odd counts", ReportStatus.DELIVERED, {"parts": "many", "cost": 4}, segments=None, price=None, currency=None),
    told(
        "not completed",
        ReportStatus.DELIVERED,
        {"completed_at": None},
        reported_at=datetime(2026, 3, 1, 12, 0, 6, tzinfo=UTC),
    ),
    read("delivered to nowhere", event(to("delivered"), delivered_to=None), ReportStatus.DELIVERED),
    read("delivered to something", event(to("delivered"), delivered_to="http://[::1"), ReportStatus.DELIVERED),
    read(
        "no address",
        event({**to("delivered"), "webhook_url": None}, delivered_to=HOOK),
        ReportStatus.DELIVERED,
        reference=None,
    ),
    unreadable("inbound", event(to("webhook_delivered"))),
    unreadable("to nobody", event({"to": []})),
    unreadable("no payload", {"data": {"id": "e-1"}}),
    unreadable("huge id", event({**to("delivered"), "id": "x" * 129})),
    unreadable("neither id nor reference", event({"id": None, "webhook_url": None, **to("sent")}, delivered_to=None)),
    unreadable("a list", [event()]),
    unreadable("over-deep", b"[" * 100_000),
    unreadable("empty", b""),
    unreadable("not UTF-8", b"\xff"),
    forged("no signature", call(BODY)),
    forged("no timestamp", call(BODY, SIGNATURE)),
    forged("not base64", call(BODY, "\u00e9\udcff", TIMESTAMP)),
    forged("too short", call(BODY, SIGNATURE[:-8], TIMESTAMP)),
    forged("another time", call(BODY, SIGNATURE, str(int(TIMESTAMP) + 1))),
    forged("a time that is none", call(BODY, SIGNATURE, "soon")),
    forged("another body", call(BODY + b" ", SIGNATURE, TIMESTAMP)),
    forged("another key", signed(BODY, key=Ed25519PrivateKey.from_private_bytes(bytes(32)))),
    forged("too old", signed(BODY, at=NOW - timedelta(seconds=301))),
    forged("too new", signed(BODY, at=NOW + timedelta(seconds=301))),
    forged("signed twice", ReportRequest(headers=(*GOOD, GOOD[0]), body=BODY, received_at=NOW)),
    forged("timed twice", ReportRequest(headers=(*GOOD, GOOD[1]), body=BODY, received_at=NOW)),
)

FIELDS = {
    "from": "ACME",
    "to": SUBMIT.to,
    "text": SUBMIT.text,
    "type": "SMS",
    "webhook_url": ADDRESS,
    "use_profile_webhooks": False,
}

TABLE = Table(
    options=OPTIONS,
    secrets=(API_KEY,),
    bad_options=(
        {},
        {"api_key": ""},
        {"api_key": "two words"},
        {**OPTIONS, "public_key": "hunter2"},
        {**OPTIONS, "public_key": "aHVudGVyMg=="},
        {**OPTIONS, "public_key": f"{PUBLIC_KEY}{PUBLIC_KEY}"},
        {**OPTIONS, "messaging_profile_id": "hunter2 hunter2"},
        {**OPTIONS, "sender": "hunter2 hunter2 hunter2"},
        {**OPTIONS, "encoding": "hunter2"},
        {**OPTIONS, "webhook_url": "ftp://hunter2"},
        {**OPTIONS, "base_url": "https://me:hunter2@api.telnyx.com"},
        {**OPTIONS, "verify": False},
    ),
    send=Sent(method="POST", url="https://api.telnyx.com/v2/messages", headers=HEADERS, json=FIELDS),
    send_without_sender=Sent(
        method="POST",
        url="https://api.telnyx.com/v2/messages",
        headers=HEADERS,
        json={**FIELDS, "from": "+15005550001"},
    ),
    accepted=Reply(status=200, body={"data": MESSAGE}),
    answers=(
        accepted("200", {}),
        accepted("202", {}, status=202),
        accepted("a price", {"cost": {"amount": "0.0040", "currency": "usd"}}, price="0.0040", currency="USD"),
        accepted("a price in something", {"cost": {"amount": "0.0040"}}, price="0.0040"),
        accepted("odd things beside the id", {"parts": "two", "cost": [4]}, segments=None),
        by_status(200, Outcome.UNKNOWN, MESSAGE),
        by_status(200, Outcome.UNKNOWN, {"data": {**MESSAGE, "id": None}}),
        by_status(200, Outcome.UNKNOWN, {"data": {**MESSAGE, "id": 7}}),
        by_status(200, Outcome.UNKNOWN, {"data": {**MESSAGE, "id": "x" * 129}}),
        by_status(200, Outcome.UNKNOWN, {"data": [MESSAGE]}),
        *(refused(400, each, outcome=outcome, shown=each) for each, outcome in REFUSALS.items()),
        refused(403, "40300", outcome=Outcome.OPTED_OUT, shown="40300"),
        refused(422, "99999", 40310, outcome=Outcome.INVALID_NUMBER, shown="40310"),
        by_status(400, Outcome.REJECTED, errors("10015")),
        by_status(422, Outcome.REJECTED, errors("10004")),
        by_status(422, Outcome.REJECTED, errors("10027")),
        by_status(400, Outcome.REJECTED, {"errors": {"code": "40310"}}),
        by_status(400, Outcome.REJECTED, {"errors": [["40310"], {"code": None}]}),
        by_status(401, Outcome.CREDENTIALS),
        by_status(403, Outcome.CREDENTIALS, errors("10099")),
        # About a message: nothing is wrong with the key.
        by_status(403, Outcome.REJECTED, errors("40399")),
        # An earlier call with the same key may be on its way.
        by_status(409, Outcome.UNKNOWN),
        by_status(429, Outcome.THROTTLED),
        # In a 5xx a code proves nothing.
        by_status(500, Outcome.UNKNOWN, errors("40310")),
        by_status(500, Outcome.UNKNOWN, errors("10007")),
        AnswerCase(
            name="429 with Retry-After",
            reply=Reply(status=429, body=errors("10011"), headers={"retry-after": "7"}),
            outcome=Outcome.THROTTLED,
            wait_seconds=7,
        ),
    ),
    reports=REPORTS,
)

VARIANTS = {
    "profile": Table(
        options={
            "api_key": API_KEY,
            "messaging_profile_id": "p-1",
            "encoding": "gsm7",
            "base_url": "http://127.0.0.1:9/telnyx/",
        },
        secrets=(API_KEY,),
        bad_options=(),
        send_without_sender=Sent(
            method="POST",
            url="http://127.0.0.1:9/telnyx/v2/messages",
            headers=HEADERS,
            json={
                "messaging_profile_id": "p-1",
                "to": SUBMIT.to,
                "text": SUBMIT.text,
                "type": "SMS",
                "encoding": "gsm7",
            },
        ),
        accepted=Reply(status=200, body={"data": MESSAGE}),
        reports=(forged("no public key", signed(BODY)),),
    ),
}
