"""Plivo: its SDK's client and validators, our simulator, our adapter."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

import plivo
import pytest
from plivo.exceptions import AuthenticationError, PlivoRestError, ResourceNotFoundError, ValidationError
from plivo.utils import validate_signature, validate_v3_signature
from plivo.utils.signature_v3 import construct_get_url, construct_post_url, get_signature_v3
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from smsgw.core.failure import Outcome
from smsgw.core.message import Part, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Unreadable
from smsgw.providers.plivo import Config, Plivo
from tests.conformance.simulated import HookCall, Stage, aside, is_reference, opened, playing, read, submit

API = "https://api.plivo.com"
ACCOUNT = "MADEMO00000000000001"
TOKEN = "token-of-a-test"
MAIN = "main-token-of-a-test"
LONG = "Grüße 🎉 " * 20
V2, V3 = "x-plivo-signature-v2", "x-plivo-signature-v3"


class Redirecting(HTTPAdapter):
    """Carries the SDK's requests to an API at another address: the client goes back to its own with every call."""

    def __init__(self, base: str) -> None:
        super().__init__()
        self._base = base

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        assert request.url
        request.url = request.url.replace(API, self._base, 1)
        return super().send(request, *args, **kwargs)


def client(stage: Stage, token: str = TOKEN) -> plivo.RestClient:
    found = plivo.RestClient(ACCOUNT, token)
    found.session.mount(API, Redirecting(stage.base))
    return found


def stage_of(**settings: Any) -> Any:
    return playing("plivo", credentials={"auth_token": TOKEN, "main_auth_token": MAIN}, **settings)


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    told = {"auth_id": ACCOUNT, "auth_token": TOKEN, "sender": "+15005550001", "base_url": stage.base}
    return {**told, "webhook_url": stage.hook.url, **more}


def is_valid(call: HookCall, token: str, family: str = "") -> bool:
    """Whether the SDK believes a call, by V2 and by V3."""
    params = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
    nonce, newer = call.headers[f"{V2}-nonce"], call.headers[f"{V3}-nonce"]
    names = (V2.replace("-v2", f"{family}-v2"), V3.replace("-v3", f"{family}-v3"))
    second, third = (call.headers[name] for name in names)
    by_second = validate_signature(call.url, nonce, second, token)
    by_third = validate_v3_signature(call.method, call.url, newer, token, third, params)
    assert by_second == by_third
    return bool(by_second)


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("query", ["", "?ref=r-1&tenant=a"])
async def test_the_sdk_sends_asks_and_believes_the_callbacks(method: str, query: str) -> None:
    async with stage_of() as stage:
        sdk = client(stage)
        sent = await aside(
            lambda: sdk.messages.create(
                src="+15005550001", dst="+15005550099", text="x" * 200, url=f"{stage.hook.url}{query}", method=method
            )
        )
        calls = await stage.hook.wait_for(2)
        fetched = await aside(lambda: sdk.messages.get(sent.message_uuid[0]))
        listed = await aside(lambda: sdk.messages.list(limit=5))

    assert sent.message == "message(s) queued"
    assert {call.method for call in calls} == {method}
    assert all(call.url.startswith(f"{stage.hook.url}{query}") for call in calls)
    assert [is_valid(call, TOKEN) for call in calls] == [True, True]
    assert [is_valid(call, MAIN, "-ma") for call in calls] == [True, True]
    assert not any(is_valid(call, "another") for call in calls)
    assert (fetched.message_state, fetched.units) == ("delivered", 2)
    assert [each.message_uuid for each in listed] == sent.message_uuid


@pytest.mark.parametrize(
    ("dst", "token", "error", "status"),
    [
        ("+15005550001", TOKEN, ValidationError, "dst parameter"),
        ("+15005550003", TOKEN, PlivoRestError, "429"),
        ("+15005550011", TOKEN, plivo.exceptions.GeoPermissionError, "not permitted"),
        ("+15005550099", "wrong", AuthenticationError, "authentication failed"),
    ],
)
async def test_the_sdk_reads_refusals(dst: str, token: str, error: type[Exception], status: str) -> None:
    async with stage_of() as stage:
        sdk = client(stage, token)
        with pytest.raises(error, match=status):
            await aside(lambda: sdk.messages.create(src="+15005550098", dst=dst, text="x"))
        with pytest.raises(ResourceNotFoundError):
            await aside(lambda: client(stage).messages.get("unknown"))


