"""A direct send: one call of one provider for an operator who tests it. It bypasses the queue, not the books: the
intent is durable before the call, the outcome is settled like every other, so reports and status work."""

import asyncio
import time
from collections.abc import Callable, Mapping
from uuid import UUID

import msgspec

from smsgw.core.buckets import Rates, missing_seconds
from smsgw.core.choice import Choice, ChosenBy
from smsgw.core.country import country_of
from smsgw.core.decision import Round, decide
from smsgw.core.events import Crashed, LateOutcome
from smsgw.core.failure import SendResult
from smsgw.core.lifecycle import Change, Timers, begin
from smsgw.core.message import Attempt, Message, Status
from smsgw.core.ports import Arrival, Clock, Observer, Provider, Store, StoreUnavailableError
from smsgw.core.providers import Providers, RateUnit
from smsgw.core.text import segments
from smsgw.core.traffic import Traffic, bucket_of
from smsgw.core.ttl import expiry
from smsgw.worker.calls import Calls
from smsgw.worker.choosing import Choosing
from smsgw.worker.dispatch import moved
from smsgw.worker.limits import limits_of
from smsgw.worker.outage import StoreGate
from smsgw.worker.planning import Permit

TOKEN_SECONDS = 1.0
"""How long a direct send waits for a token."""
MOST_AT_ONCE = 10
"""Direct sends under way at one worker: they hold no slot, and tests must not crowd out the messages."""
SETTLE_SECONDS = 5.0
"""How long its caller waits for the outcome to be committed; it is committed afterwards, too."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants sent, through which provider (canonical name)."""

    tracking_id: UUID
    client_key: str
    provider: str
    to: str
    text: str
    sender: str | None = None


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's answer. `status` is the message's as the store has it: PROCESSING where the outcome could not be
    committed yet."""

    result: SendResult
    status: Status
    seconds: float


class AtLimit(msgspec.Struct, frozen=True):
    """There was no token in time, or (`is_crowded`) too many direct sends are under way; nothing was sent."""

    wait_seconds: float
    is_crowded: bool = False


class DirectSender:
    """Sends through exactly one provider, also when its circuit is open or it is not operational. Its outcome counts
    for the provider's health."""

    def __init__(
        self,
        *,
        store: Store,
        gate: StoreGate,
        calls: Calls,
        providers: Mapping[str, Provider],
        configured: Callable[[], Providers],
        traffic: Traffic,
        choosing: Choosing,
        rates: Rates,
        timers: Timers,
        observer: Observer,
        clock: Clock,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        self._store = store
        self._gate = gate
        self._calls = calls
        self._providers = providers
        self._configured = configured
        self._traffic = traffic
        self._health = choosing.health
        self._pacer = choosing.pacer
        self._planner = choosing.planner
        self._rates = rates
        # One call: a test that is sent again by itself, minutes later, tests nothing and reaches somebody twice.
        self._timers = msgspec.structs.replace(timers, max_attempts=1)
        self._observer = observer
        self._clock = clock
        self._settle_seconds = settle_seconds
        self._under_way = 0
        self._settling: set[asyncio.Task[Status]] = set()

    def has_adapter(self, provider: str) -> bool:
        """Whether this provider can be called at all: it is active."""
        return provider in self._providers and self._configured()[provider].is_active

    async def send(self, order: Order) -> Done | AtLimit:
        """Make the call. Raises StoreUnavailableError when nothing could be written, LimitsUnavailableError when there
        is no token because the limits store is away; nothing was sent then."""
        if self._under_way >= MOST_AT_ONCE:
            return AtLimit(1.0, is_crowded=True)
        self._under_way += 1
        try:
            return await self._send(order)
        finally:
            self._under_way -= 1

    async def close(self) -> None:
        """Give up what could not be committed; the leases bring it back as UNKNOWN."""
        for task in self._settling:
            task.cancel()
        await asyncio.gather(*self._settling, return_exceptions=True)

    async def _send(self, order: Order) -> Done | AtLimit:
        permit = await self._permit(order)
        if permit is None:
            return AtLimit(await self._wait_seconds(order))
        try:
            change = await self._write_intent(order)
            if not self._pacer.is_fresh(permit.token):
                # The commit took its time: what leaves now needs a token of now.
                self._planner.drop(permit)
                permit = await self._permit(order)
            began = time.monotonic()
            result = await self._calls.make(change.message, _started(change), permit)
            seconds = time.monotonic() - began
        finally:
            self._planner.drop(permit)
        return Done(result=result, status=await self._settle(change, result), seconds=seconds)

    async def _permit(self, order: Order) -> Permit | None:
        token = await self._pacer.acquire(order.provider, order.text, within_seconds=TOKEN_SECONDS)
        if token is None:
            return None
        country = country_of(order.to)
        return Permit(token, country, self._health.begin(order.provider, country))

    async def _wait_seconds(self, order: Order) -> float:
        """Return when there may be a token; asks the limits store, which is how its outage is told from a limit."""
        config = self._configured()[order.provider]
        cost = segments(order.text) if config.rate_unit is RateUnit.SEGMENT else 1
        own = bucket_of(order.provider)
        limits = limits_of(Providers({order.provider: config}), self._rates)
        buckets = await self._traffic.buckets(limits)
        waits = [missing_seconds(buckets[name], limits[name], cost if name == own else 1) for name in limits]
        return max(self._pacer.waits_seconds([order.provider]), *waits, 0.0)

    async def _write_intent(self, order: Order) -> Change:
        now = self._clock()
        # It ends before a resend would be due: what nobody knows of a test stays unknown.
        lifetime = max(1, int(self._timers.unknown_settle.total_seconds()))
        message = Message(
            tracking_id=order.tracking_id,
            client_key=order.client_key,
            to=order.to,
            text=order.text,
            sender=order.sender,
            ttl_seconds=lifetime,
            providers=(order.provider,),
            created_at=now,
            expires_at=expiry(now, lifetime, now),
            updated_at=now,
            status=Status.QUEUED,
            fence=0,
        )
        begun = begin(message, order.provider, now, self._timers, choice=Choice(ChosenBy.DIRECT))
        change = msgspec.structs.replace(begun, previous=None)
        (committed,) = await self._store.take_in([Arrival(change=change)])
        if committed is None:
            raise RuntimeError(f"{order.tracking_id} was there already")
        self._observer(moved(committed))
        return committed

    async def _settle(self, begun: Change, result: SendResult) -> Status:
        """Commit the outcome and return the message's status; an outage of the store is waited out, at most for a
        moment by the caller, and then behind his back: what we know nobody else does."""
        change, _ = decide(
            begun.message,
            _started(begun),
            Round(left=()),
            result,
            self._clock(),
            timers=self._timers,
            jitter=1.0,
            can_look_up=self._calls.can_look_up(_started(begun).provider),
        )
        settling = asyncio.create_task(self._commit(change), name="direct")
        self._settling.add(settling)
        settling.add_done_callback(self._settling.discard)
        done, _ = await asyncio.wait({settling}, timeout=self._settle_seconds)
        return settling.result() if done else Status.PROCESSING

    async def _commit(self, change: Change) -> Status:
        message, ended = change.message, change.finished
        while True:
            try:
                is_ours = await self._store.apply(change)
            except StoreUnavailableError as error:
                await self._gate.wait_until_back(str(error))
                continue
            except Exception as error:  # noqa: BLE001  (a bug; the lease and the intent on record bring the message back)
                self._observer(Crashed(where="direct", error=error, tracking_id=message.tracking_id))
                return Status.PROCESSING
            break
        if is_ours:
            self._observer(moved(change))
            return message.status
        if ended is not None:
            self._observer(LateOutcome(tracking_id=message.tracking_id, provider=ended.provider, outcome=ended.outcome))
        return Status.UNKNOWN  # what a message becomes whose lease has run out


def _started(change: Change) -> Attempt:
    if change.started is None:
        raise ValueError(f"{change.message.tracking_id} has no intent")
    return change.started
