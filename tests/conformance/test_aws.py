"""AWS: botocore's signer and client, our simulator, our adapter; SNS posts that our simulator signs."""

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
import httpx
import msgspec
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config as BotoConfig
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.session import Session
from botocore.validate import ParamValidator

from smsgw.core.failure import Outcome
from smsgw.core.message import ReportStatus
from smsgw.core.ports import Forged
from smsgw.providers.aws import TARGET, Aws, Config
from smsgw.providers.sigv4 import Signer
from smsgw.providers.transport import AiohttpTransport
from tests.conformance.simulated import Stage, aside, is_reference, opened, playing, read, submit

ACCESS_KEY, SECRET_KEY = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "us-east-1"
TOPIC = f"arn:aws:sns:{REGION}:123456789012:sms-events"
SNS = f"https://sns.{REGION}.amazonaws.com"
SERVICE = "pinpoint-sms-voice-v2"


class Led(httpx.AsyncBaseTransport):
    """Our own transport, led from SNS's address to the simulator."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._inner = AiohttpTransport()
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        address = str(request.url)
        if not address.startswith(SNS):
            return await self._inner.handle_async_request(request)
        self.asked.append(address)
        led = httpx.Request(request.method, self._base + address.removeprefix(SNS), extensions=request.extensions)
        return await self._inner.handle_async_request(led)

    async def aclose(self) -> None:
        await self._inner.aclose()


def stage_of(*, version: str = "2", **settings: Any) -> Any:
    credentials = {"access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "signature_version": version}
    return playing("aws", has_account_hook=True, credentials=credentials, **settings)


def options(stage: Stage, **more: Any) -> dict[str, Any]:
    told = {"region": REGION, "access_key_id": ACCESS_KEY, "secret_access_key": SECRET_KEY, "topic_arns": [TOPIC]}
    return {**told, "base_url": stage.base, **more}


def client(stage: Stage, secret: str = SECRET_KEY, path: str = "") -> Any:
    """Return the SDK's client, which tries nothing twice."""
    return boto3.client(
        SERVICE,
        region_name=REGION,
        endpoint_url=stage.base + path,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=secret,
        config=BotoConfig(retries={"total_max_attempts": 1}),
    )


def asking(to: str = "+15005550099") -> dict[str, Any]:
    return {
        "DestinationPhoneNumber": to,
        "OriginationIdentity": "+15005550001",
        "MessageBody": "Grüße 🎉",
        "MessageType": "TRANSACTIONAL",
        "ConfigurationSetName": "smsgw",
        "TimeToLive": 3600,
        "Context": {"mid": "m-42"},
    }


# --- signatures -------------------------------------------------------------------------------------------------------


def test_the_vector_of_the_reference() -> None:
    signer = Signer(access_key_id=ACCESS_KEY, secret_access_key=SECRET_KEY, region=REGION, service="sms-voice")
    headers = {
        "content-type": "application/x-amz-json-1.0",
        "host": "sms-voice.us-east-1.amazonaws.com",
        "x-amz-target": TARGET,
    }
    body = b'{"DestinationPhoneNumber":"+15005550006","MessageBody":"hi"}'

    signed = signer.signed(headers, body, path="/", now=datetime(2024, 1, 1, tzinfo=UTC))

    expected = "7b70c0ce25d876e49b1e4dd1008cc3acfbed0434abc2bdd5fa48888ff14859be"
    assert signed["authorization"].endswith(f", Signature={expected}")


@pytest.mark.parametrize("seed", range(50))
def test_botocore_signs_as_we_do(seed: int) -> None:
    dice = random.Random(seed)
    token = dice.choice([None, "".join(dice.choices("abcXYZ0189+/=", k=200))])
    region = dice.choice(["us-east-1", "eu-central-1", "ap-southeast-2", "us-gov-west-1"])
    config = Config(
        region=region,
        access_key_id="".join(dice.choices("ABCDEFGHIJ0123456789", k=20)),
        secret_access_key="".join(dice.choices("abcXYZ0189+/", k=40)),
        session_token=token,
        base_url=dice.choice([None, "https://vpce-1.example:8443", "http://127.0.0.1:9100", "http://simulator/aws"]),
    )
    text = "".join(dice.choices('abc äöü € 🎉\n"\\', k=dice.randint(1, 300)))

    ours = Aws(config).build_request(submit(text=text))
    theirs = AWSRequest(
        method="POST",
        url=str(ours.url),
        data=ours.content,
        headers={"content-type": ours.headers["content-type"], "x-amz-target": TARGET},
    )
    credentials = Credentials(config.access_key_id, config.secret_access_key, token)
    SigV4Auth(credentials, "sms-voice", region).add_auth(theirs)
    signer = Signer(
        access_key_id=config.access_key_id,
        secret_access_key=config.secret_access_key,
        session_token=token,
        region=region,
        service="sms-voice",
    )
    # Botocore takes the time from its own clock.
    now = datetime.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    headers = {name: ours.headers[name] for name in ("content-type", "host", "x-amz-target")}
    again = signer.signed(headers, ours.content, path=ours.url.raw_path.decode(), now=now)

    assert again["authorization"] == theirs.headers["Authorization"]
    assert again.get("x-amz-security-token") == theirs.headers.get("X-Amz-Security-Token") == token


