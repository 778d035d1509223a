"""bulksms: https://www.bulksms.com/developer/json/v1/."""

from typing import Any

import msgspec

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import ReportRequest
from smsgw.providers.references import long_of
from tests.providers.opening import NOW
from tests.providers.tables import REFERENCE, SUBMIT, AnswerCase, LookUpCase, Reply, ReportCase, Sent, Table

TOKEN_ID = "BBDE1B476E03498AA768F66A286AABDC-01-B"
TOKEN_SECRET = "9jSbVDK20!MXdfRGiIIFu-very-secret"
TOKEN = "Bq3-webhook-token-secret"
NUMBER = str(long_of(REFERENCE))
BASIC = "Basic QkJERTFCNDc2RTAzNDk4QUE3NjhGNjZBMjg2QUFCREMtMDEtQjo5alNiVkRLMjAhTVhkZlJHaUlJRnUtdmVyeS1zZWNyZXQ="
URL = "https://api.bulksms.com/v1/messages"
QUERY = {"deduplication-id": NUMBER, "auto-unicode": "true"}
BODY = {"to": SUBMIT.to, "body": SUBMIT.text, "userSuppliedId": NUMBER, "longMessageMaxParts": 15}
MESSAGE: dict[str, Any] = {
    "id": "1001",
    "type": "SENT",
    "from": "ACME",
    "to": SUBMIT.to.lstrip("+"),
    "body": SUBMIT.text,
    "encoding": "UNICODE",
    "numberOfParts": None,
    "creditCost": None,
    "submission": {"id": "2-00000000001", "date": "2026-03-01T12:00:00Z"},
    "status": {"id": "ACCEPTED.null", "type": "ACCEPTED", "subtype": None},
    "userSuppliedId": NUMBER,
}


def status(word: str) -> dict[str, Any]:
    kind, _, subtype = word.partition(".")
    return {"status": {"id": word, "type": kind, "subtype": None if subtype == "null" else subtype}}


def case(name: str, outcome: Outcome, body: Any, *, status_: int = 201, **expected: Any) -> AnswerCase:
    return AnswerCase(name=name, reply=Reply(status=status_, body=body), outcome=outcome, **expected)


def made(word: str, outcome: Outcome, **expected: Any) -> AnswerCase:
    return case(word, outcome, [{**MESSAGE, **status(word)}], **expected)


def look_up(name: str, answer: LookUp, body: Any, *, status_: int = 200) -> LookUpCase:
    message_id = "1001" if answer is LookUp.FOUND else None
    return LookUpCase(name=name, reply=Reply(status=status_, body=body), answer=answer, message_id=message_id)


def posted(body: bytes, token: str = TOKEN) -> ReportRequest:
    return ReportRequest(received_at=NOW, headers=(), body=body, token=token)


def signed(body: bytes) -> ReportRequest:
    """Reports come in a list."""
    return posted(b"[" + body + b"]")


def report(word: str, meant: ReportStatus, error_code: str | None = None) -> ReportCase:
    body = msgspec.json.encode({**MESSAGE, **status(word), "numberOfParts": 2, "creditCost": 2.5})
    wanted = DeliveryReport(status=meant, provider_message_id="1001", error_code=error_code, segments=2, dedupe_key="")
    return ReportCase(name=word, request=signed(body), reports=(wanted,))


def unreadable(name: str, body: bytes) -> ReportCase:
    return ReportCase(name=name, request=posted(body), refused="unreadable")


