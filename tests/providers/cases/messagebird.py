"""messagebird: JSON out, reports in the query of a GET under three kinds of proof."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import jwt
import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.messagebird import REPORTS
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, Reply, ReportCase, ReportsAs, Sent, Table

ACCESS_KEY = "live_Zq81xvVerySecret"
KEY = "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb"
OLDER_KEY = "PlLrKaqvZNRR5zAjm42ZT6q1SQxgbbGd"
TOKEN = "hook-4d8f1a2b7c6e5d90"
ID = "e8077d803532c0b5937c639b60216938"
WEBHOOK = "https://gw.example.org/webhooks/delivery-report/MessageBird"
URL = "https://rest.messagebird.com/messages"
AUTHORIZED = {"authorization": f"AccessKey {ACCESS_KEY}"}
OPTIONS: dict[str, Any] = {
    "access_key": ACCESS_KEY,
    "signing_key": KEY,
    "sender": "+15005550001",
    "webhook_url": WEBHOOK,
}
JSON: dict[str, Any] = {
    "originator": "ACME",
    "recipients": ["4915112345678"],
    "body": SUBMIT.text,
    "datacoding": "auto",
    "validity": 540,
    "reference": str(REFERENCE),
    "reportUrl": WEBHOOK,
}
ITEM = {
    "recipient": 4915112345678,
    "status": "sent",
    "messagePartCount": 2,
    "price": {"amount": 0.05, "currency": "EUR"},
}
REPORT = {
    "id": ID,
    "reference": str(REFERENCE),
    "recipient": "4915112345678",
    "status": "delivered",
    "statusReason": "successfully delivered",
    "statusErrorCode": "0",
    "statusDatetime": "2026-03-01T12:00:05+00:00",
    "mccmnc": "26201",
    "ported": "0",
    "messagePartCount": "2",
    "price[amount]": "0.05",
    "price[currency]": "EUR",
}


def token(query: str, body: bytes = b"", *, url: str = WEBHOOK, **changes: Any) -> str:
    """Return a token of a call; a claim that is None is left out, `key` and `algorithm` are no claims."""
    now = int(NOW.timestamp())
    key, algorithm = changes.pop("key", KEY), changes.pop("algorithm", "HS256")
    said = {
        "iss": "MessageBird",
        "nbf": now,
        "exp": now + 60,
        "jti": "93e55006-a0e8-4526-a190-fa5ff00ea116",
        "url_hash": hashlib.sha256(f"{url}?{query}".encode()).hexdigest(),
        "payload_hash": hashlib.sha256(body).hexdigest() if body else None,
        **changes,
    }
    kept = {name: value for name, value in said.items() if value is not None}
    return jwt.encode(kept, "" if algorithm == "none" else key, algorithm=algorithm)


def call(query: str, *headers: tuple[str, str], body: bytes = b"") -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=headers, body=body, method="GET", query=query)


def signed(query: bytes) -> ReportRequest:
    text = query.decode("latin-1")
    return call(text, ("messagebird-signature-jwt", token(text)))


def with_older(query: str, *, age: int = 0, key: str = KEY) -> ReportRequest:
    timestamp = str(int(NOW.timestamp()) - age)
    fields = sorted(parse_qsl(query, keep_blank_values=True))
    content = f"{timestamp}\n{urlencode(fields)}\n".encode() + hashlib.sha256(b"").digest()
    signature = base64.b64encode(hmac.new(key.encode(), content, hashlib.sha256).digest()).decode()
    return call(query, ("messagebird-signature", signature), ("messagebird-request-timestamp", timestamp))


def with_token(query: bytes) -> ReportRequest:
    return msgspec.structs.replace(call(query.decode("latin-1")), token=TOKEN)


def encoded(**changes: str | None) -> str:
    said = {**REPORT, **changes}
    return urlencode({name: value for name, value in said.items() if value is not None})


def expected(status: ReportStatus, **changes: Any) -> DeliveryReport:
    fields = {
        "provider_message_id": ID,
        "reference": str(REFERENCE),
        "reported_at": NOW.replace(second=5),
        "segments": 2,
        "price": "0.05",
        "currency": "EUR",
        **changes,
    }
    return DeliveryReport(status=status, dedupe_key="", **fields)


def report(name: str, status: ReportStatus, changes: dict[str, str | None], **told: Any) -> ReportCase:
    return ReportCase(name=name, request=signed(encoded(**changes).encode()), reports=(expected(status, **told),))


def unreadable(name: str, query: str) -> ReportCase:
    return ReportCase(name=name, request=signed(query.encode()), refused="unreadable")


def forged(name: str, *headers: str, query: str = "", body: bytes = b"") -> ReportCase:
    tokens = [("messagebird-signature-jwt", each) for each in headers]
    return ReportCase(name=name, request=call(query or encoded(), *tokens, body=body), refused="forged")


def answer(name: str, status: int, body: Any, outcome: Outcome, **expected: Any) -> AnswerCase:
    return AnswerCase(name=name, reply=Reply(status=status, body=body), outcome=outcome, **expected)


def refused(status: int, code: int, outcome: Outcome, parameter: str | None = None) -> AnswerCase:
    body = {"errors": [{"code": code, "description": f"no {SUBMIT.to}", "parameter": parameter}]}
    detail = f"HTTP {status} {code}"
    return answer(f"{status} {code} {parameter}", status, body, outcome, detail=detail)


ACCEPTED = {"id": ID, "direction": "mt", "recipients": {"totalCount": 1, "items": [ITEM]}}
GOOD = token(encoded())
HOUR = int(NOW.timestamp())

TABLE = Table(
    options=OPTIONS,
    secrets=(ACCESS_KEY, KEY),
    bad_options=(
        {},
        {"access_key": ""},
        {"access_key": "two words"},
        {**OPTIONS, "signing_key": "line\nbreak"},
        {**OPTIONS, "sender": "hunter2-is-too-long"},
        {**OPTIONS, "base_url": "ftp://hunter2"},
        {**OPTIONS, "webhook_allow": ["192.0.2.1"]},
        {**OPTIONS, "webhook_token": "hunter2"},
        {**OPTIONS, "acess_key": "hunter2"},
    ),
    send=Sent(method="POST", url=URL, headers={**AUTHORIZED, "content-type": "application/json"}, json=JSON),
    send_without_sender=Sent(method="POST", url=URL, headers=AUTHORIZED, json={**JSON, "originator": "15005550001"}),
    accepted=Reply(status=201, body=ACCEPTED),
    answers=(
        answer("accepted", 201, ACCEPTED, Outcome.ACCEPTED, message_id=ID, segments=2, price="0.05", currency="EUR"),
        answer("an older account", 201, {"id": ID, "recipients": {"items": [{}]}}, Outcome.ACCEPTED, message_id=ID),
        answer("no items", 201, {"id": ID}, Outcome.ACCEPTED, message_id=ID),
        answer(
            "a price without currency",
            201,
            {"id": ID, "recipients": {"items": [{"price": {"amount": 1}}]}},
            Outcome.ACCEPTED,
            message_id=ID,
        ),
        answer("no id", 201, {"recipients": {"items": [ITEM]}}, Outcome.UNKNOWN),
        answer("an id that is none", 201, {"id": "two words"}, Outcome.UNKNOWN),
        refused(401, 2, Outcome.CREDENTIALS, "access_key"),
        refused(422, 9, Outcome.INVALID_NUMBER, "recipients"),
        refused(422, 9, Outcome.REJECTED, "originator"),
        refused(422, 10, Outcome.INVALID_NUMBER, "recipients"),
        refused(422, 10, Outcome.REJECTED),
        refused(404, 20, Outcome.REJECTED),
        refused(400, 21, Outcome.REJECTED),
        refused(422, 25, Outcome.CREDENTIALS),
        refused(402, 25, Outcome.CREDENTIALS),
        refused(405, 98, Outcome.CREDENTIALS),
        answer("a code that nobody knows", 422, {"errors": [{"code": 77}]}, Outcome.REJECTED),
        answer("no errors", 422, {"errors": []}, Outcome.REJECTED),
        answer("errors of another form", 422, {"errors": "9"}, Outcome.REJECTED),
        answer("a code in a 500", 500, {"errors": [{"code": 9}]}, Outcome.UNKNOWN),
        answer("internal", 500, {"errors": [{"code": 99}]}, Outcome.UNKNOWN),
        AnswerCase(
            name="throttled",
            reply=Reply(status=429, body={"errors": [{"code": 21}]}, headers={"retry-after": "2"}),
            outcome=Outcome.THROTTLED,
            wait_seconds=2,
        ),
    ),
    reports=(
        *(report(word, status, {"status": word}) for word, status in REPORTS.items()),
        report(
            "a code",
            ReportStatus.UNDELIVERED,
            {"status": "delivery_failed", "statusErrorCode": "103"},
            error_code="103",
        ),
        report("a + that was not escaped", ReportStatus.DELIVERED, {"statusDatetime": "2026-03-01T13:00:05 01:00"}),
        report("no time", ReportStatus.DELIVERED, {"statusDatetime": None}, reported_at=None),
        report("no price", ReportStatus.DELIVERED, {"price[amount]": None}, price=None, currency=None),
        report("no parts", ReportStatus.DELIVERED, {"messagePartCount": None}, segments=None),
        report("no reference", ReportStatus.DELIVERED, {"reference": None}, reference=None),
        *(
            ReportCase(
                name=algorithm,
                request=call(encoded(), ("messagebird-signature-jwt", token(encoded(), algorithm=algorithm))),
                reports=(expected(ReportStatus.DELIVERED),),
            )
            for algorithm in ("HS384", "HS512")
        ),
        unreadable("unknown status", encoded(status="eaten")),
        unreadable("no id", encoded(id=None)),
        unreadable("an empty id", encoded(id="")),
        unreadable("a field twice", f"{encoded()}&status=delivered"),
        forged("no signature"),
        forged("two tokens", GOOD, GOOD),
        forged("another query", GOOD, query=encoded(status="delivery_failed")),
        forged("another order", GOOD, query="&".join(reversed(encoded().split("&")))),
        forged("another address", token(encoded(), url="https://evil.example.org/")),
        forged("a body that is not signed", GOOD, body=b"status=delivered"),
        forged("a signed body that is not there", token(encoded(), b"x")),
        forged("another body", token(encoded(), b"x"), body=b"y"),
        forged("no hash of the address", token(encoded(), url_hash=None)),
        forged("another issuer", token(encoded(), iss="Bird")),
        forged("no issuer", token(encoded(), iss=None)),
        forged("no end", token(encoded(), exp=None)),
        forged("no beginning", token(encoded(), nbf=None)),
        forged("too late", token(encoded(), exp=HOUR - 2)),
        forged("too early", token(encoded(), nbf=HOUR + 2)),
        forged("signed with the access key", token(encoded(), key=ACCESS_KEY * 2)),
        forged("no algorithm", token(encoded(), algorithm="none")),
    ),
    reports_as=ReportsAs.QUERY,
)

OLDER_VECTOR = (
    "id=eef0ab57a9e049be946f3821568c2b2e&mccmnc=20408&ported=1&recipient=31612345678&reference=FOO&status=delivered"
    "&statusDatetime=2019-01-11T09%3A17%3A11%2B00%3A00"
)
OLDER_TIME = 1547198231


def older_vector(name: str, signature: str, body: bytes, **changes: Any) -> ReportCase:
    """The vectors of the vendor's older validator; their order in the address does not count."""
    headers = (("messagebird-signature", signature), ("messagebird-request-timestamp", str(OLDER_TIME)))
    fields = {
        "received_at": datetime.fromtimestamp(OLDER_TIME, UTC),
        "headers": headers,
        "body": body,
        "method": "GET",
        "query": "&".join(reversed(OLDER_VECTOR.split("&"))),
        **changes,
    }
    told = DeliveryReport(
        status=ReportStatus.DELIVERED,
        provider_message_id="eef0ab57a9e049be946f3821568c2b2e",
        reference="FOO",
        reported_at=datetime(2019, 1, 11, 9, 17, 11, tzinfo=UTC),
        dedupe_key="",
    )
    request = ReportRequest(**fields)
    if changes:
        return ReportCase(name=name, request=request, refused="forged")
    return ReportCase(name=name, request=request, reports=(told,))


