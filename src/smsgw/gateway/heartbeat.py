"""The gateway's heartbeat: tells the workers that it lives and which configuration it runs with."""

import asyncio
import random
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from smsgw.core.backoff import delay
from smsgw.core.envelope import ConfigFingerprint
from smsgw.core.events import Crashed, HeartbeatFailed, HeartbeatSent
from smsgw.core.ports import Clock, Observer, Publisher
from smsgw.gateway.config import ConfigHolder
from smsgw.settings import GatewaySettings

FIRST_RETRY = timedelta(seconds=1)


class Beat(msgspec.Struct, frozen=True, kw_only=True):
    """A heartbeat on the wire (spec section 3)."""

    service: str
    instance: str
    interval_seconds: float
    ts: datetime
    config_fingerprint: ConfigFingerprint


class Heartbeat:
    """Publishes a heartbeat per interval; one that failed is tried again sooner. It never disturbs requests."""

    def __init__(
        self,
        *,
        publisher: Publisher,
        config: ConfigHolder,
        settings: GatewaySettings,
        observer: Observer,
        clock: Clock,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._publisher = publisher
        self._config = config
        self._http = settings.http
        self._interval = timedelta(seconds=settings.heartbeat_interval_seconds)
        self._observer = observer
        self._clock = clock
        self._dice = dice
        self._failures = 0

    async def run_once(self) -> float:
        """Publish one heartbeat and return the seconds until the next."""
        if await self._is_sent():
            self._failures = 0
            self._observer(HeartbeatSent())
            return self._interval.total_seconds()
        base = min(FIRST_RETRY, self._interval)
        rest = delay(self._failures, base=base, cap=self._interval, jitter=self._dice()).total_seconds()
        self._failures += 1
        self._observer(HeartbeatFailed(retry_in_seconds=rest))
        return rest

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until `stop` is set."""
        while not stop.is_set():
            rest = await self.run_once()
            try:
                async with asyncio.timeout(rest):
                    await stop.wait()
            except TimeoutError:
                continue

    async def _is_sent(self) -> bool:
        try:
            return await self._publisher.publish_heartbeat(self._body())
        except Exception as error:  # noqa: BLE001  (a bug here must not end the heartbeats)
            self._observer(Crashed(where="heartbeat", error=error))
            return False

    def _body(self) -> bytes:
        return msgspec.json.encode(
            Beat(
                service=self._http.service_name,
                instance=self._http.instance,
                interval_seconds=self._interval.total_seconds(),
                ts=self._clock(),
                config_fingerprint=self._config.current.fingerprint,
            )
        )