@pytest.mark.parametrize("told", [{}, {"auth_token": TOKEN, "require_signature_v3": True}])
async def test_our_adapter_sends_and_believes_the_reports_of_all_parts(told: dict[str, Any]) -> None:
    async with stage_of() as stage, opened("plivo", options(stage, **told)) as provider:
        message = submit(sender="ACME", text=LONG)
        result = await provider.send(message)
        calls = await stage.hook.wait_for(3)
        reports = [await read(provider, call) for call in calls]
        forged = await provider.read_report(
            ReportRequest(
                headers=calls[0].request.headers,
                body=calls[0].body + b"1",
                query=calls[0].query,
                received_at=datetime.now(UTC),
            )
        )

    assert result.outcome is Outcome.ACCEPTED
    assert {report.part for report in reports} == {Part(1, 3), Part(2, 3), Part(3, 3)}
    assert {report.status for report in reports} == {ReportStatus.DELIVERED}
    assert {report.provider_message_id for report in reports} == {result.provider_message_id}
    assert {(report.segments, report.price, report.currency) for report in reports} == {(3, "0.01500", "USD")}
    assert len({report.dedupe_key for report in reports}) == 3
    assert all(is_reference(report, message.reference) for report in reports)
    assert isinstance(forged, Forged)


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("0001", Outcome.REJECTED),
        ("0002", Outcome.REJECTED),
        ("0003", Outcome.THROTTLED),
        ("0004", Outcome.UNKNOWN),
        ("0009", Outcome.UNKNOWN),
        ("0011", Outcome.REJECTED),
        ("0012", Outcome.THROTTLED),
        ("0017", Outcome.UNKNOWN),
    ],
)
async def test_our_adapter_understands_every_refusal(ending: str, outcome: Outcome) -> None:
    async with stage_of() as stage, opened("plivo", options(stage)) as provider:
        result = await provider.send(submit(f"+4915112{ending}"))

    assert result.outcome is outcome


async def test_our_adapter_reads_what_was_not_delivered() -> None:
    async with stage_of() as stage, opened("plivo", options(stage)) as provider:
        await provider.send(submit("+49151120006"))
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call)

    assert (report.status, report.error_code, report.part) == (ReportStatus.UNDELIVERED, "80", None)


async def test_wrong_credentials_are_ours_to_mend() -> None:
    async with stage_of() as stage, opened("plivo", options(stage, auth_token="wrong")) as provider:
        result = await provider.send(submit())

    assert (result.outcome, result.detail) == (Outcome.CREDENTIALS, "HTTP 401")


# --- signatures -------------------------------------------------------------------------------------------------------

HOOK = "https://gw.example.org/hooks/plivo/status"
ID = "00000000-0000-4000-8000-000000000001"
FIRST = {"From": "15005550001", "To": "15005550006", "MessageUUID": ID, "Status": "delivered", "ErrorCode": ""}
SECOND = {"From": "15005550001", "To": "15005550006"}


def adapter(url: str, **told: Any) -> Plivo:
    return Plivo(Config(auth_id=ACCOUNT, webhook_url=url, **{"auth_token": "my_auth_token", **told}))


def request_of(headers: dict[str, str], body: bytes = b"", query: str = "", method: str = "POST") -> ReportRequest:
    told = tuple(headers.items())
    return ReportRequest(headers=told, body=body, query=query, method=method, received_at=datetime.now(UTC))


