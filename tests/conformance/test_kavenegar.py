"""Kavenegar: its SDK's client behind TLS, for it knows no other address; our simulator, our adapter."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kavenegar import APIException, HTTPException, KavenegarAPI

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged
from smsgw.providers.references import long_of
from tests.conformance.simulated import Stage, aside, opened, playing, read, submit
from tests.conformance.tls import behind_tls

KEY = "6A4D5A3842476E-of-a-test"
TOKEN = "webhook-token-of-a-test"


def stage_of(**settings: Any) -> Any:
    return playing("kavenegar", credentials={"api_key": KEY}, **settings)


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    return {"api_key": KEY, "base_url": stage.base, "webhook_token": TOKEN, **more}


@asynccontextmanager
async def sdk_at(stage: Stage, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KavenegarAPI]:
    """Give the SDK's client for the simulator."""
    async with behind_tls(stage.base, bundle) as host:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
        client = KavenegarAPI(KEY)
        client.host = host
        yield client


async def test_the_sdk_sends_and_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    message = {"receptor": "09121230099", "message": "سلام، کد شما ۱۲۳۴", "sender": "10004346", "localid": "4711"}
    async with stage_of(has_account_hook=True) as stage, sdk_at(stage, tmp_path / "ca.pem", monkeypatch) as sdk:
        (sent,) = await aside(lambda: sdk.sms_send(message))
        await stage.hook.wait_for(1)
        (by_id,) = await aside(lambda: sdk.sms_status({"messageid": sent["messageid"]}))
        (by_localid,) = await aside(lambda: sdk.sms_statuslocalmessageid({"localid": "4711"}))
        (unheard_of,) = await aside(lambda: sdk.sms_statuslocalmessageid({"localid": "4712"}))

    assert (sent["receptor"], sent["message"], sent["status"], sent["cost"]) == (
        message["receptor"],
        message["message"],
        1,
        120,
    )
    assert isinstance(sent["messageid"], int)
    assert by_id["messageid"] == by_localid["messageid"] == sent["messageid"]
    assert (by_id["status"], by_localid["localid"], unheard_of["status"]) == (10, "4711", 100)


@pytest.mark.parametrize(("ending", "status"), [("0001", 411), ("0003", 451), ("0011", 422), ("0004", 500)])
async def test_the_sdk_reads_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, status: int
) -> None:
    async with stage_of() as stage, sdk_at(stage, tmp_path / "ca.pem", monkeypatch) as sdk:
        with pytest.raises(APIException) as caught:
            await aside(lambda: sdk.sms_send({"receptor": f"0912123{ending}", "message": "x"}))

    assert f"APIException[{status}]" in caught.value.args[0].decode()


async def test_the_sdk_is_refused_with_a_wrong_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage_of() as stage, sdk_at(stage, tmp_path / "ca.pem", monkeypatch) as sdk:
        sdk.apikey = "wrong"
        with pytest.raises((APIException, HTTPException)) as caught:
            await aside(lambda: sdk.sms_send({"receptor": "09121230099", "message": "x"}))

    assert "APIException[403]" in caught.value.args[0].decode()


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("0099", Outcome.ACCEPTED),
        ("0001", Outcome.INVALID_NUMBER),
        ("0003", Outcome.THROTTLED),
        ("0004", Outcome.UNKNOWN),
        ("0009", Outcome.UNKNOWN),
        ("0011", Outcome.REJECTED),
        ("0012", Outcome.THROTTLED),
        ("0017", Outcome.UNKNOWN),
    ],
)
async def test_the_adapter_reads_the_answers(ending: str, outcome: Outcome) -> None:
    async with stage_of() as stage, opened("kavenegar", options(stage)) as provider:
        result = await provider.send(submit(f"+98912123{ending}"))

    assert result.outcome is outcome


@pytest.mark.parametrize(
    ("to", "status"),
    [("+989121230099", ReportStatus.DELIVERED), ("+4915112340006", ReportStatus.UNDELIVERED)],
)
async def test_the_adapter_sends_and_reads_its_report(to: str, status: ReportStatus) -> None:
    async with stage_of(has_account_hook=True) as stage, opened("kavenegar", options(stage)) as provider:
        sent = await provider.send(submit(to, text="س" * 71, sender="10004346"))
        (call,) = await stage.hook.wait_for(1)
        report = await read(provider, call, token=TOKEN)
        forged = await provider.read_report(call.request)

    assert (sent.price, sent.currency) == ("240", "IRR")
    assert call.method == "GET"
    assert (report.status, report.provider_message_id) == (status, sent.provider_message_id)
    assert isinstance(forged, Forged)


async def test_the_adapter_finds_a_message_whose_answer_was_lost() -> None:
    lost = submit("+989121230009")
    async with stage_of() as stage, opened("kavenegar", options(stage)) as provider:
        sent, found, absent = (
            await provider.send(lost),
            await provider.look_up(lost.reference),
            await provider.look_up(submit().reference),
        )

    assert sent.outcome is Outcome.UNKNOWN
    assert (found.answer, absent.answer) == (LookUp.FOUND, LookUp.ABSENT)
    assert (found.provider_message_id or "").isdecimal()


async def test_a_wrong_key_stands_in_no_result() -> None:
    wrong = "0123456789ABCDEF-wrong"
    async with stage_of() as stage, opened("kavenegar", options(stage, api_key=wrong)) as provider:
        result, looked_up = await provider.send(submit()), await provider.look_up(submit().reference)

    assert result.outcome is Outcome.CREDENTIALS
    assert looked_up.answer is LookUp.CANNOT_SAY
    assert wrong not in json.dumps([msgspec.to_builtins(result), msgspec.to_builtins(looked_up)])


def test_the_number_made_of_a_reference_is_what_the_vendor_takes_for_a_long() -> None:
    numbers = [long_of(submit().reference) for _ in range(1000)]

    assert len(set(numbers)) == 1000
    assert all(0 < number < 2**63 for number in numbers)