TABLE = Table(
    options={"token_id": TOKEN_ID, "token_secret": TOKEN_SECRET, "sender": "SHOP", "webhook_token": TOKEN},
    secrets=(TOKEN_SECRET, TOKEN),
    bad_options=(
        {},
        {"token_id": TOKEN_ID},
        {"token_id": TOKEN_ID, "token_secret": "two words"},
        {"token_id": TOKEN_ID, "token_secret": "s", "max_parts": 0},
        {"token_id": TOKEN_ID, "token_secret": "s", "base_url": "http://me:hunter2@provider.test"},
        {"token_id": TOKEN_ID, "token_secret": "s", "webhook_token": "hunter2"},
        {"token_id": TOKEN_ID, "token_secret": "s", "webhook_allow": ["somewhere"]},
        {"token_id": TOKEN_ID, "token_secret": "s", "username": "u"},
    ),
    send=Sent(
        method="POST",
        url=URL,
        query=QUERY,
        headers={"authorization": BASIC, "content-type": "application/json"},
        json=[{**BODY, "from": "ACME"}],
    ),
    send_without_sender=Sent(method="POST", url=URL, query=QUERY, headers={}, json=[{**BODY, "from": "SHOP"}]),
    accepted=Reply(status=201, body=[MESSAGE]),
    answers=(
        made("ACCEPTED.null", Outcome.ACCEPTED, message_id="1001"),
        made("SCHEDULED.null", Outcome.ACCEPTED, message_id="1001"),
        made("SENT.null", Outcome.ACCEPTED, message_id="1001"),
        made("FAILED.BLOCKED", Outcome.OPTED_OUT, message_id="1001", detail="HTTP 201 FAILED.BLOCKED"),
        made("FAILED.NOT_SENT", Outcome.REJECTED, message_id="1001", detail="HTTP 201 FAILED.NOT_SENT"),
        made("FAILED.EXPIRED", Outcome.UNKNOWN),
        made("UNKNOWN.null", Outcome.UNKNOWN),
        case("nothing", Outcome.UNKNOWN, []),
        case("two", Outcome.UNKNOWN, [MESSAGE, MESSAGE]),
        case("not in a list", Outcome.UNKNOWN, MESSAGE),
        case("no id", Outcome.UNKNOWN, [{**MESSAGE, "id": None}]),
        case("a number for an id", Outcome.UNKNOWN, [{**MESSAGE, "id": 1001}]),
        case("no status", Outcome.UNKNOWN, [{"id": "1001"}]),
        case("credits", Outcome.CREDENTIALS, {"type": "…#insufficient-credits", "status": 403}, status_=403),
        case("bad request", Outcome.REJECTED, {"type": "…#bad-request", "status": 400}, status_=400),
        case("accepted in a 400", Outcome.REJECTED, [MESSAGE], status_=400),
        case("accepted in a 500", Outcome.UNKNOWN, [MESSAGE], status_=500),
    ),
    look_up=Sent(method="GET", url=URL, query={"filter": f"userSuppliedId={NUMBER}"}, headers={"authorization": BASIC}),
    look_ups=(
        look_up("found", LookUp.FOUND, [MESSAGE]),
        look_up("the newest of two", LookUp.FOUND, [MESSAGE, {**MESSAGE, "id": "1000"}]),
        look_up("nothing", LookUp.ABSENT, []),
        look_up("somebody else's", LookUp.CANNOT_SAY, [{**MESSAGE, "userSuppliedId": "4711"}]),
        look_up("nobody's", LookUp.CANNOT_SAY, [{**MESSAGE, "userSuppliedId": None}]),
        look_up("not in a list", LookUp.CANNOT_SAY, MESSAGE),
        look_up("garbage", LookUp.CANNOT_SAY, b"\xff<"),
        *(look_up(str(each), LookUp.CANNOT_SAY, b"", status_=each) for each in (201, 302, 400, 401, 404, 429, 500)),
    ),
    absent=b"[]",
    reports=(
        report("ACCEPTED.null", ReportStatus.QUEUED),
        report("SCHEDULED.null", ReportStatus.QUEUED),
        report("SENT.null", ReportStatus.SENT),
        report("DELIVERED.null", ReportStatus.DELIVERED),
        report("FAILED.null", ReportStatus.FAILED),
        report("FAILED.EXPIRED", ReportStatus.EXPIRED, "EXPIRED"),
        report("FAILED.HANDSET_ERROR", ReportStatus.UNDELIVERED, "HANDSET_ERROR"),
        report("FAILED.BLOCKED", ReportStatus.REJECTED, "BLOCKED"),
        report("FAILED.NOT_SENT", ReportStatus.REJECTED, "NOT_SENT"),
        # The vendor tries the address with an empty list, and tells of states that mean nothing.
        ReportCase(name="a test", request=posted(b"[]")),
        ReportCase(name="unknown", request=signed(msgspec.json.encode({**MESSAGE, **status("UNKNOWN.null")}))),
        unreadable("not in a list", msgspec.json.encode(MESSAGE)),
        unreadable("one of two is none", msgspec.json.encode([MESSAGE, 7])),
        unreadable("over-deep", b"[" * 100_000),
        unreadable("empty", b""),
        ReportCase(name="no token", request=posted(b"[]", ""), refused="forged"),
        ReportCase(name="another token", request=posted(b"[]", TOKEN[:-1] + "T"), refused="forged"),
    ),
    proof_headers=(),
    proves_content=False,
    has_token=True,
)
