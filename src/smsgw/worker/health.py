"""What this worker and all others know of their providers: outcomes go out, circuits come in, a few times a second."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime

import msgspec

from smsgw.core.events import CircuitMoved, HealthSeen
from smsgw.core.failure import POLICIES, Health, Outcome
from smsgw.core.health import Cell, Observed, ProviderHealth, Rules, State, update
from smsgw.core.pace_rules import HURRY_SECONDS, PULSE_SECONDS
from smsgw.core.ports import LimitsUnavailableError, Observer
from smsgw.core.traffic import Document, Traffic

AWAY_SECONDS = 0.5
TRIES = 5

Pair = tuple[str, str]
"""A provider and a country."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(ProviderHealth).decode


class HealthBoard:
    """The circuits as this worker sees them. While the store is away they stay as they were."""

    def __init__(self, traffic: Traffic, *, rules: Rules, observer: Observer) -> None:
        self._traffic = traffic
        self._names: tuple[str, ...] = ()
        self.rules = rules
        self._observer = observer
        self._known: dict[str, ProviderHealth] = {}
        self._closed: frozenset[str] = frozenset()
        self._seen: Counter[tuple[str, str, Outcome, bool]] = Counter()
        self._probing: set[Pair] = set()
        self._stated: dict[str, tuple[State, int]] = {}
        self._is_urgent = asyncio.Event()
        self._is_nobody_ill = True

    def use(self, providers: Iterable[str]) -> None:
        """Keep the health of these from now on."""
        self._names = tuple(providers)
        self._known = {name: health for name, health in self._known.items() if name in self._names}
        self._seen = Counter({key: count for key, count in self._seen.items() if key[0] in self._names})

    def allows(self, provider: str, country: str) -> bool:
        """Whether a message may leave through this provider: its circuit is closed, or half open and nobody here is
        probing it."""
        if self._is_nobody_ill:
            return True
        state = self._state(provider, country)
        if state is State.CLOSED:
            return True
        return state is State.HALF_OPEN and (provider, self._cell(provider, country)) not in self._probing

    def begin(self, provider: str, country: str) -> bool:
        """Note that a message is about to leave; return whether it is a probe, which `note` or `give_up` ends."""
        if self._is_nobody_ill or self._state(provider, country) is not State.HALF_OPEN:
            return False
        self._probing.add((provider, self._cell(provider, country)))
        return True

    def give_up(self, provider: str, country: str) -> None:
        """Note that a probe did not leave."""
        self._probing.discard((provider, country))
        self._probing.discard((provider, ""))

    def note(self, provider: str, country: str, outcome: Outcome, *, is_probe: bool) -> None:
        """Note how a call ended."""
        if is_probe:
            self.give_up(provider, country)
        self._seen[provider, country, outcome, is_probe] += 1
        if is_probe or POLICIES[outcome].health in (Health.FAILURE, Health.OPENS_CIRCUIT):
            self._is_urgent.set()

    def of(self, provider: str) -> ProviderHealth:
        """Return what is known of a provider."""
        return self._known.get(provider, ProviderHealth())

    async def run_once(self) -> float:
        """Wait for news or for the next pulse, then exchange what is known; return the seconds to rest."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PULSE_SECONDS):
                await self._is_urgent.wait()
        self._is_urgent.clear()
        try:
            await self._exchange()
        except LimitsUnavailableError:
            return AWAY_SECONDS
        return HURRY_SECONDS

    async def reset(self, provider: str) -> None:
        """Forget what is known of a provider, at all workers. Raises LimitsUnavailableError."""
        for _ in range(TRIES):
            now, (document,) = await self._traffic.read([_name(provider)])
            fresh = ProviderHealth(Cell(since=now.timestamp()))
            if await self._traffic.write(_name(provider), _encode(fresh), version=document.version):
                self._take_in({provider: fresh})
                return
        raise LimitsUnavailableError("the provider's health changes too fast; try again")

    async def _exchange(self) -> None:
        names = self._names
        if not names:
            return
        seen, self._seen = self._seen, Counter()
        try:
            now, documents = await self._traffic.read([_name(name) for name in names])
            news = {}
            for name, document in zip(names, documents, strict=True):
                mine = [key for key in seen if key[0] == name]
                observed = [Observed(*key[1:3], count=seen[key], is_probe=key[3]) for key in mine]
                news[name] = await self._merge(name, document, observed, now)
                for key in mine:
                    del seen[key]
        finally:
            # What could not be told is told with the next pulse.
            self._seen.update(seen)
        self._take_in(news)

    async def _merge(self, name: str, document: Document, observed: list[Observed], now: datetime) -> ProviderHealth:
        before = _read(document)
        after = update(before, observed, now.timestamp(), self.rules)
        if not observed:
            return after
        for _ in range(TRIES):
            if await self._traffic.write(_name(name), _encode(after), version=document.version):
                self._state_moves(name, before, after)
                return after
            now, (document,) = await self._traffic.read([_name(name)])
            before = _read(document)
            after = update(before, observed, now.timestamp(), self.rules)
        raise LimitsUnavailableError("the provider's health changes too fast")

    def _take_in(self, news: Mapping[str, ProviderHealth]) -> None:
        self._known = {**self._known, **{name: health for name, health in news.items() if name in self._names}}
        self._is_nobody_ill = all(_is_well(health) for health in self._known.values())
        for name, health in news.items():
            ill = sum(cell.state is not State.CLOSED for cell in health.countries.values())
            if self._stated.get(name) != (health.whole.state, ill):
                self._stated[name] = (health.whole.state, ill)
                self._observer(HealthSeen(provider=name, state=health.whole.state, countries_open=ill))

    def _state_moves(self, name: str, before: ProviderHealth, after: ProviderHealth) -> None:
        pairs = [("", before.whole, after.whole)]
        pairs += [(key, before.countries.get(key, Cell()), cell) for key, cell in after.countries.items()]
        for country, old, new in pairs:
            if old.state is not new.state:
                self._observer(CircuitMoved(provider=name, country=country, state=new.state, reason=new.reason))

    def _state(self, provider: str, country: str) -> State:
        health = self._known.get(provider)
        return health.allows(country) if health else State.CLOSED

    def _cell(self, provider: str, country: str) -> str:
        """Return whose circuit counts: the country's, or the provider's as a whole (empty)."""
        health = self._known.get(provider)
        return country if health and health.whole.state is State.CLOSED else ""


def _name(provider: str) -> str:
    return f"health:{provider}"


def _read(document: Document) -> ProviderHealth:
    """Return a document; one that this release cannot read is as good as none."""
    if not document.body:
        return ProviderHealth()
    try:
        return _decode(document.body)
    except msgspec.MsgspecError:
        return ProviderHealth()


def _is_well(health: ProviderHealth) -> bool:
    return health.whole.state is State.CLOSED and all(cell.state is State.CLOSED for cell in health.countries.values())
