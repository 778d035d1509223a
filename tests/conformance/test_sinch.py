"""Sinch: its SDK's client and validator, our simulator, our adapter."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from sinch import SinchClient
from sinch.core.clients.retry_configuration import RetryConfiguration
from sinch.domains.authentication.sinch_events.v1.authentication_validation import (
    calculate_sinch_event_signature,
    compute_signed_data,
)
from sinch.domains.sms.api.v1.exceptions import SmsException

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged, ReportRequest
from tests.conformance.simulated import Stage, aside, is_reference, opened, playing, read, submit

PLAN, TOKEN, SECRET = "plan-of-a-test", "token-of-a-test", "foo_secret1234"
CREDENTIALS = {"service_plan_id": PLAN, "api_token": TOKEN, "webhook_secret": SECRET}


def stage_of(**settings: Any) -> Any:
    return playing("sinch", credentials={**CREDENTIALS, **settings.pop("credentials", {})}, **settings)


def sdk(stage: Stage, token: str = TOKEN) -> SinchClient:
    """Return the SDK's client, for an API at another address."""
    client = SinchClient(
        service_plan_id=PLAN,
        sms_api_token=token,
        sms_region="us",
        retry_configuration=RetryConfiguration(max_retries=0),
    )
    client.configuration.sms_domain_with_service_plan_id = stage.base
    return client


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    told = {"service_plan_id": PLAN, "api_token": TOKEN, "base_url": f"{stage.base}/xms/v1", "sender": "ACME"}
    return {**told, "webhook_url": stage.hook.url, **more}


async def test_the_sdk_sends_asks_and_believes_the_callbacks() -> None:
    async with stage_of(reordered_report_rate=1) as stage:
        client = sdk(stage)
        sent = await aside(
            lambda: client.sms.batches.send_sms(
                to=["+15005550099"],
                from_="ACME",
                body="Grüße 🎉",
                delivery_report="per_recipient",
                client_reference="r-1",
                event_destination_target=stage.hook.url,
            )
        )
        calls = await stage.hook.wait_for(2)
        fetched = await aside(lambda: client.sms.batches.get(sent.id))
        listed = await aside(lambda: list(client.sms.batches.list(client_reference="r-1").iterator()))
        strange = await aside(lambda: client.sms.batches.list(client_reference="r-2").content())

    events = client.sms.sinch_events(SECRET)
    reports = [events.parse_event(call.body, call.headers) for call in calls]
    assert [events.validate_authentication_header(call.headers, call.body) for call in calls] == [True, True]
    assert not client.sms.sinch_events("other").validate_authentication_header(calls[0].headers, calls[0].body)
    assert not events.validate_authentication_header(calls[0].headers, calls[0].body + b" ")
    assert [(each.batch_id, each.client_reference) for each in reports] == [(sent.id, "r-1")] * 2
    assert [each.status for each in reports] == ["Delivered", "Dispatched"]
    assert (fetched.id, fetched.to, fetched.client_reference) == (sent.id, ["15005550099"], "r-1")
    assert [each.id for each in listed] == [sent.id]
    assert not strange


@pytest.mark.parametrize(
    ("to", "token", "status"),
    [
        ("+15005550001", TOKEN, 400),
        ("+15005550003", TOKEN, 429),
        ("+15005550011", TOKEN, 400),
        ("+15005550099", "wrong", 401),
    ],
)
async def test_the_sdk_reads_refusals(to: str, token: str, status: int) -> None:
    async with stage_of() as stage:
        client = sdk(stage, token)
        with pytest.raises(SmsException) as caught:
            await aside(lambda: client.sms.batches.send_sms(to=[to], from_="ACME", body="x"))

    assert caught.value.http_response.status_code == status


@pytest.mark.parametrize(
    ("to", "status"), [("+15005550099", ReportStatus.DELIVERED), ("+15005550006", ReportStatus.UNDELIVERED)]
)
async def test_our_adapter_sends_asks_and_believes_the_callback(to: str, status: ReportStatus) -> None:
    async with stage_of() as stage:
        told = options(stage, webhook_secret=SECRET, max_number_of_message_parts=3)
        async with opened("sinch", told) as provider:
            message = submit(to, text="x" * 161)
            result = await provider.send(message)
            (call,) = await stage.hook.wait_for(1)
            report = await read(provider, call)
            forged = await provider.read_report(msgspec.structs.replace(call.request, body=call.body + b" "))
            found, missing = await provider.look_up(message.reference), await provider.look_up(uuid4())

    assert result.outcome is Outcome.ACCEPTED
    assert (report.status, report.provider_message_id) == (status, result.provider_message_id)
    assert report.segments == 2
    assert is_reference(report, message.reference)
    assert isinstance(forged, Forged)
    assert (found.answer, found.provider_message_id) == (LookUp.FOUND, result.provider_message_id)
    assert missing.answer is LookUp.ABSENT


async def test_our_adapter_believes_unsigned_callbacks_by_their_token() -> None:
    token = "hook-token-of-a-test"
    async with stage_of(credentials={"webhook_secret": ""}) as stage:
        told = options(stage, webhook_token=token, webhook_allow=["127.0.0.1"])
        async with opened("sinch", told) as provider:
            message = submit()
            await provider.send(message)
            (call,) = await stage.hook.wait_for(1)
            report = await read(provider, call, token=token)
            forged = await provider.read_report(call.request)

    assert is_reference(report, message.reference)
    assert isinstance(forged, Forged)


@pytest.mark.parametrize(
    ("to", "outcome"),
    [
        ("+15005550001", Outcome.REJECTED),
        ("+15005550003", Outcome.THROTTLED),
        ("+15005550004", Outcome.UNKNOWN),
        ("+15005550009", Outcome.UNKNOWN),
        ("+15005550012", Outcome.THROTTLED),
    ],
)
async def test_our_adapter_reads_refusals(to: str, outcome: Outcome) -> None:
    async with stage_of() as stage, opened("sinch", options(stage)) as provider:
        result = await provider.send(submit(to))

    assert result.outcome is outcome


@pytest.mark.parametrize("change", [{"api_token": "wrong"}, {"service_plan_id": "another"}])
async def test_our_adapter_is_told_when_the_account_is_wrong(change: dict[str, str]) -> None:
    async with stage_of() as stage, opened("sinch", options(stage, **change)) as provider:
        result = await provider.send(submit())

    assert result.outcome is Outcome.CREDENTIALS


async def test_our_verifier_takes_what_the_sdk_signs() -> None:
    now = datetime.now(UTC)
    nonce, timestamp = "01FJA8B4A7BM43YGWSG9GBV067", str(int(now.timestamp()))
    body = '{"type":"recipient_delivery_report_sms","batch_id":"01FC","status":"Delivered","code":0,"text":"Grüße"}'
    signature = calculate_sinch_event_signature(compute_signed_data(body, nonce, timestamp), SECRET)
    headers = (
        ("x-sinch-webhook-signature", signature),
        ("x-sinch-webhook-signature-nonce", nonce),
        ("x-sinch-webhook-signature-timestamp", timestamp),
    )
    told = {"service_plan_id": PLAN, "api_token": TOKEN, "webhook_secret": SECRET}
    async with opened("sinch", told) as provider:
        reports = await provider.read_report(ReportRequest(headers=headers, body=body.encode(), received_at=now))

    assert isinstance(reports, list)
    assert [each.provider_message_id for each in reports] == ["01FC"]
