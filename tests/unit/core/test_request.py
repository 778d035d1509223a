"""Send requests: what is one, what breaks a rule and is named, what is no JSON at all. Nothing raises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.body import Malformed
from smsgw.core.direct_request import DirectRequest, read_direct_request
from smsgw.core.phone import Numbers
from smsgw.core.phone_request import read_phone_request
from smsgw.core.request import Invalid, Rules, SendRequest, TtlBounds, read_send_request
from smsgw.core.text import Cost, Encoding
from smsgw.core.wishes import TextRules

RULES = Rules(TtlBounds(10, 3600, 86_400))
SEND: dict[str, Any] = {"to": "+989121234567", "text": "hello"}


def _read(body: Any) -> SendRequest | Invalid | Malformed:
    return read_send_request(body if isinstance(body, bytes) else json.dumps(body).encode(), RULES)


def _fields(body: Any) -> set[str]:
    read = _read(body)
    assert isinstance(read, Invalid)
    return set(read.fields)


def _canonical(body: Any) -> bytes:
    read = _read(body)
    assert not isinstance(read, Malformed)
    return read.canonical


def test_defaults_are_filled_in_but_not_into_the_canonical_form() -> None:
    read = _read(SEND)

    assert isinstance(read, SendRequest)
    assert (read.to, read.text, read.providers, read.ttl_seconds) == ("+989121234567", "hello", None, 3600)
    assert json.loads(read.canonical) == SEND


def test_everything_that_may_be_given() -> None:
    read = _read({**SEND, "providers": ["a", "B"], "ttl_seconds": 10})

    assert isinstance(read, SendRequest)
    assert (read.providers, read.ttl_seconds) == (("a", "B"), 10)


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "x" * 1000,
        "a:b",
        "\\u003a:",
        "کد: :",
        '"to":"x","to":',
        "سلام",
        "😀",
        " x ",
        "a\nb",
        "[" * 100,
        '{"a":' * 70,
    ],
    ids=lambda text: text[:8],
)
def test_texts_that_are_fine(text: str) -> None:
    assert isinstance(_read({**SEND, "text": text}), SendRequest)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"to": "+98 912 123 4567"}, {"to"}),
        ({"to": "+0989121234567"}, {"to"}),
        ({"to": "+123456"}, {"to"}),
        ({"to": ""}, {"to"}),
        ({"to": None}, {"to"}),
        ({"to": ["+989121234567"]}, {"to"}),
        ({"to": "+98912123456" + "7\n"}, {"to"}),
        ({"text": None}, {"text"}),
        ({"text": 1}, {"text"}),
        ({"text": {"$ne": ""}}, {"text"}),
        ({"text": "\u00a0\u2003"}, {"text"}),
        ({"text": "😀" * 1001}, {"text"}),
        ({"providers": {}}, {"providers"}),
        ({"providers": [""]}, {"providers"}),
        ({"providers": [1]}, {"providers"}),
        ({"providers": ["x" * 256]}, {"providers"}),
        ({"ttl_seconds": None}, {"ttl_seconds"}),
        ({"ttl_seconds": "60"}, {"ttl_seconds"}),
        ({"ttl_seconds": -1}, {"ttl_seconds"}),
        ({"ttl_seconds": 2**63 - 1}, {"ttl_seconds"}),
        ({"ttl_seconds": -(2**63)}, {"ttl_seconds"}),
        ({"ttl_seconds": False}, {"ttl_seconds"}),
        ({"To": "+989121234567", "x": 1}, {"To", "x"}),
        ({"to": 1, "text": "", "providers": [], "ttl_seconds": 0}, {"to", "text", "providers", "ttl_seconds"}),
        ({"to": 1, "text": "", "unknown": 1}, {"to", "text", "unknown"}),
    ],
)
def test_every_broken_rule_is_named(change: dict[str, Any], fields: set[str]) -> None:
    assert _fields({**SEND, **change}) == fields


def test_long_names_are_for_the_gate_to_refuse() -> None:
    read = _read({**SEND, "providers": ["x" * 255]})

    assert isinstance(read, SendRequest)
    assert read.providers == ("x" * 255,)


def test_what_is_missing_is_named() -> None:
    assert _fields({}) == {"to", "text"}


def test_a_flood_of_unknown_fields_is_cut_short() -> None:
    assert len(_fields({f"{number}{'x' * 200}": 1 for number in range(200)})) == 20
    assert max(map(len, _fields({"x" * 200: 1}))) == 64


def test_a_value_is_not_repeated_in_the_refusal() -> None:
    read = _read({"to": "+4915112345678x", "text": "my secret \x00"})

    assert isinstance(read, Invalid)
    assert "secret" not in str(read.fields)
    assert "4915112345678" not in str(read.fields)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{}x",
        b"null",
        b"1",
        b"[{}]",
        b'"{}"',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'{"to":"\xff"}',
        b'{"text":"\xed\xa0\x80"}',
        b'{"text":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"ttl_seconds":1e999}',
        b'{"ttl_seconds":' + b"9" * 5000 + b"}",
        b'{"ttl_seconds":NaN}',
        b'{"to":"+989121234567","text":"x","ttl_seconds":1' + b"0" * 30 + b"}",
        b'{"to":"+989121234567","text":"x","ttl_seconds":9223372036854775808}',
        b'{"to":"+989121234567","text":"x","ttl_seconds":-9223372036854775809}',
        b'{"unknown":[{"deep":9223372036854775808}]}',
        b"{'to':1}",
        b'{"to":"+989121234567","to":"+989121234568","text":"x"}',
        b'{"to":null,"to":"+989121234567","text":"x"}',
        b'{"to":"+989121234567","text":"a:b","text":"x"}',
        b'{"to":"+989121234567","text":"a\\u003ab","\\u0074o":"+989121234568"}',
        b'{"to":"+989121234567","text":"x","unknown":1,"unknown":2}',
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b"[" * 65 + b"]" * 65,
        b'{"a":' + b"[" * 64 + b"]" * 64 + b"}",
    ],
    ids=lambda body: repr(body[:12]),
)
def test_what_is_no_json_object(body: bytes) -> None:
    assert isinstance(_read(body), Malformed)


def test_sixty_four_levels_are_still_json() -> None:
    body = b'{"a":' + b"[" * 63 + b"]" * 63 + b"}"

    assert isinstance(_read(body), Invalid)


def test_brackets_in_strings_are_no_levels() -> None:
    body = b'{"to":"+989121234567","text":"\\"' + b"[{" * 200 + b'\\\\"}'

    assert isinstance(_read(body), SendRequest)


@pytest.mark.parametrize(
    "same",
    [
        b'{"text":"hello","to":"+989121234567"}',
        b' {\n "to" : "+989121234567" , "text" : "hello" } ',
        b'{"to":"\\u002b989121234567","text":"\\u0068ello"}',
    ],
)
def test_the_same_json_has_one_canonical_form(same: bytes) -> None:
    assert _canonical(same) == _canonical(SEND)


@pytest.mark.parametrize(
    "other",
    [{"text": "hello "}, {"ttl_seconds": 3600}, {"providers": ["a"]}, {"providers": ["A"]}, {"providers": ["a", "b"]}],
)
def test_different_requests_have_different_canonical_forms(other: dict[str, Any]) -> None:
    assert _canonical({**SEND, **other}) != _canonical(SEND)


def test_valid_and_invalid_forms_of_one_request_are_one() -> None:
    body = {**SEND, "ttl_seconds": 600}
    stricter = read_send_request(json.dumps(body).encode(), Rules(TtlBounds(10, 60, 500)))

    assert isinstance(stricter, Invalid)
    assert stricter.canonical == _canonical(body)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["to", "text", "providers", "ttl_seconds", "x"]), _JSON).map(
        lambda body: json.dumps(body, ensure_ascii=True).encode()
    )
    | st.binary(max_size=200)
)
def test_no_input_raises(body: bytes) -> None:
    assert isinstance(_read(body), SendRequest | Invalid | Malformed)


# --- sender, price and encoding: at every way in ----------------------------------------------------------------------

DEAR = {**SEND, "text": "x" * 307}
FANCY = {**SEND, "text": "It’s “fine”…"}


def _door(body: dict[str, Any], door: str, **texts: Any) -> SendRequest | DirectRequest | Invalid | Malformed:
    rules = Rules(TtlBounds(10, 3600, 86_400), texts=TextRules(**texts))
    if door == "send":
        return read_send_request(json.dumps(body).encode(), rules)
    phone = json.dumps({"phone" if name == "to" else name: value for name, value in body.items()}).encode()
    if door == "phone":
        return read_phone_request(phone, rules)
    return read_direct_request(phone, Numbers(), rules.texts)


DOORS = pytest.mark.parametrize("door", ["send", "phone", "direct"])


@DOORS
def test_a_sender_is_taken_as_it_is(door: str) -> None:
    read = _door({**SEND, "sender": "My Shop"}, door)

    assert isinstance(read, SendRequest | DirectRequest)
    assert read.sender == "My Shop"
    assert read.to == "+989121234567"


@DOORS
@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"sender": "far too long a name"}, {"sender"}),
        ({"sender": ""}, {"sender"}),
        ({"sender": None}, {"sender"}),
        ({"sender": 12345}, {"sender"}),
        ({"max_segments": 0}, {"max_segments"}),
        ({"max_segments": -1}, {"max_segments"}),
        ({"max_segments": 1.5}, {"max_segments"}),
        ({"max_segments": True}, {"max_segments"}),
        ({"max_segments": "2"}, {"max_segments"}),
        ({"max_segments": None}, {"max_segments"}),
        ({"smart_encoding": 1}, {"smart_encoding"}),
        ({"smart_encoding": "true"}, {"smart_encoding"}),
        ({"smart_encoding": None}, {"smart_encoding"}),
        ({"sender": "a-b", "max_segments": 0, "smart_encoding": 1}, {"sender", "max_segments", "smart_encoding"}),
        ({"sender": "a-b", "max_segments": 0, "text": ""}, {"sender", "max_segments", "text"}),
        ({"senders": ["Shop"]}, {"senders"}),
    ],
)
def test_broken_wishes_are_named_at_every_door(door: str, change: dict[str, Any], fields: set[str]) -> None:
    read = _door({**SEND, **change}, door)

    assert isinstance(read, Invalid)
    assert set(read.fields) == fields


@DOORS
def test_a_limit_beyond_64_bits_is_no_json_of_ours(door: str) -> None:
    assert isinstance(_door({**SEND, "max_segments": 2**64}, door), Malformed)


@DOORS
@pytest.mark.parametrize(
    ("setting", "wish", "problem"),
    [
        (0, None, None),
        (3, None, None),
        (2, None, "takes 3 segments; at most 2 are allowed"),
        (0, 3, None),
        (0, 1, "takes 3 segments; at most 1 is allowed"),
        # A request may lower the limit, never raise it.
        (2, 9, "takes 3 segments; at most 2 are allowed"),
        (9, 2, "takes 3 segments; at most 2 are allowed"),
    ],
)
def test_dearer_texts_are_refused(door: str, setting: int, wish: int | None, problem: str | None) -> None:
    read = _door(DEAR if wish is None else {**DEAR, "max_segments": wish}, door, max_segments=setting)

    if problem is None:
        assert isinstance(read, SendRequest | DirectRequest)
    else:
        assert isinstance(read, Invalid)
        assert read.fields == {"text": problem}


@DOORS
@pytest.mark.parametrize(
    ("setting", "wish", "text"),
    [
        (False, None, FANCY["text"]),
        (False, True, 'It\'s "fine"...'),
        (True, None, 'It\'s "fine"...'),
        (True, False, FANCY["text"]),
    ],
)
def test_smart_encoding_as_the_setting_or_the_request_says(
    door: str, setting: bool, wish: bool | None, text: str
) -> None:
    read = _door(FANCY if wish is None else {**FANCY, "smart_encoding": wish}, door, smart_encoding=setting)

    assert isinstance(read, SendRequest | DirectRequest)
    assert read.text == text


@DOORS
def test_a_price_is_that_of_the_text_as_it_is_sent(door: str) -> None:
    body = {**SEND, "text": "’" * 153, "max_segments": 1, "smart_encoding": True}

    assert not isinstance(_door(body, door), Invalid)
    assert isinstance(_door({**body, "smart_encoding": False}, door), Invalid)


def test_smart_encoding_never_makes_a_text_too_long_for_the_worker() -> None:
    read = _door({**SEND, "text": "x" * 990 + "…" * 10, "smart_encoding": True}, "send")

    assert isinstance(read, SendRequest)
    assert len(read.text) == 1000
    assert read.cost == Cost(Encoding.UCS2, 15)


def test_the_fingerprint_is_of_the_request_as_it_was_given() -> None:
    """Neither the settings of the day nor what became of the text make another request of it."""
    plain = _door(FANCY, "send")
    smart = _door(FANCY, "send", smart_encoding=True)
    told = _door({**FANCY, "smart_encoding": True}, "send", smart_encoding=True)
    refused = _door(FANCY, "send", max_segments=1, smart_encoding=True)

    assert not any(isinstance(each, Malformed | DirectRequest) for each in (plain, smart, told, refused))
    assert plain.canonical == smart.canonical == refused.canonical  # type: ignore[union-attr]
    assert json.loads(plain.canonical) == FANCY  # type: ignore[union-attr]
    assert told.canonical != plain.canonical  # type: ignore[union-attr]


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {"to": st.just(SEND["to"]), "text": st.text(min_size=1, max_size=1000)},
        optional={
            "sender": st.text(max_size=17),
            "max_segments": st.integers(-1, 20),
            "smart_encoding": st.booleans(),
        },
    )
)
def test_what_is_taken_the_worker_takes_too(body: dict[str, Any]) -> None:
    """A text of 1 to 1000 characters, a sender of at most 16: what the envelope holds (core/envelope.py)."""
    read = _door(body, "send")

    if isinstance(read, SendRequest):
        assert 1 <= len(read.text) <= 1000
        assert read.sender is None or 1 <= len(read.sender) <= 16
        assert read.cost.segments <= body.get("max_segments", 99)