VECTOR = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTYyNTQ3OTIwMCwiZXhwIjoxNjI1NDc5MjYwLCJqd"
    "GkiOiI5M2U1NTAwNi1hMGU4LTQ1MjYtYTE5MC1mYTVmZjAwZWExMTYiLCJ1cmxfaGFzaCI6IjQxZjA1ZjBkZGQwYTIyYWIyMDlhYzQ2ZjQ3YzQ1NzJk"
    "OWNlZmEyNTdlZDc0YjI0MDA0YmFlNzUzZWNlNmMyNjAiLCJwYXlsb2FkX2hhc2giOiJkZmZkNjAyMWJiMmJkNWIwYWY2NzYyOTA4MDllYzNhNTMxOTF"
    "kZDgxYzdmNzBhNGIyODY4OGEzNjIxODI5ODZmIn0._H--TOuYFLpeEH39-rg5E3IHVkjHozBcaKVWPRC5m9I"
)


def vector(name: str, refused: str, **changes: Any) -> ReportCase:
    """The vector of the vendor's validator, or one that was tampered with: authentic, but no report."""
    fields = {
        "received_at": datetime(2021, 7, 5, 10, tzinfo=UTC),
        "headers": (("messagebird-signature-jwt", VECTOR),),
        "body": b"Hello, World!",
        "query": "bar=1&foo=2",
        **changes,
    }
    return ReportCase(name=name, request=ReportRequest(**fields), refused=refused)


