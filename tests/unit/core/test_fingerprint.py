"""Fingerprints: stable, told apart, and never a way back to what they were made of."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.fingerprint import config_fingerprint, idempotency_hash, idempotency_name, request_fingerprint

_WORDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20)


def test_a_configuration_is_known_by_its_raw_text() -> None:
    assert config_fingerprint('{"a": 1}') == hashlib.sha256(b'{"a": 1}').hexdigest()
    assert config_fingerprint('{"a": 1}') != config_fingerprint('{"a":1}')


def test_a_request_is_known_by_method_path_and_body() -> None:
    made = {
        request_fingerprint("POST", "/a", b"{}"),
        request_fingerprint("PUT", "/a", b"{}"),
        request_fingerprint("POST", "/b", b"{}"),
        request_fingerprint("POST", "/a", b"[]"),
    }

    assert len(made) == 4
    assert request_fingerprint("POST", "/a", b"{}") in made


def test_a_name_holds_the_clients_public_id_and_no_key() -> None:
    name = idempotency_name("shop", "secret")

    assert name == f"shop:{hashlib.sha256(b'secret').hexdigest()}"


@given(_WORDS, _WORDS, _WORDS, _WORDS)
def test_no_two_clients_keys_collide(client: str, key: str, other_client: str, other_key: str) -> None:
    is_same = (client, key) == (other_client, other_key)

    assert (idempotency_hash(client, key) == idempotency_hash(other_client, other_key)) is is_same
    assert (idempotency_name(client, key) == idempotency_name(other_client, other_key)) is is_same


def test_a_colon_does_not_move_the_border() -> None:
    assert idempotency_hash("a:b", "c") != idempotency_hash("a", "b:c")
    assert idempotency_hash("1:a", "") != idempotency_hash("1", "a:")


def test_a_hash_is_what_the_envelope_takes() -> None:
    digest = idempotency_hash("shop", "k")

    assert len(digest) == 64
    assert set(digest) <= set("0123456789abcdef")
