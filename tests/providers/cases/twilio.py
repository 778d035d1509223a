"""twilio: its documented requests, codes, statuses and signatures, row by row."""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.twilio import REFUSALS
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, Reply, ReportCase, ReportsAs, Sent, Table

ACCOUNT = "ACaa7bb8cc9dd1ee2ff3aa4bb5cc6dd7ee"
SERVICE = "MGaa7bb8cc9dd1ee2ff3aa4bb5cc6dd7ee"
KEY = "SKaa7bb8cc9dd1ee2ff3aa4bb5cc6dd7ee"
TOKEN = "token-Zq81xv-very-secret"
SHARED = "shared-77aa-very-secret"
HOOK = "https://gw.example.org/hooks/twilio"
BASIC = {"authorization": f"Basic {base64.b64encode(f'{ACCOUNT}:{TOKEN}'.encode()).decode()}"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
SETTINGS = "x-twilio-webhooks-signature-settings"
SID = "SM0123456789abcdef0123456789abcdef"
MESSAGE: dict[str, Any] = {
    "sid": SID,
    "status": "queued",
    "num_segments": "1",
    "price": None,
    "price_unit": "USD",
    "error_code": None,
}
REPORT = {
    "AccountSid": ACCOUNT,
    "ApiVersion": "2010-04-01",
    "From": "+15005550001",
    "MessageSid": SID,
    "SmsSid": SID,
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
    "To": "+15005550006",
}
OPTIONS = {"account_sid": ACCOUNT, "auth_token": TOKEN, "sender": "+15005550001", "webhook_url": HOOK}


# --- answers ----------------------------------------------------------------------------------------------------------


def accepted(name: str, changes: dict[str, Any], *, status: int = 201, **expected: Any) -> AnswerCase:
    body = {**MESSAGE, **changes}
    wanted = {"message_id": SID, "segments": 1, **expected}
    return AnswerCase(name=name, reply=Reply(status=status, body=body), outcome=Outcome.ACCEPTED, **wanted)


def refused(number: Any, status: int, outcome: Outcome) -> AnswerCase:
    body = {"code": number, "message": f"{SUBMIT.to} says {SUBMIT.text}", "status": status}
    return AnswerCase(
        name=f"{status} {number!r}",
        reply=Reply(status=status, body=body),
        outcome=outcome,
        detail=f"HTTP {status} {number}",
    )


def by_status(status: int, outcome: Outcome, body: Any = b"", **headers: str) -> AnswerCase:
    reply = Reply(status=status, body=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return AnswerCase(name=f"{status} {body!r}", reply=reply, outcome=outcome)


# --- reports ----------------------------------------------------------------------------------------------------------


def signature(url: str, fields: Mapping[str, str], *, key: str = TOKEN, digest: Any = hashlib.sha1) -> str:
    text = url + "".join(f"{name}{fields[name]}" for name in sorted(fields))
    return base64.b64encode(hmac.new(key.encode(), text.encode(), digest).digest()).decode()


def call(body: bytes, made: str, *, query: str = f"ref={REFERENCE}", **more: Any) -> ReportRequest:
    headers = (("content-type", FORM["content-type"]), ("x-twilio-signature", made), *more.pop("headers", ()))
    return ReportRequest(headers=headers, body=body, received_at=NOW, query=query, **more)


def signed(body: bytes) -> ReportRequest:
    return call(body, signature(f"{HOOK}?ref={REFERENCE}", dict(parse_qsl(body.decode(), keep_blank_values=True))))


def read(name: str, request: ReportRequest, status: ReportStatus, **expected: Any) -> ReportCase:
    wanted = {"status": status, "provider_message_id": SID, "reference": str(REFERENCE), "dedupe_key": "", **expected}
    return ReportCase(name=name, request=request, reports=(DeliveryReport(**wanted),))


def told(name: str, status: ReportStatus, changes: Mapping[str, str | None], **expected: Any) -> ReportCase:
    fields = {field: value for field, value in {**REPORT, **changes}.items() if value is not None}
    return read(name, signed(urlencode(fields).encode()), status, **expected)


def words(word: str) -> dict[str, str]:
    return {"MessageStatus": word, "SmsStatus": word}


def refusing(name: str, request: ReportRequest, refusal: str) -> ReportCase:
    return ReportCase(name=name, request=request, refused=refusal)


def at_port(url: str) -> ReportRequest:
    return call(urlencode(REPORT).encode(), signature(url, REPORT))


def shared(settings: Sequence[str], *, key: str = SHARED) -> ReportRequest:
    made = signature(f"{HOOK}?ref={REFERENCE}", REPORT, key=key, digest=hashlib.sha256)
    return call(urlencode(REPORT).encode(), made, headers=tuple((SETTINGS, value) for value in settings))


BODY = urlencode(REPORT).encode()
GOOD = signature(f"{HOOK}?ref={REFERENCE}", REPORT)
AS_JSON = msgspec.json.encode({"MessageSid": SID, "MessageStatus": "delivered"})
JSON_QUERY = f"ref={REFERENCE}&bodySHA256={hashlib.sha256(AS_JSON).hexdigest()}"

REPORTS = (
    told("accepted", ReportStatus.QUEUED, words("accepted")),
    told("scheduled", ReportStatus.QUEUED, words("scheduled")),
    told("queued", ReportStatus.QUEUED, words("queued")),
    told("sending", ReportStatus.QUEUED, words("sending")),
    told("sent", ReportStatus.SENT, words("sent")),
    told("delivered", ReportStatus.DELIVERED, {}),
    told("read", ReportStatus.DELIVERED, words("read")),
    told("partially delivered", ReportStatus.DELIVERED, words("partially_delivered")),
    told("undelivered", ReportStatus.UNDELIVERED, words("undelivered")),
    told("canceled", ReportStatus.REJECTED, words("canceled")),
    told("failed with a code", ReportStatus.FAILED, {**words("failed"), "ErrorCode": "30007"}, error_code="30007"),
    told("expired", ReportStatus.EXPIRED, {**words("failed"), "ErrorCode": "30036"}, error_code="30036"),
    told(
        "expired on the way", ReportStatus.EXPIRED, {**words("undelivered"), "ErrorCode": "30036"}, error_code="30036"
    ),
    told("a code that is none", ReportStatus.FAILED, {**words("failed"), "ErrorCode": "see above"}),
    told("only the older names", ReportStatus.DELIVERED, {"MessageSid": None, "MessageStatus": None}),
    told("upper case", ReportStatus.DELIVERED, words("DELIVERED")),
    told("fields that nobody told us of", ReportStatus.DELIVERED, {"RawDlrDoneDate": "2603011200", "Grüße": "🎉"}),
    told("no id", ReportStatus.DELIVERED, {"MessageSid": None, "SmsSid": None}, provider_message_id=None),
    read(
        "without our reference", call(BODY, signature(HOOK, REPORT), query=""), ReportStatus.DELIVERED, reference=None
    ),
    read(
        "signed with the port",
        at_port(f"https://gw.example.org:443/hooks/twilio?ref={REFERENCE}"),
        ReportStatus.DELIVERED,
    ),
    read(
        "JSON, its hash in the address",
        call(AS_JSON, signature(f"{HOOK}?{JSON_QUERY}", {}), query=JSON_QUERY),
        ReportStatus.DELIVERED,
    ),
    read("with a shared key", shared(["key=k-1,algorithm=HMAC_SHA256"]), ReportStatus.DELIVERED),
    read("with a shared key, spaces", shared(["key=k-1, algorithm= hmac_sha256"]), ReportStatus.DELIVERED),
    read(
        "settings without an algorithm",
        call(BODY, GOOD, headers=((SETTINGS, "key=k-1"),)),
        ReportStatus.DELIVERED,
    ),
    refusing("inbound", signed(urlencode({**REPORT, **words("received")}).encode()), "unreadable"),
    refusing("unknown status", signed(urlencode({**REPORT, **words("eaten")}).encode()), "unreadable"),
    refusing("empty", signed(b""), "unreadable"),
    refusing("huge id", signed(urlencode({"MessageSid": "x" * 129, "MessageStatus": "sent"}).encode()), "unreadable"),
    refusing("a field twice", call(b"a=1&a=2", signature(f"{HOOK}?ref={REFERENCE}a1a2", {})), "unreadable"),
    refusing(
        "neither id nor reference",
        call(b"MessageStatus=sent", signature(HOOK, {"MessageStatus": "sent"}), query=""),
        "unreadable",
    ),
    refusing("no signature", ReportRequest(headers=(), body=BODY, received_at=NOW), "forged"),
    refusing("an empty signature", call(BODY, ""), "forged"),
    refusing("not ASCII", call(BODY, "zz\u00e9\udcff"), "forged"),
    refusing("signed twice", call(BODY, GOOD, headers=(("x-twilio-signature", GOOD),)), "forged"),
    refusing("another token", call(BODY, signature(f"{HOOK}?ref={REFERENCE}", REPORT, key="other")), "forged"),
    refusing("another reference", call(BODY, GOOD, query="ref=another"), "forged"),
    refusing("another address", call(BODY, signature(f"{HOOK}2?ref={REFERENCE}", REPORT)), "forged"),
    refusing("http for https", at_port(f"http://gw.example.org/hooks/twilio?ref={REFERENCE}"), "forged"),
    refusing("another port", at_port(f"https://gw.example.org:8443/hooks/twilio?ref={REFERENCE}"), "forged"),
    refusing("no form", call(b"\xff", GOOD), "forged"),
    refusing(
        "another body than the hash says", call(BODY, signature(f"{HOOK}?{JSON_QUERY}", {}), query=JSON_QUERY), "forged"
    ),
    refusing("SHA-256 with the token", shared(["key=k-1,algorithm=HMAC_SHA256"], key=TOKEN), "forged"),
    refusing("SHA-256 that nobody announced", shared([]), "forged"),
    refusing("unknown algorithm", shared(["key=k-1,algorithm=HMAC_MD5"]), "forged"),
    refusing("two algorithms", shared(["algorithm=HMAC_SHA256", "algorithm=HMAC_SHA1"]), "forged"),
)

# --- the table --------------------------------------------------------------------------------------------------------

ADDRESS = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
FIELDS = {
    "To": SUBMIT.to,
    "From": "ACME",
    "Body": SUBMIT.text,
    "ValidityPeriod": "540",
    "StatusCallback": f"{HOOK}?ref={REFERENCE}",
}

TABLE = Table(
    options={**OPTIONS, "shared_key_secret": SHARED},
    secrets=(TOKEN, SHARED),
    bad_options=(
        {},
        {"account_sid": ACCOUNT},
        {"account_sid": "hunter2", "auth_token": TOKEN},
        {"account_sid": f"{ACCOUNT}\n", "auth_token": TOKEN},
        {"account_sid": ACCOUNT, "auth_token": "two words"},
        {"account_sid": ACCOUNT, "auth_token": ""},
        {"account_sid": ACCOUNT, "api_key_sid": KEY},
        {"account_sid": ACCOUNT, "api_key_secret": "hunter2", "auth_token": TOKEN},
        {"account_sid": ACCOUNT, "api_key_sid": ACCOUNT, "api_key_secret": "hunter2"},
        {**OPTIONS, "messaging_service_sid": "hunter2"},
        {**OPTIONS, "sender": "hunter2 hunter2 hunter2"},
        {**OPTIONS, "webhook_url": "ftp://hunter2"},
        {**OPTIONS, "webhook_url": "https://under_score.example.org/hunter2"},
        {**OPTIONS, "base_url": "https://me:hunter2@api.twilio.com"},
        {**OPTIONS, "smart_encoded": "hunter2"},
        {**OPTIONS, "verify": False},
    ),
    send=Sent(method="POST", url=ADDRESS, headers={**BASIC, **FORM, "accept": "application/json"}, form=FIELDS),
    send_without_sender=Sent(
        method="POST", url=ADDRESS, headers={**BASIC, **FORM}, form={**FIELDS, "From": "+15005550001"}
    ),
    accepted=Reply(status=201, body=MESSAGE),
    answers=(
        accepted("201", {}),
        accepted("200", {}, status=200),
        accepted("three segments", {"num_segments": "3"}, segments=3),
        accepted("segments of a service", {"num_segments": "0", "status": "accepted"}, segments=None),
        accepted("a price", {"price": "-0.00750"}, price="0.00750", currency="USD"),
        accepted("a price in something", {"price": "-0.0075", "price_unit": 7}, price="0.0075"),
        accepted("odd things beside the id", {"num_segments": ["1"], "price": {}}, segments=None),
        by_status(201, Outcome.UNKNOWN, {**MESSAGE, "sid": None}),
        by_status(201, Outcome.UNKNOWN, {**MESSAGE, "sid": 7}),
        by_status(201, Outcome.UNKNOWN, {**MESSAGE, "sid": "x" * 129}),
        by_status(201, Outcome.UNKNOWN, [MESSAGE]),
        by_status(201, Outcome.UNKNOWN, b"<Response/>"),
        *(refused(number, 400, outcome) for number, outcome in REFUSALS.items()),
        refused("21211", 400, Outcome.INVALID_NUMBER),
        # Of a trial account: about one sender, one number, not about all that it sends.
        refused("21607", 400, Outcome.REJECTED),
        refused("21608", 400, Outcome.REJECTED),
        refused(20003, 401, Outcome.CREDENTIALS),
        refused(20429, 429, Outcome.THROTTLED),
        refused(20503, 503, Outcome.THROTTLED),
        by_status(400, Outcome.REJECTED, {"code": 99999}),
        by_status(400, Outcome.REJECTED, {"code": [21211]}),
        by_status(400, Outcome.REJECTED, {"code": True}),
        by_status(401, Outcome.CREDENTIALS),
        by_status(403, Outcome.CREDENTIALS),
        by_status(404, Outcome.REJECTED),
        AnswerCase(
            name="429 with Retry-After",
            reply=Reply(status=429, body={"code": 20429}, headers={"retry-after": "7"}),
            outcome=Outcome.THROTTLED,
            wait_seconds=7,
        ),
        # In a 5xx a code proves nothing: the message may exist.
        by_status(500, Outcome.UNKNOWN, {"code": 20500}),
        by_status(500, Outcome.UNKNOWN, {"code": 21211}),
        by_status(503, Outcome.UNKNOWN, {"code": 20500}),
        by_status(502, Outcome.UNKNOWN, {"code": 20503}),
    ),
    reports=REPORTS,
    reports_as=ReportsAs.FORM,
    proof_headers=("x-twilio-signature",),
)

VARIANTS = {
    "api key and service": Table(
        options={
            "account_sid": ACCOUNT,
            "api_key_sid": KEY,
            "api_key_secret": TOKEN,
            "messaging_service_sid": SERVICE,
            "smart_encoded": True,
            "base_url": "http://127.0.0.1:9/twilio/",
        },
        secrets=(TOKEN,),
        bad_options=(),
        send_without_sender=Sent(
            method="POST",
            url=f"http://127.0.0.1:9/twilio/2010-04-01/Accounts/{ACCOUNT}/Messages.json",
            headers={"authorization": f"Basic {base64.b64encode(f'{KEY}:{TOKEN}'.encode()).decode()}"},
            form={
                "To": SUBMIT.to,
                "Body": SUBMIT.text,
                "MessagingServiceSid": SERVICE,
                "ValidityPeriod": "540",
                "SmartEncoded": "true",
            },
        ),
        accepted=Reply(status=201, body=MESSAGE),
        # Nobody knows the address that was signed, and there is no token.
        reports=(refusing("no address", call(BODY, GOOD), "forged"),),
    ),
}
