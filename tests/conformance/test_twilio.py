"""Twilio: its SDK's client and validator, our simulator, our adapter."""

import hashlib
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

import msgspec
import pytest
from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.http.response import Response
from twilio.request_validator import RequestValidator, get_signature_algorithm
from twilio.rest import Client

from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Unreadable
from smsgw.providers.twilio import Config, Twilio
from tests.conformance.simulated import HookCall, Stage, aside, is_reference, opened, playing, read, submit

ACCOUNT = "AC00000000000000000000000000000001"
TOKEN = "token-of-a-test"
SHARED = {"shared_key_id": "webhooks_sharedkey_1", "shared_key_secret": "shared-of-a-test"}
API = "https://api.twilio.com"
SETTINGS = "x-twilio-webhooks-signature-settings"


class Redirected(TwilioHttpClient):
    """The SDK's own HTTP client, for an API at another address."""

    def __init__(self, base: str) -> None:
        super().__init__(timeout=10)
        self._base = base

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Response:
        return super().request(method, url.replace(API, self._base, 1), *args, **kwargs)


def client(stage: Stage, token: str = TOKEN) -> Client:
    return Client(ACCOUNT, token, http_client=Redirected(stage.base))


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    told = {"account_sid": ACCOUNT, "auth_token": TOKEN, "sender": "+15005550001", "base_url": stage.base}
    return {**told, "webhook_url": stage.hook.url, **more}


def stage_of(**settings: Any) -> Any:
    return playing("twilio", credentials={"auth_token": TOKEN, **settings.pop("credentials", {})}, **settings)


def is_valid(call: HookCall, secret: str) -> bool:
    """Whether the SDK believes a call."""
    params = dict(parse_qsl(call.body.decode(), keep_blank_values=True))
    algorithm = get_signature_algorithm(call.headers.get(SETTINGS))
    return bool(RequestValidator(secret).validate(call.url, params, call.headers["x-twilio-signature"], algorithm))


async def test_the_sdk_sends_asks_and_believes_the_callbacks() -> None:
    async with stage_of(reordered_report_rate=1) as stage:
        twilio = client(stage)
        callback = f"{stage.hook.url}?ref=r-1&tenant=%7Ea+b"
        sent = await aside(
            lambda: twilio.messages.create(
                to="+15005550099",
                from_="+15005550001",
                body="Grüße 🎉",
                status_callback=callback,
                validity_period=60,
            )
        )
        calls = await stage.hook.wait_for(2)
        fetched = await aside(twilio.messages(sent.sid).fetch)
        listed = await aside(lambda: twilio.messages.list(to="+15005550099", limit=5))

    assert (sent.status, sent.to, sent.from_, sent.num_segments) == ("queued", "+15005550099", "+15005550001", "1")
    assert [call.url for call in calls] == [callback, callback]
    assert [is_valid(call, TOKEN) for call in calls] == [True, True]
    assert [is_valid(call, "another") for call in calls] == [False, False]
    assert (fetched.sid, fetched.status) == (sent.sid, "delivered")
    assert [each.sid for each in listed] == [sent.sid]


async def test_the_sdk_believes_callbacks_signed_with_a_shared_key() -> None:
    async with stage_of(credentials=SHARED, webhook_url="") as stage:
        twilio = client(stage)
        await aside(
            lambda: twilio.messages.create(to="+15005550099", from_="ACME", body="x", status_callback=stage.hook.url)
        )
        (call,) = await stage.hook.wait_for(1)

    assert is_valid(call, SHARED["shared_key_secret"])
    assert not is_valid(call, TOKEN)


@pytest.mark.parametrize(
    ("to", "token", "status", "code"),
    [
        ("+15005550001", TOKEN, 400, 21211),
        ("+15005550002", TOKEN, 400, 21610),
        ("+15005550003", TOKEN, 429, 20429),
        ("+15005550011", TOKEN, 400, 21612),
        ("+15005550099", "wrong", 401, 20003),
        ("", TOKEN, 400, 21211),
    ],
)
async def test_the_sdk_reads_refusals(to: str, token: str, status: int, code: int) -> None:
    async with stage_of() as stage:
        twilio = client(stage, token)
        with pytest.raises(TwilioRestException) as caught:
            await aside(lambda: twilio.messages.create(to=to, from_="+15005550099", body="x"))
        with pytest.raises(TwilioRestException) as missing:
            await aside(client(stage).messages("SM00000000000000000000000000000002").fetch)

    assert (caught.value.status, caught.value.code) == (status, code)
    assert (missing.value.status, missing.value.code) == (404, 20404)


