"""What an operator sees of a dead letter: never a text or a number, however broken the body is."""

import json
from typing import Any

import pytest

from smsgw.wiring.operate import masked_body

NUMBER = "+989121234567"
ENVELOPE = {
    "version": 2,
    "tracking_id": "3fa85f64-5717-4562-b3fc-2c963f66afa6",
    "client_key": "shop",
    "ttl_seconds": 60,
    "created_at": "2026-03-01T09:00:00Z",
    "providers_effective": ["Provider-A"],
    "config_fingerprint": {"clients": "a" * 64, "providers": "b" * 64},
    "idempotency_hash": "c" * 64,
}


def test_what_identifies_a_message_is_shown_and_its_number_and_text_are_not() -> None:
    shown = json.loads(masked_body(json.dumps({**ENVELOPE, "to": NUMBER, "text": "secret"}).encode()))

    assert shown == {**ENVELOPE, "to": "+98912***4567", "text": "(text of 6 characters)"}


@pytest.mark.parametrize(
    "body",
    [
        f"{NUMBER} secret",
        989121234567,
        [NUMBER, "secret", 989121234567],
        {"phone": NUMBER, "message": "secret"},
        {"to": 989121234567, "text": ["secret"]},
        {"to": [NUMBER], "text": {"secret": NUMBER}},
        {NUMBER: "secret"},
        {"version": 989121234567, "tracking_id": ["secret"], "ttl_seconds": 9.89121234567},
        {"client_key": "secret" * 30, "config_fingerprint": {"secret": NUMBER}, "providers_effective": [{"x": NUMBER}]},
    ],
    ids=lambda body: json.dumps(body)[:24],
)
def test_nothing_else_is_shown(body: Any) -> None:
    shown = masked_body(json.dumps(body).encode())

    assert "secret" not in shown
    assert "9121234567" not in shown
