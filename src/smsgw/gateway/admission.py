"""The way of one send request, from bytes to an answer (spec section 3). No web framework, no clock, no dice in here.

Authenticate, look up, validate, claim, gate, limits, publish, store, answer: this is the order that a caller can see.
Claim, rate and quota share one round trip (`Limits.admit`), and the gate, being pure, is asked before it.
"""

import itertools
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import msgspec
from msgspec import UNSET

from smsgw.core.admission import Ask, Claim
from smsgw.core.body import Malformed
from smsgw.core.country import country_of
from smsgw.core.events import Crashed, Fact, GateBlocked, RequestAccepted, RequestRefused, RequestReplayed
from smsgw.core.fingerprint import idempotency_hash, idempotency_name, request_fingerprint
from smsgw.core.keys import Client, Clients
from smsgw.core.ports import Clock, Limits, Observer, Publisher
from smsgw.core.providers import Blocked, Passed, UnknownProvider, gate
from smsgw.core.request import Invalid, SendRequest
from smsgw.core.sender import refusal
from smsgw.gateway import answers
from smsgw.gateway.answers import Answer, Refusal, refused
from smsgw.gateway.config import ConfigHolder, GatewayConfig
from smsgw.gateway.doors import METHOD, Door
from smsgw.gateway.fullness import QueueGuard
from smsgw.gateway.hand_over import HandOver, Order
from smsgw.gateway.in_flight import InFlight
from smsgw.settings import GatewaySettings

_is_idempotency_key = re.compile(rb"[!-~]{1,255}").fullmatch


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """A send request as it came in. Headers are lists because a caller may repeat them, and must not."""

    api_keys: Sequence[bytes]
    idempotency_keys: Sequence[bytes]
    is_json: bool
    """Whether the content type says so."""
    body: bytes
    traceparent: bytes = b""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who sends, by which door, with which idempotency key, and the configuration that holds for this one request."""

    door: Door
    client: Client
    config: GatewayConfig
    key: str | None


class Admitter:
    """Decides on send requests. Every expected outcome is an Answer, every answer is stated as a fact."""

    def __init__(
        self,
        *,
        limits: Limits,
        publisher: Publisher,
        config: ConfigHolder,
        settings: GatewaySettings,
        observer: Observer,
        clock: Clock,
        guard: QueueGuard | None = None,
        monotonic: Callable[[], float] = time.perf_counter,
        new_id: Callable[[], UUID] = uuid4,
        new_token: Callable[[], str] | None = None,
    ) -> None:
        self._config = config
        self._gate_enabled = settings.gate_enabled
        self._guard = guard
        self._observer = observer
        self._clock = clock
        self._monotonic = monotonic
        self._new_id = new_id
        self._new_token = new_token or _tokens()
        self._in_flight = InFlight(observer=observer)
        self._hand_over = HandOver(
            limits=limits,
            publisher=publisher,
            settings=settings,
            observer=observer,
            clock=clock,
            in_flight=self._in_flight,
        )

    async def handle(self, submission: Submission, door: Door) -> Answer:
        """Return the answer to one request of a door. A caller that is cancelled leaves it running to its end."""
        return await self._in_flight.finish(self._handle(submission, door))

    async def close(self) -> None:
        """Wait until every request and every line for the audit ledger has come to its end."""
        await self._in_flight.drain()

    async def _handle(self, submission: Submission, door: Door) -> Answer:
        started = self._monotonic()
        config = self._config.current
        client = _authenticate(config.clients, submission.api_keys, self._clock())
        try:
            answer = await self._admit(submission, door, client, config)
        except Exception as error:  # noqa: BLE001  (whatever it is, it is a bug and the caller gets an answer)
            self._observer(Crashed(where="admission", error=error))
            answer = self._refuse(answers.INTERNAL_ERROR)
        client_key = client.client_key if client else None
        self._observer(_fact(answer, client_key, self._monotonic() - started, submission.traceparent))
        return answer

    async def _admit(self, submission: Submission, door: Door, client: Client | None, config: GatewayConfig) -> Answer:
        """Refuse what needs no look-up, then go on with what has a shape."""
        if client is None:
            return self._refuse(answers.UNAUTHORIZED)
        if not submission.is_json:
            return self._refuse(answers.UNSUPPORTED_MEDIA_TYPE)
        keys = submission.idempotency_keys
        if keys and (len(keys) > 1 or not _is_idempotency_key(keys[0])):
            why = "must be sent once, with 1 to 255 visible ASCII characters"
            return self._refuse(answers.MALFORMED, {"Idempotency-Key": why})
        request = door.read(submission.body, door.rules)
        if isinstance(request, Malformed):
            return self._refuse(answers.MALFORMED, {"body": request.why})
        caller = Caller(door=door, client=client, config=config, key=keys[0].decode() if keys else None)
        if isinstance(request, Invalid):
            return await self._refuse_invalid(caller, request.canonical, request.fields)
        forbidden = request.sender and refusal(request.sender, client.senders)
        if forbidden:
            return await self._refuse_invalid(caller, request.canonical, {"sender": forbidden})
        return await self._gate(request, caller)

    async def _refuse_invalid(self, caller: Caller, canonical: bytes, fields: Mapping[str, str]) -> Answer:
        return await self._refuse_unless_known(self._claim(caller, canonical), answers.INVALID, dict(fields))

    async def _refuse_unless_known(self, claim: Claim | None, refusal: Refusal, details: dict[str, Any]) -> Answer:
        """Refuse, unless the request's key has something else to say; the key is not used up."""
        known = await self._hand_over.look_up(claim) if claim else None
        return known or self._refuse(refusal, details)

    async def _gate(self, request: SendRequest, caller: Caller) -> Answer:
        verdict = gate(request.providers, caller.config.providers, enabled=self._gate_enabled)
        claim = self._claim(caller, request.canonical)
        client = caller.client
        if not isinstance(verdict, Passed):
            return await self._block(verdict, client, claim)
        full = self._guard.full() if self._guard else None
        if full is not None:
            return await self._refuse_unless_known(claim, answers.QUEUE_FULL, msgspec.structs.asdict(full))
        ask = Ask(
            tracking_id=self._new_id(),
            client_key=client.client_key,
            claim=claim,
            daily_quota=client.daily_quota,
            rates=caller.door.rates,
        )
        order = Order(
            door=caller.door,
            ask=ask,
            request=request,
            effective=verdict.effective,
            fingerprint=caller.config.fingerprint,
            idempotency_hash=UNSET if caller.key is None else idempotency_hash(client.client_key, caller.key),
        )
        return await self._hand_over.carry(order)

    async def _block(self, verdict: Blocked | UnknownProvider, client: Client, claim: Claim | None) -> Answer:
        """Give the gate's refusal; it takes no quota and no rate, and without a key it touches no store."""
        refusal, details = _gate_refusal(verdict)
        if claim is None:
            answer = self._refuse(refusal, details)
        else:
            ask = Ask(tracking_id=self._new_id(), client_key=client.client_key, claim=claim)
            answer = await self._hand_over.block(ask, refusal, details)
        if answer.error_code == refusal.error_code:
            providers = verdict.providers if isinstance(verdict, Blocked) else ()
            fact = GateBlocked(error_code=refusal.error_code, client_key=client.client_key, providers=providers)
            self._observer(fact)
        return answer

    def _claim(self, caller: Caller, canonical: bytes) -> Claim | None:
        if caller.key is None:
            return None
        return Claim(
            name=idempotency_name(caller.client.client_key, caller.key),
            fingerprint=request_fingerprint(METHOD, caller.door.path, canonical),
            token=self._new_token(),
        )

    def _refuse(self, refusal: Refusal, details: dict[str, Any] | None = None) -> Answer:
        return refused(refusal, self._clock(), details=details)


