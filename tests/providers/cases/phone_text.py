"""phone_text: docs/reference/providers.md, row by row."""

from typing import Any

from smsgw.core.failure import Outcome
from smsgw.core.ports import ReportRequest
from tests.providers.opening import NOW
from tests.providers.tables import SUBMIT, AnswerCase, Reply, ReportCase, Sent, Table

TOKEN = "key-Zq81xv-very-secret"
URL = "https://carrier.test/api/sms/provider1?account=7"


def accepted(name: str, body: Any, message_id: str | None, status: int = 200) -> AnswerCase:
    reply = Reply(status=status, body=body)
    return AnswerCase(name=name, reply=reply, outcome=Outcome.ACCEPTED, message_id=message_id)


def refused(status: int, outcome: Outcome, **headers: str) -> AnswerCase:
    reply = Reply(status=status, body={"message_id": "m-1", "error_code": "INVALID_NUMBER"}, headers=headers)
    return AnswerCase(name=str(status), reply=reply, outcome=outcome)


TABLE = Table(
    options={"url": URL, "headers": {"Authorization": f"Bearer {TOKEN}", "X-Sender": "shop"}},
    secrets=(TOKEN,),
    bad_options=(
        {},
        {"url": ""},
        {"url": "ftp://carrier.test"},
        {"url": "http://"},
        {"url": "http://carrier.test:0/"},
        {"url": "http://user:hunter2@carrier.test"},
        {"url": "http://carrier.test/two words"},
        {"url": "http://carrier.test/#hunter2"},
        {"url": URL, "base_url": URL},
        {"url": URL, "headers": ["hunter2"]},
        {"url": URL, "headers": {"X-Key": "hunter2\r\nX-Other: 1"}},
        {"url": URL, "headers": {"X-Key": ""}},
        {"url": URL, "headers": {"two words": "hunter2"}},
        {"url": URL, "headers": {"X-Key": "hunter2", "x-key": "hunter2"}},
        {"url": URL, "headers": {"Content-Length": "7"}},
        {"url": URL, "headers": {"X-Key": 7}},
    ),
    send=Sent(
        method="POST",
        url=URL,
        headers={"content-type": "application/json", "authorization": f"Bearer {TOKEN}", "x-sender": "shop"},
        json={"phone": SUBMIT.to, "text": SUBMIT.text},
    ),
    accepted=Reply(status=200, body={"message_id": "m-1"}),
    accepts_any_2xx=True,
    answers=(
        accepted("a string", {"message_id": "m-1", "status": "queued"}, "m-1"),
        accepted("201", {"message_id": "m-1"}, "m-1", status=201),
        accepted("a number", {"message_id": 4711}, "4711"),
        accepted("a long number", b'{"message_id": 123456789012345678901234567890}', "123456789012345678901234567890"),
        accepted("a fraction", b'{"message_id": 1.50}', "1.50"),
        accepted("another name", {"id": "m-1"}, None),
        accepted("null", {"message_id": None}, None),
        accepted("true", {"message_id": True}, None),
        accepted("a list", {"message_id": ["m-1"]}, None),
        accepted("empty", {"message_id": ""}, None),
        accepted("no id", {"message_id": "two words"}, None),
        accepted("too long", {"message_id": "m" * 129}, None),
        accepted("too long a number", b'{"message_id": ' + b"1" * 129 + b"}", None),
        accepted("not an object", [{"message_id": "m-1"}], None),
        accepted("no JSON", b"OK m-1", None),
        accepted("nothing", b"", None, status=204),
        refused(400, Outcome.REJECTED),
        refused(401, Outcome.CREDENTIALS),
        refused(429, Outcome.THROTTLED),
        refused(500, Outcome.UNKNOWN),
        refused(503, Outcome.UNKNOWN),
    ),
    reports=(
        ReportCase(
            name="any report is forged",
            request=ReportRequest(received_at=NOW, headers=(), body=b"{}"),
            refused="forged",
        ),
    ),
)
