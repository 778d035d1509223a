"""Spec section 3, steps 1 to 3 and 9: who may send, what a request is, what is published, what is answered."""

import json
from typing import Any
from uuid import UUID

import pytest

from smsgw.core.events import RequestAccepted, RequestRefused
from smsgw.core.fingerprint import idempotency_hash
from tests.unit.gateway.rig import CLIENTS, SEND, START, Rig, error_of


async def test_an_accepted_request_is_published_and_answered() -> None:
    rig = Rig()

    response = await rig.send()

    body = response.json()
    assert response.status_code == 202
    assert response.headers["content-type"] == "application/json"
    assert UUID(body["tracking_id"]).version == 4
    assert body == {
        "success": True,
        "message": "Request accepted for processing.",
        "tracking_id": str(rig.published[0].tracking_id),
        "segments": 1,
        "encoding": "gsm7",
    }
    assert "idempotent-replayed" not in response.headers
    (fact,) = rig.stated(RequestAccepted)
    assert (fact.client_key, fact.to, fact.country, fact.is_takeover) == ("a", SEND["to"], "IR", False)
    assert fact.seconds > 0


async def test_the_envelope_says_what_the_worker_needs() -> None:
    rig = Rig()
    body = {**SEND, "providers": ["FAST", "Provider-B", "local-sms", "Provider-A"], "ttl_seconds": 600}

    await rig.send(body, key="k-1")

    (envelope,) = rig.published
    assert envelope.client_key == "a"
    assert (envelope.to, envelope.text, envelope.ttl_seconds) == (SEND["to"], SEND["text"], 600)
    assert envelope.providers_original == ("FAST", "Provider-B", "local-sms", "Provider-A")
    assert envelope.providers_effective == ("Provider-A", "Local-SMS")
    assert envelope.config_fingerprint.clients == rig.settings.clients_document.fingerprint
    assert envelope.config_fingerprint.providers == rig.settings.providers_document.fingerprint
    assert envelope.idempotency_hash == idempotency_hash("a", "k-1")
    assert (envelope.created_at, envelope.version) == (START, 1)


async def test_what_was_not_given_is_not_in_the_envelope() -> None:
    rig = Rig()

    await rig.send()

    raw = json.loads(rig.queue.ready("sms.outbound")[0].body)
    assert "providers_original" not in raw
    assert "idempotency_hash" not in raw
    assert raw["providers_effective"] == []
    assert raw["ttl_seconds"] == 3600


async def test_neither_key_is_in_the_envelope_or_in_the_limits_store() -> None:
    rig = Rig()

    await rig.send(api_key="key-b", key="secret-idempotency-key")

    stored = f"{rig.limits.books.records} {rig.limits.books.used} {rig.queue.ready('sms.outbound')[0].body!r}"
    assert "key-b" not in stored
    assert "secret-idempotency-key" not in stored


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("api-key", "")],
        [("api-key", "unknown")],
        [("api-key", "KEY-A")],
        [("api-key", "key-off")],
        [("api-key", "key-a"), ("api-key", "key-a")],
        [("api-key", "key-a, key-a")],
        [("api-key", "x" * 256)],
        [("authorization", "Bearer key-a")],
    ],
)
async def test_strangers_learn_nothing_and_touch_nothing(headers: list[tuple[str, str]]) -> None:
    rig = Rig()

    response = await rig.send(b"{", api_key=None, key="k-1", headers=headers, content_type="text/plain")

    assert error_of(response) == (401, "UNAUTHORIZED")
    assert "details" not in response.json()
    assert rig.limits.calls == []
    (fact,) = rig.stated(RequestRefused)
    assert (fact.client_key, fact.error_code) == (None, "UNAUTHORIZED")


async def test_a_key_that_may_not_send_is_a_strangers() -> None:
    rig = Rig()

    response = await rig.send(api_key="key-ops")

    assert error_of(response) == (401, "UNAUTHORIZED")


async def test_a_key_that_is_not_ascii_is_a_strangers() -> None:
    rig = Rig()

    response = await rig.ask("POST", "/api/v1/sms/send", content=b"{}", headers=[(b"api-key", b"cl\xc3\xa9-\xff")])

    assert error_of(response) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "json", ""])
async def test_only_json_is_taken(content_type: str | None) -> None:
    rig = Rig()

    response = await rig.send(content_type=content_type)

    assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json ;x=y"]
)
async def test_json_may_be_said_in_more_than_one_way(content_type: str) -> None:
    rig = Rig()

    response = await rig.send(content_type=content_type)

    assert response.status_code == 202