def _tokens() -> Callable[[], str]:
    """Return a source of claim tokens: unique among all gateways, secret from nobody who matters."""
    process, numbers = secrets.token_hex(8), itertools.count(1)
    return lambda: f"{process}{next(numbers):x}"


def _authenticate(clients: Clients, api_keys: Sequence[bytes], now: datetime) -> Client | None:
    """Return the client whose key was sent, once, and may send; the specification has no 403 for one that may not."""
    # With surrogates the text becomes the very bytes again that were sent: no two keys can be taken for one.
    presented = api_keys[0].decode("ascii", "surrogateescape") if len(api_keys) == 1 else None
    client = clients.authenticate(presented, now)
    return client if client and "send" in client.scopes else None


def _gate_refusal(verdict: Blocked | UnknownProvider) -> tuple[Refusal, dict[str, Any] | None]:
    if isinstance(verdict, UnknownProvider):
        return answers.UNKNOWN_PROVIDER, {"unknown": verdict.requested[:64], "allowed": verdict.allowed}
    details = {"providers": verdict.providers} if verdict.providers else None
    return answers.GATE[verdict.error_code], details


def _fact(answer: Answer, client_key: str | None, seconds: float, traceparent: bytes) -> Fact:
    if client_key and answer.is_replay:
        return RequestReplayed(client_key=client_key, status=answer.status, seconds=seconds)
    if client_key and answer.tracking_id and answer.error_code is None:
        return RequestAccepted(
            tracking_id=answer.tracking_id,
            client_key=client_key,
            to=answer.to,
            country=country_of(answer.to),
            seconds=seconds,
            is_takeover=answer.is_takeover,
            traceparent=traceparent.decode("latin-1") if traceparent else "",
        )
    return RequestRefused(
        error_code=answer.error_code or answers.INTERNAL_ERROR.error_code,
        status=answer.status,
        client_key=client_key,
        tracking_id=answer.tracking_id,
        seconds=seconds,
    )
