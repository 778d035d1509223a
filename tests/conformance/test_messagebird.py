"""MessageBird: its SDK's client and validators, our simulator, our adapter."""

import hashlib
import warnings
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import jwt
import msgspec
import pytest
from messagebird import Client, ErrorException
from messagebird.error import ValidationError
from messagebird.http_client import HttpClient
from messagebird.request_validator import RequestValidator
from messagebird.signed_request import SignedRequest

from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged
from smsgw.providers.messagebird_signatures import older_signature
from tests.conformance.simulated import HookCall, Stage, aside, is_reference, opened, playing, read, submit

KEY = "key-of-a-test"
SIGNING_KEY = "36efdd1aace2e26cd490f0d951138253bef2f7c6d34d18981da781555cc4cebb"


def stage_of(signature: str = "jwt", **settings: Any) -> Any:
    credentials = {"access_key": KEY, "signing_key": SIGNING_KEY, "signature": signature}
    return playing("messagebird", credentials=credentials, **settings)


def sdk(stage: Stage, key: str = KEY) -> Client:
    """Return the SDK's client, for an API at another address."""
    return Client(key, http_client=HttpClient(f"{stage.base}/", key, "test"))


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    told = {"access_key": KEY, "signing_key": SIGNING_KEY, "base_url": stage.base, "sender": "ACME"}
    return {**told, "webhook_url": stage.hook.url, **more}


def older(signature: str, timestamp: str, body: str, query: str) -> SignedRequest:
    """Return the SDK's older validator, which it calls deprecated."""
    return SignedRequest(signature, timestamp, body, dict(parse_qsl(query, keep_blank_values=True)))


