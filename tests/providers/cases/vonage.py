"""vonage: the Messages API with Basic, with a token, with the address's secret alone; and the older SMS API."""

import base64
import hashlib
import uuid
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.vonage_messages import ERRORS
from tests.providers import vonage_sms_cases as sms
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, Reply, ReportCase, Sent, Table

API_KEY, API_SECRET = "abcd1234", "api-Zq81xv-very-secret"
SECRET = "0123456789abcdef0123456789abcdef"
TOKEN = "tok-4d8f1a2b7c6e5d90"
APPLICATION = "aaaaaaaa-bbbb-4ccc-8ddd-000000000001"
UUID = "aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab"
WEBHOOK = "https://gw.example.org/webhooks/delivery-report/Vonage"
BASIC = "Basic " + base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
OPTIONS: dict[str, Any] = {
    "api_key": API_KEY,
    "api_secret": API_SECRET,
    "signature_secret": SECRET,
    "sender": "+15005550001",
    "webhook_url": WEBHOOK,
}
REPORT: dict[str, Any] = {
    "message_uuid": UUID,
    "to": "15005550006",
    "from": "15005550001",
    "timestamp": "2026-03-01T12:00:05Z",
    "status": "delivered",
    "channel": "sms",
    "client_ref": str(REFERENCE),
    "usage": {"currency": "EUR", "price": "0.0333"},
    "sms": {"count_total": "2"},
}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    """Return a private key as the dashboard gives it."""
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()


# Made here, so that no private key stands in the repository.
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
PRIVATE_KEY = pem(KEY)
SMALL_KEY = pem(rsa.generate_private_key(public_exponent=65537, key_size=1024))
OTHER_KEY = pem(ec.generate_private_key(ec.SECP256R1()))


def token(body: bytes, secret: str = SECRET, algorithm: str = "HS256", **changes: Any) -> str:
    """Return a token of a status webhook."""
    said = {
        "iss": "Vonage",
        "iat": int(NOW.timestamp()) - 2,
        "jti": "c5ba8f24-1a14-4c10-bfdf-3fbe8ce511b5",
        "api_key": API_KEY,
        "application_id": APPLICATION,
        "payload_hash": hashlib.sha256(body).hexdigest(),
        **changes,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(kept, "" if algorithm == "none" else secret, algorithm=algorithm)


def call(body: bytes, authorization: str) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(("authorization", authorization),), body=body)


def signed(body: bytes) -> ReportRequest:
    return call(body, f"Bearer {token(body)}")


def with_token(body: bytes) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=body, token=TOKEN)


def encoded(**changes: Any) -> bytes:
    said = {**REPORT, **changes}
    return msgspec.json.encode({name: value for name, value in said.items() if value is not None})


def expected(status: ReportStatus, **changes: Any) -> DeliveryReport:
    fields = {
        "provider_message_id": UUID,
        "reference": str(REFERENCE),
        "reported_at": NOW.replace(second=5),
        "segments": 2,
        "price": "0.0333",
        "currency": "EUR",
        **changes,
    }
    return DeliveryReport(status=status, dedupe_key="", **fields)


def report(name: str, status: ReportStatus, changes: dict[str, Any], **told: Any) -> ReportCase:
    return ReportCase(name=name, request=signed(encoded(**changes)), reports=(expected(status, **told),))


def rejected(code: str, status: ReportStatus) -> ReportCase:
    error = {"type": f"https://developer.vonage.com/api-errors/messages#{code}", "title": code, "detail": "Said so."}
    return report(f"rejected {code}", status, {"status": "rejected", "error": error}, error_code=code)


def unreadable(name: str, body: bytes) -> ReportCase:
    return ReportCase(name=name, request=signed(body), refused="unreadable")


def forged(name: str, authorization: str, body: bytes = b"") -> ReportCase:
    return ReportCase(name=name, request=call(body or encoded(), authorization), refused="forged")


def refused(status: int, code: str, outcome: Outcome) -> AnswerCase:
    body = {
        "type": f"https://developer.vonage.com/api-errors/messages#{code}",
        "title": "Said so",
        "detail": f"{SUBMIT.to} says {SUBMIT.text}",
        "instance": "bf0ca0bf927b3b52e3cb03217e1a1ddf",
    }
    reply = Reply(status=status, body=body)
    return AnswerCase(name=f"{status} {code}", reply=reply, outcome=outcome, detail=f"HTTP {status} {code}")


def answer(name: str, status: int, body: Any, outcome: Outcome, message_id: str | None = None) -> AnswerCase:
    return AnswerCase(name=name, reply=Reply(status=status, body=body), outcome=outcome, message_id=message_id)


