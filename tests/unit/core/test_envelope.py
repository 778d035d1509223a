"""The wire contract: what goes in comes out, and nothing that comes in raises."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.envelope import MAX_ENVELOPE_BYTES, ConfigFingerprint, Envelope, Poison, decode, encode, join
from tests.unit.core.building import NOW

_ID = UUID("00000000-0000-4000-8000-000000000001")


def _envelope(**fields: Any) -> Envelope:
    values: dict[str, Any] = {
        "version": 1,
        "tracking_id": _ID,
        "client_key": "shop",
        "to": "+989121234567",
        "text": "سلام",
        "ttl_seconds": 600,
        "created_at": NOW,
        "providers_effective": ("Provider-A",),
    }
    return Envelope(**{**values, **fields})


def _wire(**fields: Any) -> bytes:
    """Return an envelope as JSON with some of its fields replaced; None takes a field away."""
    given_fields = {**msgspec.json.decode(encode(_envelope())), **fields}
    return msgspec.json.encode({name: value for name, value in given_fields.items() if value is not None})


def _reason(body: bytes) -> str:
    (member,) = decode(body)
    assert isinstance(member, Poison), member
    assert body == member.body
    assert len(member.reason) <= 250
    return member.reason


@pytest.mark.parametrize(
    "envelope",
    [
        _envelope(),
        _envelope(providers_effective=(), text="x" * 1000),
        _envelope(
            providers_original=("a", "B"),
            idempotency_hash="0f" * 32,
            config_fingerprint=ConfigFingerprint("1" * 64, "2" * 64),
        ),
    ],
)
def test_comes_out_as_it_went_in(envelope: Envelope) -> None:
    assert [envelope] == decode(encode(envelope))


def test_one_broker_message_carries_one_or_several() -> None:
    envelopes = [_envelope(text=str(number)) for number in range(3)]

    one = join([encode(envelopes[0])])
    several = join([encode(each) for each in envelopes])

    assert envelopes[:1] == decode(one)
    assert envelopes == decode(several)
    assert not one.startswith(b"[")


def test_an_undecodable_member_disturbs_no_neighbour() -> None:
    good = encode(_envelope())

    first, bad, last = decode(join([good, b'{"version":1}', good]))

    assert _envelope() == first == last
    assert isinstance(bad, Poison)
    assert bad.body == b'{"version":1}'


def test_unknown_fields_are_ignored() -> None:
    assert [_envelope()] == decode(_wire(a_newer_gateway="says more"))


def test_times_come_out_in_utc() -> None:
    tehran = timezone(timedelta(hours=3, minutes=30))

    (envelope,) = decode(encode(_envelope(created_at=NOW.astimezone(tehran))))

    assert isinstance(envelope, Envelope)
    assert envelope.created_at == NOW
    assert envelope.created_at.tzinfo == UTC


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "undecodable"),
        (b"\xff\xfe", "undecodable"),
        (b"null", "undecodable"),
        (b"[]", "an empty array"),
        (b"[{]", "undecodable array"),
        (b"[" * 100_000, "undecodable"),
        (b'{"a":' * 100_000, "undecodable"),
        (b'"' + b"x" * MAX_ENVELOPE_BYTES + b'"', "larger than"),
        (_wire(version=2), "unknown version 2"),
        (_wire().replace(b'"version":1', b'"version":' + b"9" * 400), "unknown version 999"),
        (_wire(version="1"), "undecodable"),
        (_wire(tracking_id="x"), "tracking_id"),
        (_wire(tracking_id=None), "tracking_id"),
        (_wire(to="989121234567"), "E.164"),
        (_wire(text=""), "text"),
        (_wire(text="a\x00b"), "`text` contains NUL"),
        (_wire(client_key="a\x00b"), "`client_key` contains NUL"),
        (_wire(providers_effective=["a\x00b"]), "`providers_effective` contains NUL"),
        (_wire(providers_original=["a\x00b"]), "`providers_original` contains NUL"),
        (_wire(config_fingerprint={"clients": "\x00"}), "`config_fingerprint` contains NUL"),
        (_wire(text="x" * 1001), "text"),
        (_wire(ttl_seconds=0), "ttl_seconds"),
        (_wire(ttl_seconds=10**30), "undecodable"),
        (_wire(created_at="2026-11-21T12:00:00"), "created_at"),
        (_wire(created_at="0001-01-01T00:00:00+23:00"), "`created_at` is out of range"),
        (_wire(created_at="9999-12-31T23:59:59-23:00"), "`created_at` is out of range"),
        (_wire(idempotency_hash="0f" * 32 + "\n"), "idempotency_hash"),
        (_wire(providers_effective=["a"] * 17), "providers_effective"),
    ],
)
def test_what_cannot_be_used_is_poison_with_its_reason(body: bytes, why: str) -> None:
    assert why in _reason(body)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_never_raise(body: bytes) -> None:
    assert decode(body)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(name=st.sampled_from([*Envelope.__struct_fields__]), value=_JSON)
def test_arbitrary_fields_never_raise(name: str, value: Any) -> None:
    members = decode(msgspec.json.encode({**msgspec.json.decode(encode(_envelope())), name: value}))

    assert all(isinstance(each, Envelope | Poison) for each in members)


@given(
    created_at=st.datetimes(timezones=st.just(UTC), min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001
    text=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), min_size=1, max_size=1000),
)
def test_every_good_text_and_time_survives(created_at: datetime, text: str) -> None:
    envelope = _envelope(created_at=created_at, text=text)

    assert [envelope] == decode(encode(envelope))
