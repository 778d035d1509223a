"""ClickSend: its SDK's client and models, our simulator, our adapter. Nothing is signed, so there is no validator."""

import json
from typing import Any
from urllib.parse import parse_qsl

import pytest

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged
from smsgw.providers.clicksend import ClickSend, Config
from tests.conformance.generated import lazily
from tests.conformance.simulated import Stage, aside, is_reference, opened, playing, read, submit

USER, KEY = "acme", "key-of-a-test"
TOKEN = "token-of-a-test-0123"
SDK = lazily("clicksend")


def api(stage: Stage, key: str = KEY) -> Any:
    """Return the SDK's client for SMS."""
    return SDK.api.SmsApi(
        SDK.api_client.ApiClient(SDK.configuration.Configuration(host=stage.base, username=USER, password=key))
    )


def stage_of(**settings: Any) -> Any:
    credentials = {"username": USER, "api_key": KEY}
    return playing("clicksend", has_account_hook=True, credentials=credentials, **settings)


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    return {"base_url": f"{stage.base}/v3", "username": USER, "api_key": KEY, "webhook_token": TOKEN, **more}


def asking(to: str = "+61411111111") -> Any:
    message = {"to": to, "from": "SMSGW", "body": "Hello", "source": "test", "custom_string": "m-42"}
    return SDK.models.SendSmsRequest.from_dict({"messages": [message]})


async def test_the_sdk_sends_asks_and_reads_the_receipts() -> None:
    async with stage_of(reordered_report_rate=1) as stage:
        client = api(stage)
        answered = await aside(lambda: client.send_sms(send_sms_request=asking()))
        calls = await stage.hook.wait_for(2)
        history = await aside(lambda: client.view_sms_history(order_by="date:desc", limit=100))

    (sent,) = answered.data.messages
    receipts = [SDK.models.SmsReceipt.from_dict(numbers(dict(parse_qsl(call.body.decode())))) for call in calls]
    assert (answered.response_code, answered.data.queued_count) == ("SUCCESS", 1)
    assert answered.data.currency.currency_name_short == "AUD"
    assert (sent.status, sent.message_parts, sent.message_price) == ("SUCCESS", 1, "0.0792")
    assert (sent.custom_string, sent.message_id) == ("m-42", sent.message_id.upper())
    assert sorted(each.status_code for each in receipts) == [200, 201]
    assert {(each.message_id, each.custom_string) for each in receipts} == {(sent.message_id, "m-42")}
    assert [(each.message_id, each.custom_string) for each in history.data.data] == [(sent.message_id, "m-42")]


def numbers(receipt: dict[str, str]) -> dict[str, Any]:
    """Return a receipt as it is in JSON, where the SDK knows it."""
    names = ("timestamp", "timestamp_send", "status_code", "error_code", "user_id", "subaccount_id")
    return {name: int(value) if name in names else value for name, value in receipt.items()}


@pytest.mark.parametrize(
    ("to", "status"),
    [("+61410000001", "INVALID_RECIPIENT"), ("+61410000002", "OPTED_OUT"), ("+61410000011", "COUNTRY_NOT_ENABLED")],
)
async def test_the_sdk_reads_refusals(to: str, status: str) -> None:
    async with stage_of() as stage:
        answered = await aside(lambda: api(stage).send_sms(send_sms_request=asking(to)))

    assert [each.status for each in answered.data.messages] == [status]
    assert answered.data.queued_count == 0


@pytest.mark.parametrize(
    ("to", "key", "status", "word"),
    [
        ("+61410000003", KEY, 429, "TOO_MANY_REQUESTS"),
        ("+61410000004", KEY, 500, "INTERNAL_SERVER_ERROR"),
        ("+61411111111", "wrong", 401, "UNAUTHORIZED"),
    ],
)
async def test_the_sdk_reads_errors(to: str, key: str, status: int, word: str) -> None:
    async with stage_of() as stage:
        with pytest.raises(SDK.exceptions.ApiException) as caught:
            await aside(lambda: api(stage, key).send_sms(send_sms_request=asking(to)))

    assert caught.value.status == status
    assert json.loads(caught.value.body)["response_code"] == word


def test_what_we_send_is_what_the_sdk_would_send() -> None:
    adapter = ClickSend(Config(username=USER, api_key=KEY))

    body = json.loads(adapter.build_request(submit(sender="ACME")).content)

    assert SDK.models.SendSmsRequest.from_dict(body).to_dict() == body


async def test_our_adapter_sends_asks_and_reads_the_receipt() -> None:
    async with stage_of() as stage, opened("clicksend", options(stage)) as provider:
        asked = submit(sender="ACME")
        sent = await provider.send(asked)
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call, token=TOKEN)
        forged = await provider.read_report(call.request)
        found = await provider.look_up(asked.reference)
        absent = await provider.look_up(submit().reference)

    assert (sent.outcome, sent.segments, sent.price, sent.currency) == (Outcome.ACCEPTED, 1, "0.0792", "AUD")
    assert is_reference(report, asked.reference)
    assert (report.status, report.provider_message_id) == (ReportStatus.DELIVERED, sent.provider_message_id)
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
    async with stage_of() as stage, opened("clicksend", options(stage)) as provider:
        sent = await provider.send(submit(to))

    assert sent.outcome is outcome


async def test_a_wrong_key_is_our_account_s_fault() -> None:
    async with stage_of() as stage, opened("clicksend", options(stage, api_key="wrong")) as provider:
        sent = await provider.send(submit())
        asked = await provider.look_up(submit().reference)

    assert (sent.outcome, asked.answer) == (Outcome.CREDENTIALS, LookUp.CANNOT_SAY)


async def test_an_undelivered_text_says_why() -> None:
    async with stage_of() as stage, opened("clicksend", options(stage)) as provider:
        await provider.send(submit("+4915110000006"))
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call, token=TOKEN)

    assert (report.status, report.error_code) == (ReportStatus.UNDELIVERED, "12")