JSON: dict[str, Any] = {
    "channel": "sms",
    "message_type": "text",
    "to": "4915112345678",
    "from": "ACME",
    "text": SUBMIT.text,
    "ttl": 540,
    "client_ref": str(REFERENCE),
    "webhook_url": WEBHOOK,
    "webhook_version": "v1",
}
URL = "https://api.nexmo.com/v1/messages"
ACCEPTED = Reply(status=202, body={"message_uuid": UUID})
MINUTE = int(NOW.timestamp()) // 60 * 60
OUR_TOKEN = jwt.encode(
    {
        "application_id": APPLICATION,
        "iat": MINUTE,
        "exp": MINUTE + 900,
        "jti": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{APPLICATION}/{MINUTE}")),
    },
    PRIVATE_KEY,
    algorithm="RS256",
)
GOOD = f"Bearer {token(encoded())}"

TABLE = Table(
    options=OPTIONS,
    secrets=(API_SECRET, SECRET),
    bad_options=(
        {},
        {"api_key": API_KEY},
        {"api_secret": "hunter2"},
        {"api_key": "two words", "api_secret": "hunter2"},
        {"api_key": "a:b", "api_secret": "hunter2"},
        {"api_key": API_KEY, "api_secret": "line\nbreak"},
        {**OPTIONS, "api": "hunter2"},
        {**OPTIONS, "api_kee": "hunter2"},
        {**OPTIONS, "verify": False},
        {**OPTIONS, "sender": "hunter2-is-too-long"},
        {**OPTIONS, "base_url": "https://me:hunter2@api.test"},
        {**OPTIONS, "application_id": APPLICATION},
        {**OPTIONS, "private_key": PRIVATE_KEY},
        {"application_id": "two words", "private_key": PRIVATE_KEY},
        {"application_id": APPLICATION, "private_key": "hunter2"},
        {"application_id": APPLICATION, "private_key": PRIVATE_KEY.replace("MII", "hunter2")},
        {"application_id": APPLICATION, "private_key": SMALL_KEY},
        {"application_id": APPLICATION, "private_key": OTHER_KEY},
        {**OPTIONS, "webhook_allow": ["192.0.2.1"]},
        {**OPTIONS, "webhook_token": TOKEN, "webhook_allow": ["hunter2"]},
        {**OPTIONS, "webhook_token": "hunter2"},
        {"api": "sms", "api_key": API_KEY},
        {"api": "sms", "application_id": APPLICATION, "private_key": PRIVATE_KEY},
        {**OPTIONS, "api": "sms", "webhook_url": f"{WEBHOOK}/{'x' * 100}"},
        {**OPTIONS, "api": "sms", "signature_method": "hunter2"},
    ),
    send=Sent(
        method="POST",
        url=URL,
        headers={"authorization": BASIC, "content-type": "application/json"},
        json=JSON,
    ),
    send_without_sender=Sent(
        method="POST", url=URL, headers={"authorization": BASIC}, json={**JSON, "from": "15005550001"}
    ),
    accepted=ACCEPTED,
    answers=(
        answer("accepted", 202, {"message_uuid": UUID}, Outcome.ACCEPTED, UUID),
        answer(
            "accepted, with a workflow",
            202,
            {"message_uuid": UUID, "workflow_id": "3TcNjguHxr"},
            Outcome.ACCEPTED,
            UUID,
        ),
        answer("no id", 202, {}, Outcome.UNKNOWN),
        answer("an id that is none", 202, {"message_uuid": "two words"}, Outcome.UNKNOWN),
        answer("a list", 202, [{"message_uuid": UUID}], Outcome.UNKNOWN),
        *(refused(422, code, outcome) for code, outcome in ERRORS.items()),
        AnswerCase(
            name="the code as the title",
            reply=Reply(status=422, body={"type": "about:blank", "title": "1240"}),
            outcome=Outcome.OPTED_OUT,
            detail="HTTP 422 1240",
        ),
        AnswerCase(
            name="throttled",
            reply=Reply(status=429, body={"type": "x#1000"}, headers={"retry-after": "3"}),
            outcome=Outcome.THROTTLED,
            wait_seconds=3,
        ),
        refused(403, "1060", Outcome.CREDENTIALS),
        # About one recipient: the account is as good as before.
        refused(403, "1300", Outcome.REJECTED),
        refused(403, "1270", Outcome.REJECTED),
        answer("a code that nobody knows", 422, {"type": "x#1999", "title": "New"}, Outcome.REJECTED),
        answer(
            "a code that is no number", 401, {"type": "x#unauthorized", "title": "Unauthorized"}, Outcome.CREDENTIALS
        ),
        answer("a type that is no string", 422, {"type": ["#1240"], "title": {"a": 1}}, Outcome.REJECTED),
        answer("no credit", 402, {}, Outcome.CREDENTIALS),
        answer("a code in a 500", 500, {"type": "x#1240"}, Outcome.UNKNOWN),
    ),
    reports=(
        report("submitted", ReportStatus.SENT, {"status": "submitted"}),
        report("delivered", ReportStatus.DELIVERED, {}),
        report("read", ReportStatus.DELIVERED, {"status": "read"}),
        report("rejected", ReportStatus.REJECTED, {"status": "rejected"}),
        report("undeliverable", ReportStatus.FAILED, {"status": "undeliverable"}),
        rejected("1240", ReportStatus.REJECTED),
        rejected("1360", ReportStatus.EXPIRED),
        rejected("1260", ReportStatus.UNDELIVERED),
        rejected("1320", ReportStatus.SENT),
        rejected("1490", ReportStatus.SENT),
        report("no price", ReportStatus.DELIVERED, {"usage": None}, price=None, currency=None),
        report("no currency", ReportStatus.DELIVERED, {"usage": {"price": "1"}}, price=None, currency=None),
        report("no count", ReportStatus.DELIVERED, {"sms": {"count_total": "0"}}, segments=None),
        report("no reference", ReportStatus.DELIVERED, {"client_ref": None}, reference=None),
        report("no time", ReportStatus.DELIVERED, {"timestamp": None}, reported_at=None),
        unreadable("unknown status", encoded(status="eaten")),
        unreadable("no id", encoded(message_uuid=None)),
        unreadable("inbound", b'{"channel":"sms","message_uuid":"x","text":"Hi"}'),
        unreadable("empty", b""),
        ReportCase(
            name="the body of the vector",
            request=signed(b'{"message_uuid":"aaaaaaaa-bbbb-4ccc-8ddd-0123456789ab","status":"delivered"}'),
            reports=(
                expected(
                    ReportStatus.DELIVERED, reference=None, reported_at=None, segments=None, price=None, currency=None
                ),
            ),
        ),
        forged("no token", ""),
        forged("another scheme", BASIC),
        forged("another body", GOOD, encoded(status="failed")),
        forged("no hash", f"Bearer {token(encoded(), payload_hash=None)}"),
        forged("no time of issue", f"Bearer {token(encoded(), iat=None)}"),
        forged("another secret", f"Bearer {token(encoded(), API_SECRET * 2)}"),
        forged("another algorithm", f"Bearer {token(encoded(), SECRET * 2, 'HS512')}"),
        forged("no algorithm", f"Bearer {token(encoded(), algorithm='none')}"),
        forged("old", f"Bearer {token(encoded(), iat=int(NOW.timestamp()) - 301)}"),
        forged("from the future", f"Bearer {token(encoded(), iat=int(NOW.timestamp()) + 301)}"),
        forged("expired", f"Bearer {token(encoded(), exp=int(NOW.timestamp()) - 1)}"),
        forged("cut short", GOOD[:-1]),
        forged("a token without end", GOOD + "A" * 10_000),
        ReportCase(
            name="two tokens",
            request=ReportRequest(
                received_at=NOW, headers=(("authorization", GOOD), ("authorization", GOOD)), body=encoded()
            ),
            refused="forged",
        ),
    ),
)

VARIANTS = {
    "application": Table(
        options={
            "application_id": APPLICATION,
            "private_key": PRIVATE_KEY.replace("\n", "\\n"),
            "signature_secret": SECRET,
            "base_url": "https://api-eu.nexmo.com/",
        },
        secrets=(PRIVATE_KEY, SECRET),
        bad_options=(),
        send=Sent(
            method="POST",
            url="https://api-eu.nexmo.com/v1/messages",
            headers={"authorization": f"Bearer {OUR_TOKEN}"},
            json={name: value for name, value in JSON.items() if not name.startswith("webhook")},
        ),
        accepted=ACCEPTED,
    ),
    "unsigned": Table(
        options={"api_key": API_KEY, "api_secret": API_SECRET, "webhook_token": TOKEN},
        secrets=(API_SECRET, TOKEN),
        bad_options=(),
        accepted=ACCEPTED,
        reports=(
            ReportCase(name="token", request=with_token(encoded()), reports=(expected(ReportStatus.DELIVERED),)),
            ReportCase(name="no token", request=signed(encoded()), refused="forged"),
        ),
        signed=with_token,
        proves_content=False,
        has_token=True,
    ),
    **sms.VARIANTS,
}
