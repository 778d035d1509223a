"""The second front door: its own words at both ends, the first door's pipeline in between."""

from typing import Any

import pytest
from litestar import post
from litestar.params import FromPath

from smsgw.core.events import GateBlocked, RequestAccepted
from smsgw.gateway.app import build_gateway_handlers
from smsgw.web.app import build_app
from smsgw.web.readiness import Readiness
from tests.unit.gateway.rig import CLIENTS, PHONE, PHONE_PATH, PROVIDERS, SEND, Rig, error_of

NONE_USABLE = {"Provider-B": PROVIDERS["Provider-B"], "Provider-C": PROVIDERS["Provider-C"]}


async def _phone(rig: Rig, body: Any = PHONE, *, path: str = PHONE_PATH, **arguments: Any) -> Any:
    return await rig.send(body, path=path, **arguments)


@pytest.mark.parametrize("path", ["/api/sms/", "/api/sms/send", "/api/sms", "/api/sms/send/"])
async def test_a_message_is_queued_for_any_provider(path: str) -> None:
    rig = Rig()

    response = await _phone(rig, path=path)

    (envelope,) = rig.published
    assert response.status_code == 200
    assert response.json() == {
        "success": True,
        "message_id": str(envelope.tracking_id),
        "message": "SMS queued for sending",
        "provider": None,
        "queued": True,
    }
    assert (envelope.to, envelope.text, envelope.ttl_seconds) == ("+8801921317475", "Your code is 1234", 3600)
    assert (envelope.providers_effective, envelope.client_key) == ((), "a")
    assert [fact.to for fact in rig.stated(RequestAccepted)] == ["+8801921317475"]


@pytest.mark.parametrize("api_key", [None, "", "wrong", "key-off", "key-ops"])
async def test_strangers_get_401(api_key: str | None) -> None:
    assert error_of(await _phone(Rig(), api_key=api_key)) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"phone", "text"}),
        ({"phone": "01921317475", "text": "x"}, {"phone"}),
        ({"phone": 8801921317475, "text": ""}, {"phone", "text"}),
        ({"phone": None, "text": " "}, {"phone", "text"}),
        ({**PHONE, "providers": ["Provider-A"]}, {"providers"}),
        (SEND, {"to", "phone"}),
        ({**PHONE, "text": "x" * 1001}, {"text"}),
        ({**PHONE, "text": "a\x00"}, {"text"}),
    ],
)
async def test_a_broken_rule_names_the_fields_of_this_door(body: dict[str, Any], fields: set[str]) -> None:
    response = await _phone(Rig(), body)

    assert error_of(response) == (422, "INVALID_PAYLOAD")
    assert set(response.json()["details"]) == fields


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b'{"phone":"+8801921317475","text":"a","text":"b"}',
        b'{"phone":"+8801921317475","text":"\\ud800"}',
        b'{"phone":99999999999999999999999,"text":"a"}',
        b"[" * 100,
    ],
)
async def test_what_is_no_json_object_is_a_400(body: bytes) -> None:
    assert error_of(await _phone(Rig(), body)) == (400, "INVALID_PAYLOAD")


async def test_another_content_type_is_a_415() -> None:
    assert error_of(await _phone(Rig(), content_type="text/plain")) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_a_repetition_is_replayed_byte_for_byte_at_either_path_of_the_door() -> None:
    rig = Rig()
    first = await _phone(rig, key="k-1")

    again = [await _phone(rig, key="k-1", path=path) for path in ("/api/sms/send", "/api/sms")]

    assert {(each.status_code, each.content) for each in again} == {(200, first.content)}
    assert {each.headers["idempotent-replayed"] for each in again} == {"true"}
    assert len(rig.published) == 1


async def test_a_key_of_one_door_is_reused_at_the_other() -> None:
    rig = Rig()
    await _phone(rig, key="k-1")
    await rig.send(key="k-2")

    crossed = [await rig.send(key="k-1"), await _phone(rig, key="k-2")]

    assert [error_of(each) for each in crossed] == [(422, "IDEMPOTENCY_KEY_REUSED")] * 2
    assert len(rig.published) == 2


async def test_without_a_usable_provider_it_is_a_503() -> None:
    rig = Rig(providers=NONE_USABLE)

    response = await _phone(rig)

    assert error_of(response) == (503, "NO_PROVIDER_AVAILABLE")
    assert response.headers["retry-after"] == "1"
    assert [fact.error_code for fact in rig.stated(GateBlocked)] == ["NO_PROVIDER_AVAILABLE"]


