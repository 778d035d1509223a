"""kavenegar: https://kavenegar.com/rest.html."""

from typing import Any
from urllib.parse import urlencode

import msgspec

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.kavenegar import REFUSALS
from smsgw.providers.references import long_of
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, LookUpCase, Reply, ReportCase, ReportsAs, Sent, Table

API_KEY = "6A4D5A3842476E-very-secret"
TOKEN = "Zr2-webhook-token-secret"
BASE = f"https://api.kavenegar.com/v1/{API_KEY}/sms"
LOCALID = str(long_of(REFERENCE))
CONTENT_TYPE = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
ENTRY: dict[str, Any] = {
    "messageid": 8792343,
    "message": SUBMIT.text,
    "status": 1,
    "statustext": "در صف ارسال",
    "sender": "10004346",
    "receptor": "004915112345678",
    "date": 1356619709,
    "cost": 120,
}
FOUND = {"messageid": 8792343, "localid": LOCALID, "status": 10, "statustext": "رسیده به گیرنده"}
REPORT = {"messageid": "8792343", "status": "10"}
FORM = {"receptor": "004915112345678", "message": SUBMIT.text, "localid": LOCALID}


def answer(status: int, *entries: Any) -> dict[str, Any]:
    return {"return": {"status": status, "message": "تایید شد"}, "entries": list(entries) or None}


def case(name: str, outcome: Outcome, body: Any, *, status: int = 200, **expected: Any) -> AnswerCase:
    return AnswerCase(name=name, reply=Reply(status=status, body=body), outcome=outcome, **expected)


def accepted(name: str, changes: dict[str, Any], **expected: Any) -> AnswerCase:
    fields = {"message_id": "8792343", "price": "120", "currency": "IRR", **expected}
    return case(name, Outcome.ACCEPTED, answer(200, {**ENTRY, **changes}), **fields)


def refused(code: int, outcome: Outcome, status: int) -> AnswerCase:
    detail = f"HTTP {status}, return.status {code}"
    return case(f"{code} in a {status}", outcome, answer(code), status=status, detail=detail)


def unclear(name: str, body: Any) -> AnswerCase:
    return case(name, Outcome.UNKNOWN, body)


def look_up(name: str, answer_: LookUp, body: Any, *, status: int = 200) -> LookUpCase:
    message_id = "8792343" if answer_ is LookUp.FOUND else None
    return LookUpCase(name=name, reply=Reply(status=status, body=body), answer=answer_, message_id=message_id)


def signed(query: bytes) -> ReportRequest:
    return ReportRequest(
        received_at=NOW, headers=(), body=b"", method="GET", query=query.decode("latin-1"), token=TOKEN
    )


def posted(body: bytes) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=body, token=TOKEN)


def report(word: str, status: ReportStatus, error_code: str | None = None) -> ReportCase:
    query = urlencode({**REPORT, "status": word}).encode()
    wanted = DeliveryReport(status=status, provider_message_id="8792343", error_code=error_code, dedupe_key="")
    return ReportCase(name=word, request=signed(query), reports=(wanted,))


def unreadable(name: str, query: bytes) -> ReportCase:
    return ReportCase(name=name, request=signed(query), refused="unreadable")


def forged(name: str, token: str) -> ReportCase:
    request = msgspec.structs.replace(signed(urlencode(REPORT).encode()), token=token)
    return ReportCase(name=name, request=request, refused="forged")


