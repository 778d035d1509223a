"""Vonage: its SDK's clients, signer and verifier, our simulator, our adapter, both APIs."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import httpx
import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from vonage import Auth, HttpClientOptions, Vonage
from vonage_http_client import AuthenticationError, HttpRequestError, RateLimitedError
from vonage_jwt import JwtClient, verify_signature
from vonage_messages import Sms
from vonage_sms import SmsMessage
from vonage_sms.errors import SmsError

from smsgw.core.failure import Outcome
from smsgw.core.message import Attempt, ReportStatus, Told
from smsgw.core.parts import joined
from smsgw.core.ports import Forged
from smsgw.providers.reading import Answer
from smsgw.providers.signatures import claims
from smsgw.providers.vonage import Config
from smsgw.providers.vonage import Vonage as Adapter
from smsgw.providers.vonage_sms import Method, parse, signature
from tests.conformance.simulated import HookCall, Stage, aside, is_reference, opened, playing, read, submit
from tests.providers.cases.vonage import APPLICATION, KEY, PRIVATE_KEY, pem
from tests.providers.opening import NOW

API_KEY, API_SECRET = "abcd1234", "secret-of-a-test"
SIGNATURE_SECRET = "0123456789abcdef0123456789abcdef"
PUBLIC_KEY = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
CREDENTIALS = {"api_key": API_KEY, "api_secret": API_SECRET, "signature_secret": SIGNATURE_SECRET}
ACCOUNT = {"api_key": API_KEY, "api_secret": API_SECRET}
APPLICATION_KEY = {"application_id": APPLICATION, "private_key": PRIVATE_KEY}
HMACS: list[Method] = ["md5", "sha1", "sha256", "sha512"]


class Plain(HTTPAdapter):
    """Sends without TLS what the SDK, which knows no other scheme, wants to send with it."""

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        request.url = str(request.url).replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


@asynccontextmanager
async def sdk(stage: Stage, auth: Mapping[str, Any]) -> AsyncIterator[Vonage]:
    """Give the SDK's client."""
    address = stage.base.removeprefix("http://")
    client = Vonage(Auth(**auth), HttpClientOptions(api_host=address, rest_host=address, timeout=10))
    with client.http_client._session as session:
        session.trust_env = False
        session.mount("https://", Plain())
        yield client


def messages_stage(**settings: Any) -> Any:
    told = {**CREDENTIALS, "application_id": APPLICATION, "public_key": PUBLIC_KEY}
    return playing("vonage", credentials=told, **settings)


def sms_stage(method: str, **credentials: str) -> Any:
    told = {**CREDENTIALS, "signature_method": method, **credentials}
    return playing("vonage_sms", credentials=told)


def token_of(call: HookCall) -> str:
    return call.headers["authorization"].removeprefix("Bearer ")


# --- Messages API -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", [ACCOUNT, APPLICATION_KEY], ids=["basic", "application"])
async def test_the_sdk_sends_and_believes_the_status_webhook(auth: Mapping[str, str]) -> None:
    async with messages_stage() as stage, sdk(stage, auth) as client:
        message = Sms(
            to="15005550099", from_="ACME", text="Grüße 🎉", client_ref="r-1", ttl=60, webhook_url=stage.hook.url
        )
        sent = await aside(lambda: client.messages.send(message))
        (call,) = await stage.hook.wait_for(1)

    said = msgspec.json.decode(call.body)
    assert (said["message_uuid"], said["client_ref"], said["status"]) == (sent.message_uuid, "r-1", "delivered")
    assert verify_signature(token_of(call), SIGNATURE_SECRET)
    assert not verify_signature(token_of(call), SIGNATURE_SECRET[::-1])


@pytest.mark.parametrize(
    ("to", "secret", "kind", "status"),
    [
        ("15005550001", API_SECRET, HttpRequestError, 422),
        ("15005550002", API_SECRET, HttpRequestError, 422),
        ("15005550003", API_SECRET, RateLimitedError, 429),
        ("15005550099", "wrong", AuthenticationError, 401),
    ],
)
async def test_the_sdk_reads_refusals(to: str, secret: str, kind: type[HttpRequestError], status: int) -> None:
    async with (
        messages_stage() as stage,
        sdk(stage, {"api_key": API_KEY, "api_secret": secret}) as client,
    ):
        with pytest.raises(kind) as caught:
            await aside(lambda: client.messages.send(Sms(to=to, from_="ACME", text="x")))

    assert caught.value.response.status_code == status


