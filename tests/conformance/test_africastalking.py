"""Africa's Talking: its SDK's client, our simulator, our adapter."""

from typing import Any

import msgspec
import pytest
from africastalking.Service import AfricasTalkingException
from africastalking.SMS import SMSService

from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged
from tests.conformance.simulated import Stage, aside, opened, playing, read, submit

KEY = "atsk_key-of-a-test"
TOKEN = "webhook-token-of-a-test"


class Redirected(SMSService):
    """The SDK's own client, for an API at another address."""

    def __init__(self, stage: Stage, key: str = KEY) -> None:
        super().__init__("shop", key)
        self._baseUrl = f"{stage.base}/version1"


def stage_of(**settings: Any) -> Any:
    return playing("africastalking", credentials={"username": "shop", "api_key": KEY}, **settings)


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    return {"username": "shop", "api_key": KEY, "base_url": stage.base, "webhook_token": TOKEN, **more}


async def test_the_sdk_sends() -> None:
    async with stage_of() as stage:
        answer = await aside(lambda: Redirected(stage).send("Grüße 🎉", ["+254711000099"], "SHOP", enqueue=True))

    (recipient,) = answer["SMSMessageData"]["Recipients"]
    assert (recipient["statusCode"], recipient["status"], recipient["number"]) == (101, "Success", "+254711000099")
    assert recipient["messageId"].startswith("ATXid_")
    assert recipient["cost"] == "KES 0.8000"


@pytest.mark.parametrize(
    ("to", "code", "word"), [("0001", 403, "InvalidPhoneNumber"), ("0002", 406, "UserInBlacklist")]
)
async def test_the_sdk_reads_refusals_in_the_answer(to: str, code: int, word: str) -> None:
    async with stage_of() as stage:
        answer = await aside(lambda: Redirected(stage).send("x", [f"+25471100{to}"]))

    (recipient,) = answer["SMSMessageData"]["Recipients"]
    assert (recipient["statusCode"], recipient["status"], recipient["messageId"]) == (code, word, "None")


@pytest.mark.parametrize(("to", "key"), [("+254711000099", "wrong"), ("+254711000003", KEY), ("+254711000004", KEY)])
async def test_the_sdk_reads_refusals_in_the_status(to: str, key: str) -> None:
    async with stage_of() as stage:
        with pytest.raises(AfricasTalkingException):
            await aside(lambda: Redirected(stage, key).send("x", [to]))


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("0099", Outcome.ACCEPTED),
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
async def test_the_adapter_reads_the_answers(ending: str, outcome: Outcome) -> None:
    async with stage_of() as stage, opened("africastalking", options(stage)) as provider:
        result = await provider.send(submit(f"+25471100{ending}"))

    assert result.outcome is outcome


async def test_the_adapter_is_refused_with_a_wrong_key() -> None:
    async with stage_of() as stage, opened("africastalking", options(stage, api_key="wrong")) as provider:
        result = await provider.send(submit())

    assert result.outcome is Outcome.CREDENTIALS


@pytest.mark.parametrize(
    ("ending", "status", "error_code"),
    [("0099", ReportStatus.DELIVERED, None), ("0006", ReportStatus.UNDELIVERED, "DeliveryFailure")],
)
async def test_the_adapter_sends_and_reads_its_report(
    ending: str, status: ReportStatus, error_code: str | None
) -> None:
    async with stage_of(has_account_hook=True) as stage, opened("africastalking", options(stage)) as provider:
        sent = await provider.send(submit(f"+25471100{ending}", text="Long. " * 40, sender="SHOP"))
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call, token=TOKEN)
        forged = await provider.read_report(msgspec.structs.replace(call.request, token="another-token-of-a-test"))

    assert (sent.segments, sent.price, sent.currency) == (2, "1.6000", "KES")
    assert (report.status, report.error_code) == (status, error_code)
    assert report.provider_message_id == sent.provider_message_id
    assert isinstance(forged, Forged)