@pytest.mark.parametrize("credentials", [{}, SHARED])
async def test_our_adapter_sends_and_believes_the_callback(credentials: dict[str, str]) -> None:
    async with stage_of(credentials=credentials) as stage:
        told = options(stage, shared_key_secret=credentials.get("shared_key_secret", "unused"))
        async with opened("twilio", told) as provider:
            message = submit(sender="ACME")
            result = await provider.send(message)
            (call,) = await stage.hook.wait_for(1)
            report = await read(provider, call)
            forged = await provider.read_report(
                ReportRequest(headers=call.request.headers, body=call.body + b"1", received_at=datetime.now(UTC))
            )

    assert (result.outcome, result.segments) == (Outcome.ACCEPTED, 1)
    assert (report.status, report.provider_message_id) == (ReportStatus.DELIVERED, result.provider_message_id)
    assert is_reference(report, message.reference)
    assert isinstance(forged, Forged)


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("0001", Outcome.INVALID_NUMBER),
        ("0002", Outcome.OPTED_OUT),
        ("0003", Outcome.THROTTLED),
        ("0004", Outcome.UNKNOWN),
        ("0009", Outcome.UNKNOWN),
        ("0011", Outcome.REJECTED),
        ("0012", Outcome.THROTTLED),
        ("0017", Outcome.UNKNOWN),
    ],
)
async def test_our_adapter_understands_every_refusal(ending: str, outcome: Outcome) -> None:
    async with stage_of(webhook_url="") as stage, opened("twilio", options(stage)) as provider:
        result = await provider.send(submit(f"+4915112{ending}"))

    assert result.outcome is outcome


async def test_our_adapter_reads_what_was_not_delivered() -> None:
    async with stage_of() as stage, opened("twilio", options(stage)) as provider:
        await provider.send(submit("+49151120006"))
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call)

    assert (report.status, report.error_code) == (ReportStatus.UNDELIVERED, "30003")


async def test_wrong_credentials_are_ours_to_mend() -> None:
    async with stage_of() as stage, opened("twilio", options(stage, auth_token="wrong")) as provider:
        result = await provider.send(submit())

    assert (result.outcome, result.detail) == (Outcome.CREDENTIALS, "HTTP 401 20003")


async def test_an_api_key_and_a_service_send_as_well() -> None:
    told = {
        "api_key_sid": "SK00000000000000000000000000000001",
        "api_key_secret": "demo-key",
        "messaging_service_sid": "MG00000000000000000000000000000001",
        "sender": None,
    }
    async with stage_of() as stage, opened("twilio", options(stage, **told)) as provider:
        result = await provider.send(submit())

    assert (result.outcome, result.segments) == (Outcome.ACCEPTED, None)


# --- signatures -------------------------------------------------------------------------------------------------------

URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
PARAMS = (
    ("CallSid", "CA1234567890ABCDE"),
    ("Digits", "1234"),
    ("From", "+14158675309"),
    ("To", "+18005551212"),
    ("Caller", "+14158675309"),
)
REPEATED = (("Sid", "CA123"), ("SidAccount", "AC123"), ("Digits", "5678"), ("Digits", "1234"), ("Digits", "1234"))
SHA256 = ((SETTINGS, "key=k-1,algorithm=HMAC_SHA256"),)
JSON = b'{"property": "value", "boolean": true}'
JSON_URL = f"{URL}&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
OWN = {
    "AccountSid": ACCOUNT,
    "ApiVersion": "2010-04-01",
    "From": "+15005550001",
    "MessageSid": "SM00000000000000000000000000000001",
    "SmsSid": "SM00000000000000000000000000000001",
    "MessageStatus": "delivered",
    "SmsStatus": "delivered",
    "To": "+15005550006",
}


def adapter(token: str, url: str) -> Twilio:
    return Twilio(Config(account_sid=ACCOUNT, auth_token=token, shared_key_secret=token, webhook_url=url))


