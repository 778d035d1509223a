"""What a request does to the outside: claim, rate and quota, the publish, the stored answer (steps 4 and 6 to 9)."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from smsgw import failpoints
from smsgw.core.admission import Admission, Ask, Claim, PublishOutcome, Verdict
from smsgw.core.envelope import VERSION, ConfigFingerprint, Envelope, encode
from smsgw.core.events import Crashed, LedgerNoteLost
from smsgw.core.ports import Clock, Limits, LimitsUnavailableError, Observer, Publisher
from smsgw.core.request import SendRequest
from smsgw.gateway import answers
from smsgw.gateway.answers import Answer, Refusal, accepted, refused, turned_away
from smsgw.gateway.doors import Door
from smsgw.gateway.in_flight import InFlight
from smsgw.settings import GatewaySettings


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A valid request that the gate let pass: what to ask of the limits store, and what to publish then."""

    door: Door
    ask: Ask
    request: SendRequest
    effective: tuple[str, ...]
    fingerprint: ConfigFingerprint
    idempotency_hash: str | UnsetType = UNSET


class HandOver:
    """Carries orders to the queue: every outage is an answer, every claim is answered or released."""

    def __init__(
        self,
        *,
        limits: Limits,
        publisher: Publisher,
        settings: GatewaySettings,
        observer: Observer,
        clock: Clock,
        in_flight: InFlight,
    ) -> None:
        self._limits = limits
        self._publisher = publisher
        self._ttl_seconds = settings.idempotency_ttl_seconds
        self._error_ttl_seconds = settings.idempotency_error_ttl_seconds
        self._observer = observer
        self._clock = clock
        self._in_flight = in_flight

    async def look_up(self, claim: Claim) -> Answer | None:
        """Return what the key already has as its answer, or None; nothing is written."""
        try:
            admission = await self._limits.look_up(claim)
        except LimitsUnavailableError:
            return refused(answers.STORE_UNAVAILABLE, self._clock())
        return None if admission.is_admitted else turned_away(admission, self._clock())

    async def block(self, ask: Ask, refusal: Refusal, details: dict[str, Any] | None) -> Answer:
        """Return the gate's refusal, stored under the request's claim, or what the key already has as its answer."""
        failpoints.reach("G1")
        admission = await self._admit(ask)
        if admission is None:
            return refused(answers.STORE_UNAVAILABLE, self._clock())
        if not admission.is_admitted:
            return await self._turn_away(ask, admission)
        failpoints.reach("G2")
        answer = refused(refusal, self._clock(), details=details, tracking_id=admission.tracking_id)
        await self._store(ask, answer, self._error_ttl_seconds)
        return answer

    async def carry(self, order: Order) -> Answer:
        """Return the answer to an order: success after a confirmed publish, else why not."""
        ask = order.ask
        failpoints.reach("G1")
        admission = await self._admit(ask)
        if admission is None:
            return refused(answers.STORE_UNAVAILABLE, self._clock())
        if not admission.is_admitted:
            return await self._turn_away(ask, admission)
        failpoints.reach("G2")
        if admission.quota_day is not None:
            failpoints.reach("G3")
        return await self._publish(order, admission, admission.tracking_id or ask.tracking_id)

    async def _admit(self, ask: Ask) -> Admission | None:
        """Return the store's verdict, None when it does not answer. What needs no limits asks for none."""
        if ask.claim is None and ask.daily_quota is None and not ask.rates:
            return Admission(verdict=Verdict.FRESH, tracking_id=ask.tracking_id)
        try:
            return await self._limits.admit(ask)
        except LimitsUnavailableError:
            # The claim may have been made all the same: without this the caller's retry would meet its own ghost. The
            # store keeps a release that it cannot do now.
            if ask.claim:
                self._in_flight.spawn(self._release(ask, Admission(verdict=Verdict.FRESH), None), where="release")
            return None
        except Exception:
            await self._release(ask, Admission(verdict=Verdict.FRESH), None)
            raise

    async def _turn_away(self, ask: Ask, admission: Admission) -> Answer:
        answer = turned_away(admission, self._clock())
        if admission.verdict is Verdict.OVER_QUOTA:
            await self._store(ask, answer, self._error_ttl_seconds)
        return answer

    async def _publish(self, order: Order, admission: Admission, tracking_id: UUID) -> Answer:
        outcome: PublishOutcome | None = None
        try:
            envelope = _envelope(order, tracking_id, self._clock())
            # A publisher that raises has a bug; the message may be on the queue all the same.
            outcome = PublishOutcome.UNKNOWN
            outcome = await self._publisher.publish(envelope)
        except Exception as error:  # noqa: BLE001  (a bug; the claim must not outlive it)
            return await self._give_up(order, admission, outcome, error)
        if outcome is not PublishOutcome.CONFIRMED:
            await self._release(order.ask, admission, outcome)
            return refused(answers.BROKER_UNAVAILABLE, self._clock(), tracking_id=tracking_id)
        return await self._confirm(order, admission, tracking_id)

    async def _confirm(self, order: Order, admission: Admission, tracking_id: UUID) -> Answer:
        """Answer with success, whatever becomes of storing it: the message is on the queue."""
        failpoints.reach("G5")
        is_takeover = admission.verdict is Verdict.TAKEOVER
        door = order.door
        answer = accepted(
            door.success_status,
            door.success_body(tracking_id, order.request),
            tracking_id=tracking_id,
            to=order.request.to,
            is_takeover=is_takeover,
        )
        if order.ask.claim:
            await self._store(order.ask, answer, self._ttl_seconds, confirmed=tracking_id)
        else:
            self._in_flight.spawn(self._note(tracking_id), where="audit ledger")
        failpoints.reach("G6")
        return answer

    async def _give_up(
        self, order: Order, admission: Admission, outcome: PublishOutcome | None, error: Exception
    ) -> Answer:
        tracking_id = admission.tracking_id
        self._observer(Crashed(where="publish", error=error, tracking_id=tracking_id))
        await self._release(order.ask, admission, outcome)
        return refused(answers.INTERNAL_ERROR, self._clock(), tracking_id=tracking_id)

    async def _store(self, ask: Ask, answer: Answer, ttl_seconds: int, *, confirmed: UUID | None = None) -> None:
        if ask.claim is None:
            return
        try:
            await self._limits.answer(
                ask.claim, status=answer.status, body=answer.body, ttl_seconds=ttl_seconds, confirmed=confirmed
            )
        except LimitsUnavailableError:
            # The record keeps the tracking_id: a retry takes it over and the worker drops the second copy.
            if confirmed:
                self._observer(LedgerNoteLost(tracking_id=confirmed))
        except Exception as error:  # noqa: BLE001  (a bug, but the caller's answer stands)
            self._observer(Crashed(where="store answer", error=error, tracking_id=answer.tracking_id))

    async def _release(self, ask: Ask, admission: Admission, outcome: PublishOutcome | None) -> None:
        if ask.claim is None and admission.quota_day is None:
            return
        try:
            await self._limits.release(ask, admission, outcome)
        except LimitsUnavailableError:
            # A claim ends when the store is back, or else with its lease, IDEMPOTENCY_LEASE_SECONDS from now; without
            # one the unit of the quota stays used.
            return
        except Exception as error:  # noqa: BLE001  (a bug, but the caller's answer stands)
            self._observer(Crashed(where="release", error=error, tracking_id=admission.tracking_id))

    async def _note(self, tracking_id: UUID) -> None:
        try:
            await self._limits.note_confirmed(tracking_id)
        except LimitsUnavailableError:
            # The message itself is with the broker.
            self._observer(LedgerNoteLost(tracking_id=tracking_id))


def _envelope(order: Order, tracking_id: UUID, now: datetime) -> bytes:
    request = order.request
    return encode(
        Envelope(
            version=VERSION,
            tracking_id=tracking_id,
            client_key=order.ask.client_key,
            to=request.to,
            text=request.text,
            ttl_seconds=request.ttl_seconds,
            created_at=now,
            providers_effective=order.effective,
            providers_original=UNSET if request.providers is None else request.providers,
            config_fingerprint=order.fingerprint,
            idempotency_hash=order.idempotency_hash,
            sender=request.sender,
        )
    )