def test_what_we_send_fits_botocore_s_model_of_the_operation() -> None:
    adapter = Aws(
        Config(
            region=REGION,
            access_key_id=ACCESS_KEY,
            secret_access_key=SECRET_KEY,
            configuration_set="smsgw",
            origination_identity="pool-0123456789",
            max_price="0.05",
        )
    )
    for asked in (submit(), submit(sender="ACME", validity_seconds=1), submit(validity_seconds=10**6)):
        body = msgspec.json.decode(adapter.build_request(asked).content)

        assert problems(body) == ""
        assert 5 <= body["TimeToLive"] <= 259_200


def problems(body: Mapping[str, Any]) -> str:
    """Return what botocore's validator says of the fields of SendTextMessage."""
    shape = Session().get_service_model(SERVICE).operation_model("SendTextMessage").input_shape
    return str(ParamValidator().validate(body, shape).generate_report())


# --- the SDK and our simulator ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/default/"])
async def test_the_sdk_sends(path: str) -> None:
    async with stage_of() as stage:
        answered = await aside(lambda: client(stage, path=path).send_text_message(**asking()))
        (call,) = await stage.hook.wait_for(1)

    event = msgspec.json.decode(msgspec.json.decode(call.body)["Message"])
    assert answered["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert (event["messageId"], event["context"]) == (answered["MessageId"], {"mid": "m-42"})
    assert (event["eventType"], event["isFinal"]) == ("TEXT_DELIVERED", True)
    assert call.headers["x-amz-sns-message-type"] == "Notification"


@pytest.mark.parametrize(
    ("to", "secret", "status", "exception", "reason"),
    [
        ("+15005550001", SECRET_KEY, 400, "ValidationException", "INVALID_PARAMETER"),
        ("+15005550002", SECRET_KEY, 400, "ConflictException", "DESTINATION_PHONE_NUMBER_OPTED_OUT"),
        ("+15005550003", SECRET_KEY, 400, "ThrottlingException", None),
        ("+15005550004", SECRET_KEY, 500, "InternalServerException", None),
        ("+15005550011", SECRET_KEY, 400, "ConflictException", "NO_ORIGINATION_IDENTITIES_FOUND"),
        ("+15005550099", "wrong", 403, "InvalidSignatureException", None),
    ],
)
async def test_the_sdk_reads_exceptions(to: str, secret: str, status: int, exception: str, reason: str | None) -> None:
    async with stage_of() as stage:
        with pytest.raises(ClientError) as caught:
            await aside(lambda: client(stage, secret).send_text_message(**asking(to)))

    answered = caught.value.response
    assert answered["ResponseMetadata"]["HTTPStatusCode"] == status
    assert (answered["Error"]["Code"], answered.get("Reason")) == (exception, reason)


# --- our adapter and our simulator ------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["1", "2"])
async def test_our_adapter_sends_and_believes_the_event(version: str) -> None:
    async with stage_of(version=version) as stage:
        led = Led(stage.base)
        async with opened("aws", options(stage), transport=led) as provider:
            asked = submit(sender="ACME")
            sent = await provider.send(asked)
            (call,) = await stage.hook.wait_for(1)
            report = await read(provider, call)
            forged = await provider.read_report(
                msgspec.structs.replace(call.request, body=call.body.replace(b"DELIVERED", b"TTL_EXPIRED"))
            )

    assert sent.outcome is Outcome.ACCEPTED
    assert is_reference(report, asked.reference)
    assert (report.status, report.provider_message_id) == (ReportStatus.DELIVERED, sent.provider_message_id)
    assert (report.segments, report.price, report.currency) == (1, "0.00881", "USD")
    assert isinstance(forged, Forged)
    # The certificate was read once, for both.
    assert [address.removeprefix(SNS).startswith("/SimpleNotificationService-") for address in led.asked] == [True]


async def test_an_event_signed_by_another_key_is_not_believed() -> None:
    async with (
        stage_of() as stage,
        stage_of() as other,
        opened("aws", options(stage), transport=Led(other.base)) as provider,
    ):
        await provider.send(submit())
        (call,) = await stage.hook.wait_for(1)
        forged = await provider.read_report(call.request)

    assert forged == Forged("the Signature does not fit")


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
    async with stage_of() as stage, opened("aws", options(stage)) as provider:
        sent = await provider.send(submit(to))

    assert sent.outcome is outcome


@pytest.mark.parametrize(
    "changed", [{"secret_access_key": "wrong"}, {"access_key_id": "wrong"}, {"region": "eu-west-1"}]
)
async def test_a_wrong_credential_is_our_account_s_fault(changed: dict[str, str]) -> None:
    async with stage_of() as stage, opened("aws", options(stage, **changed)) as provider:
        sent = await provider.send(submit())

    assert sent.outcome is Outcome.CREDENTIALS


async def test_a_signature_of_another_time_is_refused() -> None:
    async with stage_of() as stage, opened("aws", options(stage)) as provider:
        old = msgspec.structs.replace(submit(), asked_at=datetime(2024, 1, 1, tzinfo=UTC))
        sent = await provider.send(old)

    assert (sent.outcome, sent.detail) == (Outcome.CREDENTIALS, "HTTP 403 InvalidSignatureException")