def request_of(url: str, body: bytes, signature: str, more: tuple[tuple[str, str], ...] = ()) -> ReportRequest:
    return ReportRequest(
        headers=(("x-twilio-signature", signature), *more),
        body=body,
        query=url.partition("?")[2],
        received_at=datetime.now(UTC),
    )


@pytest.mark.parametrize("told", ["https://mycompany.com/myapp.php", "https://mycompany.com:443/myapp.php"])
@pytest.mark.parametrize(
    ("url", "body", "signature", "more"),
    [
        pytest.param(URL, urlencode(PARAMS).encode(), "RSOYDt4T1cUTdK1PDd93/VVr8B8=", (), id="sha1"),
        pytest.param(
            URL, urlencode(PARAMS).encode(), "033hgUJA9M/hXIZsYjwkerEP/DBm35nEri5FhCYjA5s=", SHA256, id="sha256"
        ),
        pytest.param(URL, urlencode(PARAMS).encode(), "kvajT1Ptam85bY51eRf/AJRuM3w=", (), id="port"),
        pytest.param(JSON_URL, JSON, "a9nBmqA0ju/hNViExpshrM61xv4=", (), id="json"),
        pytest.param(URL, urlencode(REPEATED).encode(), "IK+Dwps556ElfBT0I3Rgjkr1wJU=", (), id="repeated"),
    ],
)
def test_the_vectors_of_the_sdk(told: str, url: str, body: bytes, signature: str, more: Any) -> None:
    """They are calls about voice: an authentic one says nothing that can be used."""
    genuine = adapter("12345", told).read_report(request_of(url, body, signature, more))
    other_body = adapter("12345", told).read_report(request_of(url, body + b"x", signature, more))
    other_key = adapter("12346", told).read_report(request_of(url, body, signature, more))

    assert isinstance(genuine, Unreadable)
    assert isinstance(other_body, Forged)
    assert isinstance(other_key, Forged)


def test_our_own_vector() -> None:
    url = "https://gw.example.org/hooks/twilio/status"
    made = RequestValidator("secrettoken").compute_signature(url, OWN)

    reports = adapter("secrettoken", url).read_report(request_of(url, urlencode(OWN).encode(), made))

    assert made == "c8OHC3tOBY2fPR0pG30KXzF7YVA="
    assert not isinstance(reports, Forged | Unreadable)
    assert [(each.status, each.provider_message_id) for each in reports] == [
        (ReportStatus.DELIVERED, "SM00000000000000000000000000000001")
    ]


@pytest.mark.parametrize("port", ["", ":443", ":8443"])
@pytest.mark.parametrize("algorithm", ["HMAC_SHA1", "HMAC_SHA256"])
def test_we_believe_what_the_sdk_signs(port: str, algorithm: str) -> None:
    reference = UUID(int=7)
    told = f"https://gw.example.org{port}/hooks?tenant=%7Ea+b"
    url = f"{told}&ref={reference}"
    fields = {**OWN, "Grüße": "🎉 + & = %"}
    made = RequestValidator("secrettoken").compute_signature(url, fields, algorithm)
    more = ((SETTINGS, f"key=k-1,algorithm={algorithm}"),)

    reports = adapter("secrettoken", told).read_report(request_of(url, urlencode(fields).encode(), made, more))

    assert not isinstance(reports, Forged | Unreadable)
    assert [each.reference for each in reports] == [str(reference)]


def test_a_callback_with_get_is_signed_in_its_address_alone() -> None:
    told = "https://gw.example.org/hooks"
    url = f"{told}?ref=r-1&{urlencode(OWN)}"
    call = request_of(url, b"", RequestValidator("secrettoken").compute_signature(url, {}))
    reads = adapter("secrettoken", told).read_report

    reports = reads(msgspec.structs.replace(call, method="GET"))

    assert not isinstance(reports, Forged | Unreadable)
    assert [(each.status, each.reference) for each in reports] == [(ReportStatus.DELIVERED, "r-1")]
    assert isinstance(reads(msgspec.structs.replace(call, method="GET", body=b"MessageStatus=failed")), Forged)
    assert isinstance(reads(call), Unreadable)


def test_the_hash_of_a_body_is_the_sdks() -> None:
    assert RequestValidator("12345").compute_hash(JSON.decode()) == hashlib.sha256(JSON).hexdigest()
    assert hashlib.sha256(JSON).hexdigest() in JSON_URL
