"""Infobip: its SDK's client and models, our simulator, our adapter. Nothing is signed, so there is no validator."""

import json
from typing import Any

import msgspec
import pytest

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged
from smsgw.providers.infobip import Config, Infobip
from tests.conformance.generated import lazily
from tests.conformance.simulated import Stage, aside, is_reference, opened, playing, read, submit

KEY = "key-of-a-test"
TOKEN = "token-of-a-test-0123"
SDK = lazily("infobip_api_client")


def api(stage: Stage, key: str = KEY) -> Any:
    """Return the SDK's client for SMS."""
    configuration = SDK.configuration.Configuration(host=stage.base, api_key=key, api_key_prefix="App")
    return SDK.api.SmsApi(SDK.api_client.ApiClient(configuration))


def stage_of(**settings: Any) -> Any:
    return playing("infobip", credentials={"api_key": KEY}, **settings)


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    return {"base_url": stage.base, "api_key": KEY, "webhook_token": TOKEN, "webhook_url": stage.hook.url, **more}


def message(hook: str, to: str = "4915112345678", message_id: str | None = "m-42") -> dict[str, Any]:
    return {
        "sender": "InfoSMS",
        "destinations": [{"to": to, "messageId": message_id}],
        "content": {"text": "Grüße 🎉"},
        "options": {"validityPeriod": {"amount": 60, "timeUnit": "MINUTES"}},
        "webhooks": {"delivery": {"url": hook}, "contentType": "application/json", "callbackData": "c-42"},
    }


def asking(stage: Stage, **changes: Any) -> Any:
    asked = {"messages": [message(stage.hook.url, **changes)], "options": {"includeSmsCountInResponse": True}}
    return SDK.models.SmsRequest.from_dict(asked)


async def test_the_sdk_sends_asks_and_reads_the_reports() -> None:
    async with stage_of(reordered_report_rate=1) as stage:
        client = api(stage)
        sent = (await aside(lambda: client.send_sms_messages(asking(stage)))).messages[0]
        calls = await stage.hook.wait_for(2)
        logged = await aside(lambda: client.get_outbound_sms_message_logs(message_id=["m-42"]))
        nothing = await aside(lambda: client.get_outbound_sms_message_logs(message_id=["m-43"]))

    reported = [SDK.models.SmsDeliveryResult.from_dict(json.loads(call.body)).results[0] for call in calls]
    assert (sent.message_id, sent.destination, sent.details.message_count) == ("m-42", "4915112345678", 1)
    assert (sent.status.group_id, sent.status.name) == (1, "PENDING_ACCEPTED")
    assert [(each.message_id, each.callback_data, each.to) for each in reported] == [
        ("m-42", "c-42", "4915112345678")
    ] * 2
    assert sorted(each.status.name for each in reported) == ["DELIVERED_TO_HANDSET", "PENDING_ENROUTE"]
    assert {each.price.currency for each in reported} == {"EUR"}
    assert [each.message_id for each in logged.results] == ["m-42"]
    assert nothing.results == []


async def test_an_id_of_the_vendor_can_be_asked_about() -> None:
    async with stage_of() as stage:
        client = api(stage)
        sent = (await aside(lambda: client.send_sms_messages(asking(stage, message_id=None)))).messages[0]
        logged = await aside(lambda: client.get_outbound_sms_message_logs(message_id=[sent.message_id]))

    assert [each.message_id for each in logged.results] == [sent.message_id]


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("4915110000001", "REJECTED_DESTINATION"),
        ("4915110000002", "REJECTED_DND"),
        ("4915110000011", "REJECTED_NETWORK"),
    ],
)
async def test_the_sdk_reads_rejections(to: str, name: str) -> None:
    async with stage_of() as stage:
        sent = (await aside(lambda: api(stage).send_sms_messages(asking(stage, to=to)))).messages[0]

    assert (sent.status.group_id, sent.status.name) == (5, name)


@pytest.mark.parametrize(
    ("to", "key", "status"),
    [("4915110000003", KEY, 429), ("4915110000004", KEY, 500), ("4915112345678", "wrong", 401)],
)
async def test_the_sdk_reads_errors(to: str, key: str, status: int) -> None:
    async with stage_of() as stage:
        with pytest.raises(SDK.exceptions.ApiException) as caught:
            await aside(lambda: api(stage, key).send_sms_messages(asking(stage, to=to)))

    assert caught.value.status == status
    assert json.loads(caught.value.body)["errorCode"] == f"E{status}"


def test_what_we_send_is_what_the_sdk_would_send() -> None:
    adapter = Infobip(
        Config(base_url="https://x.api.infobip.com", api_key=KEY, webhook_url="https://sms.example.org/r")
    )

    body = json.loads(adapter.build_request(submit(sender="ACME")).content)

    assert SDK.models.SmsRequest.from_dict(body).to_dict() == body


@pytest.mark.parametrize("version", ["v3", "v2"])
async def test_our_adapter_sends_asks_and_reads_the_report(version: str) -> None:
    async with stage_of() as stage, opened("infobip", options(stage, api=version)) as provider:
        asked = submit(sender="ACME", text="x" * 161)
        sent = await provider.send(asked)
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call, token=TOKEN)
        forged = await provider.read_report(call.request)
        found = await provider.look_up(asked.reference)
        absent = await provider.look_up(submit().reference)

    assert (sent.outcome, sent.provider_message_id, sent.segments) == (Outcome.ACCEPTED, str(asked.reference), 2)
    assert is_reference(report, asked.reference)
    assert (report.status, report.provider_message_id) == (ReportStatus.DELIVERED, sent.provider_message_id)
    assert (report.segments, report.price, report.currency) == (2, "0.02", "EUR")
    assert isinstance(forged, Forged)
    assert (found.answer, found.provider_message_id) == (LookUp.FOUND, sent.provider_message_id)
    assert absent.answer is LookUp.ABSENT


@pytest.mark.parametrize(
    ("to", "outcome"),
    [
        ("+4915110000001", Outcome.INVALID_NUMBER),
        ("+4915110000002", Outcome.OPTED_OUT),
        ("+4915110000003", Outcome.THROTTLED),
        ("+4915110000004", Outcome.UNKNOWN),
        ("+4915110000009", Outcome.UNKNOWN),
        ("+4915110000011", Outcome.REJECTED),
        ("+4915110000012", Outcome.THROTTLED),
    ],
)
async def test_our_adapter_reads_refusals(to: str, outcome: Outcome) -> None:
    async with stage_of() as stage, opened("infobip", options(stage)) as provider:
        sent = await provider.send(submit(to))

    assert sent.outcome is outcome


async def test_a_wrong_key_is_our_account_s_fault() -> None:
    async with stage_of() as stage, opened("infobip", options(stage, api_key="wrong")) as provider:
        sent = await provider.send(submit())
        asked = await provider.look_up(submit().reference)

    assert (sent.outcome, asked.answer) == (Outcome.CREDENTIALS, LookUp.CANNOT_SAY)


async def test_an_undelivered_text_says_why() -> None:
    async with stage_of() as stage, opened("infobip", options(stage)) as provider:
        await provider.send(submit("+4915110000006"))
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call, token=TOKEN)

    assert (report.status, report.error_code) == (ReportStatus.UNDELIVERED, "EC_ABSENT_SUBSCRIBER")
    assert msgspec.json.decode(call.body)["results"][0]["status"]["groupId"] == 2