@pytest.mark.parametrize(
    ("method", "query", "fields", "signature"),
    [
        pytest.param("POST", "", FIRST, "QURowidGZ1TMbHNeBIWvEFg9oEWl6oKXn4Uw/cOalkY=", id="POST"),
        pytest.param("POST", "b=2&a=1", SECOND, "AgXWwmlIC3FULOw7zcdZRooM9t1TtUSF78Exr+O/ONI=", id="POST with a query"),
        pytest.param("GET", "b=2&a=1&From=15005550001", {}, "Gx7tTF2JzKNHS3ejhMbL3XVPBy7okb1+tg/vBK9pW/U=", id="GET"),
        pytest.param("POST", "", {}, "19x2Oaglb3HKSrKP6zSb72XMYk303+kscHtF16hoEpE=", id="POST without parameters"),
    ],
)
def test_the_vectors_of_v3(method: str, query: str, fields: dict[str, str], signature: str) -> None:
    url, body = f"{HOOK}?{query}" if query else HOOK, urlencode(fields).encode()
    genuine = request_of({V3: signature, f"{V3}-nonce": "12345"}, body, query, method)

    assert validate_v3_signature(method, url, "12345", "my_auth_token", signature, dict(fields))
    assert not isinstance(adapter(HOOK).read_report(genuine), Forged)
    for changed in (
        request_of({V3: signature, f"{V3}-nonce": "12346"}, body, query, method),
        request_of({V3: signature, f"{V3}-nonce": "12345"}, body, f"{query}&c=3", method),
        request_of({V3: signature, f"{V3}-nonce": "12345"}, body + b"&c=3", query, method),
    ):
        assert isinstance(adapter(HOOK).read_report(changed), Forged)
    assert isinstance(adapter(HOOK, auth_token="another").read_report(genuine), Forged)


@pytest.mark.parametrize("query", ["", "ref=r-1"])
@pytest.mark.parametrize("name", [V2, "x-plivo-signature-ma-v2"])
def test_the_vector_of_v2(query: str, name: str) -> None:
    signature = "ehV3IKhLysWBxC1sy8INm0qGoQYdYsHwuoKjsX7FsXc="
    genuine = request_of({name: signature, f"{V2}-nonce": "12345"}, urlencode(FIRST).encode(), query)

    reports = adapter("https://answer.url").read_report(genuine)

    assert validate_signature("https://answer.url?x=y", "12345", signature, "my_auth_token")
    assert not isinstance(reports, Forged | Unreadable)
    assert [each.provider_message_id for each in reports] == [ID]
    assert isinstance(adapter("https://answer.url/2").read_report(genuine), Forged)
    assert isinstance(adapter("https://answer.url", auth_token="another").read_report(genuine), Forged)
    assert isinstance(adapter("https://answer.url", require_signature_v3=True).read_report(genuine), Forged)


@pytest.mark.parametrize("told", [HOOK, f"{HOOK}?tenant=a", "https://gw.example.org:8443/hooks"])
@pytest.mark.parametrize("ref", ["", "ref=r-1"])
@pytest.mark.parametrize("method", ["POST", "GET"])
def test_we_believe_what_the_sdk_signs(told: str, ref: str, method: str) -> None:
    fields = {**FIRST, "Text": "a+b = 100 % & ?"}
    query = "&".join(filter(None, (told.partition("?")[2], ref, urlencode(fields) if method == "GET" else "")))
    url = told.partition("?")[0] + (f"?{query}" if query else "")
    content = construct_get_url(url, {}) if method == "GET" else construct_post_url(url, fields)
    signature = get_signature_v3(b"my_auth_token", content.decode(), "12345").decode()
    body = b"" if method == "GET" else urlencode(fields).encode()
    call = request_of({V3: signature, f"{V3}-nonce": "12345"}, body, query, method)

    reports = adapter(told).read_report(call)

    assert not isinstance(reports, Forged | Unreadable)
    assert [(each.provider_message_id, each.status) for each in reports] == [(ID, ReportStatus.DELIVERED)]


def test_the_main_accounts_signature_needs_its_token() -> None:
    content = construct_post_url(HOOK, FIRST).decode()
    signature = get_signature_v3(b"main_auth_token", content, "12345").decode()
    call = request_of({"x-plivo-signature-ma-v3": signature, f"{V3}-nonce": "12345"}, urlencode(FIRST).encode())

    assert isinstance(adapter(HOOK).read_report(call), Forged)
    assert not isinstance(adapter(HOOK, main_auth_token="main_auth_token").read_report(call), Forged)
