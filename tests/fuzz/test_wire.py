"""Whatever lies on the queues or is posted to the gateway is read by the rules or refused: no raise, no excess."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core import envelope as wire
from smsgw.core.body import Malformed
from smsgw.core.envelope import MAX_ENVELOPE_BYTES, Envelope, Poison
from smsgw.core.phone import is_e164
from smsgw.core.ports import GatewayBeat
from smsgw.core.request import Invalid, Rules, SendRequest, TtlBounds, read_send_request
from smsgw.transports.stores.memory import MemoryStore
from smsgw.worker.heartbeat import HeartbeatConsumer
from tests.fuzz.spoiling import looking, spoiled
from tests.unit.core.building import NOW

ENVELOPE = {
    "version": 1,
    "tracking_id": "6d0f4b2e-3c43-4bb0-9a55-54b8bb1f7f70",
    "client_key": "shop",
    "to": "+989121234567",
    "text": "Your code: 1234",
    "ttl_seconds": 600,
    "created_at": "2026-03-01T12:00:00Z",
    "providers_effective": ["Provider-A"],
    "providers_original": ["a"],
    "config_fingerprint": {"clients": "1", "providers": "2"},
    "idempotency_hash": "0f" * 32,
    "sender": "My Shop",
}
REQUEST = {
    "to": "+989121234567",
    "text": "Your code: 1234’",
    "providers": ["Provider-A"],
    "ttl_seconds": 600,
    "sender": "My Shop",
    "max_segments": 2,
    "smart_encoding": True,
}
BEAT = {
    "service": "server-a",
    "instance": "a-1",
    "interval_seconds": 30,
    "ts": "2026-03-01T12:00:00Z",
    "config_fingerprint": {"clients": "1", "providers": "2"},
}
RULES = Rules(TtlBounds(10, 300, 86_400))


@pytest.mark.fault("F26", "I1 I12")
@given(body=spoiled([ENVELOPE, {name: ENVELOPE[name] for name in list(ENVELOPE)[:8]}]))
@looking(3000)
def test_an_envelope_is_usable_or_poison(body: bytes) -> None:
    members = wire.decode(body)

    assert 1 <= len(members) <= max(1, len(body))
    for member in members:
        if isinstance(member, Poison):
            assert member.body in body
            assert len(member.reason) <= 300
        else:
            assert_usable(member)


def assert_usable(envelope: Envelope) -> None:
    """Every rule that the worker, its database and its logs rely on."""
    written = wire.encode(envelope)
    assert wire.decode(written) == [envelope]
    assert len(written) <= 6 * MAX_ENVELOPE_BYTES
    assert b"\\u0000" not in written
    assert is_e164(envelope.to)
    assert 1 <= len(envelope.text) <= 1000
    assert 1 <= len(envelope.client_key) <= 128
    assert len(envelope.providers_effective) <= 16
    assert isinstance(envelope.tracking_id, UUID)
    assert 1 <= envelope.ttl_seconds <= 30 * 86_400
    assert envelope.created_at.tzinfo is UTC


@given(body=spoiled([REQUEST, {"to": "+989121234567", "text": "سلام"}]))
@looking(3000)
def test_a_request_keeps_every_rule_or_is_refused(body: bytes) -> None:
    read = read_send_request(body, RULES)

    if isinstance(read, Malformed):
        assert len(read.why) <= 200
        return
    assert json.loads(read.canonical) == json.loads(body)
    if isinstance(read, Invalid):
        assert 1 <= len(read.fields) <= 20
        assert all(len(name) <= 64 and len(why) <= 100 for name, why in read.fields.items())
        return
    assert isinstance(read, SendRequest)
    assert is_e164(read.to)
    assert 1 <= len(read.text) <= 1000
    assert "\x00" not in read.text
    assert read.text.encode().strip()
    assert RULES.ttl.low <= read.ttl_seconds <= RULES.ttl.high
    assert read.providers is None or 1 <= len(read.providers) <= 16
    assert len(json.loads(body, object_pairs_hook=list)) == len(json.loads(read.canonical)), "a key stood twice"


class _Beats:
    """A consumer with one heartbeat."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.is_acked = False

    async def receive(self, _limit: int) -> list[Any]:
        return [self]

    async def ack(self) -> None:
        self.is_acked = True


@given(body=spoiled([BEAT]) | st.just(json.dumps(BEAT).encode()))
@looking(1500)
def test_a_heartbeat_is_stored_or_dropped(body: bytes) -> None:
    beats, store, facts = _Beats(body), MemoryStore(), list[Any]()
    consumer: Any = beats
    reader = HeartbeatConsumer(
        consumer=consumer,
        store=store,
        observer=facts.append,
        clock=lambda: NOW,
        expected_clients="",
        expected_providers="",
    )

    async def read() -> Sequence[GatewayBeat]:
        await reader.run_once()
        return await store.beats()

    stored = asyncio.run(read())

    assert beats.is_acked
    assert len(stored) <= 1
    assert all(assert_bounded(beat) for beat in stored)


def assert_bounded(beat: GatewayBeat) -> bool:
    """Whether a stored heartbeat is no larger than a table and a metric may hold, and not from the future."""
    return len(beat.service) <= 128 and len(beat.instance) <= 255 and beat.ts <= NOW
