"""The kind `template`: no text and no sender gets out of its place, a GET is written once, the smaller options."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged, Submit, Unreadable
from smsgw.providers.placeholders import compiled
from smsgw.providers.transport import AiohttpTransport
from tests.fuzz.spoiling import looking
from tests.providers.cases.template import (
    ANSWER,
    FORM_OPTIONS,
    JSON_OPTIONS,
    REPORT,
    STATUSES,
    TEXT_OPTIONS,
    signed,
    wrong,
)
from tests.providers.opening import answering, failing, open_one
from tests.providers.raw_server import Visit, raw_server
from tests.providers.tables import SUBMIT

NOTHING = failing(AssertionError("nothing may be sent here"))
HOSTILE = (
    '"}],"to":"+19005550100","x":"',
    "\\",
    '\\"',
    "\r\nX-Injected: 1\r\n\r\nGET /other HTTP/1.1",
    "a\r\n\r\n{}",
    "&to=%2B19005550100&text=other",
    "?#/../../%2e%2e/%00",
    "../../admin",
    "{text}{sender}{api_key}{{to}}",
    "{text.__class__.__mro__}",
    "%(to)s ${to} $to %s {0}",
    "\x00\x01\x7f\u0085\u2028\u2029\ufeff\u202e",
    '"; filename="x',
    "=?utf-8?q?x?=",
    "a,b;c=d\te",
    "+ +%2B%20",
    "é" * 500,
    "😀" * 70,
)
ANYTHING = st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=200)


def message(text: str, sender: str) -> Submit:
    return msgspec.structs.replace(SUBMIT, text=text, sender=sender)


def request_of(options: Any, submit: Submit) -> httpx.Request:
    """Return the request that a message becomes."""
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(500)

    asyncio.run(open_one("template", options, answering(answer)).send(submit))
    return seen[0]


@given(text=ANYTHING, sender=ANYTHING)
@looking(300)
def test_nothing_leaves_its_place_in_json_headers_and_address(text: str, sender: str) -> None:
    plain = request_of(JSON_OPTIONS, message("x", "x"))

    request = request_of(JSON_OPTIONS, message(text, sender))

    (said,), (expected,) = (msgspec.json.decode(each.content)["messages"] for each in (request, plain))
    assert said == {**expected, "text": text, "from": sender, "note": f"{{from}} {sender}: {text}"}
    assert request.url == plain.url
    assert sorted(request.headers) == sorted(plain.headers)
    for name, value in (("x-from", sender), ("x-text", text)):
        assert unquote(request.headers[name]) == value
        assert not set(request.headers[name]) & set(' \r\n\t",;')
        assert request.headers[name].isascii()
        assert request.headers[name].isprintable()


@given(text=ANYTHING, sender=ANYTHING)
@looking(300)
def test_nothing_leaves_its_field_in_a_form(text: str, sender: str) -> None:
    request = request_of(FORM_OPTIONS, message(text, sender))

    fields = parse_qsl(request.content.decode("ascii"), keep_blank_values=True, strict_parsing=True)
    assert fields == [("to", SUBMIT.to), ("from", sender), ("text", text), ("ttl", "540")]


@given(text=ANYTHING, sender=ANYTHING)
@looking(300)
def test_nothing_leaves_its_field_in_a_query(text: str, sender: str) -> None:
    request = request_of(TEXT_OPTIONS, message(text, sender))

    path, _, query = request.url.raw_path.decode("ascii").partition("?")
    fields = dict(parse_qsl(query, keep_blank_values=True, strict_parsing=True))
    assert (request.url.host, path) == ("sms.carrier.test", "/http/a%20b/send/4915112345678")
    assert (fields.pop("text"), fields.pop("from")) == (text, sender)
    assert set(fields) == {"user", "password"}


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    made = AiohttpTransport(limit=4)
    yield made
    await made.aclose()


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_what_arrives_is_what_was_meant(transport: AiohttpTransport, hostile: str) -> None:
    """Through the real transport, which reads the address once more."""

    async def answer(visit: Visit) -> None:
        await visit.request()
        await visit.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nOK: 7;")

    async with raw_server(answer) as server:
        url = f"http://127.0.0.1:{server.port}/http/{{account}}/{{to}}/send"
        options = {**TEXT_OPTIONS, "url": url, "headers": {"X-Text": "{text}"}}
        result = await open_one("template", options, transport).send(message(hostile, hostile))

    (request,) = server.requests
    line, *headers = request.removesuffix(b"\r\n\r\n").decode("ascii").split("\r\n")
    method, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    fields = dict(parse_qsl(query, keep_blank_values=True))
    assert result.outcome is Outcome.ACCEPTED
    assert (method, unquote(path)) == ("GET", f"/http/a b/{SUBMIT.to}/send")
    assert (fields["text"], fields["from"]) == (hostile, hostile)
    assert sum(header.lower().startswith(("x-", "get ")) for header in headers) == 1


@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_send_on_a_broken_connection_is_not_written_twice(transport: AiohttpTransport, method: str) -> None:
    async def once(visit: Visit) -> None:
        await visit.request()
        await visit.write(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nOK: 7;")
        await visit.request()

    async with raw_server(once) as server:
        options = {**TEXT_OPTIONS, "url": f"http://127.0.0.1:{server.port}/send", "method": method}
        provider = open_one("template", options, transport)
        first, second = await provider.send(SUBMIT), await provider.send(SUBMIT)

    assert (first.outcome, second.outcome) == (Outcome.ACCEPTED, Outcome.UNKNOWN)
    assert len(server.requests) == 2
    assert server.connections == 1


async def test_an_acceptance_without_an_id_is_one_only_where_the_options_say_so() -> None:
    async def outcome(without_id: bool) -> Outcome:
        options = {**FORM_OPTIONS, "accepted_when": {"codes": ["0"], "without_id": without_id}}
        transport = answering(lambda _: httpx.Response(200, json={"result": 0}))
        return (await open_one("template", options, transport).send(SUBMIT)).outcome

    assert [await outcome(without_id=each) for each in (True, False)] == [Outcome.ACCEPTED, Outcome.UNKNOWN]


async def test_the_place_of_an_id_may_be_in_the_middle_of_a_line_where_the_options_say_so() -> None:
    options = {**TEXT_OPTIONS, "answer": {"id": {"after": "<id>", "until": "</id>", "anywhere": True}}}
    transport = answering(lambda _: httpx.Response(200, content=b"<answer><id> 7 </id></answer>"))

    result = await open_one("template", options, transport).send(SUBMIT)

    assert result.provider_message_id == "7"


async def test_an_endless_line_is_looked_through_once() -> None:
    options = {**TEXT_OPTIONS, "answer": {"id": {"after": "aaaaaaaab", "until": ";", "anywhere": True}}}
    transport = answering(lambda _: httpx.Response(200, content=b"a" * 200_000))

    result = await open_one("template", options, transport).send(SUBMIT)

    assert result.outcome is Outcome.UNKNOWN


SEVERAL = [{"id": "a", "state": "DELIVRD"}, 7, {"id": "b", "state": "EXPIRED"}, {"id": "c", "state": "EATEN"}]


@pytest.mark.parametrize(
    ("each", "body"), [("results", {"results": SEVERAL}), ("*", SEVERAL), ("a.1", {"a": [0, SEVERAL]})]
)
async def test_several_reports_in_one_call(each: str, body: Any) -> None:
    options = wrong(reports={"each": each, "id": "id", "status": "state", "statuses": STATUSES})

    read = await open_one("template", options, NOTHING).read_report(signed(msgspec.json.encode(body)))

    assert not isinstance(read, Forged | Unreadable)
    assert [(report.provider_message_id, report.status) for report in read] == [
        ("a", ReportStatus.DELIVERED),
        ("b", ReportStatus.EXPIRED),
    ]
    assert len({report.dedupe_key for report in read}) == 2


@pytest.mark.parametrize(("each", "body"), [("results", b'{"results": []}'), ("results", b'{"results": {"id": "a"}}')])
async def test_no_list_is_no_report(each: str, body: bytes) -> None:
    options = wrong(reports={"each": each, "id": "id", "status": "state", "statuses": STATUSES})

    assert isinstance(await open_one("template", options, NOTHING).read_report(signed(body)), Unreadable)


async def test_without_a_description_no_report_is_believed() -> None:
    options = {name: value for name, value in JSON_OPTIONS.items() if name != "reports"}

    read = await open_one("template", options, NOTHING).read_report(signed(msgspec.json.encode(REPORT)))

    assert isinstance(read, Forged)


async def test_an_answer_that_repeats_the_secrets_is_not_quoted() -> None:
    options = wrong(headers={"Authorization": "Token hunter2hunter2"}, codes={"*": "rejected"})
    echoes = ["hunter2hunter2", JSON_OPTIONS["secrets"]["api_key"], SUBMIT.to]

    for echo in echoes:
        body = {**ANSWER, "error": {"code": echo}}
        transport = answering(lambda _, body=body: httpx.Response(400, json=body))  # type: ignore[misc]
        result = await open_one("template", options, transport).send(SUBMIT)
        assert result.outcome is Outcome.REJECTED
        assert echo not in repr(result)


@given(text=st.text(st.sampled_from("{}abto _0.!:[]()%$"), max_size=30))
@looking(500)
def test_a_text_is_refused_or_keeps_its_literals(text: str) -> None:
    """Whatever is configured: nothing but the known names is ever looked up."""
    try:
        filled = compiled(text, {"to"}, place="here")({"to": "+1"})
    except ValueError as error:
        filled = str(error)

    meant = text.replace("{{", "\x00").replace("{to}", "+1").replace("\x00", "{").replace("}}", "}")
    assert filled is not None
    assert filled == meant or filled.startswith("here: ")
