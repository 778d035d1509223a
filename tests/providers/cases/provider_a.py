"""provider_a: docs/reference/providers.md, row by row."""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, LookUpCase, Reply, ReportCase, Sent, Table

API_KEY = "key-Zq81xv-very-secret"
SECRET = "whsec-77aa-very-secret"
AUTHORIZED = {"authorization": f"Bearer {API_KEY}"}
WHEN = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
REPORT: dict[str, Any] = {
    "message_id": "m-1",
    "reference": str(REFERENCE),
    "status": "delivered",
    "timestamp": "2026-03-01T13:00:05+01:00",
}


def refused(status: int, word: str, outcome: Outcome) -> AnswerCase:
    body = {"error_code": word, "message": f"{SUBMIT.to} says {SUBMIT.text}"}
    return AnswerCase(
        name=f"{status} {word}", reply=Reply(status=status, body=body), outcome=outcome, detail=f"HTTP {status} {word}"
    )


def by_status(status: int, outcome: Outcome, body: Any = b"") -> AnswerCase:
    name = f"{status} {body!r}"
    return AnswerCase(name=name, reply=Reply(status=status, body=body), outcome=outcome)


def accepted(status: int, body: Any, message_id: str) -> AnswerCase:
    name = f"{status} {body}"
    reply = Reply(status=status, body=body)
    return AnswerCase(name=name, reply=reply, outcome=Outcome.ACCEPTED, message_id=message_id)


def signed(body: bytes, secret: str = SECRET, name: str = "x-signature") -> ReportRequest:
    signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return ReportRequest(received_at=NOW, headers=((name, signature),), body=body)


def report(name: str, status: ReportStatus, changes: dict[str, Any], **expected: Any) -> ReportCase:
    fields = {
        "status": status,
        "provider_message_id": "m-1",
        "reference": str(REFERENCE),
        "reported_at": WHEN,
        "dedupe_key": "",
        **expected,
    }
    body = msgspec.json.encode({name: value for name, value in {**REPORT, **changes}.items() if value is not None})
    return ReportCase(name=name, request=signed(body), reports=(DeliveryReport(**fields),))


def unreadable(name: str, body: bytes) -> ReportCase:
    return ReportCase(name=name, request=signed(body), refused="unreadable")


def forged(name: str, headers: Sequence[tuple[str, str]]) -> ReportCase:
    return ReportCase(
        name=name,
        request=ReportRequest(received_at=NOW, headers=headers, body=msgspec.json.encode(REPORT)),
        refused="forged",
    )


GOOD_SIGNATURE = signed(msgspec.json.encode(REPORT)).headers[0]