async def test_the_total_rate_sheds_and_says_what_it_counted() -> None:
    rig = Rig(TOTAL_RATE_LIMIT="3")

    answers = [await _phone(rig, key=f"k-{number}") for number in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert error_of(answers[3]) == (429, "RATE_LIMITED")
    assert answers[3].json()["details"] == {"current_count": 3, "limit": 3}
    assert answers[3].headers["retry-after"] == "1"


async def test_a_request_that_was_shed_goes_through_later_as_itself() -> None:
    rig = Rig(TOTAL_RATE_LIMIT="1")
    await _phone(rig)
    shed = await _phone(rig, key="k-1")
    rig.sleep(1)

    retried = await _phone(rig, key="k-1")

    assert (shed.status_code, retried.status_code) == (429, 200)
    assert retried.json()["message_id"] == shed.json()["tracking_id"]


async def test_the_total_rate_is_not_the_first_doors() -> None:
    rig = Rig(TOTAL_RATE_LIMIT="1")

    answers = [await _phone(rig), await rig.send(), await rig.send(), await _phone(rig)]

    assert [each.status_code for each in answers] == [200, 202, 202, 429]


async def test_the_ingress_rate_is_both_doors_and_costs_the_other_bucket_nothing() -> None:
    rig = Rig(TOTAL_RATE_LIMIT="2", INGRESS_RATE_LIMIT="1")
    await rig.send()

    shed = [await _phone(rig), await rig.send()]
    answers = []
    for _ in range(3):
        rig.limits.books.buckets.pop("ingress", None)
        answers.append(await _phone(rig))

    assert [each.json()["details"] for each in shed] == [{"current_count": 1, "limit": 1}] * 2
    assert [each.status_code for each in answers] == [200, 200, 429]
    assert answers[2].json()["details"] == {"current_count": 2, "limit": 2}


async def test_a_rate_of_zero_is_none() -> None:
    rig = Rig(TOTAL_RATE_LIMIT="0")

    await _phone(rig)

    assert rig.limits.calls == ["note_confirmed"]


async def test_a_rate_that_is_no_whole_number_is_told_as_it_is() -> None:
    rig = Rig(TOTAL_RATE_LIMIT="0.5")
    await _phone(rig)

    shed = await _phone(rig)

    assert shed.json()["details"] == {"current_count": 1, "limit": 0.5}


async def test_the_quota_is_that_of_the_client_at_both_doors() -> None:
    rig = Rig()
    quota = CLIENTS["key-b"]["daily_quota"]
    assert isinstance(quota, int)

    answers = [await rig.send(api_key="key-b"), *[await _phone(rig, api_key="key-b") for _ in range(quota)]]

    assert [each.status_code for each in answers] == [202, *[200] * (quota - 1), 429]
    assert error_of(answers[-1]) == (429, "TOO_MANY_REQUESTS")


async def test_a_region_opens_both_doors_to_its_national_numbers() -> None:
    rig = Rig(DEFAULT_REGION="BD")

    answers = [
        await _phone(rig, {**PHONE, "phone": "01921317475"}),
        await rig.send({**SEND, "to": "01921-317475"}),
        await rig.send(SEND),
    ]

    assert [each.status_code for each in answers] == [200, 202, 202]
    assert [each.to for each in rig.published] == ["+8801921317475", "+8801921317475", SEND["to"]]


async def test_a_number_that_is_none_in_the_region_is_named() -> None:
    rig = Rig(DEFAULT_REGION="BD")

    response = await _phone(rig, {**PHONE, "phone": "12345"})

    assert error_of(response) == (422, "INVALID_PAYLOAD")
    assert "BD" in response.json()["details"]["phone"]


async def test_health_is_for_everybody() -> None:
    response = await Rig().ask("GET", "/health")

    assert (response.status_code, response.json()) == (200, {"status": "healthy"})


@pytest.mark.parametrize(("path", "status"), [("/api/sms/", 401), ("/api/sms/send", 401), ("/api/sms/provider1", 201)])
async def test_the_doors_paths_win_over_a_provider_of_any_name(path: str, status: int) -> None:
    @post("/api/sms/{provider:str}", sync_to_thread=False)
    def send_directly(provider: FromPath[str]) -> str:
        return provider

    rig = Rig()
    app = build_app(
        title="both",
        description="",
        route_handlers=[send_directly, *build_gateway_handlers(rig.gateway)],
        readiness=Readiness({}),
        metrics_page=lambda: (b"", "text/plain"),
        observer=rig.facts.append,
        clock=lambda: rig.now,
    )
    rig.app = app

    assert (await _phone(rig, api_key=None, path=path)).status_code == status


@pytest.mark.parametrize("path", ["/api/sms", "/api/sms/send"])
async def test_another_method_is_a_405(path: str) -> None:
    response = await Rig().ask("GET", path)

    assert error_of(response) == (405, "METHOD_NOT_ALLOWED")
