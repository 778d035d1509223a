"""The first step of a round: who is asked, with which token, or in which lane the message waits."""

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from smsgw.core.choice import PassedOver
from smsgw.core.country import country_of
from smsgw.core.decision import Round, ended, start
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.lanes import lane_of
from smsgw.core.lifecycle import Change, Timers, park
from smsgw.core.message import Message, Reason
from smsgw.core.routing import Candidates, NoCandidate, OpenCandidates, Router
from smsgw.worker.health import HealthBoard
from smsgw.worker.pacing import Lack, Pacer, Token
from smsgw.worker.turns import Turns
from smsgw.worker.waiting import WaitingLanes

FRESHEN_SECONDS = 1.0
ROUNDS_OF_ASKING = 8
"""How often a batch asks the store for tokens, one provider after the other; who then has none waits in a lane."""


class Permit(msgspec.Struct):
    """The right to make one call: a token, and perhaps the probe of a circuit that is half open."""

    token: Token
    country: str
    is_probe: bool
    is_over: bool = False
    """Whether it was given back."""


class Planned(msgspec.Struct):
    """The first step of a round; `round` is None when there is nothing to send, and then there is no permit."""

    change: Change
    round: Round | None
    permit: Permit | None = None


class _Draft(msgspec.Struct):
    """A message on the way to its plan."""

    message: Message
    country: str
    names: Candidates | NoCandidate
    is_narrowed: bool = False
    """Whether only the provider that was asked before will do."""
    permit: Permit | None = None
    is_waiting: bool = False
    """Whether the store has to be asked for tokens before more can be said."""


