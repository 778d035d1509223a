"""template: docs/providers/template.md. The table is a vendor with JSON both ways; the variants speak otherwise."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from smsgw.core.failure import Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.references import long_of
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, Reply, ReportCase, ReportsAs, Sent, Table

API_KEY = "tpl-key-77aa-very-secret"
PASSWORD = "tpl-password-very-secret"
TOKEN = "Tq4-webhook-token-secret"
CALLBACK = f"https://sms.example.org/webhooks/delivery-report/The-Provider/{TOKEN}"
ANSWER: dict[str, Any] = {
    "messages": [{"id": "m-1", "parts": 2, "cost": {"amount": "0.0750", "currency": "EUR"}}],
}
REPORT: dict[str, Any] = {
    "id": "m-1",
    "ref": str(REFERENCE),
    "state": "DELIVRD",
    "at": "2026-03-01T13:00:05+01:00",
    "parts": 2,
    "cost": 0.075,
    "currency": "EUR",
}
STATUSES = {
    "ENROUTE": "sent",
    "DELIVRD": "delivered",
    "UNDELIV": "undelivered",
    "EXPIRED": "expired",
    "REJECTD": "rejected",
    "Failed": "failed",
    "0": "queued",
}
JSON_OPTIONS: dict[str, Any] = {
    "url": "https://api.acme.test/v2/{account}/messages?format=json",
    "headers": {"Authorization": "Bearer {api_key}", "X-From": "{sender}", "X-Text": "{text}"},
    "secrets": {"api_key": API_KEY, "account": "acme/1"},
    "query": {"ref": "{reference}"},
    "json": {
        "messages": [
            {
                "to": "{to}",
                "number": "{to_digits:int}",
                "from": "{sender}",
                "text": "{text}",
                "note": "{{from}} {sender}: {text}",
                "ttl": "{validity_seconds:int}",
                "client_ref": "{reference}",
                "dedup": "{reference_number:int}",
                "callback": {"url": "{callback}", "method": "POST"},
                "flash": False,
                "priority": 1,
            }
        ]
    },
    "webhook_token": TOKEN,
    "webhook_url": CALLBACK,
    "answer": {
        "id": "messages.0.id",
        "code": "error.code",
        "segments": "messages.0.parts",
        "price": "messages.0.cost.amount",
        "currency": "messages.0.cost.currency",
    },
    "codes": {
        "21211": "invalid_number",
        "stop": "opted_out",
        "spam": "rejected",
        "no_credit": "credentials",
        "busy": "throttled",
        "half_done": "unknown",
    },
    "statuses": {"409": "throttled", "521": "rejected"},
    "reports": {
        "id": "id",
        "reference": "ref",
        "status": "state",
        "statuses": STATUSES,
        "error": "reason",
        "time": "at",
        "segments": "parts",
        "price": "cost",
        "currency": "currency",
    },
}
TEXT_OPTIONS: dict[str, Any] = {
    "url": "http://sms.carrier.test/http/{account}/send/{to_digits}",
    "method": "GET",
    "secrets": {"account": "a b", "password": PASSWORD},
    "query": {"user": "acme", "password": "{password}", "from": "{sender}", "text": "{text}", "dlr": "{callback}"},
    "accepted_when": {"statuses": [200]},
    "answer": {"id": {"after": "OK:", "until": ";"}, "code": {"after": "ERROR "}, "price": {"after": "COST "}},
    "codes": {"105": "credentials", "113": "invalid_number", "*": "rejected"},
    "currency": "EUR",
    "webhook_token": TOKEN,
    "reports": {
        "source": "query",
        "id": "MsgId",
        "status": "status",
        "statuses": {"404": "delivered", "405": "failed"},
    },
}
FORM_OPTIONS: dict[str, Any] = {
    "url": "https://api.acme.test/send",
    "basic": {"username": "acme", "password": PASSWORD},
    "sender": "SHOP",
    "form": {"to": "{to}", "from": "{sender}", "text": "{text}", "dlr": "{callback}", "ttl": "{validity_seconds}"},
    "accepted_when": {"codes": ["0"]},
    "answer": {"id": "id", "code": "result"},
    "codes": {"*": "rejected"},
    "webhook_token": TOKEN,
    "reports": {"source": "form", "reference": "ref", "status": "state", "statuses": STATUSES, "error": "err"},
}


def case(name: str, outcome: Outcome, body: Any, *, status: int = 200, **expected: Any) -> AnswerCase:
    return AnswerCase(name=name, reply=Reply(status=status, body=body), outcome=outcome, **expected)


def accepted(name: str, message: Any, **expected: Any) -> AnswerCase:
    fields = {"message_id": "m-1", **expected}
    return case(name, Outcome.ACCEPTED, {"messages": [message]}, **fields)


def refused(code: Any, outcome: Outcome, *, status: int = 400, shown: str = "") -> AnswerCase:
    detail = f"HTTP {status}{shown}" if shown else None
    return case(f"{status} {code!r}", outcome, {"error": {"code": code}}, status=status, detail=detail)


def signed(body: bytes) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=body, token=TOKEN)


def asked(query: bytes) -> ReportRequest:
    text = query.decode("latin-1")
    return ReportRequest(received_at=NOW, headers=(), body=b"", method="GET", query=text, token=TOKEN)


def report(name: str, status: ReportStatus, changes: dict[str, Any], **expected: Any) -> ReportCase:
    fields: dict[str, Any] = {
        "provider_message_id": "m-1",
        "reference": str(REFERENCE),
        "reported_at": NOW.replace(second=5),
        "segments": 2,
        "price": "0.075",
        "currency": "EUR",
        **expected,
    }
    said = {field: value for field, value in {**REPORT, **changes}.items() if value is not None}
    wanted = DeliveryReport(status=status, dedupe_key="", **fields)
    return ReportCase(name=name, request=signed(msgspec.json.encode(said)), reports=(wanted,))


def unreadable(name: str, body: bytes) -> ReportCase:
    return ReportCase(name=name, request=signed(body), refused="unreadable")


def plain(name: str, request: ReportRequest, status: ReportStatus, **expected: Any) -> ReportCase:
    return ReportCase(name=name, request=request, reports=(DeliveryReport(status=status, dedupe_key="", **expected),))


def wrong(**changes: Any) -> dict[str, Any]:
    return {**JSON_OPTIONS, **changes}


TABLE = Table(
    options=JSON_OPTIONS,
    secrets=(API_KEY, TOKEN),
    bad_options=(
        {},
        {"url": "https://api.acme.test"},
        wrong(url="api.acme.test"),
        wrong(url="https://me:hunter2@api.acme.test"),
        wrong(url="https://{to_digits}.acme.test/"),
        wrong(url="https://api.acme.test/{text}"),
        wrong(url="https://api.acme.test/{sender}"),
        wrong(url="https://api.acme.test/?to={to}"),
        wrong(url="https://api.acme.test/#{to}"),
        wrong(url="https://api.acme.test/{to"),
        wrong(method="DELETE"),
        wrong(method="GET"),
        wrong(form={"to": "{to}"}),
        wrong(secrets={"api_key": "hunter2\n", "account": "a"}),
        wrong(secrets={"to": "hunter2"}),
        wrong(secrets={"API-KEY": "hunter2"}),
        wrong(headers={"Host": "elsewhere"}),
        wrong(headers={"Transfer-Encoding": "chunked"}),
        wrong(headers={"X-A": "1", "x-a": "2"}),
        wrong(headers={"X-A": "line\nbreak"}),
        wrong(headers={"X A": "1"}),
        wrong(headers={"X-A": "{hunter2}"}),
        wrong(basic={"username": "a", "password": "hunter2"}),
        wrong(basic={"username": "a:b", "password": "hunter2"}, headers={}),
        wrong(json={"text": "{hunter2}"}),
        wrong(json={"text": "hunter2 {"}),
        wrong(json={"text": "hunter2 }"}),
        wrong(json={"text": "{text.__class__}"}),
        wrong(json={"text": "{text[0]}"}),
        wrong(json={"text": "{text!r}"}),
        wrong(json={"text": "{}"}),
        wrong(json={"text": "{text:int}"}),
        wrong(json={"text": "{hunter2:int}"}),
        wrong(json={"text": "{text:>1000000000}"}),
        wrong(json="{text}"),
        wrong(json={"a": [[[[[[[[[[["{text}"]]]]]]]]]]]}),
        wrong(json={"a": ["{text}"] * 201}),
        wrong(json={"text": "{text}" * 21}),
        wrong(json={"text": "{text}" * 20, "more": ["{text}{text}"] * 10}),
        wrong(query={"text": "{text}" * 6}),
        wrong(headers={"X-Text": "{text}" * 12}),
        wrong(answer={"code": "error.code"}),
        wrong(answer={"id": "messages..id"}),
        wrong(answer={"id": ".".join("a" * 11)}),
        wrong(answer={"id": "messages[0].id"}),
        wrong(answer={"id": "a", "regex": "(a+)+$"}),
        wrong(codes={"1": "accepted"}),
        wrong(codes={"1": "unreachable"}),
        wrong(codes={"": "rejected"}),
        wrong(statuses={"200": "rejected"}),
        wrong(statuses={"4xx": "rejected"}),
        wrong(accepted_when={"statuses": []}),
        wrong(accepted_when={"statuses": [500]}),
        wrong(currency="euro"),
        wrong(reports={"id": "id", "status": "state", "statuses": {}}),
        wrong(reports={"id": "id", "status": "state", "statuses": {"a": "gone"}}),
        wrong(reports={"id": "id", "status": "state", "statuses": {"a": "sent", "A": "failed"}}),
        wrong(reports={"status": "state", "statuses": STATUSES}),
        wrong(reports={"id": "id", "status": "state", "statuses": STATUSES, "source": "form", "each": "*"}),
        wrong(webhook_token="hunter2"),
        wrong(python="print()"),
    ),
    send=Sent(
        method="POST",
        url=f"https://api.acme.test/v2/acme%2F1/messages?format=json&ref={REFERENCE}",
        headers={
            "authorization": f"Bearer {API_KEY}",
            "content-type": "application/json",
            "x-from": "ACME",
            "x-text": "Gr%C3%BC%C3%9Fe%20%F0%9F%8E%89%20%22987654%22%20%5C%20is%20your%20code",
        },
        json={
            "messages": [
                {
                    "to": SUBMIT.to,
                    "number": 4915112345678,
                    "from": "ACME",
                    "text": SUBMIT.text,
                    "note": f"{{from}} ACME: {SUBMIT.text}",
                    "ttl": 540,
                    "client_ref": str(REFERENCE),
                    "dedup": long_of(REFERENCE),
                    "callback": {"url": CALLBACK, "method": "POST"},
                    "flash": False,
                    "priority": 1,
                }
            ]
        },
    ),
    send_without_sender=Sent(
        method="POST",
        url=f"https://api.acme.test/v2/acme%2F1/messages?format=json&ref={REFERENCE}",
        headers={"x-from": None},  # type: ignore[dict-item]
        json={
            "messages": [
                {
                    "to": SUBMIT.to,
                    "number": 4915112345678,
                    "text": SUBMIT.text,
                    "ttl": 540,
                    "client_ref": str(REFERENCE),
                    "dedup": long_of(REFERENCE),
                    "callback": {"url": CALLBACK, "method": "POST"},
                    "flash": False,
                    "priority": 1,
                }
            ]
        },
    ),
    accepted=Reply(status=202, body=ANSWER),
    answers=(
        case("all", Outcome.ACCEPTED, ANSWER, message_id="m-1", segments=2, price="0.0750", currency="EUR"),
        accepted("the id alone", {"id": "m-1"}),
        accepted("a number for an id", {"id": 77}, message_id="77"),
        accepted("a number for a price", {"id": "m-1", "cost": {"amount": 0.075}}, price="0.075"),
        accepted("words for counts", {"id": "m-1", "parts": "3"}, segments=3),
        accepted("too many parts", {"id": "m-1", "parts": 256}),
        accepted("a price that is none", {"id": "m-1", "cost": {"amount": "cheap", "currency": "EUR"}}),
        accepted("a currency that is none", {"id": "m-1", "cost": {"amount": "1", "currency": "euro"}}, price="1"),
        refused("21211", Outcome.INVALID_NUMBER, shown=" 21211"),
        refused(21211, Outcome.INVALID_NUMBER, shown=" 21211"),
        refused("21211", Outcome.INVALID_NUMBER, status=200),
        refused("stop", Outcome.OPTED_OUT),
        refused("spam", Outcome.REJECTED, status=401),
        refused("no_credit", Outcome.CREDENTIALS),
        refused("busy", Outcome.THROTTLED),
        refused("half_done", Outcome.UNKNOWN),
        refused("new", Outcome.REJECTED),
        refused("new", Outcome.CREDENTIALS, status=401),
        refused("new", Outcome.UNKNOWN, status=200),
        refused("new", Outcome.THROTTLED, status=409),
        refused(["21211"], Outcome.REJECTED),
        # In a 5xx a code proves nothing, a status that was told does.
        refused("21211", Outcome.UNKNOWN, status=500),
        refused("21211", Outcome.REJECTED, status=521),
        case("an id in a 400", Outcome.REJECTED, ANSWER, status=400),
        case("an id in a 203", Outcome.UNKNOWN, ANSWER, status=203),
        case("a code beside the id", Outcome.OPTED_OUT, {**ANSWER, "error": {"code": "stop"}}),
        case("an id with a blank", Outcome.UNKNOWN, {"messages": [{"id": "m 1"}]}),
        case("no id", Outcome.UNKNOWN, {"messages": []}),
        case("an id elsewhere", Outcome.UNKNOWN, {"messages": {"id": "m-1"}}),
        case("half a number", Outcome.UNKNOWN, {"messages": [{"id": 1.5}]}),
        case("true for an id", Outcome.UNKNOWN, {"messages": [{"id": True}]}),
    ),
    statuses={521: Outcome.REJECTED, 409: Outcome.THROTTLED},
    reports=(
        report("delivered", ReportStatus.DELIVERED, {}),
        report("lower case", ReportStatus.UNDELIVERED, {"state": "undeliv"}),
        report("mixed case", ReportStatus.FAILED, {"state": "fAILED", "reason": "E_1"}, error_code="E_1"),
        report("a number for a status", ReportStatus.QUEUED, {"state": 0, "reason": 31}, error_code="31"),
        report("a reason that is a text", ReportStatus.EXPIRED, {"state": "EXPIRED", "reason": "cannot reach +49"}),
        report("no id", ReportStatus.SENT, {"state": "ENROUTE", "id": None}, provider_message_id=None),
        report("no reference", ReportStatus.REJECTED, {"state": "REJECTD", "ref": None}, reference=None),
        report("no time", ReportStatus.DELIVERED, {"at": None}, reported_at=None),
        report("a time without an offset", ReportStatus.DELIVERED, {"at": "2026-03-01T12:00:05"}, reported_at=None),
        report("a number for a time", ReportStatus.DELIVERED, {"at": 1772366405}, reported_at=None),
        report("no price", ReportStatus.DELIVERED, {"cost": None}, price=None, currency=None),
        unreadable("a status nobody told", msgspec.json.encode({**REPORT, "state": "EATEN"})),
        unreadable("no status", b'{"id": "m-1"}'),
        unreadable("neither id nor reference", b'{"state": "DELIVRD"}'),
        unreadable("a list", msgspec.json.encode([REPORT])),
        unreadable("not UTF-8", b'{"state": "\xff"}'),
        unreadable("over-deep", b"[" * 100_000),
        unreadable("empty", b""),
        ReportCase(
            name="no token",
            request=ReportRequest(received_at=NOW, headers=(), body=msgspec.json.encode(REPORT)),
            refused="forged",
        ),
    ),
    proof_headers=(),
    proves_content=False,
    has_token=True,
)


def text_case(name: str, outcome: Outcome, body: bytes, *, status: int = 200, **expected: Any) -> AnswerCase:
    return case(name, outcome, body, status=status, **expected)


QUERY = {"user": "acme", "password": PASSWORD, "from": "ACME", "text": SUBMIT.text}

VARIANTS = {
    "text": Table(
        options=TEXT_OPTIONS,
        secrets=(PASSWORD, TOKEN),
        bad_options=(
            {**TEXT_OPTIONS, "answer": {"id": {"after": "x" * 101}}},
            {**TEXT_OPTIONS, "answer": {"id": {"after": "OK", "until": ""}}},
            {**TEXT_OPTIONS, "answer": {"id": {"pattern": "OK:(.*)"}}},
        ),
        send=Sent(method="GET", url="http://sms.carrier.test/http/a%20b/send/4915112345678", headers={}, query=QUERY),
        send_without_sender=Sent(
            method="GET",
            url="http://sms.carrier.test/http/a%20b/send/4915112345678",
            headers={},
            query={name: value for name, value in QUERY.items() if name != "from"},
        ),
        accepted=Reply(status=200, body=b"OK: m-1; queued\n"),
        answers=(
            text_case("id", Outcome.ACCEPTED, b"OK: m-1; queued\r\n", message_id="m-1"),
            text_case(
                "id and price",
                Outcome.ACCEPTED,
                b"Hello\nOK:77;\nCOST 0.07",
                message_id="77",
                price="0.07",
                currency="EUR",
            ),
            text_case("refused", Outcome.INVALID_NUMBER, b"ERROR 113\n", detail="HTTP 200 113"),
            text_case("refused as ever", Outcome.REJECTED, b"ERROR whatever it is", detail="HTTP 200"),
            text_case("refused in a 400", Outcome.CREDENTIALS, b"ERROR 105", status=400),
            # What the vendor repeats of our text stands in the middle of a line.
            text_case("an echo", Outcome.UNKNOWN, b"text 'OK:1;' was taken?"),
            text_case("an id without an end", Outcome.UNKNOWN, b"OK:m-1"),
            text_case("an id that is none", Outcome.UNKNOWN, b"OK:m 1;"),
            text_case("nothing", Outcome.UNKNOWN, b""),
            text_case("not UTF-8", Outcome.UNKNOWN, b"OK:\xff\xfe;"),
        ),
        answers_in_json=False,
        reports=(
            plain("404", asked(b"MsgId=7&status=404"), ReportStatus.DELIVERED, provider_message_id="7"),
            plain("405", asked(b"MsgId=7&status=405&x="), ReportStatus.FAILED, provider_message_id="7"),
            ReportCase(name="twice", request=asked(b"MsgId=7&MsgId=8&status=404"), refused="unreadable"),
            ReportCase(name="posted", request=signed(b"MsgId=7&status=404"), refused="unreadable"),
            ReportCase(name="empty", request=asked(b""), refused="unreadable"),
        ),
        reports_as=ReportsAs.QUERY,
        signed=asked,
        proof_headers=(),
        proves_content=False,
        has_token=True,
    ),
    "form": Table(
        options=FORM_OPTIONS,
        secrets=(PASSWORD, TOKEN),
        bad_options=(),
        send=Sent(
            method="POST",
            url="https://api.acme.test/send",
            headers={
                "authorization": "Basic YWNtZTp0cGwtcGFzc3dvcmQtdmVyeS1zZWNyZXQ=",
                "content-type": "application/x-www-form-urlencoded",
            },
            form=[("to", SUBMIT.to), ("from", "ACME"), ("text", SUBMIT.text), ("ttl", "540")],
        ),
        send_without_sender=Sent(
            method="POST",
            url="https://api.acme.test/send",
            headers={},
            form=[("to", SUBMIT.to), ("from", "SHOP"), ("text", SUBMIT.text), ("ttl", "540")],
        ),
        accepted=Reply(status=200, body={"result": 0, "id": "m-1"}),
        answers=(
            case("a number", Outcome.ACCEPTED, {"result": 0, "id": 5}, message_id="5"),
            case("a word", Outcome.ACCEPTED, {"result": "0", "id": "m-1"}, message_id="m-1"),
            case("no id", Outcome.UNKNOWN, {"result": 0}),
            case("another number", Outcome.REJECTED, {"result": -7}, detail="HTTP 200 -7"),
            case("true", Outcome.REJECTED, {"result": True}),
            case("no code", Outcome.UNKNOWN, {"id": "m-1"}),
            case("nothing", Outcome.UNKNOWN, {}),
            case("zero and a half", Outcome.UNKNOWN, {"result": 0.5}),
            case("accepted in a 400", Outcome.REJECTED, {"result": 0, "id": "m-1"}, status=400),
            case("accepted in a 500", Outcome.UNKNOWN, {"result": 0, "id": "m-1"}, status=500),
        ),
        reports=(
            plain(
                "delivered",
                signed(urlencode({"ref": str(REFERENCE), "state": "DELIVRD"}).encode()),
                ReportStatus.DELIVERED,
                reference=str(REFERENCE),
            ),
            plain(
                "failed",
                signed(urlencode({"ref": str(REFERENCE), "state": "failed", "err": "0x1"}).encode()),
                ReportStatus.FAILED,
                reference=str(REFERENCE),
                error_code="0x1",
            ),
            unreadable("JSON", msgspec.json.encode(REPORT)),
        ),
        reports_as=ReportsAs.FORM,
        proof_headers=(),
        proves_content=False,
        has_token=True,
    ),
}