@pytest.mark.parametrize("auth", [ACCOUNT, APPLICATION_KEY], ids=["basic", "application"])
@pytest.mark.parametrize(
    ("to", "status"), [("+15005550099", ReportStatus.DELIVERED), ("+15005550006", ReportStatus.UNDELIVERED)]
)
async def test_our_adapter_sends_and_believes_the_status_webhook(
    auth: Mapping[str, str], to: str, status: ReportStatus
) -> None:
    async with messages_stage() as stage:
        told = {**auth, "signature_secret": SIGNATURE_SECRET, "base_url": stage.base, "webhook_url": stage.hook.url}
        async with opened("vonage", told) as provider:
            message = submit(to, sender="ACME")
            result = await provider.send(message)
            (call,) = await stage.hook.wait_for(1)
            report = await read(provider, call)
            forged = await provider.read_report(msgspec.structs.replace(call.request, body=call.body + b" "))

    assert result.outcome is Outcome.ACCEPTED
    assert (report.status, report.provider_message_id) == (status, result.provider_message_id)
    assert (report.price, report.currency, report.segments) == ("0.0333", "EUR", 1)
    assert is_reference(report, message.reference)
    assert isinstance(forged, Forged)


@pytest.mark.parametrize(
    ("to", "outcome"),
    [
        ("+15005550001", Outcome.INVALID_NUMBER),
        ("+15005550002", Outcome.OPTED_OUT),
        ("+15005550003", Outcome.THROTTLED),
        ("+15005550004", Outcome.UNKNOWN),
        ("+15005550009", Outcome.UNKNOWN),
        ("+15005550011", Outcome.REJECTED),
        ("+15005550012", Outcome.THROTTLED),
    ],
)
async def test_our_adapter_reads_refusals(to: str, outcome: Outcome) -> None:
    async with messages_stage() as stage, opened("vonage", {**ACCOUNT, "base_url": stage.base}) as provider:
        result = await provider.send(submit(to, sender="ACME"))

    assert result.outcome is outcome


async def test_a_token_of_another_key_is_refused() -> None:
    another = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    async with (
        messages_stage() as stage,
        opened("vonage", {**APPLICATION_KEY, "private_key": pem(another), "base_url": stage.base}) as provider,
    ):
        result = await provider.send(submit(sender="ACME"))

    assert result.outcome is Outcome.CREDENTIALS


def test_our_token_says_what_the_sdks_says() -> None:
    message = submit()
    request = Adapter(Config(application_id=APPLICATION, private_key=PRIVATE_KEY)).build_request(message)
    theirs = JwtClient(APPLICATION, PRIVATE_KEY).generate_application_jwt().decode()

    ours = _said(request.headers["authorization"].removeprefix("Bearer "))
    wanted = _said(theirs)
    assert set(ours) == set(wanted)
    assert ours["application_id"] == wanted["application_id"]
    assert ours["exp"] - ours["iat"] == wanted["exp"] - wanted["iat"]
    assert 0 <= message.asked_at.timestamp() - ours["iat"] < 60


def test_a_token_is_signed_once_a_minute() -> None:
    adapter = Adapter(Config(application_id=APPLICATION, private_key=PRIVATE_KEY))
    message = submit()
    next_minute = msgspec.structs.replace(message, asked_at=message.asked_at + timedelta(minutes=1))

    def token(seconds: int) -> str:
        later = msgspec.structs.replace(message, asked_at=message.asked_at.replace(second=seconds))
        return str(adapter.build_request(later).headers["authorization"])

    assert token(1) == token(59)
    assert token(1) != adapter.build_request(next_minute).headers["authorization"]


def test_our_verifier_takes_the_vector_of_the_sdk() -> None:
    token = (
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJPbmxpbmUgSldUIEJ1aWxkZXIiLCJpYXQiOjE2OTc2MzQ2ODAsImV4cCI6MzMyNT"
        "Q1NDA4MjgsImF1ZCI6IiIsInN1YiI6IiJ9.88vJc3I2HhuqEDixHXVhc9R30tA6U_HQHZTC29y6CGM"
    )
    secret = "qwertyuiopasdfghjklzxcvbnm123456"

    assert claims(token, secret, dict[str, Any]) == {
        "iss": "Online JWT Builder",
        "iat": 1697634680,
        "exp": 33254540828,
        "aud": "",
        "sub": "",
    }
    assert verify_signature(token, secret)
    assert claims(token, secret[::-1], dict[str, Any]) is None


# --- SMS API ----------------------------------------------------------------------------------------------------------

PARAMETERS = {"param1": "value1", "param2": "value2", "timestamp": "1234567890"}
VECTORS: list[tuple[Method, Mapping[str, str], str]] = [
    ("sha256", PARAMETERS, "280c4320703dbc98bfa22db676655ed2acfbfe8792b062ff7622e67f1183c287"),
    ("md5", PARAMETERS, "724c2bf6ca423c36e20631b11d1c5753"),
    ("md5hash", PARAMETERS, "d72f75ac8cda9bbce891c4fa62bee6cd"),
    ("md5", {**PARAMETERS, "param1": "value&1", "param2": "value=2"}, "2bbf0abafb2c55e5af6231513896a2ac"),
]


@pytest.mark.parametrize(("method", "fields", "expected"), VECTORS)
def test_our_signature_is_the_vectors(method: Method, fields: Mapping[str, str], expected: str) -> None:
    assert signature(fields, "signature_secret", method) == expected
    assert signature({**fields, "sig": "x"}, "signature_secret", method) == expected


