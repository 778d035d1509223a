"""Heartbeats of the gateways: stored once by whichever worker consumes them, watched by every worker."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from smsgw.core.envelope import ConfigFingerprint
from smsgw.core.events import FingerprintMismatch, Poisoned
from smsgw.core.ports import Clock, Consumer, Delivery, GatewayBeat, Observer, Store

BATCH = 50


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """A heartbeat on the wire (spec section 3)."""

    service: Annotated[str, Meta(min_length=1, max_length=128)]
    instance: Annotated[str, Meta(min_length=1, max_length=255)]
    interval_seconds: Annotated[float, Meta(gt=0, le=86_400)]
    ts: Annotated[datetime, Meta(tz=True)]
    config_fingerprint: ConfigFingerprint = ConfigFingerprint()


class HeartbeatConsumer:
    """Stores heartbeats and compares their fingerprints with what this worker was told to expect."""

    def __init__(
        self,
        *,
        consumer: Consumer,
        store: Store,
        observer: Observer,
        clock: Clock,
        expected_clients: str,
        expected_providers: str,
        also: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda _: {},
    ) -> None:
        """`also`: what is as good as the expected fingerprints, told those."""
        self._also = also
        self._clock = clock
        self._consumer = consumer
        self._store = store
        self._observer = observer
        self._expected = {"clients": expected_clients, "providers": expected_providers}
        self._held: list[Delivery] = []

    async def run_once(self) -> float:
        """Handle at least one heartbeat; one that could not be stored is kept for the next call."""
        if not self._held:
            self._held = list(await self._consumer.receive(BATCH))
        while self._held:
            delivery = self._held[0]
            await self._handle(delivery)
            await delivery.ack()
            self._held.pop(0)
        return 0

    async def _handle(self, delivery: Delivery) -> None:
        beat = _read(delivery.body)
        if beat is None:
            # A heartbeat that cannot be read is worth nothing later: it is counted and dropped.
            self._observer(Poisoned(reason="undecodable heartbeat", size=len(delivery.body)))
            return
        await self._store.store_beat(
            GatewayBeat(
                service=beat.service,
                instance=beat.instance,
                interval_seconds=beat.interval_seconds,
                # A gateway whose clock once ran ahead must not hide its later silence.
                ts=min(beat.ts, self._clock()),
                clients_fingerprint=beat.config_fingerprint.clients,
                providers_fingerprint=beat.config_fingerprint.providers,
            )
        )
        self._compare(beat)

    def _compare(self, beat: Beat) -> None:
        seen = {"clients": beat.config_fingerprint.clients, "providers": beat.config_fingerprint.providers}
        also = self._also(self._expected)
        for kind, expected in self._expected.items():
            if expected and seen[kind] not in (expected, also.get(kind)):
                self._observer(
                    FingerprintMismatch(kind=kind, instance=beat.instance, expected=expected, seen=seen[kind])
                )


def _read(body: bytes) -> Beat | None:
    try:
        beat = msgspec.json.decode(body, type=Beat)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    words = (beat.service, beat.instance, beat.config_fingerprint.clients, beat.config_fingerprint.providers)
    return beat if all(word.isprintable() and len(word) <= 255 for word in words) else None