def is_valid(call: HookCall, key: str) -> bool:
    """Whether the SDK believes a call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        if token := call.headers.get("messagebird-signature-jwt"):
            try:
                return bool(RequestValidator(key).validate_signature(token, call.url, call.body))
            except ValidationError:
                return False
        signature, timestamp = (call.headers[f"messagebird-{name}"] for name in ("signature", "request-timestamp"))
        return bool(older(signature, timestamp, call.body.decode(), call.query).verify(key))


@pytest.mark.parametrize("signature", ["jwt", "older"])
async def test_the_sdk_sends_asks_and_believes_the_reports(signature: str) -> None:
    async with stage_of(signature, reordered_report_rate=1) as stage:
        client = sdk(stage)
        address = f"{stage.hook.url}?tenant=%7Ea+b"
        extra = {"reference": "r-1", "reportUrl": address, "datacoding": "auto", "validity": 60}
        sent = await aside(lambda: client.message_create("ACME", ["+15005550099"], "Grüße 🎉", extra))
        calls = await stage.hook.wait_for(2)
        fetched = await aside(lambda: client.message(sent.id))
        listed = await aside(client.message_list)

    assert (sent.originator, sent.reference, sent.body, sent.validity) == ("ACME", "r-1", "Grüße 🎉", 60)
    assert sent.recipients["items"][0].status == "sent"
    assert all(call.method == "GET" and call.url.startswith(f"{address}&") for call in calls)
    assert [is_valid(call, SIGNING_KEY) for call in calls] == [True, True]
    assert [is_valid(call, SIGNING_KEY[::-1]) for call in calls] == [False, False]
    assert [dict(parse_qsl(call.query))["status"] for call in calls] == ["delivered", "sent"]
    assert (fetched.id, fetched.recipients["items"][0].recipient) == (sent.id, 15005550099)
    assert [each.id for each in listed.items] == [sent.id]


@pytest.mark.parametrize(
    ("to", "key", "code"),
    [("+15005550001", KEY, 9), ("+15005550011", KEY, 10), ("+15005550099", "wrong", 2), ("", KEY, 9)],
)
async def test_the_sdk_reads_errors(to: str, key: str, code: int) -> None:
    async with stage_of() as stage:
        with pytest.raises(ErrorException) as caught:
            await aside(lambda: sdk(stage, key).message_create("ACME", to, "x"))
        with pytest.raises(ErrorException) as missing:
            await aside(lambda: sdk(stage).message("e8077d803532c0b5937c639b60216938"))

    assert [each.code for each in caught.value.errors] == [code]
    assert [each.code for each in missing.value.errors] == [20]


@pytest.mark.parametrize("signature", ["jwt", "older"])
@pytest.mark.parametrize(
    ("to", "status", "error"),
    [("+15005550099", ReportStatus.DELIVERED, None), ("+15005550006", ReportStatus.UNDELIVERED, "1")],
)
async def test_our_adapter_sends_and_believes_the_report(
    signature: str, to: str, status: ReportStatus, error: str | None
) -> None:
    async with stage_of(signature) as stage, opened("messagebird", options(stage)) as provider:
        message = submit(to, text="x" * 161)
        result = await provider.send(message)
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call)
        changed = call.query.replace("messagePartCount=2", "messagePartCount=1")
        forged = await provider.read_report(msgspec.structs.replace(call.request, query=changed))

    assert changed != call.query
    assert (result.outcome, result.segments, result.price, result.currency) == (Outcome.ACCEPTED, 2, "0.05", "EUR")
    assert (report.status, report.error_code, report.provider_message_id) == (status, error, result.provider_message_id)
    assert (report.segments, report.price, report.currency) == (2, "0.05", "EUR")
    assert is_reference(report, message.reference)
    assert isinstance(forged, Forged)


@pytest.mark.parametrize(
    ("to", "outcome"),
    [
        ("+15005550001", Outcome.INVALID_NUMBER),
        ("+15005550003", Outcome.THROTTLED),
        ("+15005550004", Outcome.UNKNOWN),
        ("+15005550009", Outcome.UNKNOWN),
        ("+15005550011", Outcome.REJECTED),
        ("+15005550012", Outcome.THROTTLED),
    ],
)
async def test_our_adapter_reads_errors(to: str, outcome: Outcome) -> None:
    async with stage_of() as stage, opened("messagebird", options(stage)) as provider:
        result = await provider.send(submit(to))

    assert result.outcome is outcome


async def test_our_adapter_is_told_when_the_key_is_wrong() -> None:
    async with stage_of() as stage, opened("messagebird", options(stage, access_key="wrong")) as provider:
        result = await provider.send(submit())

    assert result.outcome is Outcome.CREDENTIALS


CLAIMS: list[tuple[str, dict[str, Any]]] = [
    ("as it should be", {}),
    ("another issuer", {"iss": "Bird"}),
    ("no issuer", {"iss": None}),
    ("no beginning", {"nbf": None}),
    ("no end", {"exp": None}),
    ("too early", {"nbf": 30}),
    ("too late", {"exp": -30}),
    ("within the leeway", {"nbf": 0, "exp": 0}),
    ("another address", {"url_hash": "0" * 64}),
    ("another body", {"payload_hash": "0" * 64}),
    ("no hash of the body", {"payload_hash": None}),
]
URL, QUERY = "https://example.com/path", "id=m-1&status=delivered&foo=%7E"


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
@pytest.mark.parametrize("body", [b"", b"Hello, World!"])
@pytest.mark.parametrize(("name", "changes"), CLAIMS, ids=[name for name, _ in CLAIMS])
async def test_our_verifier_judges_tokens_as_the_sdk_does(
    name: str, changes: dict[str, Any], body: bytes, algorithm: str
) -> None:
    now = datetime.now(UTC)
    said = {
        "iss": "MessageBird",
        "nbf": 0,
        "exp": 60,
        "url_hash": hashlib.sha256(f"{URL}?{QUERY}".encode()).hexdigest(),
        "payload_hash": hashlib.sha256(body).hexdigest() if body else None,
        **changes,
    }
    claims = {name: _dated(name, value, now) for name, value in said.items() if value is not None}
    token = jwt.encode(claims, SIGNING_KEY, algorithm=algorithm)
    call = HookCall(
        method="GET",
        url=f"{URL}?{QUERY}",
        query=QUERY,
        headers={"messagebird-signature-jwt": token},
        body=body,
    )
    told = {"access_key": KEY, "signing_key": SIGNING_KEY, "webhook_url": URL}
    async with opened("messagebird", told) as provider:
        read_ = await provider.read_report(call.request)

    assert isinstance(read_, Forged) is not is_valid(call, SIGNING_KEY)


def test_our_older_signature_is_the_sdks() -> None:
    timestamp, body, query = "1547198231", '{"foo":"bar"}', "b=2&a=Gr%C3%BC%C3%9Fe+%2B&c="
    signature = older_signature(timestamp, parse_qsl(query, keep_blank_values=True), body.encode(), SIGNING_KEY)

    with pytest.deprecated_call():
        assert older(signature, timestamp, body, query).verify(SIGNING_KEY)
    with pytest.deprecated_call():
        assert not older(signature, timestamp, "{}", query).verify(SIGNING_KEY)


def _dated(name: str, value: Any, now: datetime) -> Any:
    return int(now.timestamp()) + value if name in ("nbf", "exp") else value