TABLE = Table(
    options={"api_key": API_KEY, "sender": "10004346", "webhook_token": TOKEN},
    secrets=(API_KEY, TOKEN),
    bad_options=(
        {},
        {"api_key": "short"},
        {"api_key": "two words"},
        {"api_key": "../../other"},
        {"api_key": API_KEY, "sender": "ACME"},
        {"api_key": API_KEY, "base_url": "http://me:hunter2@provider.test"},
        {"api_key": API_KEY, "base_url": "http://provider.test/?a=b"},
        {"api_key": API_KEY, "webhook_token": "short"},
        {"api_key": API_KEY, "webhook_allow": ["192.0.2.0/33"]},
        {"api_key": API_KEY, "type": 0},
    ),
    send=Sent(method="POST", url=f"{BASE}/send.json", headers=CONTENT_TYPE, form={**FORM, "sender": "ACME"}),
    send_without_sender=Sent(
        method="POST", url=f"{BASE}/send.json", headers=CONTENT_TYPE, form={**FORM, "sender": "10004346"}
    ),
    accepted=Reply(status=200, body=answer(200, ENTRY)),
    answers=(
        accepted("queued", {}),
        accepted("a long id", {"messageid": 9223372036854775807}, message_id="9223372036854775807"),
        accepted("an id as a text", {"messageid": "8792343"}),
        accepted("free", {"cost": 0}, price="0"),
        accepted("no price", {"cost": None}, price=None, currency=None),
        accepted("a price that is a text", {"cost": "120"}, price=None, currency=None),
        accepted("an endless price", {"cost": 10**18}, price=None, currency=None),
        *(refused(code, outcome, 200) for code, outcome in REFUSALS.items()),
        *(refused(code, outcome, code) for code, outcome in REFUSALS.items()),
        refused(411, Outcome.INVALID_NUMBER, 400),
        # About numbers abroad, or one line: the account goes on sending to and from all others.
        refused(407, Outcome.REJECTED, 200),
        refused(427, Outcome.REJECTED, 200),
        # The body says what happened, and the two contradict each other.
        case("200 in a 400", Outcome.UNKNOWN, answer(200, ENTRY), status=400),
        case("200 in a 500", Outcome.UNKNOWN, answer(200, ENTRY), status=500),
        case("411 in a 500", Outcome.UNKNOWN, answer(411), status=500),
        case("a code nobody knows", Outcome.UNKNOWN, answer(499)),
        case("a code nobody knows, in a 499", Outcome.REJECTED, answer(499), status=499),
        case("a text in a 403", Outcome.CREDENTIALS, b"Forbidden", status=403),
        unclear("no entries", answer(200)),
        unclear("two entries", answer(200, ENTRY, ENTRY)),
        unclear("no id", answer(200, {**ENTRY, "messageid": None})),
        unclear("the id 0", answer(200, {**ENTRY, "messageid": 0})),
        unclear("half an id", answer(200, {**ENTRY, "messageid": 8792343.5})),
        unclear("a negative id", answer(200, {**ENTRY, "messageid": -1})),
        unclear("a huge id", answer(200, {**ENTRY, "messageid": "9" * 20})),
        unclear("a status that is a text", {"return": {"status": "200"}, "entries": [ENTRY]}),
        unclear("entries without a status", {"entries": [ENTRY]}),
    ),
    look_up=Sent(
        method="POST", url=f"{BASE}/statuslocalmessageid.json", headers=CONTENT_TYPE, form={"localid": LOCALID}
    ),
    look_ups=(
        look_up("delivered", LookUp.FOUND, answer(200, FOUND)),
        look_up("queued", LookUp.FOUND, answer(200, {**FOUND, "status": 1})),
        look_up("failed", LookUp.FOUND, answer(200, {**FOUND, "status": 6})),
        look_up("unheard of", LookUp.ABSENT, answer(200, {"messageid": 0, "localid": LOCALID, "status": 100})),
        look_up("unheard of, with an id", LookUp.ABSENT, answer(200, {**FOUND, "status": 100})),
        look_up("a status nobody knows", LookUp.CANNOT_SAY, answer(200, {**FOUND, "status": 50})),
        look_up("a status that is true", LookUp.CANNOT_SAY, answer(200, {**FOUND, "status": True})),
        look_up("no id", LookUp.CANNOT_SAY, answer(200, {"localid": LOCALID, "status": 1})),
        look_up("another message", LookUp.CANNOT_SAY, answer(200, {**FOUND, "localid": "4711"})),
        look_up("no localid", LookUp.FOUND, answer(200, {**FOUND, "localid": None})),
        look_up("nothing", LookUp.CANNOT_SAY, answer(200)),
        look_up("two", LookUp.CANNOT_SAY, answer(200, FOUND, FOUND)),
        look_up("refused", LookUp.CANNOT_SAY, answer(403), status=403),
        look_up("refused in a 200", LookUp.CANNOT_SAY, answer(407)),
        look_up("garbage", LookUp.CANNOT_SAY, b"\xff<"),
        *(look_up(str(status), LookUp.CANNOT_SAY, b"", status=status) for status in (302, 404, 429, 500, 503)),
    ),
    reports=(
        report("1", ReportStatus.QUEUED),
        report("2", ReportStatus.QUEUED),
        report("4", ReportStatus.SENT),
        report("5", ReportStatus.SENT),
        report("6", ReportStatus.FAILED, "6"),
        report("10", ReportStatus.DELIVERED),
        report("11", ReportStatus.UNDELIVERED),
        report("13", ReportStatus.REJECTED, "13"),
        report("14", ReportStatus.REJECTED, "14"),
        ReportCase(
            name="posted",
            request=posted(urlencode(REPORT).encode()),
            reports=(DeliveryReport(status=ReportStatus.DELIVERED, provider_message_id="8792343", dedupe_key=""),),
        ),
        unreadable("a received message", b"messageid=1&status=50"),
        unreadable("an id nobody knows", b"messageid=1&status=100"),
        unreadable("a word for a status", b"messageid=1&status=delivered"),
        unreadable("no status", b"messageid=1"),
        unreadable("no id", b"status=10"),
        unreadable("the id 0", b"messageid=0&status=10"),
        unreadable("an id that is none", b"messageid=1%2C2&status=10"),
        unreadable("a status twice", b"messageid=1&status=10&status=11"),
        unreadable("empty", b""),
        forged("no token", ""),
        forged("another token", "Zr2-webhook-token-secreT"),
    ),
    reports_as=ReportsAs.QUERY,
    proof_headers=(),
    proves_content=False,
    has_token=True,
)