TABLE = Table(
    options={"base_url": "http://provider.test/v1/", "api_key": API_KEY, "webhook_secret": SECRET},
    secrets=(API_KEY, SECRET),
    bad_options=(
        {},
        {"base_url": "http://provider.test"},
        {"base_url": "http://provider.test", "api_key": ""},
        {"base_url": "http://provider.test", "api_key": "two words"},
        {"base_url": "http://provider.test", "api_key": "line\nbreak"},
        {"base_url": "http://provider.test", "api_key": 7},
        {"base_url": "http://provider.test", "api_key": "k", "webhook_secret": ""},
        {"base_url": "http://provider.test", "api_key": "k", "api_kee": "k"},
        # Nothing switches the verification of certificates off.
        {"base_url": "https://provider.test", "api_key": "k", "verify": False},
        {"base_url": "ftp://provider.test", "api_key": "k"},
        {"base_url": "provider.test", "api_key": "k"},
        {"base_url": "http://", "api_key": "k"},
        {"base_url": "http://provider.test:99999", "api_key": "k"},
        {"base_url": "http://[::1", "api_key": "k"},
        {"base_url": "http://me:hunter2@provider.test", "api_key": "k"},
        {"base_url": "http://provider.test/?a=b", "api_key": "k"},
        {"base_url": "http://provider.test/#a", "api_key": "k"},
        {"base_url": "http://provider.test/a b", "api_key": "k"},
    ),
    send=Sent(
        method="POST",
        url="http://provider.test/v1/messages",
        headers={**AUTHORIZED, "content-type": "application/json"},
        json={"to": SUBMIT.to, "text": SUBMIT.text, "reference": str(REFERENCE), "validity_seconds": 540},
    ),
    accepted=Reply(status=202, body={"message_id": "m-1"}),
    answers=(
        accepted(202, {"message_id": "m-1"}, "m-1"),
        accepted(200, {"message_id": "m-1", "extra": {"deep": [1]}}, "m-1"),
        accepted(201, {"message_id": "x" * 128}, "x" * 128),
        by_status(202, Outcome.UNKNOWN, {}),
        by_status(202, Outcome.UNKNOWN, {"message_id": ""}),
        by_status(202, Outcome.UNKNOWN, {"message_id": 7}),
        by_status(202, Outcome.UNKNOWN, {"message_id": "x" * 129}),
        by_status(202, Outcome.UNKNOWN, {"message_id": "nul\x00"}),
        by_status(202, Outcome.UNKNOWN, {"message_id": "line\n"}),
        by_status(202, Outcome.UNKNOWN, [{"message_id": "m-1"}]),
        by_status(204, Outcome.UNKNOWN),
        refused(400, "INVALID_NUMBER", Outcome.INVALID_NUMBER),
        refused(422, "INVALID_NUMBER", Outcome.INVALID_NUMBER),
        refused(403, "OPTED_OUT", Outcome.OPTED_OUT),
        refused(400, "REJECTED", Outcome.REJECTED),
        AnswerCase(
            name="THROTTLED with Retry-After",
            reply=Reply(status=400, body={"error_code": "THROTTLED"}, headers={"retry-after": "7"}),
            outcome=Outcome.THROTTLED,
            detail="HTTP 400 THROTTLED",
            wait_seconds=7,
        ),
        by_status(400, Outcome.REJECTED, {"error_code": "SOMETHING_NEW"}),
        by_status(400, Outcome.REJECTED, {"error_code": ["INVALID_NUMBER"]}),
        by_status(400, Outcome.REJECTED, b"[" * 5000),
        by_status(404, Outcome.REJECTED),
        by_status(401, Outcome.CREDENTIALS, {"error_code": "UNAUTHORIZED"}),
        by_status(402, Outcome.CREDENTIALS),
        by_status(403, Outcome.CREDENTIALS),
        # A refusal is a 4xx: in a 500 the same words prove nothing.
        by_status(500, Outcome.UNKNOWN, {"error_code": "INVALID_NUMBER"}),
    ),
    look_up=Sent(method="GET", url=f"http://provider.test/v1/messages?reference={REFERENCE}", headers=AUTHORIZED),
    look_ups=(
        LookUpCase(
            name="found",
            reply=Reply(status=200, body={"message_id": "m-1", "status": "queued"}),
            answer=LookUp.FOUND,
            message_id="m-1",
        ),
        LookUpCase(name="absent", reply=Reply(status=404), answer=LookUp.ABSENT),
        LookUpCase(name="200 without an id", reply=Reply(status=200, body={}), answer=LookUp.CANNOT_SAY),
        LookUpCase(name="200 garbage", reply=Reply(status=200, body=b"\xff<"), answer=LookUp.CANNOT_SAY),
        *(
            LookUpCase(name=str(status), reply=Reply(status=status), answer=LookUp.CANNOT_SAY)
            for status in (202, 302, 400, 401, 410, 429, 500, 501, 503)
        ),
    ),
    reports=(
        *(report(status.word, status, {"status": status.word}) for status in ReportStatus),
        report("upper case", ReportStatus.DELIVERED, {"status": "DELIVERED"}),
        report("error code", ReportStatus.FAILED, {"status": "failed", "error_code": "E_1"}, error_code="E_1"),
        report("numeric error code", ReportStatus.FAILED, {"status": "failed", "error_code": 31}, error_code="31"),
        report("an error code that is a text", ReportStatus.FAILED, {"status": "failed", "error_code": "a b\x00"}),
        report("no message id", ReportStatus.DELIVERED, {"message_id": None}, provider_message_id=None),
        report("no reference", ReportStatus.DELIVERED, {"reference": None}, reference=None),
        report("extra fields", ReportStatus.DELIVERED, {"carrier": {"name": "x"}}),
        report("no timestamp", ReportStatus.DELIVERED, {"timestamp": None}, reported_at=None),
        report("naive timestamp", ReportStatus.DELIVERED, {"timestamp": "2026-03-01T12:00:05"}, reported_at=None),
        report("timestamp is no time", ReportStatus.DELIVERED, {"timestamp": "soon"}, reported_at=None),
        report("first year", ReportStatus.DELIVERED, {"timestamp": "0001-01-01T00:00:00+14:00"}, reported_at=None),
        unreadable("unknown status", msgspec.json.encode({**REPORT, "status": "eaten"})),
        unreadable("no status", b'{"message_id": "m-1"}'),
        unreadable("neither id nor reference", b'{"status": "delivered"}'),
        unreadable("a list", msgspec.json.encode([REPORT])),
        unreadable("not UTF-8", b'{"status": "\xff"}'),
        unreadable("over-deep", b"[" * 100_000),
        unreadable("empty", b""),
        unreadable("huge id", msgspec.json.encode({**REPORT, "message_id": "x" * 129})),
        unreadable("NUL in the reference", msgspec.json.encode({**REPORT, "reference": "a\x00b"})),
        unreadable("huge timestamp", msgspec.json.encode({**REPORT, "timestamp": "x" * 65})),
        forged("no signature", ()),
        forged("an empty signature", (("x-signature", ""),)),
        forged("not hex", (("x-signature", "zz\u00e9\udcff"),)),
        forged("signed twice", (GOOD_SIGNATURE, GOOD_SIGNATURE)),
        forged("signed with the API key", signed(msgspec.json.encode(REPORT), API_KEY).headers),
        forged("the signature of another body", signed(b"{}").headers),
    ),
)
