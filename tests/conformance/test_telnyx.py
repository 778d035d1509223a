"""Telnyx: its SDK's client and verification, our simulator, our adapter."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import msgspec
import pytest
import telnyx
from nacl.signing import SigningKey
from telnyx import Telnyx as Client
from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Unreadable
from smsgw.providers.telnyx import Config, Telnyx
from tests.conformance.simulated import Stage, aside, is_reference, opened, playing, read, submit

API_KEY = "KEY-of-a-test"
SEED = bytes(range(32))
PUBLIC_KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
OTHER_KEY = base64.b64encode(bytes(SigningKey(bytes(32)).verify_key)).decode()
VECTOR_TIME = datetime.fromtimestamp(1_700_000_000, UTC)
VECTOR = (
    b'{"data":{"event_type":"message.finalized","id":"00000000-0000-4000-8000-000000000001","payload":'
    b'{"id":"40000000-0000-4000-8000-000000000002","to":[{"phone_number":"+15005550006","status":"delivered"}]},'
    b'"record_type":"event"}}'
)
VECTOR_SIGNATURE = "T2MeUXAVZ6wUqJMz0Qzji5k+UgEWHGHvN3DFC0KDtVjTI60H6xruRdPcBYmSBSFoaQrtwk3iAwP/KAaufHghDg=="


def client(stage: Stage, key: str = API_KEY) -> Client:
    return Client(api_key=key, public_key=PUBLIC_KEY, base_url=f"{stage.base}/v2", max_retries=0, timeout=10)


def stage_of(**settings: Any) -> Any:
    return playing("telnyx", credentials={"api_key": API_KEY}, **settings)


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    told = {"api_key": API_KEY, "public_key": PUBLIC_KEY, "sender": "+15005550001", "base_url": stage.base}
    return {**told, "webhook_url": stage.hook.url, **more}


async def test_the_sdk_sends_asks_and_believes_the_events() -> None:
    async with stage_of(reordered_report_rate=1) as stage:
        with client(stage) as sdk:
            sent = await aside(
                lambda: sdk.messages.send(
                    from_="+15005550001",
                    to="+15005550099",
                    text="Grüße 🎉",
                    webhook_url=f"{stage.hook.url}?ref=r-1",
                    use_profile_webhooks=False,
                )
            )
            calls = await stage.hook.wait_for(2)
            assert sent.data
            message_id = str(sent.data.id)
            found = await aside(lambda: sdk.messages.retrieve(message_id))
            events: Any = [sdk.webhooks.unwrap(call.body.decode(), headers=call.headers) for call in calls]

    assert sent.data.to
    assert (sent.data.to[0].phone_number, sent.data.to[0].status, sent.data.parts) == ("+15005550099", "queued", 1)
    assert {event.data.event_type for event in events} == {"message.finalized", "message.sent"}
    assert {event.data.payload.id for event in events} == {sent.data.id}
    for call in calls:
        verify_webhook_signature(call.body, call.headers, PUBLIC_KEY)
        for body, key in ((call.body + b" ", PUBLIC_KEY), (call.body, OTHER_KEY)):
            with pytest.raises(WebhookVerificationError):
                verify_webhook_signature(body, call.headers, key)
    assert found.data
    assert found.data.id == sent.data.id


@pytest.mark.parametrize(
    ("to", "key", "error", "code"),
    [
        ("+15005550001", API_KEY, telnyx.BadRequestError, "40310"),
        ("+15005550002", API_KEY, telnyx.PermissionDeniedError, "40300"),
        ("+15005550003", API_KEY, telnyx.RateLimitError, "10011"),
        ("+15005550011", API_KEY, telnyx.BadRequestError, "40305"),
        ("+15005550099", "wrong", telnyx.AuthenticationError, "10009"),
    ],
)
async def test_the_sdk_reads_refusals(to: str, key: str, error: type[telnyx.APIStatusError], code: str) -> None:
    async with stage_of() as stage:
        with client(stage, key) as sdk, pytest.raises(error) as caught:
            await aside(lambda: sdk.messages.send(from_="+15005550098", to=to, text="x"))
        with client(stage) as sdk, pytest.raises(telnyx.NotFoundError):
            await aside(lambda: sdk.messages.retrieve("unknown"))

    body: Any = caught.value.response.json()
    assert [each["code"] for each in body["errors"]] == [code]


async def test_our_adapter_sends_and_believes_the_event() -> None:
    async with stage_of() as stage, opened("telnyx", options(stage)) as provider:
        message = submit(sender="ACME", text="x" * 200)
        result = await provider.send(message)
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call)
        # Of the address only what is signed counts.
        elsewhere = await read(provider, call, query="ref=another")
        late = await provider.read_report(
            msgspec.structs.replace(call.request, received_at=datetime.now(UTC) + timedelta(minutes=6))
        )

    assert (result.outcome, result.segments) == (Outcome.ACCEPTED, 2)
    assert (report.status, report.provider_message_id) == (ReportStatus.DELIVERED, result.provider_message_id)
    assert (report.segments, report.price, report.currency) == (2, "0.0080", "USD")
    assert is_reference(report, message.reference)
    assert elsewhere == report
    assert isinstance(late, Forged)


async def test_the_reference_goes_as_the_idempotency_key_too() -> None:
    async with stage_of() as stage, opened("telnyx", options(stage, webhook_url=None)) as provider:
        message = submit()
        await provider.send(message)
        async with httpx.AsyncClient() as reader:
            ledger = (await reader.get(f"{stage.base}/ledger")).json()

    assert [each["reference"] for each in ledger] == [str(message.reference)]


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
    async with stage_of() as stage, opened("telnyx", options(stage)) as provider:
        result = await provider.send(submit(f"+4915112{ending}"))

    assert result.outcome is outcome


async def test_our_adapter_reads_what_was_not_delivered() -> None:
    async with stage_of() as stage, opened("telnyx", options(stage)) as provider:
        await provider.send(submit("+49151120006"))
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call)

    assert (report.status, report.error_code) == (ReportStatus.UNDELIVERED, "40008")


async def test_wrong_credentials_are_ours_to_mend() -> None:
    async with stage_of() as stage, opened("telnyx", options(stage, api_key="wrong")) as provider:
        result = await provider.send(submit())

    assert (result.outcome, result.detail) == (Outcome.CREDENTIALS, "HTTP 401 10009")


# --- signatures -------------------------------------------------------------------------------------------------------


def request_of(body: bytes, signature: str, at: datetime, *, seconds_later: int = 0) -> ReportRequest:
    headers = (("telnyx-signature-ed25519", signature), ("telnyx-timestamp", str(int(at.timestamp()))))
    return ReportRequest(headers=headers, body=body, received_at=at + timedelta(seconds=seconds_later))


def adapter(public_key: str = PUBLIC_KEY) -> Telnyx:
    return Telnyx(Config(api_key=API_KEY, public_key=public_key))


def test_our_own_vector() -> None:
    reports = adapter().read_report(request_of(VECTOR, VECTOR_SIGNATURE, VECTOR_TIME, seconds_later=300))

    assert not isinstance(reports, Forged | Unreadable)
    assert [(each.status, each.provider_message_id) for each in reports] == [
        (ReportStatus.DELIVERED, "40000000-0000-4000-8000-000000000002")
    ]
    for request, key in (
        (request_of(VECTOR + b" ", VECTOR_SIGNATURE, VECTOR_TIME), PUBLIC_KEY),
        (request_of(VECTOR, VECTOR_SIGNATURE, VECTOR_TIME + timedelta(seconds=1)), PUBLIC_KEY),
        (request_of(VECTOR, VECTOR_SIGNATURE, VECTOR_TIME, seconds_later=301), PUBLIC_KEY),
        (request_of(VECTOR, VECTOR_SIGNATURE, VECTOR_TIME, seconds_later=-301), PUBLIC_KEY),
        (request_of(VECTOR, VECTOR_SIGNATURE, VECTOR_TIME), OTHER_KEY),
    ):
        assert isinstance(adapter(key).read_report(request), Forged)


def test_we_believe_what_another_library_signs() -> None:
    now = datetime.now(UTC)
    signed = SigningKey(SEED).sign(f"{int(now.timestamp())}|".encode() + VECTOR)
    request = request_of(VECTOR, base64.b64encode(signed.signature).decode(), now)

    reports = adapter().read_report(request)

    assert not isinstance(reports, Forged | Unreadable)
    verify_webhook_signature(VECTOR, dict(request.headers), PUBLIC_KEY)
