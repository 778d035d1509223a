"""What the adapter for AWS asks of Amazon SNS before it believes a post, and what never."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given

from smsgw.core.ports import Forged, Provider, ReportRequest, Unproved, Unreadable
from smsgw.providers.base import MOST_FETCHING
from smsgw.providers.sigv4 import Signer
from tests.fuzz.spoiling import looking, spoiled
from tests.providers.cases.aws import EVENT, KEY, OPTIONS, OTHER_KEY, request
from tests.providers.opening import NOW, answering, open_one
from tests.providers.sns_posts import CERTIFICATE, SUBSCRIBE, confirmation, notification


class Amazon:
    """Answers what is asked of SNS, and keeps the addresses."""

    def __init__(self, *, pem: bytes = KEY.pem) -> None:
        self.asked: list[str] = []
        self.found = {CERTIFICATE: pem, SUBSCRIBE: b"<ConfirmSubscriptionResponse/>"}
        self.status = 200

    def answer(self, asked: httpx.Request) -> httpx.Response:
        assert asked.method == "GET"
        self.asked.append(str(asked.url))
        return httpx.Response(self.status, content=self.found[str(asked.url)])

    def provider(self, **options: Any) -> Provider:
        return open_one("aws", {**OPTIONS, **options}, answering(self.answer))


async def test_the_certificate_is_fetched_once_for_all_reports() -> None:
    amazon = Amazon()
    provider = amazon.provider()

    for number in range(3):
        read = await provider.read_report(
            request(KEY.sign(notification({**EVENT, "messageId": f"m-{number}"}, at=NOW)))
        )
        assert not isinstance(read, Forged | Unreadable)

    assert amazon.asked == [CERTIFICATE]


async def test_a_subscription_is_confirmed_once_it_is_proved() -> None:
    amazon = Amazon()

    read = await amazon.provider().read_report(request(KEY.sign(confirmation(at=NOW))))

    assert list(read) == [] if not isinstance(read, Forged | Unreadable) else False
    assert amazon.asked == [CERTIFICATE, SUBSCRIBE]


async def test_a_subscription_that_somebody_else_signed_is_never_confirmed() -> None:
    amazon = Amazon()

    read = await amazon.provider().read_report(request(OTHER_KEY.sign(confirmation(at=NOW))))

    assert read == Forged("the Signature does not fit")
    assert amazon.asked == [CERTIFICATE]


async def test_a_subscription_is_left_to_people_who_want_it_so() -> None:
    amazon = Amazon()

    read = await amazon.provider(confirm_subscriptions=False).read_report(request(KEY.sign(confirmation(at=NOW))))

    assert isinstance(read, Unreadable)
    assert "2336412f37" not in read.why
    assert amazon.asked == [CERTIFICATE]


@pytest.mark.parametrize(
    "changes",
    [
        {"TopicArn": "arn:aws:sns:eu-central-1:999999999999:sms-events"},
        {"SigningCertURL": "https://sns.eu-central-1.amazonaws.com.evil.example/x.pem"},
        {"SigningCertURL": "https://169.254.169.254/latest/meta-data/x.pem"},
        {"SigningCertURL": "https://sns.us-east-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "http://sns.eu-central-1.amazonaws.com/x.pem"},
        {"SigningCertURL": "https://sns.eu-central-1.amazonaws.com/../x.pem"},
        {"SigningCertURL": "https://sns.eu-central-1.amazonaws.com/x.pem\n"},
        {"Timestamp": "2026-03-01T10:00:00.000Z"},
    ],
)
async def test_nothing_is_fetched_for_what_is_wrong_anyway(changes: dict[str, str]) -> None:
    amazon = Amazon()

    read = await amazon.provider().read_report(request(OTHER_KEY.sign(notification(EVENT, at=NOW, **changes))))

    assert isinstance(read, Forged)
    assert amazon.asked == []


async def test_a_certificate_that_cannot_be_had_is_asked_for_again_with_the_next_report() -> None:
    amazon = Amazon()
    provider = amazon.provider()
    call = request(KEY.sign(notification(EVENT, at=NOW)))

    amazon.status = 503
    without = await provider.read_report(call)
    amazon.status = 200
    then = await provider.read_report(call)

    assert without == Unproved("the certificate could not be fetched")
    assert not isinstance(then, Forged | Unreadable)
    assert amazon.asked == [CERTIFICATE, CERTIFICATE]


async def test_a_certificate_is_believed_only_while_it_is_valid() -> None:
    provider = Amazon().provider()
    later = NOW + timedelta(days=400)
    call = request(KEY.sign(notification(EVENT, at=later)))

    assert not isinstance(await provider.read_report(request(KEY.sign(notification(EVENT, at=NOW)))), Forged)
    assert isinstance(await provider.read_report(msgspec.structs.replace(call, received_at=later)), Forged)


async def test_a_repeated_event_is_the_same_report() -> None:
    provider = Amazon().provider()

    first, second = [
        await provider.read_report(request(KEY.sign(notification(EVENT, at=NOW, MessageId=each)))) for each in "ab"
    ]

    assert first == second


def test_whatever_an_authentic_post_says_is_read_or_unreadable() -> None:
    provider = Amazon().provider()

    @given(message=spoiled([EVENT, {"source": "aws.sms-voice", "detail": EVENT}]))
    @looking(150)
    def fuzz(message: bytes) -> None:
        post = KEY.sign(notification(message.decode("utf-8", "replace"), at=NOW))

        read = asyncio.run(provider.read_report(request(post)))

        assert not isinstance(read, Forged)
        if not isinstance(read, Unreadable):
            assert all(len(each.provider_message_id or "") <= 128 and each.dedupe_key for each in read)

    fuzz()


def test_whatever_is_posted_is_forged_unless_it_is_signed() -> None:
    provider = Amazon().provider()
    genuine = KEY.sign(notification(EVENT, at=NOW))
    # Everything that is signed, or says how; what is left out may change as it likes.
    free = {"UnsubscribeURL"}

    @given(body=spoiled([genuine]))
    @looking(150)
    def fuzz(body: bytes) -> None:
        call = ReportRequest(received_at=NOW, headers=(), body=body)

        read = asyncio.run(provider.read_report(call))

        if not isinstance(read, Forged):
            said = msgspec.json.decode(body)
            assert {name: said[name] for name in genuine if name not in free} == {
                name: value for name, value in genuine.items() if name not in free
            }

    fuzz()


async def test_who_makes_up_addresses_of_certificates_holds_up_no_sends() -> None:
    asked, most, is_open = 0, 0, asyncio.Event()

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await is_open.wait()
        asked -= 1
        return httpx.Response(404)

    provider = open_one("aws", OPTIONS, httpx.MockTransport(answer))
    posts = [
        notification(EVENT, at=NOW, SigningCertURL=f"https://sns.eu-central-1.amazonaws.com/{number}.pem")
        for number in range(50)
    ]
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        reads = [group.create_task(provider.read_report(request(OTHER_KEY.sign(post)))) for post in posts]
        while not asked:
            await asyncio.sleep(0)
        for _ in range(1000):
            await asyncio.sleep(0)
        is_open.set()

    assert most == MOST_FETCHING
    assert {each.result() for each in reads} == {Unproved("the certificate could not be fetched")}


def test_who_signs_shows_no_key() -> None:
    signer = Signer(
        access_key_id="AKIA-id", secret_access_key="the-secret", session_token="the-token", region="r", service="s"
    )

    assert not [each for each in ("AKIA-id", "the-secret", "the-token") if each in repr(signer)]