EMPTY_SIGNATURE = "KVBdcVdz2lYMwcBLZCRITgxUfA/WkwSi+T3Wxl2HL6w="
BODY_SIGNATURE = "2bl+38H4oHVg03pC3bk2LvCB0IHFgfC4cL5HPQ0LdmI="
VARIANTS = {
    "older": Table(
        options={"access_key": ACCESS_KEY, "signing_key": OLDER_KEY, "base_url": "https://bird.test/v0/"},
        secrets=(ACCESS_KEY, OLDER_KEY),
        bad_options=(),
        send=Sent(
            method="POST",
            url="https://bird.test/v0/messages",
            headers=AUTHORIZED,
            json={name: value for name, value in JSON.items() if name != "reportUrl"},
        ),
        accepted=Reply(status=201, body=ACCEPTED),
        reports=(
            ReportCase(
                name="signed as we understand it",
                request=with_older(encoded(), key=OLDER_KEY),
                reports=(expected(ReportStatus.DELIVERED),),
            ),
            ReportCase(name="old", request=with_older(encoded(), age=301, key=OLDER_KEY), refused="forged"),
            ReportCase(
                name="from the future", request=with_older(encoded(), age=-301, key=OLDER_KEY), refused="forged"
            ),
            older_vector("the vendor's vector", EMPTY_SIGNATURE, b""),
            older_vector("the vendor's vector with a body", BODY_SIGNATURE, b'{"foo":"bar"}'),
            older_vector("the vendor's vector, another query", EMPTY_SIGNATURE, b"", query="id=1"),
            older_vector("the vendor's vector, too late", EMPTY_SIGNATURE, b"", received_at=NOW),
            # A token that covers the address cannot be verified by who does not know its own.
            ReportCase(
                name="a token, and no address",
                request=call(encoded(), ("messagebird-signature-jwt", GOOD)),
                refused="forged",
            ),
        ),
        reports_as=ReportsAs.QUERY,
        signed=lambda query: with_older(query.decode("latin-1"), key=OLDER_KEY),
    ),
    "unsigned": Table(
        options={"access_key": ACCESS_KEY, "webhook_token": TOKEN},
        secrets=(ACCESS_KEY, TOKEN),
        bad_options=(),
        accepted=Reply(status=201, body=ACCEPTED),
        reports=(
            ReportCase(
                name="token", request=with_token(encoded().encode()), reports=(expected(ReportStatus.DELIVERED),)
            ),
            ReportCase(name="no token", request=signed(encoded().encode()), refused="forged"),
        ),
        reports_as=ReportsAs.QUERY,
        signed=with_token,
        proves_content=False,
        has_token=True,
    ),
    "vector": Table(
        options={"access_key": ACCESS_KEY, "signing_key": KEY, "webhook_url": "https://example.com/path"},
        secrets=(ACCESS_KEY, KEY),
        bad_options=(),
        accepted=Reply(status=201, body=ACCEPTED),
        reports=(
            vector("the vendor's vector", "unreadable"),
            vector("the vendor's vector, too late", "forged", received_at=NOW),
            vector("the vendor's vector, another body", "forged", body=b"Hello, World?"),
            vector("the vendor's vector, another order", "forged", query="foo=2&bar=1"),
        ),
    ),
}
