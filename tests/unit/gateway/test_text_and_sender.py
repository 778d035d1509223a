"""What a request may say of its text besides the text, and what the answer says of it: from door to envelope."""

import json
from typing import Any

import msgspec
import pytest

from smsgw.core.events import RequestAccepted
from smsgw.core.keys import Clients
from smsgw.gateway.doors import METHOD
from tests.unit.gateway.rig import CLIENTS, PHONE, PHONE_PATH, SEND, Rig, error_of

SHOPS = {
    **CLIENTS,
    "key-any": {"name": "Any", "id": "any", "is_active": True, "daily_quota": None, "senders": ["*"]},
    "key-shop": {"name": "Shop", "id": "shop", "is_active": True, "daily_quota": None, "senders": ["My Shop", "12345"]},
    "key-none": {"name": "None", "id": "none", "is_active": True, "daily_quota": None, "senders": []},
}
FANCY = {**SEND, "text": "It’s “fine”"}
DOORS = pytest.mark.parametrize(
    ("path", "body"), [("/api/v1/sms/send", SEND), (PHONE_PATH, PHONE)], ids=["send", "phone"]
)


def _rig(**environ: str) -> Rig:
    return Rig(providers=None, CLIENT_CONFIG=json.dumps(SHOPS), **environ)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Your code is 1234", {"segments": 1, "encoding": "gsm7"}),
        ("x" * 161, {"segments": 2, "encoding": "gsm7"}),
        ("€" * 153, {"segments": 3, "encoding": "gsm7"}),
        ("It’s “fine”", {"segments": 1, "encoding": "ucs2", "forced_by": ["’", "“", "”"]}),
        ("\u0633" * 71, {"segments": 2, "encoding": "ucs2", "forced_by": ["\u0633"]}),
        ('tab\t and 😀 "', {"segments": 1, "encoding": "ucs2", "forced_by": ["\t", "😀"]}),
        ("абвгдежзийкл", {"segments": 1, "encoding": "ucs2", "forced_by": list("абвгдежзий")}),
    ],
)
async def test_the_answer_says_what_the_text_takes(text: str, said: dict[str, Any]) -> None:
    answer = (await _rig().send({**SEND, "text": text})).json()

    assert {name: answer[name] for name in answer.keys() - {"success", "message", "tracking_id"}} == said


async def test_the_stored_answer_is_replayed_byte_for_byte() -> None:
    rig = _rig()

    first = await rig.send(FANCY, key="k-1")
    again = await rig.send(FANCY, key="k-1")

    assert first.content == again.content
    assert first.json()["forced_by"] == ["’", "“", "”"]
    assert again.headers["idempotent-replayed"] == "true"
    assert len(rig.published) == 1


async def test_another_sender_is_another_request() -> None:
    rig = _rig()
    await rig.send({**SEND, "sender": "12345"}, key="k-1", api_key="key-shop")

    for other in (SEND, {**SEND, "sender": "My Shop"}, {**SEND, "sender": "12345", "max_segments": 3}):
        assert error_of(await rig.send(other, key="k-1", api_key="key-shop")) == (422, "IDEMPOTENCY_KEY_REUSED")


@DOORS
@pytest.mark.parametrize(
    ("api_key", "sender"), [("key-any", "+4915112345678"), ("key-shop", "My Shop"), ("key-shop", "12345")]
)
async def test_a_sender_of_the_clients_list_is_handed_on(
    path: str, body: dict[str, Any], api_key: str, sender: str
) -> None:
    rig = _rig()

    response = await rig.send({**body, "sender": sender}, path=path, api_key=api_key)

    assert response.is_success
    assert [envelope.sender for envelope in rig.published] == [sender]


@DOORS
@pytest.mark.parametrize(
    ("api_key", "words"), [("key-a", "may not choose"), ("key-none", "not among"), ("key-shop", "not among")]
)
async def test_every_other_sender_is_refused_with_the_reason(
    path: str, body: dict[str, Any], api_key: str, words: str
) -> None:
    rig = _rig()

    response = await rig.send({**body, "sender": "Bank"}, path=path, api_key=api_key, key="k-1")

    assert error_of(response) == (422, "INVALID_PAYLOAD")
    assert words in response.json()["details"]["sender"]
    assert not rig.published
    assert (await rig.send(body, path=path, api_key=api_key, key="k-1")).is_success, "the key is not used up"