class Planner:
    """Chooses providers for messages that are due. What it plans and nobody launches is given back with `drop`."""

    def __init__(
        self,
        *,
        router: Router,
        pacer: Pacer,
        health: HealthBoard,
        turns: Turns,
        lanes: WaitingLanes,
        timers: Timers,
        dice: Callable[[], float],
    ) -> None:
        self._router = router
        self.pacer = pacer
        self.health = health
        self._turns = turns
        self._lanes = lanes
        self._timers = timers
        self._dice = dice

    async def plan_new(self, messages: Sequence[Message], now: datetime) -> list[Planned]:
        """Plan messages that have just come, asking the store for as many tokens as they need."""
        await self._turns.stock(self._router.sequence, sum(not message.providers for message in messages))
        drafts = [self._draft(message) for message in messages]
        try:
            for _ in range(ROUNDS_OF_ASKING):
                for draft in drafts:
                    self._try(draft, held=self._lanes.held_for(draft.country), is_asking=True)
                if not any(draft.is_waiting for draft in drafts):
                    break
                await self.pacer.restock()
            return [self._planned(draft, now) for draft in drafts]
        except BaseException:
            for draft in drafts:
                self.drop(draft.permit)
            raise

    def plan_due(self, message: Message, now: datetime) -> Planned:
        """Plan a message whose timer rang, with the tokens that are at hand."""
        draft = self._draft(message)
        self._try(draft, held=self._lanes.held_for(draft.country))
        return self._planned(draft, now)

    def plan_waiting(self, message: Message, now: datetime) -> Planned | None:
        """Plan a message that waits in a lane, with the tokens that are at hand; None to let it go on waiting."""
        draft = self._draft(message)
        self._try(draft, held=frozenset())
        planned = self._planned(draft, now)
        is_still = planned.change.message.lane is not None and planned.change.message.lane == message.lane
        return None if is_still else planned

    async def next_permit(self, message: Message, round_: Round) -> tuple[Round, Permit | None]:
        """Return the round with the next provider in front that may be asked now, and the permit for it. Who may not be
        asked now is set aside; the first of them who is well is the one to wait for."""
        country = country_of(message.to)
        limited, awaited = list(round_.limited), round_.awaited
        over: dict[str, PassedOver] = {}
        for position, name in enumerate(round_.left):
            token = await self._token_now(name, message, country)
            if token is not None:
                permit = Permit(token, country, self.health.begin(name, country))
                left = round_.left[position:]
                limits = tuple(limited)
                return msgspec.structs.replace(round_, left=left, limited=limits, awaited=awaited, over=over), permit
            limited.append(name)
            is_well = self.health.allows(name, country)
            over[name] = PassedOver.AT_LIMIT if is_well else PassedOver.CIRCUIT_OPEN
            if awaited is None and is_well:
                awaited = name
        return msgspec.structs.replace(round_, left=(), limited=tuple(limited), awaited=awaited), None

    async def _token_now(self, name: str, message: Message, country: str) -> Token | None:
        if name in self._lanes.held_for(country) or not self.health.allows(name, country):
            return None
        return await self.pacer.acquire(name, message.text, within_seconds=0)

    def is_good(self, permit: Permit | None, provider: str) -> bool:
        """Whether a call of this provider may begin with this permit as it is."""
        return permit is not None and permit.token.provider == provider and self.pacer.is_fresh(permit.token)

    async def freshen(self, permit: Permit | None, message: Message, provider: str) -> Permit | None:
        """Return a permit for a call that is about to begin: this one while its token is fresh, else another one for
        which this waits a moment; None when there is none. A stall between the token and the call must not let several
        seconds' worth of messages leave at once."""
        if self.is_good(permit, provider):
            return permit
        self.drop(permit)
        country = country_of(message.to)
        if not self.health.allows(provider, country):
            return None
        token = await self.pacer.acquire(provider, message.text, within_seconds=FRESHEN_SECONDS)
        return Permit(token, country, self.health.begin(provider, country)) if token else None

    def note_parked(self, change: Change) -> None:
        """Note that a round has ended in a lane."""
        self._lanes.note(change.message.lane)

    def learn(self, permit: Permit, result: SendResult) -> None:
        """Note what a call says about its provider."""
        provider = permit.token.provider
        self.health.note(provider, permit.country, result.outcome, is_probe=permit.is_probe)
        if result.outcome is Outcome.THROTTLED:
            self.pacer.throttled(provider, result.retry_after)

    def drop(self, permit: Permit | None) -> None:
        """Give back a permit that was not used, or whose call has ended; doing it twice does nothing."""
        if permit is None or permit.is_over:
            return
        permit.is_over = True
        self.pacer.done(permit.token)
        if permit.is_probe:
            self.health.give_up(permit.token.provider, permit.country)

    def _draft(self, message: Message) -> _Draft:
        country = country_of(message.to)
        names = self._router.candidates(
            message.providers, prefer=message.prefer, refused=message.refused, country=country
        )
        # In the lane of one provider, after another one of its round refused it: only that one shall be asked.
        is_awaiting = message.lane is not None and message.lane == message.prefer
        prefer = message.prefer if message.duplicate_risk or is_awaiting else None
        if prefer is None or not isinstance(names, Candidates) or prefer not in names:
            return _Draft(message, country, names)
        # Another provider would send it a second time for certain; the same one may know our reference.
        return _Draft(message, country, type(names)((prefer,)), is_narrowed=True)

    def _try(self, draft: _Draft, *, held: frozenset[str], is_asking: bool = False) -> None:
        """Take a token of the first candidate that has one; who is held back or dry is passed over. `is_asking`: the
        store is asked for what is short, and this is tried again."""
        draft.is_waiting = False
        if draft.permit is not None or isinstance(draft.names, NoCandidate | OpenCandidates):
            return
        for name in draft.names:
            # A probe that began since may be the only call that its circuit allows.
            if name in held or not self.health.allows(name, draft.country):
                continue
            token = self.pacer.take(name, draft.message.text)
            if isinstance(token, Token):
                draft.permit = Permit(token, draft.country, self.health.begin(name, draft.country))
                return
            if token is Lack.BUSY:
                return
            if token is Lack.UNASKED and is_asking:
                self.pacer.want(name, draft.message.text)
                draft.is_waiting = True
                return

    def _planned(self, draft: _Draft, now: datetime) -> Planned:
        message, names = draft.message, draft.names
        over = ended(message, now, timers=self._timers)
        if over is not None:
            self.drop(draft.permit)
            return Planned(over, None)
        choice = None
        if isinstance(names, Candidates):
            if draft.permit is None:
                return Planned(self._parked(draft, names, now), None)
            first = draft.permit.token.provider
            choice = self._router.why(first, names, message=message, country=draft.country)
            names = Candidates((first, *(name for name in names if name != first)))
        change, round_ = start(message, names, now, timers=self._timers, jitter=self._dice(), choice=choice)
        return Planned(change, round_, draft.permit)

    def _parked(self, draft: _Draft, names: Candidates, now: datetime) -> Change:
        message, country = draft.message, draft.country
        # A probe that has just begun may have closed the last circuit that let this message through.
        if names.is_open or not any(self.health.allows(name, country) for name in names):
            lane = lane_of(message.providers, message.refused, names, country=country)
            return park(message, lane, Reason.CIRCUIT_OPEN, now)
        # In one lane with those that more providers will do for, it would hold them up.
        if draft.is_narrowed:
            lane = lane_of(names, message.refused, names)
        elif self._is_country_ill(draft, names):
            lane = lane_of(message.providers, message.refused, self._willing(message), country=country)
        else:
            lane = lane_of(message.providers, message.refused, names)
        return park(message, lane, Reason.PROVIDER_AT_LIMIT, now)

    def _is_country_ill(self, draft: _Draft, names: Candidates) -> bool:
        """Whether a provider is left out because of the message's country alone: it may serve those to others."""
        left_out = (name for name in self._willing(draft.message) if name not in names)
        return any(self.health.allows(name, "") for name in left_out)

    def _willing(self, message: Message) -> list[str]:
        usable = self._router.usable_of(message.providers)
        return [name for name in usable if name not in message.refused]
