"""vonage with `api: sms`: variants of its table (tests/providers/cases/vonage.py)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, urlencode

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.vonage_sms import REPORTS, STATUSES
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, Reply, ReportCase, ReportsAs, Sent, Table

API_KEY, API_SECRET = "abcd1234", "api-Zq81xv-very-secret"
SECRET = "sig-77aa-very-secret-0123456789"
WEBHOOK = "https://gw.example.org/webhooks/delivery-report/Vonage"
URL = "https://rest.nexmo.com/sms/json"
BASIC = "Basic " + base64.b64encode(f"{API_KEY}:{API_SECRET}".encode()).decode()
FORM_TYPE = "application/x-www-form-urlencoded"
ONE = {"to": "4915112345678", "message-id": "0A0000000123ABCD1", "status": "0", "message-price": "0.0333"}
TWO = {**ONE, "message-id": "0A0000000123ABCD2", "message-price": "0.0334"}
THROTTLED = {"status": "1", "error-text": "Throughput Rate Exceeded - please wait [ 250 ] and retry"}
RECEIPT = {
    "msisdn": "4915112345678",
    "to": "15005550001",
    "network-code": "26201",
    "messageId": "0A0000000123ABCD1",
    "price": "0.0333",
    "status": "delivered",
    "scts": "2603011200",
    "err-code": "0",
    "api-key": API_KEY,
    "message-timestamp": "2026-03-01 12:00:05",
    "client-ref": str(REFERENCE),
}
FIELDS = {
    "to": "4915112345678",
    "text": SUBMIT.text,
    "type": "unicode",
    "ttl": "540000",
    "client-ref": str(REFERENCE),
    "status-report-req": "1",
    "from": "ACME",
}


def sign(fields: Mapping[str, str], method: str, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    """Sign as the vendor describes it."""
    dated = {**fields, "timestamp": str(int(NOW.timestamp()) - age)}
    dated.pop("sig", None)
    text = "".join(f"&{name}={dated[name].replace('&', '_').replace('=', '_')}" for name in sorted(dated))
    if method == "md5hash":
        return {**dated, "sig": hashlib.md5((text + secret).encode()).hexdigest()}
    return {**dated, "sig": hmac.new(secret.encode(), text.encode(), method).hexdigest().upper()}


def fields_in(content: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(content.decode(), keep_blank_values=True, errors="strict"))
    except (ValueError, UnicodeError):
        return {}


def by_query(fields: Mapping[str, str]) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=b"", method="GET", query=urlencode(fields))


def by_form(fields: Mapping[str, str]) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=urlencode(fields).encode())


def by_json(fields: Mapping[str, Any]) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=msgspec.json.encode(fields))


def signed_query(content: bytes) -> ReportRequest:
    return by_query(sign(fields_in(content), "md5hash"))


def signed_form(content: bytes) -> ReportRequest:
    return by_form(sign(fields_in(content), "sha256"))


def elements(*messages: Mapping[str, Any]) -> Reply:
    return Reply(status=200, body={"message-count": str(len(messages)), "messages": list(messages)})


def answer(name: str, outcome: Outcome, *messages: Mapping[str, Any], **expected: Any) -> AnswerCase:
    return AnswerCase(name=name, reply=elements(*messages), outcome=outcome, **expected)


def expected(status: ReportStatus, **changes: Any) -> DeliveryReport:
    fields = {
        "provider_message_id": "0A0000000123ABCD1",
        "reference": str(REFERENCE),
        "reported_at": NOW.replace(second=5),
        **changes,
    }
    return DeliveryReport(status=status, dedupe_key="", **fields)


def read(name: str, request: ReportRequest, status: ReportStatus, **changes: Any) -> ReportCase:
    return ReportCase(name=name, request=request, reports=(expected(status, **changes),))


def refused(name: str, refusal: str, request: ReportRequest) -> ReportCase:
    return ReportCase(name=name, request=request, refused=refusal)


GOOD = sign(RECEIPT, "md5hash")
QUERIES = (
    *(read(word, by_query(sign({**RECEIPT, "status": word}, "md5hash")), status) for word, status in REPORTS.items()),
    read(
        "a code",
        by_query(sign({**RECEIPT, "status": "failed", "err-code": "4"}, "md5hash")),
        ReportStatus.UNDELIVERED,
        error_code="4",
    ),
    read(
        "& and = in values",
        by_query(sign({**RECEIPT, "network-code": "a&b=c", "message-timestamp": "soon"}, "md5hash")),
        ReportStatus.DELIVERED,
        reported_at=None,
    ),
    refused("unknown status", "unreadable", by_query(sign({**RECEIPT, "status": "eaten"}, "md5hash"))),
    refused("no id", "unreadable", by_query(sign({"status": "delivered"}, "md5hash"))),
    refused("unsigned", "forged", by_query(RECEIPT)),
    refused("nothing", "forged", by_query({})),
    refused("an HMAC", "forged", by_query(sign(RECEIPT, "md5"))),
    refused("another secret", "forged", by_query(sign(RECEIPT, "md5hash", API_SECRET))),
    refused("one field changed", "forged", by_query({**GOOD, "status": "failed"})),
    refused("one field more", "forged", by_query({**GOOD, "err-text": "x"})),
    refused("old", "forged", by_query(sign(RECEIPT, "md5hash", age=301))),
    refused("from the future", "forged", by_query(sign(RECEIPT, "md5hash", age=-301))),
)
BODY = sign(RECEIPT, "sha256")
BODIES = (
    read("a form", by_form(BODY), ReportStatus.DELIVERED),
    read("JSON", by_json(BODY), ReportStatus.DELIVERED),
    read("JSON with numbers", by_json({**BODY, "timestamp": int(BODY["timestamp"])}), ReportStatus.DELIVERED),
    refused("the plain MD5", "forged", by_form(sign(RECEIPT, "md5hash"))),
    refused("a query in place of a body", "forged", msgspec.structs.replace(by_query(BODY), method="POST")),
    refused("fields in JSON that are none", "forged", by_json({**BODY, "more": {"a": 1}})),
    refused(
        "a field twice", "forged", msgspec.structs.replace(by_form(BODY), body=urlencode(BODY).encode() + b"&to=1")
    ),
)
OPTIONS = {
    "api": "sms",
    "api_key": API_KEY,
    "api_secret": API_SECRET,
    "signature_secret": SECRET,
    "sender": "+15005550001",
    "webhook_url": WEBHOOK,
}
ANSWERS = (
    answer("one part", Outcome.ACCEPTED, ONE, message_id=ONE["message-id"], segments=1, price="0.0333", currency="EUR"),
    answer(
        "two parts",
        Outcome.ACCEPTED,
        ONE,
        TWO,
        message_id=ONE["message-id"],
        part_ids=(ONE["message-id"], TWO["message-id"]),
        segments=2,
        price="0.0667",
        currency="EUR",
    ),
    answer("no price", Outcome.ACCEPTED, {**ONE, "message-price": ""}, message_id=ONE["message-id"], segments=1),
    answer(
        "a part refused",
        Outcome.THROTTLED,
        ONE,
        THROTTLED,
        detail="1 of 2 parts taken, status 1",
        wait_seconds=0.25,
        part_ids=(ONE["message-id"], "refused"),
    ),
    answer(
        "no credit for the last part",
        Outcome.CREDENTIALS,
        ONE,
        TWO,
        {"status": "9"},
        detail="2 of 3 parts taken, status 9",
        part_ids=(ONE["message-id"], TWO["message-id"], "refused"),
    ),
    answer("all parts refused", Outcome.THROTTLED, THROTTLED, THROTTLED, detail="status 1", wait_seconds=0.25),
    answer("throttled, no wait", Outcome.THROTTLED, {"status": "1", "error-text": "Throttled"}),
    *(
        answer(f"status {status}", outcome, {"status": status, "error-text": "Said so"}, detail=f"status {status}")
        for status, outcome in STATUSES.items()
    ),
    answer("an unknown status", Outcome.REJECTED, {"status": "77"}, detail="status 77"),
    answer("a status that is none", Outcome.UNKNOWN, {"status": "ok", "message-id": "m-1"}),
    answer("no id", Outcome.UNKNOWN, {"status": "0"}),
    answer("the same id twice", Outcome.UNKNOWN, ONE, ONE),
    answer("no elements", Outcome.UNKNOWN),
    AnswerCase(name="401", reply=Reply(status=401, body=elements(ONE).body), outcome=Outcome.CREDENTIALS),
    AnswerCase(name="201", reply=Reply(status=201, body=elements(ONE).body), outcome=Outcome.UNKNOWN),
)
VARIANTS = {
    "sms": Table(
        options=OPTIONS,
        secrets=(API_SECRET, SECRET),
        bad_options=(),
        send=Sent(
            method="POST",
            url=URL,
            headers={"authorization": BASIC, "content-type": FORM_TYPE},
            form={**FIELDS, "callback": WEBHOOK},
        ),
        send_without_sender=Sent(
            method="POST",
            url=URL,
            headers={"authorization": BASIC},
            form={**FIELDS, "from": "15005550001", "callback": WEBHOOK},
        ),
        accepted=elements(ONE),
        answers=ANSWERS,
        reports=QUERIES,
        reports_as=ReportsAs.QUERY,
        signed=signed_query,
        proof_headers=(),
    ),
    "sms_signed": Table(
        options={"api": "sms", "api_key": API_KEY, "signature_secret": SECRET, "signature_method": "sha256"},
        secrets=(SECRET,),
        bad_options=(),
        send=Sent(
            method="POST",
            url=URL,
            headers={"content-type": FORM_TYPE},
            form={
                **(fields := sign({**FIELDS, "api_key": API_KEY}, "sha256")),
                "sig": fields["sig"].lower(),
            },
        ),
        accepted=elements(ONE),
        reports=BODIES,
        reports_as=ReportsAs.FORM,
        signed=signed_form,
        proof_headers=(),
    ),
}