async def test_two_content_types_are_none() -> None:
    rig = Rig()

    response = await rig.send(headers=[("content-type", "application/json")])

    assert error_of(response) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"[]",
        b'"x"',
        b"null",
        b'{"to":"+989121234567","text":"hello"} {}',
        b'\xef\xbb\xbf{"to":"+989121234567","text":"x"}',
        b'{"to":"+989121234567","text":"\xed\xa0\x80"}',
        b'{"to":"+989121234567","text":"\\ud800"}',
        b"[" * 20_000,
        b'{"a":' * 65 + b"1" + b"}" * 65,
    ],
)
async def test_what_is_no_json_object_is_malformed_and_leaves_the_key_alone(body: bytes) -> None:
    rig = Rig()

    response = await rig.send(body, key="k-1")

    assert error_of(response) == (400, "INVALID_PAYLOAD")
    assert rig.limits.calls == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"text": "x"}, "to"),
        ({"to": "+989121234567"}, "text"),
        ({**SEND, "to": 98912}, "to"),
        ({**SEND, "to": "989121234567"}, "to"),
        ({**SEND, "to": "+989121234567\n"}, "to"),
        ({**SEND, "to": "+٩٨٩١٢١٢٣٤٥٦٧"}, "to"),
        ({**SEND, "text": ""}, "text"),
        ({**SEND, "text": " \t\n"}, "text"),
        ({**SEND, "text": "a\x00b"}, "text"),
        ({**SEND, "text": "x" * 1001}, "text"),
        ({**SEND, "providers": []}, "providers"),
        ({**SEND, "providers": ["Provider-A"] * 17}, "providers"),
        ({**SEND, "providers": "Provider-A"}, "providers"),
        ({**SEND, "providers": None}, "providers"),
        ({**SEND, "ttl_seconds": 9}, "ttl_seconds"),
        ({**SEND, "ttl_seconds": 86_401}, "ttl_seconds"),
        ({**SEND, "ttl_seconds": True}, "ttl_seconds"),
        ({**SEND, "ttl_seconds": 60.5}, "ttl_seconds"),
        ({**SEND, "sender": "me"}, "sender"),
    ],
)
async def test_a_field_that_breaks_a_rule_is_named(body: dict[str, Any], field: str) -> None:
    rig = Rig()

    response = await rig.send(body)

    assert error_of(response) == (422, "INVALID_PAYLOAD")
    assert set(response.json()["details"]) == {field}
    assert rig.published == []


@pytest.mark.parametrize(
    "keys", [[""], ["x" * 256], ["a b"], ["a", "a"], ["a", "b"], ["tab\there"]], ids=lambda keys: repr(keys)[:20]
)
async def test_an_idempotency_key_that_is_none(keys: list[str]) -> None:
    rig = Rig()

    response = await rig.send(headers=[("idempotency-key", key) for key in keys])

    assert error_of(response) == (400, "INVALID_PAYLOAD")
    assert list(response.json()["details"]) == ["Idempotency-Key"]
    assert rig.limits.calls == []


@pytest.mark.parametrize("key", ["!", "~" * 255, '"quoted"', "a:b,c"])
async def test_every_visible_character_may_stand_in_a_key(key: str) -> None:
    rig = Rig()

    response = await rig.send(key=key)

    assert response.status_code == 202


async def test_authentication_comes_before_everything_else() -> None:
    rig = Rig()
    await rig.send(key="k-1")

    response = await rig.send(api_key="key-off", key="k-1")

    assert error_of(response) == (401, "UNAUTHORIZED")


async def test_the_refusals_of_the_kit_have_the_common_body() -> None:
    rig = Rig()

    answers = [
        await rig.ask("GET", "/api/v1/sms/send"),
        await rig.ask("GET", "/api/v1/nope"),
        await rig.send(b"x" * 70_000),
        await rig.send(headers=[("content-encoding", "gzip")]),
    ]

    assert [error_of(each) for each in answers] == [
        (405, "METHOD_NOT_ALLOWED"),
        (404, "NOT_FOUND"),
        (413, "PAYLOAD_TOO_LARGE"),
        (415, "UNSUPPORTED_MEDIA_TYPE"),
    ]


async def test_a_configured_digest_opens_for_its_key() -> None:
    digest = "sha256:2c70e12b7a0646f92279f427c7b38e7334d8e5389cff167a1dc30e73f826b683"  # of "key"
    rig = Rig(CLIENT_CONFIG=json.dumps({digest: CLIENTS["key-a"]}))

    answers = [await rig.send(api_key="key"), await rig.send(api_key=digest)]

    assert [each.status_code for each in answers] == [202, 401]


async def test_a_callers_trace_is_told_with_the_accepted_request() -> None:
    rig = Rig()
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await rig.send(headers=[("traceparent", header)])
    await rig.send()

    assert [fact.traceparent for fact in rig.stated(RequestAccepted)] == [header, ""]