@pytest.mark.parametrize("method", HMACS)
def test_our_signature_is_the_sdks(method: Any) -> None:
    fields = {"to": "15005550006", "text": "Grüße & = 🎉", "from": "", "timestamp": "1234567890", "Upper": "a"}
    auth = Auth(api_key=API_KEY, signature_secret=SIGNATURE_SECRET, signature_method=method)

    assert signature(fields, SIGNATURE_SECRET, method) == auth.sign_params(dict(fields))


@pytest.mark.parametrize("method", HMACS)
async def test_the_sdk_sends_and_believes_the_receipts(method: Any) -> None:
    checker = Auth(api_key=API_KEY, signature_secret=SIGNATURE_SECRET, signature_method=method)
    async with sms_stage(method) as stage, sdk(stage, ACCOUNT) as client:
        message = SmsMessage(to="15005550099", from_="ACME", text="x" * 161, callback=stage.hook.url, client_ref="r-1")
        sent = await aside(lambda: client.sms.send(message))
        calls = await stage.hook.wait_for(2)

    said = [dict(parse_qsl(call.query, keep_blank_values=True)) for call in calls]
    assert sent.message_count == "2"
    assert {each["messageId"] for each in said} == {each.message_id for each in sent.messages}
    assert [checker.check_signature(dict(each)) for each in said] == [True, True]
    assert not checker.check_signature({**said[0], "status": "failed"})


@pytest.mark.parametrize(("to", "status"), [("15005550001", "3"), ("15005550002", "7"), ("15005550011", "15")])
async def test_the_sdk_reads_statuses(to: str, status: str) -> None:
    async with sms_stage("md5") as stage, sdk(stage, ACCOUNT) as client:
        with pytest.raises(SmsError, match=f"error code {status}"):
            await aside(lambda: client.sms.send(SmsMessage(to=to, from_="ACME", text="x")))


@pytest.mark.parametrize("receipts", ["GET", "POST", "JSON"])
@pytest.mark.parametrize("method", ["md5hash", "sha256"])
@pytest.mark.parametrize("is_signing", [True, False])
async def test_our_adapter_sends_and_believes_the_receipts(receipts: str, method: str, is_signing: bool) -> None:
    secret = {} if is_signing else {"api_secret": API_SECRET}
    async with sms_stage(method, receipts=receipts) as stage:
        told = {
            "api": "sms",
            "api_key": API_KEY,
            "signature_secret": SIGNATURE_SECRET,
            "signature_method": method,
            **secret,
            "base_url": stage.base,
            "webhook_url": stage.hook.url,
        }
        async with opened("vonage", told) as provider:
            message = submit(sender="ACME", text="Grüße = & 🎉 " * 8)
            result = await provider.send(message)
            calls = await stage.hook.wait_for(2)
            reports = [await read(provider, call) for call in calls]
            forged = await provider.read_report(
                msgspec.structs.replace(
                    calls[0].request,
                    query=calls[0].query.replace("delivered", "failed"),
                    body=calls[0].body.replace(b"delivered", b"failed"),
                )
            )

    assert (result.outcome, result.segments, len(result.part_ids)) == (Outcome.ACCEPTED, 2, 2)
    assert (result.price, result.currency) == ("0.0666", "EUR")
    assert {each.provider_message_id for each in reports} == set(result.part_ids)
    assert [each.status for each in reports] == [ReportStatus.DELIVERED] * 2
    assert all(is_reference(each, message.reference) for each in reports)
    assert isinstance(forged, Forged)


def test_a_part_that_was_taken_never_delivers_a_refused_message() -> None:
    elements = [{"status": "0", "message-id": "part-1"}, {"status": "1", "error-text": "Throttled"}]
    body = msgspec.json.encode({"message-count": "2", "messages": elements})
    result = parse(Answer(200, httpx.Headers(), body))
    assert result
    attempt = Attempt(
        number=1,
        provider="V",
        started_at=NOW,
        outcome=result.outcome,
        provider_message_id="part-1",
        part_ids=result.part_ids,
    )

    told = joined([attempt], [Told("V", ReportStatus.DELIVERED, "part-1")])

    assert result.outcome is Outcome.THROTTLED
    assert told == {Told("V", ReportStatus.SENT, "part-1")}


@pytest.mark.parametrize(
    ("to", "outcome"),
    [
        ("+15005550001", Outcome.REJECTED),
        ("+15005550003", Outcome.THROTTLED),
        ("+15005550004", Outcome.UNKNOWN),
        ("+15005550011", Outcome.REJECTED),
        ("+15005550012", Outcome.THROTTLED),
    ],
)
async def test_our_adapter_reads_statuses(to: str, outcome: Outcome) -> None:
    told = {"api": "sms", **ACCOUNT, "sender": "ACME"}
    async with sms_stage("md5hash") as stage, opened("vonage", {**told, "base_url": stage.base}) as provider:
        result = await provider.send(submit(to))

    assert result.outcome is outcome


def _said(token: str) -> dict[str, Any]:
    """Return what a token says, with its signature looked at."""
    return dict(jwt.decode(token, PUBLIC_KEY, algorithms=["RS256"]))
