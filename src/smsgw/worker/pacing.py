"""Tokens at hand: leased from the store that all workers share, used at once or void.

A message leaves only with a token of its provider, and of TOTAL_RATE_LIMIT, that is young enough
(core/buckets.Limit.life_seconds). With the limits store away there are none, and nothing limited is sent.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from enum import Enum

import msgspec

from smsgw.core.buckets import Limit, Rates
from smsgw.core.events import ProviderThrottled
from smsgw.core.pace_rules import LEAST_WAIT_SECONDS, UNSAID_PAUSE_SECONDS, Room, share_of
from smsgw.core.ports import LimitsUnavailableError, Observer
from smsgw.core.providers import ProviderConfig, Providers, RateUnit
from smsgw.core.traffic import Lease, LeaseAsk, Traffic, bucket_of
from smsgw.worker.pace import UNLIMITED, Pace

AWAY_SECONDS = 0.2
MOST_PAUSE_SECONDS = 60.0


class Token(msgspec.Struct, frozen=True):
    """The right to send one message through one provider, while it is fresh."""

    provider: str
    units: int
    fresh_until: float


class Lack(Enum):
    """Why there is no token."""

    DRY = "dry"
    """None for a while: it is at its limit, or has told us to wait, or holds too many slots."""
    BUSY = "busy"
    """It holds its share of the slots, and nobody knows yet whether it hangs: not the moment to ask another one."""
    UNASKED = "unasked"
    """Nobody has asked the store yet; `restock` does."""


_NO_ROOM = {Room.HANGING: Lack.DRY, Room.BUSY: Lack.BUSY}


class Pacer:
    """Every provider's pace. Tokens are taken without waiting; `restock` and `stock` ask the store for more."""

    def __init__(
        self,
        traffic: Traffic,
        *,
        rates: Rates,
        capacity: int,
        observer: Observer,
        most_pause_seconds: float = MOST_PAUSE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._traffic = traffic
        self._rates = rates
        self._capacity = capacity
        self._most_pause_seconds = min(MOST_PAUSE_SECONDS, most_pause_seconds)
        self._observer = observer
        self._monotonic = monotonic
        self._paces: dict[str, Pace] = {}
        self._share = capacity
        self._telling: set[asyncio.Task[None]] = set()

    def use(self, providers: Providers) -> None:
        """Pace these providers from now on; calls under way stay counted."""
        total = Limit(self._rates.total) if self._rates.total else None
        old = self._paces
        self._paces = {}
        for name in providers:
            config = providers[name]
            pace = Pace(
                limit_of(config, self._rates.provider), total, counts_segments=config.rate_unit is RateUnit.SEGMENT
            )
            if name in old:
                # Not when there will be tokens: the limit may be another one now, and the store knows.
                pace.calls, pace.ended_at = old[name].calls, old[name].ended_at
                pace.paused_until = old[name].paused_until
            self._paces[name] = pace
        self._share = share_of(self._capacity, providers=len(providers.usable()))

    def calls_of(self, provider: str) -> int:
        """Return how many calls of a provider are under way here."""
        pace = self._paces.get(provider)
        return len(pace.calls) if pace else 0

    def take(self, provider: str, text: str) -> Token | Lack:
        """Take a token for one message; it is given back with `give_back`, or its call ends with `done`."""
        pace = self._paces.get(provider)
        if pace is None:
            return Token(provider, 0, UNLIMITED)  # not configured here: nothing will be called
        now = self._monotonic()
        if now < pace.paused_until:
            return Lack.DRY
        if lack := _NO_ROOM.get(pace.room(self._share, now)):
            return lack
        if pace.is_free:
            return self._taken(pace, Token(provider, 1, UNLIMITED), now)
        cost = pace.cost(text)
        leased_at = pace.draw(cost, now)
        if leased_at is None:
            # Only now: of several who ask at once, those who get nothing must not void what the others got.
            return Lack.DRY if now < pace.dry_until else Lack.UNASKED
        return self._taken(pace, Token(provider, cost, leased_at + pace.life_seconds), now)

    def want(self, provider: str, text: str) -> None:
        """Let the next `restock` ask for a token for this message, too."""
        if (pace := self._paces.get(provider)) is not None:
            pace.note_short(pace.cost(text))

    def is_fresh(self, token: Token) -> bool:
        """Whether a message may still leave with it."""
        return token.fresh_until is UNLIMITED or self._monotonic() < token.fresh_until

    def done(self, token: Token) -> None:
        """Note that a call has ended, or never began; an unused token is void."""
        pace = self._paces.get(token.provider)
        if pace is not None:
            pace.calls.pop(id(token), None)
            pace.ended_at = self._monotonic()

    async def restock(self) -> None:
        """Lease what `take` has found short, for all providers at once."""
        # What is short is put into the question before anything is awaited: of several tasks that ask in one tick the
        # second one would ask for no message, and the store would give it tokens that nobody uses.
        asks = [(pace, _ask(name, pace)) for name, pace in self._paces.items() if pace.short_messages]
        await asyncio.gather(*(self._lease(pace, ask) for pace, ask in asks))

    async def stock(self, provider: str, wanted: int, *, is_backlog: bool) -> int:
        """Return for how many messages there are tokens at hand, at most `wanted`, after asking for a block of them
        where there are none. Where a backlog is known to wait, several blocks come with one round trip, for all of them
        will be used at once: else a slow claim would leave tokens unused that have come in the meantime."""
        pace = self._paces.get(provider)
        if pace is None:
            return wanted
        now = self._monotonic()
        if now < pace.paused_until or pace.room(self._share, now) is not Room.FREE:
            return 0
        if pace.is_free:
            return wanted
        at_hand = pace.at_hand(now)
        if at_hand == 0 or not pace.suffices:
            if now < pace.dry_until:
                return 0
            pace.short_messages = wanted if is_backlog else min(pace.block, wanted)
            pace.short_units = max(pace.short_messages, pace.least)
            await self._lease(pace, _ask(provider, pace))
            at_hand = pace.at_hand(self._monotonic())
        return min(wanted, at_hand)

    def waits_seconds(self, providers: Iterable[str]) -> float:
        """Return the seconds until one of these may have tokens again; 0 when one may have them now."""
        now = self._monotonic()
        waits = [
            max(0.0, pace.dry_until - now, pace.paused_until - now)
            for name in providers
            if (pace := self._paces.get(name))
        ]
        return min(waits, default=0.0)

    async def acquire(self, provider: str, text: str, *, within_seconds: float) -> Token | None:
        """Wait for a token, for a call whose message holds a slot already; None when there is none in time."""
        deadline = self._monotonic() + within_seconds
        while True:
            token = self.take(provider, text)
            if isinstance(token, Token):
                return token
            if token is Lack.UNASKED:
                self.want(provider, text)
                await self.restock()
                continue
            wait = max(LEAST_WAIT_SECONDS, self.waits_seconds([provider]))
            if self._monotonic() + wait > deadline:
                return None
            await asyncio.sleep(wait)

    def throttled(self, provider: str, retry_after: timedelta | None) -> None:
        """Note that a provider said "too much": this worker pauses at once, all of them send more slowly."""
        pace = self._paces.get(provider)
        if pace is None:
            return
        # Without a bucket to narrow, a provider that does not say for how long is left alone for a moment, too.
        unsaid = 0.0 if pace.limit else UNSAID_PAUSE_SECONDS
        asked = unsaid if retry_after is None else max(0.0, retry_after.total_seconds())
        pause = min(self._most_pause_seconds, asked)
        pace.paused_until = max(pace.paused_until, self._monotonic() + pause)
        self._observer(ProviderThrottled(provider=provider, wait_seconds=pause))
        if pace.limit is not None:
            telling = asyncio.get_running_loop().create_task(
                self._narrow(provider, pace.limit, timedelta(seconds=pause)), name="narrow"
            )
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def close(self) -> None:
        """Wait until the store was told what providers said."""
        await asyncio.gather(*self._telling, return_exceptions=True)

    def _taken(self, pace: Pace, token: Token, now: float) -> Token:
        pace.calls[id(token)] = now
        return token

    async def _narrow(self, provider: str, limit: Limit, retry_after: timedelta) -> None:
        try:
            await self._traffic.narrow(bucket_of(provider), limit, retry_after)
        except LimitsUnavailableError:
            return  # nobody gets a token then; afterwards the provider says it again

    async def _lease(self, pace: Pace, ask: LeaseAsk) -> None:
        asked_at = self._monotonic()
        try:
            lease = await self._traffic.lease(ask)
        except LimitsUnavailableError:
            pace.dry_until = max(pace.dry_until, self._monotonic() + AWAY_SECONDS)
            return
        # From when it was asked: a token is not younger than the store's answer to it.
        if lease.messages:
            pace.add(lease.units, lease.messages, asked_at)
        self._note_dryness(pace, lease)

    def _note_dryness(self, pace: Pace, lease: Lease) -> None:
        """Ask again only when a token, or a block of them, can be there; what was granted is used before that."""
        if not lease.messages:
            wait = min(MOST_PAUSE_SECONDS, max(LEAST_WAIT_SECONDS, lease.wait_seconds))
            pace.dry_until = max(pace.dry_until, self._monotonic() + wait)


def limit_of(config: ProviderConfig, default_rate: float) -> Limit | None:
    """Return a provider's limit: its own, else PROVIDER_RATE_LIMIT; None for none."""
    rate = default_rate if config.rate_limit is None else config.rate_limit
    return Limit(rate, config.rate_burst_seconds) if rate > 0 else None


def _ask(provider: str, pace: Pace) -> LeaseAsk:
    """Return the question for what is short, which is asked for with it."""
    units, messages = max(pace.short_units, pace.least), pace.short_messages
    pace.short_units = pace.short_messages = 0
    return LeaseAsk(
        bucket=bucket_of(provider),
        limit=pace.limit,
        units=_in_blocks(units, pace.block),
        least=pace.least,
        total=pace.total,
        messages=_in_blocks(messages, pace.block),
    )


def _in_blocks(count: int, block: int) -> int:
    """Return the count rounded up to whole blocks."""
    return -(-count // block) * block