async def test_a_replay_comes_before_the_list() -> None:
    """As with everything that is validated: what was accepted once is answered once more."""
    rig = _rig()
    body = {**SEND, "sender": "12345"}
    first = await rig.send(body, key="k-1", api_key="key-shop")
    shorter = Clients.parse(json.dumps({**SHOPS, "key-shop": {**SHOPS["key-shop"], "senders": []}}))
    rig.gateway.config.current = msgspec.structs.replace(rig.gateway.config.current, clients=shorter)

    again = await rig.send(body, key="k-1", api_key="key-shop")
    other = await rig.send(body, key="k-2", api_key="key-shop")

    assert again.content == first.content
    assert error_of(other) == (422, "INVALID_PAYLOAD")


async def test_without_a_sender_none_is_handed_on() -> None:
    rig = _rig()

    await rig.send(SEND, api_key="key-any")

    assert [envelope.sender for envelope in rig.published] == [None]


@DOORS
async def test_a_dearer_text_is_refused_and_costs_nothing(path: str, body: dict[str, Any]) -> None:
    rig = _rig(MAX_SEGMENTS="2")

    response = await rig.send({**body, "text": "x" * 400}, path=path, api_key="key-b", key="k-1")

    assert error_of(response) == (422, "INVALID_PAYLOAD")
    assert response.json()["details"] == {"text": "takes 3 segments; at most 2 are allowed"}
    assert not rig.published
    assert "admit" not in rig.limits.calls


@DOORS
async def test_smart_encoding_is_done_before_publishing(path: str, body: dict[str, Any]) -> None:
    rig = _rig(SMART_ENCODING="true")

    await rig.send({**body, "text": FANCY["text"]}, path=path)
    await rig.send({**body, "text": FANCY["text"], "smart_encoding": False}, path=path)

    assert [envelope.text for envelope in rig.published] == ['It\'s "fine"', "It’s “fine”"]


async def test_the_answer_is_about_the_text_as_it_is_sent() -> None:
    answer = (await _rig().send({**FANCY, "smart_encoding": True})).json()

    assert (answer["segments"], answer["encoding"], answer.get("forced_by")) == (1, "gsm7", None)


@DOORS
@pytest.mark.parametrize(
    ("check", "statuses"), [("form", [2, 2, 2]), ("possible", [2, 2, 4]), ("valid", [2, 4, 4])], ids=str
)
async def test_numbers_are_checked_at_both_doors(
    path: str, body: dict[str, Any], check: str, statuses: list[int]
) -> None:
    rig = _rig(NUMBER_CHECK=check)
    name = "to" if "to" in body else "phone"

    answers = [
        await rig.send({**body, name: number}, path=path)
        for number in ("+989121234567", "+447700900123", "+2101234567")
    ]

    assert [answer.status_code // 100 for answer in answers] == statuses
    assert all(set(answer.json()["details"]) == {name} for answer in answers if answer.status_code == 422)


async def test_the_country_is_stated_exactly() -> None:
    rig = _rig()

    for number in ("+14165550123", "+77011234567", "+2101234567"):
        await rig.send({**SEND, "to": number})

    assert [fact.country for fact in rig.stated(RequestAccepted)] == ["CA", "KZ", "ZZ"]


async def test_the_description_knows_the_fields_of_both_doors() -> None:
    document = (await _rig(SMART_ENCODING="true", MAX_SEGMENTS="4").ask("GET", "/openapi.json")).json()

    for path in ("/api/v1/sms/send", "/api/sms"):
        body = document["paths"][path][METHOD.lower()]["requestBody"]["content"]["application/json"]["schema"]
        assert {"sender", "max_segments", "smart_encoding"} <= body["properties"].keys()
        assert body["properties"]["smart_encoding"]["default"] is True
        assert "Never more than 4" in body["properties"]["max_segments"]["description"]
        assert len(body["required"]) == 2
